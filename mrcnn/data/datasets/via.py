"""Datasets drawn with the VGG Image Annotator (VIA): JSON files of its versions 1 and 2.

A file holds one entry for each image, and in it one entry for each region: a shape, and attributes
with the values that the annotator gave them. Version 1 numbers the regions of an image in an
object, version 2 has them in a list; a project of version 2 has the images under
`_via_img_metadata`, and says under `_via_attributes` which values an attribute can have.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mrcnn.data.annotation_files import kind, read_json, refuse_missing
from mrcnn.data.datasets.object_table import ObjectTableBuilder, ObjectTableDataset
from mrcnn.data.datasets.shapes import ellipse, numbers, rectangle
from mrcnn.data.image_files import find_images
from mrcnn.errors import InputError, misspelt, nearest

SOURCE = "via"
# What a shape must have, and what it may have.
_SHAPES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "polygon": (("all_points_x", "all_points_y"), ()),
    "polyline": (("all_points_x", "all_points_y"), ()),
    "rect": (("x", "y", "width", "height"), ()),
    "circle": (("cx", "cy", "r"), ()),
    "ellipse": (("cx", "cy", "rx", "ry"), ("theta",)),
    "point": (("cx", "cy"), ()),
}


@dataclass(frozen=True)
class ViaRegion:
    """A region of an image.

    Attributes:
        polygon: (K, 2) float64, x, y in pixels; as drawn, so K may be below 3 and coordinates may
            lie outside the image. A circle or an ellipse is a polygon of 64 points. None for what
            is no outline: a point, and lists of x and y of different lengths.
        shape: The name of the shape in the file.
        attributes: The attributes and their values.
        place: Names the region in errors: its number, the image and the file.
    """

    polygon: np.ndarray | None
    shape: str
    attributes: dict[str, Any]
    place: str

    def label(self, attribute: str) -> str | None:
        """Return the value of an attribute: what was typed or chosen, or the one box checked.

        None where the annotator left it open.

        Raises:
            InputError: Several boxes are checked, or the value is of no kind that VIA writes.
        """
        value = self.attributes.get(attribute)
        if isinstance(value, dict):
            checked = [name for name, on in value.items() if on]
            if len(checked) > 1:
                raise InputError(
                    f"{self.place} has several values of {attribute!r}: {', '.join(checked)}; "
                    "an object has one class"
                )
            value = checked[0] if checked else None
        if value is not None and not isinstance(value, str):
            raise InputError(
                f"{self.place}: the value of {attribute!r} must be text, found {kind(value)}"
            )
        return (value or "").strip() or None


@dataclass(frozen=True)
class ViaImage:
    """An image: the name of its file as it was written, and its regions."""

    name: str
    regions: list[ViaRegion]


@dataclass(frozen=True)
class ViaFile:
    """The content of an annotation file.

    Attributes:
        images: In the order of the file.
        options: For each attribute of regions that the file defines, the values it can have, and
            the description of each; no values where any text can be typed. Only a project of
            version 2 has definitions.
    """

    images: list[ViaImage]
    options: dict[str, dict[str, str]] = field(default_factory=dict)

    def attributes(self) -> list[str]:
        """Return the names of all attributes that regions have or can have."""
        used = {name for image in self.images for r in image.regions for name in r.attributes}
        return sorted(used | self.options.keys())


class ViaDataset(ObjectTableDataset):
    """A dataset drawn with the VGG Image Annotator.

    A region is an object; its class is the value of one of its attributes. Image sizes are read
    from the image files when they are needed.

    Attributes:
        annotation_file: The file that was read last.

    Example::

        train = ViaDataset.from_file("cells/train/via_region_data.json")
        val = ViaDataset.from_file("cells/val/via.json", classes=train.classes)
    """

    def __init__(self) -> None:
        super().__init__()
        self.annotation_file: Path | None = None

    @classmethod
    def from_file(cls, annotation_file: str | Path, **kwargs: Any) -> "ViaDataset":
        """Return a prepared dataset; the arguments are those of `load_via`."""
        dataset = cls()
        dataset.load_via(annotation_file, **kwargs)
        dataset.prepare()
        return dataset

    @property
    def classes(self) -> list[str]:
        """The values of the attribute that are classes, in the order of their ids."""
        return [info["id"] for info in self.class_info if info["source"] == SOURCE]

    def load_via(
        self,
        annotation_file: str | Path,
        image_dir: str | Path | None = None,
        attribute: str | None = None,
        class_name: str | None = None,
        classes: Sequence[str] | None = None,
        limit: int | None = None,
    ) -> None:
        """Add the images of a file.

        Args:
            annotation_file: A JSON export of VIA 1 or 2, or a project of VIA 2.
            image_dir: Folder of the images; that of the file without it.
            attribute: The attribute of the regions whose value is the class; the only one there is
                without it.
            class_name: Make every region an object of this one class, whatever its attributes.
            classes: The values that are classes, in the order of their ids; another value is an
                error. Without it, the options that a project defines for the attribute, or else
                the values that occur; sorted either way. Files that belong together, such as those
                for training and validation, need the same `classes`.
            limit: Add only the first so many images.

        Raises:
            InputError: A file is missing, the annotation file is not one of VIA, or the class of a
                region is not clear.
        """
        file = Path(annotation_file)
        content = read_via(file)
        images = [_without_points(image) for image in content.images]
        if class_name is not None:
            if attribute is not None or classes is not None:
                raise InputError("give class_name, or attribute and classes, not both")
            names = {class_name: class_name}
            labels = [[class_name for _ in image.regions] for image in images]
        else:
            attribute = attribute or _only_attribute(content, file)
            labels = _labels(images, attribute, content.attributes(), file)
            options = content.options.get(attribute, {})
            values = classes or sorted(options) or sorted({v for row in labels for v in row})
            names = {value: options.get(value) or value for value in values}
            _refuse_unknown(labels, images, names, attribute)
        folder = file.parent if image_dir is None else Path(image_dir)
        images = images[:limit]
        paths = find_images(folder, [image.name for image in images])
        refuse_missing(paths, file)

        for value, name in names.items():
            self.add_class(SOURCE, value, name)
        ids = {c["id"]: n for n, c in enumerate(self.class_info) if c["source"] == SOURCE}
        first, builder = len(self.image_info), ObjectTableBuilder()
        for image, path, row in zip(images, paths, labels, strict=False):
            self.add_image(SOURCE, image.name, path)
            builder.add_image(None)
            for region, label in zip(image.regions, row, strict=True):
                if region.polygon is None:
                    self.skipped["polygon with different numbers of x and y"] += 1
                else:
                    builder.add(ids[label], [region.polygon.ravel().tolist()])
        self.add_objects(first, builder)
        points = sum(r.shape == "point" for i in content.images[:limit] for r in i.regions)
        if points:
            self.skipped["point, which has no area"] += points
        self.annotation_file = file


def read_via(path: str | Path) -> ViaFile:
    """Read a JSON file of VIA 1 or 2.

    Raises:
        InputError: The file is not JSON, or not in this format; it names the image and the region.
    """
    content = read_json(path)
    options: dict[str, dict[str, str]] = {}
    if isinstance(content, dict) and "_via_img_metadata" in content:
        options = _options(content.get("_via_attributes"))
        content = content["_via_img_metadata"]
    if not isinstance(content, dict):
        raise InputError(f"{path} is no VIA file: it must hold an object, found {kind(content)}")
    images, seen = [], set()
    for key, entry in content.items():
        name = entry.get("filename") if isinstance(entry, dict) else None
        if not isinstance(name, str) or not name or "regions" not in entry:
            raise InputError(
                f"{path} is no file of VIA 1 or 2: the entry {_short(key)} is not an image with "
                "'filename' and 'regions'"
            )
        if name in seen:
            raise InputError(f"{path}: image {_short(name)} is there twice")
        seen.add(name)
        images.append(_read_image(name, entry["regions"], path))
    return ViaFile(images, options)


def _read_image(name: str, regions: Any, path: str | Path) -> ViaImage:
    where = f"image {_short(name)} of {path}"
    if isinstance(regions, dict):
        try:
            rows = sorted(regions.items(), key=lambda item: int(item[0]))
        except ValueError:
            raise InputError(f"{where}: 'regions' must be numbered 0, 1, ...") from None
        entries = [region for _, region in rows]
    elif isinstance(regions, list):
        entries = regions
    else:
        raise InputError(f"{where}: 'regions' must be a list or an object, found {kind(regions)}")
    return ViaImage(
        name, [_read_region(r, f"region {i} of {where}") for i, r in enumerate(entries)]
    )


def _read_region(region: Any, place: str) -> ViaRegion:
    if not isinstance(region, dict):
        raise InputError(f"{place} must be an object, found {kind(region)}")
    drawn = _object(region, "shape_attributes", place)
    attributes = _object({"region_attributes": {}, **region}, "region_attributes", place)
    shape = drawn.get("name")
    if not isinstance(shape, str) or shape not in _SHAPES:
        raise InputError(
            f"{place}: no such shape: {_short(shape)}; VIA draws {', '.join(_SHAPES)}."
            f"{nearest(str(shape), _SHAPES)}"
        )
    required, optional = _SHAPES[shape]
    missing = [key for key in required if key not in drawn]
    if missing:
        raise InputError(f"{place}: a {shape} needs {missing[0]!r}")
    keys = [*required, *(key for key in optional if key in drawn)]
    return ViaRegion(_polygon(shape, {k: drawn[k] for k in keys}, place), shape, attributes, place)


def _object(region: dict[str, Any], key: str, place: str) -> dict[str, Any]:
    value = region.get(key)
    if not isinstance(value, dict):
        found = kind(value) if key in region else "nothing"
        raise InputError(f"{place}: {key!r} must be an object, found {found}")
    return value


def _polygon(shape: str, values: dict[str, Any], place: str) -> np.ndarray | None:
    """Return the outline (K, 2) of a shape, or None if it has none."""
    if shape in ("polygon", "polyline"):
        for key, column in values.items():
            if not isinstance(column, list):
                raise InputError(f"{place}: {key!r} must be a list, found {kind(column)}")
        x, y = (numbers(column, f"{place}: {key!r}") for key, column in values.items())
        return np.stack([x, y], axis=1) if len(x) == len(y) else None
    sides = numbers(list(values.values()), f"{place}: the values of a {shape}").tolist()
    # Infinite and NaN are for the builder of objects to count.
    with np.errstate(invalid="ignore", over="ignore"):
        if shape == "rect":
            return rectangle(*sides)
        if shape == "circle":
            x, y, radius = sides
            return ellipse(x, y, radius, radius)
        return ellipse(*sides) if shape == "ellipse" else None


def _options(definitions: Any) -> dict[str, dict[str, str]]:
    """Return the values that a project's attributes of regions can have, with their descriptions.

    A definition of another form than VIA's says nothing about classes, and is passed over.
    """
    regions = definitions.get("region") if isinstance(definitions, dict) else None
    found: dict[str, dict[str, str]] = {}
    for name, definition in (regions if isinstance(regions, dict) else {}).items():
        options = definition.get("options") if isinstance(definition, dict) else None
        options = options if isinstance(options, dict) else {}
        found[name] = {k: d.strip() if isinstance(d, str) else "" for k, d in options.items()}
    return found


def _only_attribute(content: ViaFile, file: Path) -> str:
    names = content.attributes()
    if len(names) == 1:
        return names[0]
    if not names:
        raise InputError(
            f"the regions of {file} have no attributes, so there are no classes: "
            "name the one class with class_name"
        )
    raise InputError(
        f"the regions of {file} have several attributes ({', '.join(map(_short, names))}): "
        "name with attribute which one is the class, or give class_name for a single class"
    )


def _without_points(image: ViaImage) -> ViaImage:
    return ViaImage(image.name, [r for r in image.regions if r.shape != "point"])


def _labels(
    images: Sequence[ViaImage], attribute: str, known: Sequence[str], file: Path
) -> list[list[str]]:
    """Return the value of an attribute, one of `known`, for every region of every image."""
    if attribute not in known:
        raise InputError(
            f"no region of {file} has the attribute {attribute!r}; there are "
            f"{', '.join(map(_short, known)) or 'none'}.{nearest(attribute, known)}"
        )
    labels: list[list[str]] = []
    unlabelled = []
    for image in images:
        row = [(region, region.label(attribute)) for region in image.regions]
        unlabelled += [region.place for region, label in row if label is None]
        labels.append([label or "" for _, label in row])
    if unlabelled:
        raise InputError(
            f"{len(unlabelled)} regions have no value of {attribute!r}, "
            f"the first is {unlabelled[0]}"
        )
    return labels


def _refuse_unknown(
    labels: Sequence[Sequence[str]],
    images: Sequence[ViaImage],
    names: Mapping[str, str],
    attribute: str,
) -> None:
    for image, row in zip(images, labels, strict=True):
        for region, label in zip(image.regions, row, strict=True):
            if label not in names:
                raise InputError(
                    f"{region.place}: {attribute!r} is {_short(label)}, which is not among the "
                    f"classes {', '.join(map(_short, names))}.{misspelt(label, names)}"
                )


def _short(value: Any) -> str:
    """Return a value as one line that is not too long for an error."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
