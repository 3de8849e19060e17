"""The image files of a dataset: whether they are there, open, have the size of their annotation
and decode; and which of them are the same.
"""

import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from mrcnn.data.annotation_files import missing_files
from mrcnn.data.datasets.dataset import Dataset
from mrcnn.data.findings import Finding, errors, found, summary
from mrcnn.data.reading import jpeg
from mrcnn.data.reading.header import open_picture, read_sizes
from mrcnn.errors import InputError

Size = tuple[int, int]
Fault = tuple[str, str]
Progress = Callable[[Iterable[Any], int], Iterable[Any]]
# Names an image, by its number, as `found` takes it.
ImagePlace = Callable[[int], dict[str, Any]]

TURNED = "turned-photo"
MISSING = "there is no such image file"
_BLOCK = 1 << 20


def file_fault(path: str, size: Size | None, decode: bool) -> Fault | None:
    """Return the kind of fault and the words for what is wrong with an image file, or None.

    Args:
        path: The file.
        size: Height and width that its annotation gives; None where it gives none.
        decode: Decode all of it. Otherwise its header alone is read.
    """
    if not os.path.isfile(path):
        return "file-missing", MISSING
    try:
        sizes = read_sizes(path, size)
    except Exception as error:  # whatever a decoder says to bytes that were never an image
        return "file-unreadable", _reason(error, path)
    if size is not None and size not in sizes:
        return "size-differs", (
            f"the image is {sizes[0][1]}x{sizes[0][0]}, "
            f"its annotation says {size[1]}x{size[0]} (width x height)"
        )
    if decode:
        try:
            picture, _ = open_picture(path)
        except Exception as error:
            return "file-truncated", _reason(error, path)
        words = jpeg.damage(path) if picture.format in jpeg.FORMATS else ""
        if words:
            return "file-damaged", f"it decodes with errors, and shows something else: {words}"
    return None


def turned_fault(path: str, size: Size) -> Fault | None:
    """Return the kind of fault and the words for a photo that EXIF turns, where its annotation has
    the size of the stored pixels, or None.
    """
    upright, stored = read_sizes(path, size)
    if size == upright or size != stored:
        return None
    return TURNED, (
        f"the photo is turned by its EXIF orientation to {upright[1]}x{upright[0]}, its annotation "
        f"has the size of the stored pixels, {size[1]}x{size[0]} (width x height): it is read as "
        "it is stored; were the outlines drawn on the upright photo, they are elsewhere"
    )


def file_findings(
    dataset: Dataset,
    subset: str,
    place: ImagePlace,
    numbers: Sequence[int] | None = None,
    decode: bool = False,
    progress: Progress = lambda faults, total: faults,
) -> Iterator[Finding]:
    """Yield the faults of image files, in the order of the images.

    Args:
        dataset: Knows paths and sizes.
        subset: For the findings.
        place: Likewise.
        numbers: Of the images to look at; None for all.
        decode: Decode them, and do not only read their headers.
        progress: Wraps the faults (of which most are None), as `tqdm` does.
    """
    chosen = range(len(dataset.image_info)) if numbers is None else numbers
    # Pillow decodes without holding Python's lock.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        faults = pool.map(lambda number: _image_fault(dataset, number, decode), chosen)
        for number, fault in zip(chosen, progress(faults, len(chosen)), strict=True):
            if fault:
                code, message = fault
                yield found(code, message, subset=subset, **place(number))


def refuse_bad_files(dataset: Dataset, what: str, numbers: Sequence[int]) -> None:
    """Refuse images whose headers do not open, or that have another size than their annotation.

    Args:
        dataset: Knows paths and sizes.
        what: Names it.
        numbers: Of the images to look at.

    Raises:
        InputError: There are some; it counts them and names the first of each kind.
    """
    bad = errors(file_findings(dataset, "", _named(dataset), [int(n) for n in numbers]))
    if bad:
        raise InputError(
            f"{len(bad)} of {len(numbers)} images of {what} cannot be used: {summary(bad)}"
        )


def size_faults(dataset: Dataset) -> list[str]:
    """Return in words which images have another size than their annotations or masks, from the
    headers of their files.
    """
    findings = file_findings(dataset, "", _named(dataset))
    return [str(finding) for finding in findings if finding.code == "size-differs"]


def _named(dataset: Dataset) -> ImagePlace:
    def place(number: int) -> dict[str, Any]:
        info = dataset.image_info[number]
        return {"image": info["id"], "file_name": os.path.basename(info["path"] or "")}

    return place


def refuse_other_sizes(faults: Sequence[str]) -> None:
    """Refuse images whose size is not that of their annotations or masks; see `size_faults`.

    Raises:
        InputError: There are some; it says how many and names the first.
    """
    if faults:
        number = "an image differs" if len(faults) == 1 else f"{len(faults)} images differ"
        raise InputError(
            f"{number} in size from its annotation or masks, so these are elsewhere: {faults[0]}"
        )


def missing_findings(dataset: Dataset, subset: str, place: ImagePlace) -> Iterator[Finding]:
    """Yield the image files that are missing; each folder is read once, whatever it holds."""
    missing = set(missing_files([i["path"] for i in dataset.image_info if i["path"] is not None]))
    for number, info in enumerate(dataset.image_info):
        if info["path"] in missing:
            yield found("file-missing", MISSING, subset=subset, **place(number))


def _image_fault(dataset: Dataset, number: int, decode: bool) -> Fault | None:
    info = dataset.image_info[number]
    if info["path"] is None:
        return None
    try:
        size = dataset.annotated_size(number)
    except InputError:  # of a file of masks that does not open: its objects cannot be read
        size = None
    fault = file_fault(info["path"], size, decode)
    if fault is None and size is not None:
        fault = turned_fault(info["path"], size)
    if fault and fault[0] == TURNED and "height" not in info:
        # The reader takes the photo upright, so the masks do not fit.
        return "size-differs", fault[1].partition(": it is read")[0]
    return fault


def duplicate_findings(subsets: Sequence[tuple[str, Dataset, ImagePlace]]) -> Iterator[Finding]:
    """Yield images that are there twice, in a subset or in two of them: the same bytes; and images
    of two subsets that have the same name or id without being the same.
    """
    files = [
        (subset, number, info, place)
        for subset, dataset, place in subsets
        for number, info in enumerate(dataset.image_info)
    ]
    twins = set()
    first: dict[str, tuple[str, int]] = {}
    for index, digest in digests([info["path"] for _, _, info, _ in files]):
        subset, number, _, place = files[index]
        earlier, other = first.setdefault(digest, (subset, index))
        if other == index:
            continue
        twins.add((other, index))
        name = os.path.basename(files[other][2]["path"])
        code = "repeated-file" if earlier == subset else "in-both-subsets"
        message = f"the same image as {name!r} of {earlier}"
        yield found(code, message, subset=subset, **place(number))
    for what in ("file name", "id"):
        seen: dict[Any, tuple[str, int]] = {}
        for index, (subset, number, info, place) in enumerate(files):
            if info["path"] is None:
                continue
            value = os.path.basename(info["path"]) if what == "file name" else info["id"]
            earlier, other = seen.setdefault(value, (subset, index))
            if earlier != subset and (other, index) not in twins:
                twins.add((other, index))
                message = f"another image of {earlier} has the same {what}"
                yield found("repeated-name", message, subset=subset, **place(number))


def digests(paths: Sequence[str | None]) -> Iterator[tuple[int, str]]:
    """Yield position and hash of each file that has the length of another one, in their order."""
    lengths: dict[int, list[int]] = defaultdict(list)
    for index, path in enumerate(paths):
        if path is not None and os.path.isfile(path):
            lengths[os.path.getsize(path)].append(index)
    alike = sorted(i for members in lengths.values() if len(members) > 1 for i in members)
    for index in alike:
        try:
            yield index, digest(str(paths[index]))
        except OSError:
            continue  # a file that does not open is a finding already


def digest(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file."""
    total = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            total.update(block)
    return total.hexdigest()


def _reason(error: Exception, path: str) -> str:
    """Return an error without the path, which the finding names already."""
    text = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
    return " ".join(text.replace(f"image {path} ", "the image ").split())
