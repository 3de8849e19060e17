"""Images of a dataset that is written: linked, copied, or left where they are."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from mrcnn.data.annotation_files import missing_files
from mrcnn.data.checks.files import Progress
from mrcnn.data.conversion.content import SplitContent
from mrcnn.data.datasets.to_coco import relative_name
from mrcnn.errors import InputError

COPIED, HARD_LINKED, SYMLINKED = "copied", "hard links", "symbolic links"


def refer(splits: Mapping[str, SplitContent], out: Path) -> None:
    """Let the file names be relative to the folders of the splits; the images stay."""
    for name, split in splits.items():
        folder = out / name
        folder.mkdir(parents=True, exist_ok=True)
        for image in split.content["images"]:
            if isinstance(image, dict) and isinstance(image.get("file_name"), str):
                image["file_name"] = relative_name(split.folder / image["file_name"], folder)


def place(
    splits: Mapping[str, SplitContent], out: Path, copy: bool, progress: Progress
) -> list[str]:
    """Put the images into the folders of the splits, under the names that they have.

    Returns:
        How they were put there: as hard links where they can be, else as symbolic links, else (or
        with `copy`) as copies.

    Raises:
        InputError: An image is missing.
    """
    pairs = {}
    for name, split in splits.items():
        for image in split.content["images"]:
            pairs[out / name / image["file_name"]] = split.folder / image["file_name"]
    missing = missing_files([str(source) for source in pairs.values()])
    if missing:
        raise InputError(
            f"{len(missing)} of {len(pairs)} images are missing, the first is {missing[0]}"
        )
    ways = set()
    for target, source in progress(pairs.items(), len(pairs)):
        target.parent.mkdir(parents=True, exist_ok=True)
        ways.add(_put(source.resolve(), target, copy))
    return sorted(ways)


def _put(source: Path, target: Path, copy: bool) -> str:
    """Link or copy a file; what an interrupted conversion left in its place is replaced."""
    target.unlink(missing_ok=True)
    if not copy:
        for way, link in ((HARD_LINKED, os.link), (SYMLINKED, os.symlink)):
            try:
                link(source, target)
                return way
            except OSError:  # another disk, or a system without such links
                continue
    shutil.copy2(source, target)
    return COPIED
