"""What a file or a folder is: a dataset of one of the formats, or what it lacks to be one."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from mrcnn.data.annotation_files import IMAGE_SUFFIXES
from mrcnn.data.datasets.coco_files import image_folder
from mrcnn.data.json_kinds import json_kind
from mrcnn.data.recognition.formats import AUTO, FORMATS, Options, named_format, refuse_unused
from mrcnn.data.recognition.layouts import Part, Parts, via_file, yolo_file
from mrcnn.data.recognition.listing import Listing, list_folder, shortened
from mrcnn.data.splits import ALL, OVERLAPPING, TRAIN, choose_split, in_order, split_of
from mrcnn.errors import InputError, near_path

ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".7z", ".rar")


@dataclass(frozen=True)
class Recognised:
    """A dataset as it lies on the disk.

    Attributes:
        path: What was given; of a folder with nothing but the dataset's folder in it, that.
        format: The name of its format.
        parts: By the names of their splits, train and val first; one of no name, `""`, where the
            data are not divided.
    """

    path: Path
    format: str
    parts: Parts

    @property
    def splits(self) -> list[str]:
        """The names of the splits; none where the data are not divided. One that is made of others,
        such as VOC's trainval, is not among them.
        """
        names = [name for name in self.parts if name and name not in OVERLAPPING]
        return [name for name in names if not self.parts[name].extra]

    def only(self, split: str) -> "Recognised":
        """Return the dataset with one of its splits.

        Raises:
            InputError: It has no such split.
        """
        if split == ALL and not self.splits:
            return self
        name = choose_split(split, self.parts, self.path)
        return replace(self, parts={name: self.parts[name]._replace(extra=False)})

    def __str__(self) -> str:
        word = "split" if len(self.splits) == 1 else "splits"
        divided = f", {word} {', '.join(self.splits)}" if self.splits else ""
        return f"{self.path}: {FORMATS[self.format].title}{divided}"


def recognise(
    path: str | Path, format_name: str = AUTO, options: Options | None = None
) -> Recognised:
    """Return what a dataset is, by the names in its folders and a few keys of its files.

    Args:
        path: A folder, or the annotation file of a dataset that has one.
        format_name: Its format, where the user says it; `"auto"` finds out.
        options: What the format is told.

    Raises:
        InputError: There is no such path, it is of no format or of several, or an option is not one
            of the format.
    """
    place, options = Path(path), options or Options()
    if not place.exists():
        raise InputError(f"no file or folder {place}.{near_path(place)}")
    found = _found_out(place) if format_name == AUTO else _as_told(place, format_name, options)
    refuse_unused(found.format, options)
    return replace(found, parts={split: found.parts[split] for split in in_order(found.parts)})


def _as_told(path: Path, name: str, options: Options) -> Recognised:
    """Return a dataset whose format is told: its reader says what is wrong with it."""
    entry = named_format(name)
    if options.masks is not None and "masks" in entry.options:
        return Recognised(path, name, {"": Part(path, masks=options.masks)})
    if path.is_file():
        return Recognised(path, name, _file_parts(path, name) or {"": Part(path)})
    place, found = _in_folder(list_folder(path), (name,))
    if not found and entry.in_file:
        has = _has(list_folder(path))
        raise InputError(f"{path} is not of the format {name} ({entry.title}): {has}")
    return Recognised(place, name, found.get(name) or {"": Part(path, split=TRAIN)})


def _found_out(path: Path) -> Recognised:
    if path.is_file():
        return Recognised(path, *_file_found_out(path))
    seen = list_folder(path)
    place, found = _in_folder(seen, FORMATS)
    if len(found) > 1:
        raise InputError(
            f"{path} can be read as {' and as '.join(found)}: say which with --format, or give the "
            "annotation file itself"
        )
    if not found:
        raise InputError(nothing_found(seen))
    return Recognised(place, *next(iter(found.items())))


def _in_folder(seen: Listing, names: Iterable[str]) -> tuple[Path, dict[str, Parts]]:
    """Return the parts by the formats that a folder can be of: of its own, of its folders of
    splits, or of the only folder in it; and which folder that is.
    """
    found = _whole(seen, names) or _divided(seen, names)
    if not found and len(seen.folders) == 1 and not seen.images:
        return _in_folder(seen.inside(seen.folders[0]), names)
    return seen.path, found


def _whole(seen: Listing, names: Iterable[str]) -> dict[str, Parts]:
    found = {name: FORMATS[name].find(seen) for name in names}
    return {name: parts for name, parts in found.items() if parts}


def _divided(seen: Listing, names: Iterable[str]) -> dict[str, Parts]:
    """Return the formats that all folders named like splits are of, if they have annotations."""
    found: dict[str, Parts] = {}
    for folder in seen.folders:
        split = split_of(folder)
        for name, parts in _whole(seen.inside(folder), names).items() if split else ():
            if parts.keys() == {""}:
                found.setdefault(name, {}).setdefault(str(split), parts[""])
    return found


def _file_parts(path: Path, name: str) -> Parts:
    if name == "yolo":
        return yolo_file(path)
    if name == "via":
        return {"": via_file(path)}
    if name == "coco":
        return {"": Part(path, images=image_folder(path.parent, path))}
    return {}


def _file_found_out(path: Path) -> tuple[str, Parts]:
    suffix = path.suffix.lower()
    if suffix in ARCHIVES:
        raise InputError(f"{path} is an archive: unpack it, and give the folder")
    if suffix in IMAGE_SUFFIXES:
        raise InputError(f"{path} is an image: give the folder of images and annotations")
    if suffix in (".yaml", ".yml"):
        if not yolo_file(path):
            raise InputError(f"{path} is no data.yaml of YOLO: it needs 'names' and 'train'")
        return "yolo", yolo_file(path)
    kind = json_kind(path)
    if kind.format == "labelme":
        raise InputError(f"{path} is labelme's file of one image: give the folder {path.parent}")
    parts = _file_parts(path, kind.format)
    if not parts:
        raise InputError(
            f"{path} is no annotation file of COCO or VIA and no data.yaml: it is {kind.words}"
        )
    return kind.format, parts


def nothing_found(seen: Listing) -> str:
    """Return what a folder has that is no dataset, and what would make it one, in one line."""
    return f"{seen.path} is no dataset of a known format: {_has(seen)}. {_advice(seen)}"


def _has(seen: Listing) -> str:
    """Return what is in a folder, in words."""
    has = [seen.suffixes()] if seen.files else []
    has += [f"{name} is {kind.words}" for name, kind in list(seen.json_kinds.items())[:3]]
    folders = [f"{name}/ ({_content(seen.path / name)})" for name in seen.folders[:4]]
    has += [f"the folders {shortened([*folders, *seen.folders[4:]], 4)}"] if folders else []
    return f"it has {'; '.join(has) or 'nothing in it'}"


def _advice(seen: Listing) -> str:
    names = {name.lower() for name in (*seen.files, *seen.folders)}
    if len(seen.json_of("via")) > 1:
        return f"Give one of the files of VIA, such as {seen.path / seen.json_of('via')[0]}"
    formats = f"--format takes {', '.join(FORMATS)}"
    for folder in seen.folders[:20]:
        inside = _whole(seen.inside(folder), FORMATS)
        if len(inside) == 1:
            return f"{seen.path / folder} is of the format {next(iter(inside))}: give that folder"
    if {"jpegimages", "annotations"} <= names or any(n.endswith(".xml") for n in names):
        return (
            "XML files have boxes alone: masks are needed, in SegmentationObject/ and "
            "SegmentationClass/"
        )
    labels = f"{os.path.splitext(seen.images[0])[0]}.txt" if seen.images else "classes.txt"
    if {"images", "labels"} <= names or names & {"classes.txt", labels.lower()}:
        return "For YOLO segmentation a data.yaml must name the classes and the folders of images"
    within = [seen.inside(folder) for folder in seen.folders[:20]]
    if not any(kind.format for kind in seen.json_kinds.values()) and (
        seen.images or any(entry.images for entry in within)
    ):
        return (
            "The images have no annotations beside them: outlines must be drawn first, for example "
            f"with labelme or VIA, or are elsewhere (--masks, --images); {formats}"
        )
    return formats


def _content(folder: Path) -> str:
    """Return what is in a folder, in a few words."""
    seen = list_folder(folder, 2000)
    words = [seen.suffixes()] if seen.files else []
    words += [f"{len(seen.folders)} folders"] if seen.folders else []
    return ", ".join(words) or "empty"


def is_coco(dataset: Recognised) -> bool:
    """Return whether a dataset can be opened as it is by `CocoDataset.from_folder`."""
    return dataset.format == "coco" and dataset.path.is_dir() and TRAIN in dataset.parts
