"""The pixels of the images of a dataset: how deep they are, and in which range."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from mrcnn.data.checks.files import ImagePlace
from mrcnn.data.datasets.dataset import Dataset
from mrcnn.data.findings import Finding, found
from mrcnn.data.reading import pixels
from mrcnn.data.reading.header import open_picture, read_mode
from mrcnn.data.reading.pixels import AUTO, Range, words
from mrcnn.errors import InputError

# These hold 8 bits a channel, whatever is in them.
_BYTES = (".jpg", ".jpeg", ".webp", ".gif")
# So many files are opened to find out what a training set is; of more, evenly spread ones.
SOME = 200
# Floats of two files whose ranges are further apart than this are not of one range.
_APART = 16


class FilePixels(NamedTuple):
    """The pixels of a file of more than 8 bits a channel.

    Attributes:
        image: Its number.
        kind: What they are, in words.
        low: The lowest value.
        high: The highest.
        limits: What is read as black and white.
        known: The limits follow from the type; nothing was assumed.
        not_finite: How many values are NaN or infinite.
    """

    image: int
    kind: str
    low: float
    high: float
    limits: tuple[float, float]
    known: bool
    not_finite: int


def deep_files(dataset: Dataset, numbers: Sequence[int] | None = None) -> list[FilePixels]:
    """Return those files of a dataset that have more than 8 bits a channel; others that do not open
    are left out.

    Args:
        dataset: One that reads images its own way has none.
        numbers: Of the images to look at; None for all.
    """
    if type(dataset).load_image is not Dataset.load_image:
        return []
    chosen = range(len(dataset.image_info)) if numbers is None else numbers
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return [each for each in pool.map(lambda n: _file(dataset, n), chosen) if each]


def settled_range(dataset: Dataset) -> tuple[Range, list[str]]:
    """Return the range that the images of a training set are in, and what is worth saying of it.

    The range of its files together, as far as they are of one kind: a dark one must not be shown as
    bright as the others. Otherwise `"auto"`, which is that of each file.
    """
    count = len(dataset.image_info)
    numbers = range(count) if count <= SOME else [n * count // SOME for n in range(SOME)]
    files = deep_files(dataset, numbers)
    if not files or dataset.image_range != AUTO:
        return dataset.image_range, []
    of = f"{len(files)} of {len(numbers)} images"
    sets = "IMAGE_RANGE sets another range"
    chosen: Range = AUTO
    if not _of_one_range(files):
        kinds = sorted({f"{f.kind} as {words(f.limits)}" for f in files})
        lines = [
            f"pixels: {of} have more than 8 bits, of unlike ranges; each is read by its own "
            f"largest value ({', '.join(kinds)}); {sets}"
        ]
    else:
        chosen = min(f.limits[0] for f in files), max(f.limits[1] for f in files)
        extent = words((min(f.low for f in files), max(f.high for f in files)))
        lines = [
            f"pixels: {of} have {files[0].kind}, from {extent}; read as {words(chosen)}, "
            f"also in detection; {sets}"
        ]
    lost = sum(f.not_finite > 0 for f in files)
    if lost:
        lines.append(f"pixels: {lost} images have pixels that are NaN or infinite; NaN is black")
    return chosen, lines


def with_range(config: Any, dataset: Dataset) -> Any:
    """Return a configuration with the `IMAGE_RANGE` of a training set, and print what was found.

    With it detection and evaluation read images as the training did.
    """
    dataset.read_by(config)
    if config.IMAGE_RANGE != AUTO:
        return config
    chosen, lines = settled_range(dataset)
    for line in lines:
        print(line)
    return config if chosen == AUTO else config.update(IMAGE_RANGE=chosen)


def pixel_words(files: Sequence[FilePixels], count: int) -> str:
    """Return depth and range of the pixels of `count` images in words."""
    kinds = Counter(f.kind for f in files)
    parts = [f"8 bits ({count - len(files):,})"] if count > len(files) else []
    for kind, number in sorted(kinds.items()):
        own = [f for f in files if f.kind == kind]
        extent = words((min(f.low for f in own), max(f.high for f in own)))
        parts.append(f"{kind} from {extent} ({number:,})")
    return f"pixels: {', '.join(parts)}"


def pixel_findings(
    files: Sequence[FilePixels], subset: str, place: ImagePlace
) -> Iterator[Finding]:
    """Yield files whose range had to be assumed, those of NaN, and subsets of unlike ranges."""
    for file in files:
        extent, limits = words((file.low, file.high)), words(file.limits)
        if not file.known:
            message = f"{file.kind} from {extent}, taken as {limits}"
            yield found("pixel-range", message, subset=subset, **place(file.image))
        elif file.low < file.limits[0] or file.high > file.limits[1]:
            message = f"{file.kind} from {extent}, cut off at {limits}"
            yield found("pixel-cut-off", message, subset=subset, **place(file.image))
        if file.not_finite:
            message = f"{file.not_finite:,} pixels are NaN or infinite"
            yield found("pixel-not-finite", message, subset=subset, **place(file.image))
    if files and not _of_one_range(files):
        kinds = sorted({f"{f.kind} as {words(f.limits)}" for f in files})
        message = f"{', '.join(kinds)}: each file is read by its own largest value"
        yield found("pixel-ranges-differ", message, subset=subset)


def _of_one_range(files: Sequence[FilePixels]) -> bool:
    """Return whether files have one kind of pixels; of floats, also ranges that are alike."""
    ends = [f.limits[1] for f in files]
    alike = files[0].kind != "float" or max(ends) <= _APART * min(ends)
    return len({f.kind for f in files}) == 1 and alike


def _file(dataset: Dataset, number: int) -> FilePixels | None:
    path = dataset.image_info[number]["path"]
    if path is None or os.path.splitext(path)[1].lower() in _BYTES:
        return None
    try:
        mode, layout = read_mode(path)
        if not pixels.is_deep(mode, layout):
            return None
        deep = pixels.deep_pixels(path, *open_picture(path))
    except (InputError, OSError, ValueError):
        return None
    limits = pixels.limits_of(deep, dataset.image_range)
    known = dataset.image_range != AUTO or pixels.is_known(deep, limits)
    return FilePixels(number, deep.kind, *deep.extent, limits, known, deep.not_finite)
