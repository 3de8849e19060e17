"""The layouts of the formats: for each a function that finds its parts in a folder.

Each returns the parts by the names of their splits, `""` for data that are not divided, and nothing
where the folder is of another format. A few names and the first files decide.
"""

import os
from pathlib import Path
from typing import NamedTuple

from mrcnn.data.datasets.coco_files import (
    ROBOFLOW,
    find_splits,
    folder_with,
    image_folder,
)
from mrcnn.data.datasets.mask_files import MASK_SUFFIXES
from mrcnn.data.datasets.voc import subset_file
from mrcnn.data.datasets.yolo import image_splits
from mrcnn.data.json_kinds import COCO, LABELME, VIA, first_value
from mrcnn.data.recognition.listing import Listing
from mrcnn.data.splits import OVERLAPPING, SPLITS, split_of

# How many folders or files of a kind are looked at.
LOOKED_AT = 10
# What tools write after the name of an image to name its mask.
MASK_ENDINGS = ("", "_mask", "-mask", "_masks", "_label", "_labels", "_seg", "_instances", "_gt")


class Part(NamedTuple):
    """A split of a dataset, or all of it, as it lies on the disk.

    Attributes:
        path: The file or folder that the reader of the format opens.
        split: What the reader calls the split, where the path has several.
        images: The folder of the images, where the path does not say it.
        masks: The folder of the masks, where they are apart.
        ending: What the names of masks have after those of their images.
        extra: It is taken only where it is named: its images are in other splits too, or may be.
    """

    path: Path
    split: str = ""
    images: Path | None = None
    masks: Path | None = None
    ending: str = ""
    extra: bool = False


Parts = dict[str, Part]


def coco(seen: Listing) -> Parts:
    """Find the annotation files of COCO."""
    likely = (
        "annotations" in seen.folders
        or ROBOFLOW in seen.files
        or seen.json_of(COCO)
        or any(split_of(name) for name in seen.folders)
    )
    if not likely:
        return {}
    found = find_splits(seen.path).items()
    return _undivided({n: Part(file, images=image_folder(seen.path, file)) for n, file in found})


def via(seen: Listing) -> Parts:
    """Find the one file of VIA in a folder."""
    files = seen.json_of(VIA)
    return {"": via_file(seen.path / files[0])} if len(files) == 1 else {}


def via_file(file: Path) -> Part:
    """Return the part that a file of VIA is, with its images beside it or in `images/`."""
    around = [file.parent, file.parent / "images"]
    return Part(file, images=folder_with(first_value(file, "filename"), around))


def labelme(seen: Listing) -> Parts:
    """Find labelme's files in a folder, or in the folders inside it."""
    inside = [name for name in seen.folders if split_of(name) is None][:LOOKED_AT]
    if seen.json_of(LABELME):
        return {"": Part(seen.path)}
    if not seen.json_kinds and any(seen.inside(name).json_of(LABELME) for name in inside):
        return {"": Part(seen.path)}
    return {}


def voc(seen: Listing) -> Parts:
    """Find Pascal VOC's folders, with the subsets that `ImageSets` names."""
    if not {"JPEGImages", "SegmentationObject"} <= set(seen.folders):
        return {}
    folder = subset_file(seen.path, "train").parent
    names = sorted(p.stem for p in folder.glob("*.txt")) if folder.is_dir() else []
    # The others of VOC's own name the images of one class.
    chosen = [n for n in names if split_of(n) or n in OVERLAPPING] or names
    found = _undivided({split_of(n) or n: Part(seen.path, n) for n in chosen})
    others = {n: Part(seen.path, n, extra=True) for n in names if n not in chosen}
    return {**(found or {"": Part(seen.path)}), **others}


def yolo(seen: Listing) -> Parts:
    """Find YOLO's data.yaml."""
    files = [name for name in seen.files if name.lower().endswith((".yaml", ".yml"))]
    for name in sorted(files[:LOOKED_AT], key=lambda n: n != "data.yaml"):
        parts = yolo_file(seen.path / name)
        if parts:
            return parts
    return {}


def yolo_file(file: Path) -> Parts:
    """Return the parts that a data.yaml names."""
    return {split_of(name) or name: Part(file, name) for name in image_splits(file)}


def png(seen: Listing) -> Parts:
    """Find `images/` and `masks/` with a mask for each image; both may be divided into splits."""
    if not {"images", "masks"} <= set(seen.folders):
        return {}
    images, masks = seen.inside("images"), seen.inside("masks")
    pairs = {"": (images, masks)}
    if not images.images:
        shared = [n for n in images.folders if n in masks.folders and split_of(n)]
        pairs = {str(split_of(n)): (images.inside(n), masks.inside(n)) for n in shared}
    found = {}
    for name, (pictures, drawn) in pairs.items():
        ending = _mask_ending(pictures, drawn)
        if ending is not None:
            found[name] = Part(pictures.path, masks=drawn.path, ending=ending)
    return found


def objects(seen: Listing) -> Parts:
    """Find `images/` and `masks/NAME/`, or folders NAME with both."""
    if {"images", "masks"} <= set(seen.folders):
        images, masks = seen.inside("images"), seen.inside("masks")
        stems = {os.path.splitext(name)[0] for name in images.images}
        if stems & set(masks.folders):
            return {"": Part(images.path, masks=masks.path)}
        return {}
    first = [n for n in seen.folders if split_of(n) is None and n not in SPLITS][:LOOKED_AT]
    trees = [n for n in first if {"images", "masks"} <= set(seen.inside(n).folders)]
    pictures = [n for n in trees if len(seen.inside(n).inside("images").images) == 1]
    return {"": Part(seen.path)} if pictures and pictures == first else {}


def cityscapes(seen: Listing) -> Parts:
    """Find Cityscapes' folders."""
    if not {"leftImg8bit", "gtFine"} <= set(seen.folders):
        return {}
    shared = set(seen.inside("leftImg8bit").folders) & set(seen.inside("gtFine").folders)
    return {split_of(name) or name: Part(seen.path, name) for name in sorted(shared)}


def _undivided(parts: Parts) -> Parts:
    """Return a single part that is not named like a split, such as "default", without a name."""
    if len(parts) == 1 and not parts.keys() & set(SPLITS):
        return dict.fromkeys([""], next(iter(parts.values())))
    return parts


def _mask_ending(images: Listing, masks: Listing) -> str | None:
    """Return what masks have after the names of their images; None where they do not fit."""
    stems = {os.path.splitext(name)[0] for name in images.images}
    first = [name for name in masks.images if name.lower().endswith(MASK_SUFFIXES)][:LOOKED_AT]
    drawn = [os.path.splitext(name)[0] for name in first]
    for ending in MASK_ENDINGS:
        if any(n.endswith(ending) and n.removesuffix(ending) in stems for n in drawn):
            return ending
    return None
