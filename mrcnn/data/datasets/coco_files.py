"""Where a dataset in COCO's format has its annotation files and images, in each of its layouts.

annotations/instances_train2017.json   COCO's own, with or without the year; the images are in
                                       train2017/ or images/train2017/
train/_annotations.coco.json           Roboflow's, with valid/ and test/; the images are beside
train.json, val.json                   any names, here or in annotations/; the images are
                                       beside, or in images/
"""

import os
import re
from pathlib import Path

from mrcnn.data.image_files import find_images
from mrcnn.data.json_kinds import COCO, first_value, json_kind
from mrcnn.data.splits import TRAIN, choose_split, in_order, split_of
from mrcnn.errors import InputError

YEARS = ("2017", "2014")
PREFIX = "instances_"
ROBOFLOW = "_annotations.coco.json"
# So many files of any name are opened to see whether they are of COCO.
MOST_OPENED = 20
LAYOUT = (
    "a COCO-format dataset has annotations/instances_train.json and its images in train/, or "
    "train/_annotations.coco.json beside its images (`mrcnn download` fetches MS COCO itself)"
)


def find_files(
    dataset_dir: str | Path, split: str, year: str | int | None = None
) -> tuple[Path, Path]:
    """Return the annotation file and the image folder of a split.

    Args:
        dataset_dir: The dataset, in any of the layouts.
        split: For example `"train"` or `"val"`; `"valid"` is `"val"`.
        year: Of COCO, as part of the names; the newest that there is without it.

    Raises:
        InputError: The dataset folder, the split or the image folder is missing.
    """
    root = Path(dataset_dir)
    if not root.is_dir():
        raise InputError(f"no dataset folder {root}; {LAYOUT}")
    own, splits = _own_layout(root), find_splits(root)
    if not splits:
        raise InputError(f"{root} has no annotation file of COCO; {LAYOUT}")
    dated = f"{split}{year or ''}"
    if dated in own:
        file = own[dated]
    elif year and own:
        # Not that of another year, which `splits` may have under this name.
        file = own[split if split in own else choose_split(dated, own, root)]
    else:
        file = splits[choose_split(split, splits, root)]
    return file, image_folder(root, file)


def find_splits(dataset_dir: str | Path) -> dict[str, Path]:
    """Return the annotation files of a dataset by the names of their splits, train and val first.

    Of MS COCO of several years the splits of the newest are `train` and `val`, those of the others
    have the year in their names: images of train2017 are in val2014.
    """
    root = Path(dataset_dir)
    found = _without_year(_own_layout(root)) or _in_split_folders(root) or _of_any_name(root)
    return {name: found[name] for name in in_order(found)}


def find_year(dataset_dir: str | Path, subset: str = TRAIN) -> str:
    """Return the year of COCO in the file names of a subset: the newest that there is."""
    names = _own_layout(Path(dataset_dir))
    return next((year for year in YEARS if f"{subset}{year}" in names), YEARS[0])


def image_folder(root: Path, file: Path) -> Path:
    """Return the folder that the image names of an annotation file are relative to.

    Raises:
        InputError: There is none.
    """
    name = file.stem.removeprefix(PREFIX)
    named = [root / name, root / "images" / name]
    if _is_own(file):
        for folder in named:
            if folder.is_dir():
                return folder
    elif file.name == ROBOFLOW:
        return file.parent
    split = split_in(file.stem)
    if split is not None:
        named += [root / split, root / "images" / split]
    around = [file.parent, file.parent / "images", root, root / "images"]
    found = folder_with(first_value(file, "file_name"), [*named, *around])
    if found is None and _is_own(file):
        raise InputError(f"{file} is there, but its image folder {named[0]} is missing")
    return found or file.parent


def folder_with(name: str | None, folders: list[Path]) -> Path | None:
    """Return the first of the folders that has a file of this name."""
    if not name:
        return None
    found = ((folder, find_images(folder, [name])[0]) for folder in folders)
    return next((folder for folder, path in found if os.path.isfile(path)), None)


def split_in(stem: str) -> str | None:
    """Return the split that the name of a file has as one of its words."""
    words = re.split(r"[^a-zA-Z]+", stem)
    return next((split for word in reversed(words) if (split := split_of(word))), None)


def coco_files(folder: Path) -> list[Path]:
    """Return the JSON files of a folder that are of COCO, sorted."""
    try:
        names = sorted(n for n in os.listdir(folder) if n.lower().endswith(".json"))
    except OSError:
        return []
    if ROBOFLOW in names:
        return [folder / ROBOFLOW]
    return [folder / n for n in names[:MOST_OPENED] if json_kind(folder / n).format == COCO]


def _is_own(file: Path) -> bool:
    return file.parent.name == "annotations" and file.name.startswith(PREFIX)


def _own_layout(root: Path) -> dict[str, Path]:
    """Return the files `annotations/instances_NAME.json` by NAME."""
    files = sorted((root / "annotations").glob(f"{PREFIX}*.json"))
    return {file.stem.removeprefix(PREFIX): file for file in files}


def _without_year(files: dict[str, Path]) -> dict[str, Path]:
    years = [year for year in YEARS if f"{TRAIN}{year}" in files] or [
        year for year in YEARS if any(name.endswith(year) for name in files)
    ]
    found = {}
    for name, file in files.items():
        short = name.removesuffix(years[0]) if years else name
        found[short if short and short not in files else name] = file
    return found


def _in_split_folders(root: Path) -> dict[str, Path]:
    """Return the only annotation file of each folder that is named like a split."""
    found: dict[str, Path] = {}
    for folder in sorted(path for path in root.iterdir() if split_of(path.name)):
        files = coco_files(folder) if folder.is_dir() else []
        if len(files) == 1:
            found.setdefault(str(split_of(folder.name)), files[0])
    return found


def _of_any_name(root: Path) -> dict[str, Path]:
    """Return the files in the folder or in `annotations/`; a single one is for training."""
    files = coco_files(root) or coco_files(root / "annotations")
    if len(files) == 1:
        return {split_in(files[0].stem) or TRAIN: files[0]}
    found: dict[str, Path] = {}
    for file in files:
        found.setdefault(split_in(file.stem) or file.stem, file)
    return found
