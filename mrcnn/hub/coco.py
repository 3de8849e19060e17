"""MS COCO 2017 and 2014 from its server, or a mirror of it.

What is interrupted goes on when the same is asked for again, and what is complete stays as it is.
The archives are checked. Of the annotations, those of instances are unpacked.

COCO publishes no checksums. The MD5 sums here are the ones that public projects check these files
with, and for the two archives of annotations also the ETag of COCO's server. No better sums were
found that more than one source gives.
"""

import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mrcnn.errors import InputError
from mrcnn.hub.download import download
from mrcnn.hub.unzip import list_members, unpack

BASE_URL = "http://images.cocodataset.org"
YEARS = ("2017", "2014")
SUBSETS = ("train", "val")
GIGABYTE = 1e9


@dataclass(frozen=True)
class Archive:
    """A zip file of COCO.

    Attributes:
        place: Its address below that of the server.
        size: In bytes.
        md5: Its checksum.
        images: How many images are in it; 0 for annotations.
    """

    place: str
    size: int
    md5: str
    images: int = 0

    @property
    def name(self) -> str:
        """The name of the file."""
        return self.place.rpartition("/")[2]

    @property
    def unpacked(self) -> int:
        """About how many bytes of it end on the disk: JPEGs do not shrink further, and text does
        to a third, of which instances are the larger part.
        """
        return self.size if self.images else 2 * self.size

    @property
    def most_unpacked(self) -> int:
        """More than all that is in it has."""
        return (2 if self.images else 5) * self.size + 10_000


ARCHIVES = {
    "train2017": Archive(
        "zips/train2017.zip", 19_336_861_798, "cced6f7f71b7629ddf16f17bbcfab6b2", 118_287
    ),
    "val2017": Archive("zips/val2017.zip", 815_585_330, "442b8da7639aecaf257c1dceb8ba8c80", 5_000),
    "annotations2017": Archive(
        "annotations/annotations_trainval2017.zip", 252_907_541, "f4bbac642086de4f52a3fdda2de5fa2c"
    ),
    "train2014": Archive(
        "zips/train2014.zip", 13_510_573_713, "0da8c0bd3d6becc4dcb32757491aca88", 82_783
    ),
    "val2014": Archive(
        "zips/val2014.zip", 6_645_013_297, "a3d79f5ed8d289b7a7554ce06a5782b3", 40_504
    ),
    "annotations2014": Archive(
        "annotations/annotations_trainval2014.zip", 252_872_794, "0a379cfc70b0e71301e0f377548639bd"
    ),
}


@dataclass(frozen=True)
class Request:
    """What is wanted of COCO.

    Attributes:
        out: Folder of the dataset.
        year: One of `YEARS`.
        base_url: Server or mirror.
        keep_zip: Leave the archives.
        verbose: Show progress bars.
    """

    out: Path
    year: str = "2017"
    base_url: str = BASE_URL
    keep_zip: bool = False
    verbose: bool = True


def download_coco(request: Request, subsets: Sequence[str] = SUBSETS) -> bool:
    """Download and unpack subsets of COCO, unless they are there.

    Returns:
        Whether anything was missing.

    Raises:
        InputError: The server does not give what is expected, the disk is too small, or the folder
            has another year's COCO.
    """
    out, year = request.out, request.year
    refuse_other_year(out, year)
    missing = [s for s in dict.fromkeys(subsets) if not has_images(out, s, year)]
    # Last, so that no dataset is found while images are missing.
    unlisted = [s for s in dict.fromkeys(subsets) if not annotation_file(out, s, year).is_file()]
    todo = [ARCHIVES[f"{s}{year}"] for s in missing]
    todo += [ARCHIVES[f"annotations{year}"]] if unlisted else []
    refuse_full_disk(out, todo, request.keep_zip)
    for subset in missing:
        get_images(request, subset)
    if unlisted:
        get_annotations(request, unlisted)
    return bool(todo)


def complete_subsets(out: Path, year: str) -> list[str]:
    """The subsets that are there with images and annotations."""
    return [
        s for s in SUBSETS if annotation_file(out, s, year).is_file() and has_images(out, s, year)
    ]


def get_images(request: Request, subset: str) -> None:
    """Download and unpack the images of a subset; their folder appears whole."""
    name = f"{subset}{request.year}"
    archive = ARCHIVES[name]
    file = fetch(request, archive)
    members = list_members(file, image_members(name), archive.most_unpacked)
    if len(members) != archive.images:
        raise InputError(f"{file} has {len(members)} images, expected {archive.images}")
    folder, part = request.out / name, request.out / f"{name}.part"
    if folder.is_dir():
        # A folder made by another program, and not complete: what is right in it is kept.
        if part.exists():
            raise InputError(f"{folder} is not complete, but there is {part} too: remove one")
        os.replace(folder, part)
    refuse_small_disk(request.out, sum(m.file_size for m in members) - size_of(part))
    unpack(file, members, part, verbose=request.verbose)
    os.replace(part, folder)
    remove(file, request.keep_zip)


def get_annotations(request: Request, subsets: Sequence[str]) -> None:
    """Download the annotations, and unpack those of instances."""
    archive = ARCHIVES[f"annotations{request.year}"]
    file = fetch(request, archive)
    members = list_members(file, annotation_members(request.year), archive.most_unpacked)
    wanted = {f"annotations/{annotation_file(request.out, s, request.year).name}" for s in subsets}
    chosen = [member for member in members if member.filename in wanted]
    if len(chosen) != len(wanted):
        raise InputError(f"{file} lacks one of {', '.join(sorted(wanted))}")
    refuse_small_disk(request.out, sum(member.file_size for member in chosen))
    unpack(file, chosen, request.out / "annotations", verbose=request.verbose)
    remove(file, request.keep_zip)


def fetch(request: Request, archive: Archive) -> Path:
    """Download an archive, unless it is there, and check it."""
    return download(
        f"{request.base_url.rstrip('/')}/{archive.place}",
        request.out / archive.name,
        size=archive.size,
        md5=archive.md5,
        retries=8,
        verbose=request.verbose,
    )


def remove(file: Path, keep: bool) -> None:
    """Remove an archive that is no longer needed."""
    if not keep:
        file.unlink()


def image_members(name: str) -> re.Pattern[str]:
    """What the names in an archive of images are like; those of 2014 begin with the subset."""
    return re.compile(rf"{name}/((COCO_{name}_)?\d{{12}}\.jpg)?")


def annotation_members(year: str) -> re.Pattern[str]:
    """What the names in an archive of annotations are like."""
    kinds = "instances|captions|person_keypoints"
    return re.compile(rf"annotations/(({kinds})_(train|val){year}\.json)?")


def annotation_file(out: Path, subset: str, year: str) -> Path:
    """Where the annotations of a subset lie."""
    return out / "annotations" / f"instances_{subset}{year}.json"


def has_images(out: Path, subset: str, year: str) -> bool:
    """Whether all images of a subset are there."""
    name = f"{subset}{year}"
    if not (out / name).is_dir():
        return False
    allowed = image_members(name)
    found = sum(bool(allowed.fullmatch(f"{name}/{file}")) for file in os.listdir(out / name))
    return found >= ARCHIVES[name].images


def refuse_other_year(out: Path, year: str) -> None:
    """Refuse a folder of another year's COCO: the two share images, and train.py takes one."""
    for other in set(YEARS) - {year}:
        if any(annotation_file(out, subset, other).exists() for subset in SUBSETS):
            raise InputError(f"{out} has COCO {other}: give COCO {year} another folder with --out")


def bytes_needed(sizes: Sequence[tuple[int, int]], keep_zip: bool) -> int:
    """Return the most disk space used at a time, by archives that come one after the other.

    Args:
        sizes: What is still to come of each archive, and what it takes unpacked, in bytes.
        keep_zip: The archives stay.
    """
    used = most = 0
    for archive, unpacked in sizes:
        most = max(most, used + archive + unpacked)
        used += unpacked + (archive if keep_zip else 0)
    return most


def refuse_full_disk(out: Path, archives: Sequence[Archive], keep_zip: bool) -> None:
    """Refuse to begin what cannot be finished; what is there already counts as done.

    Raises:
        InputError: There is not enough space for the archives and what is in them.
    """
    sizes = []
    for archive in archives:
        there = size_of(out / archive.name) or size_of(out / f"{archive.name}.part")
        unpacked = size_of(out / f"{archive.name.removesuffix('.zip')}.part")
        sizes.append((max(0, archive.size - there), max(0, archive.unpacked - unpacked)))
    refuse_small_disk(out, bytes_needed(sizes, keep_zip))


def refuse_small_disk(out: Path, needed: int) -> None:
    """Refuse when the disk of a folder, which may not exist yet, has less space than needed."""
    folder = next(path for path in (out.resolve(), *out.resolve().parents) if path.exists())
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise InputError(
            f"the disk of {out} has {free / GIGABYTE:.2f} GB free, "
            f"but {needed / GIGABYTE:.2f} GB are needed for the archives and what is in them"
        )


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of the files in a folder; 0 if there is none."""
    if path.is_dir():
        return sum(entry.stat().st_size for entry in os.scandir(path) if entry.is_file())
    return path.stat().st_size if path.is_file() else 0
