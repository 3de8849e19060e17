"""YOLO segmentation: a text file of normalised polygons for each image."""

import os
from pathlib import Path, PureWindowsPath
from typing import Any

from mrcnn.data.annotation_files import (
    IMAGE_SUFFIXES,
    kind,
    missing_files,
    refuse_missing,
)
from mrcnn.data.datasets.object_table import ObjectTableBuilder, ObjectTableDataset
from mrcnn.data.image import read_size
from mrcnn.data.image_files import Folders, find_beside, find_images, parts_of
from mrcnn.errors import InputError, nearest
from mrcnn.files.reading import read_yaml

SOURCE = "yolo"
SUBSETS = ("train", "val", "valid", "test")


class YoloDataset(ObjectTableDataset):
    """A dataset in the layout of Ultralytics' YOLO.

    `data.yaml` has the names of the classes and the folders of the images. The objects on
    `images/.../NAME.jpg` are in `labels/.../NAME.txt`, one a line: the number of the class and
    x, y, x, y, ... as shares of the width and the height; or class, centre x, centre y, width and
    height of a box without a mask. An image without such a file has no objects.
    """

    @classmethod
    def from_file(cls, data_file: str | Path, subset: str, **kwargs: Any) -> "YoloDataset":
        """Return a prepared dataset; the arguments are those of `load_yolo`."""
        dataset = cls()
        dataset.load_yolo(data_file, subset, **kwargs)
        dataset.prepare()
        return dataset

    def load_yolo(self, data_file: str | Path, subset: str, limit: int | None = None) -> None:
        """Add the images of a subset.

        Args:
            data_file: The YAML file, mostly `data.yaml`. Its `path` is relative to its folder, or
                names it.
            subset: A key of it: `"train"`, `"val"` or `"test"`.
            limit: Add only the first so many images.

        Raises:
            InputError: A file is missing, or a file or a line is not in this format.
        """
        file = Path(data_file)
        content = _read_yaml(file)
        names = _names(content, file)
        for number, name in names.items():
            self.add_class(SOURCE, number, name)
        ids = {c["id"]: n for n, c in enumerate(self.class_info) if c["source"] == SOURCE}
        every, listed = _images(content, subset, file)
        folders = Folders()
        labels = [find_beside(_label_file(path), folders) for path in every]
        without = set(missing_files(labels))
        if len(without) == len(every):
            raise InputError(
                f"{file}: none of {len(every)} images of {subset!r} has labels, "
                f"those of the first would be in {labels[0]}"
            )
        paths, labels_of_all, labels = every[:limit], labels, labels[:limit]
        refuse_missing(paths, file)
        if not listed and (unused := _count_unused(labels_of_all)):
            self.skipped["label file without an image"] += unused
        first, builder = len(self.image_info), ObjectTableBuilder()
        for path, label in zip(paths, labels, strict=True):
            height, width = read_size(path)
            self.add_image(SOURCE, path, path, height=height, width=width)
            builder.add_image((height, width))
            for number, values in _read_labels(label, names) if label not in without else []:
                sides = [v * (height if i % 2 else width) for i, v in enumerate(values)]
                if len(sides) == 4:
                    x, y, across, down = sides
                    builder.add(ids[number], [], [x - across / 2, y - down / 2, across, down])
                else:
                    builder.add(ids[number], [sides])
        self.add_objects(first, builder)


def image_splits(data_file: str | Path) -> list[str]:
    """Return the subsets that a YAML file says images of; none where it is not one of YOLO."""
    try:
        content = _read_yaml(Path(data_file))
    except InputError:
        return []
    return [key for key in SUBSETS if content.get(key)] if "names" in content else []


def _read_yaml(file: Path) -> dict[str, Any]:
    content = read_yaml(file)
    if not isinstance(content, dict):
        raise InputError(f"{file} must hold 'KEY: value' lines, as YOLO's data.yaml")
    return content


def _names(content: dict[str, Any], file: Path) -> dict[int, str]:
    names = content.get("names")
    if isinstance(names, list):
        names = dict(enumerate(names))
    # Lists of lists of aliases would grow without end as text.
    fits = isinstance(names, dict) and all(
        type(n) is int and isinstance(name, str | int | float) for n, name in names.items()
    )
    if not fits or not names:
        found = "nothing" if not names else kind(content["names"])
        raise InputError(
            f"{file}: 'names' must be a list of names, or numbers with names; found {found}"
        )
    return {number: str(names[number]) for number in sorted(names)}


def _images(content: dict[str, Any], subset: str, file: Path) -> tuple[list[str], bool]:
    """Return the image files of a subset, and whether a text file names some of them; the others
    are those in folders.
    """
    places = content.get(subset)
    places = [places] if isinstance(places, str) else places
    if not isinstance(places, list) or not places or not all(type(p) is str for p in places):
        known = [key for key in SUBSETS if key in content]
        raise InputError(
            f"{file} does not say where the images of {subset!r} are; it has "
            f"{', '.join(known) or 'no subset'}.{nearest(subset, known)}"
        )
    base = content.get("path")
    root = _root(file, base if isinstance(base, str) else "")
    found: list[str] = []
    listed = False
    for place in places:
        path = _place(root, place)
        if path.is_dir():
            found += sorted(str(p) for p in path.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
        elif path.is_file():
            listed = True
            lines = path.read_text(encoding="utf-8-sig", errors="surrogateescape").splitlines()
            found += find_images(path.parent, [line.strip() for line in lines if line.strip()])
        else:
            raise InputError(f"{file}: {path}, of {subset!r}, is neither a folder nor a list")
    if not found:
        raise InputError(f"{file}: there are no images of {subset!r} in {', '.join(places)}")
    return found, listed


def _root(file: Path, base: str) -> Path:
    """Return the folder that `path` of a YAML file names.

    Ultralytics' own files name it relative to a folder of all datasets, and others were written on
    another machine: where it is not there, it is a folder beside the file that its end names, or
    that of the file.
    """
    root = file.parent / base
    if root.is_dir():
        return root
    parts, folders = parts_of(base), Folders()
    ends = (folders.within(str(file.parent), parts[first:]) for first in range(len(parts)))
    return next((Path(end) for end in ends if end and os.path.isdir(end)), file.parent)


def _place(root: Path, place: str) -> Path:
    """Return the folder or list of images that a YAML file names; the path that is written where
    there is none.
    """
    if (root / place).exists():
        return root / place
    # Some exports name folders beside data.yaml as if they were beside its folder, or name those of
    # another machine, of which the end counts. "images" alone could be those of any subset.
    parts, folders = parts_of(place), Folders()
    absolute = PureWindowsPath(place).anchor != ""
    ends = [parts[first:] for first in range(len(parts) if absolute else 1)]
    found = (folders.within(str(root), end) for end in ends if end != ["images"] or end == parts)
    return next((Path(path) for path in found if path), root / place)


def _label_file(image: str) -> str:
    """Return where the labels of an image are: in `labels` beside the last folder `images`."""
    parts = list(Path(image).parts)
    if "images" in parts[:-1]:
        last = max(i for i, part in enumerate(parts[:-1]) if part == "images")
        parts[last] = "labels"
    return str(Path(*parts).with_suffix(".txt"))


def _count_unused(labels: list[str]) -> int:
    """Return how many files beside those of labels have objects, and belong to no image."""
    used = set(labels)
    found = (str(p) for folder in {Path(label).parent for label in labels} for p in _texts(folder))
    return sum(path not in used and _has_objects(path) for path in found)


def _texts(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.txt")) if folder.is_dir() else []


def _has_objects(file: str) -> bool:
    """Say whether a text file is like one of labels: its first word is a whole number."""
    if not os.path.isfile(file):
        return False
    with open(file, "rb") as stream:
        words = stream.read(80).split()
    return bool(words) and words[0].isdigit()


def _read_labels(file: str, names: dict[int, str]) -> list[tuple[int, list[float]]]:
    """Return the class number and the values of every line."""
    try:
        lines = Path(file).read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise InputError(f"{file} is not text") from None
    rows = []
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if not words:
            continue
        try:
            first, *values = [float(word) for word in words]
        except ValueError:
            raise InputError(f"{file}, line {number}: {line[:60]!r} is not all numbers") from None
        if first not in names:
            raise InputError(
                f"{file}, line {number}: there is no class {words[0][:20]}; "
                f"'names' has {min(names)} to {max(names)}"
            )
        if len(values) < 4 or any(abs(value) > 2 for value in values):
            raise InputError(
                f"{file}, line {number}: after the class come x, y, x, y, ... or a box, as shares "
                f"of the image; found {' '.join(words[1:7])[:60]!r}"
            )
        rows.append((int(first), values))
    return rows
