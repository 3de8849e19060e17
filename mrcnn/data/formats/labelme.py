"""labelme: one JSON file beside each image."""

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mrcnn.data.files import files_by_stem, kind, read_json, refuse_missing
from mrcnn.data.objects import ObjectTableBuilder
from mrcnn.data.shapes import ellipse, numbers, rectangle
from mrcnn.data.tabled import TabledDataset
from mrcnn.errors import InputError, nearest

SOURCE = "labelme"
# Labels that by labelme's own convention are no objects.
IGNORED = ("_background_", "__ignore__")
# Shapes without an area, and one that this reader does not know.
WITHOUT_OUTLINE = ("point", "points", "line", "linestrip", "mask")
SHAPES = ("polygon", "rectangle", "circle", *WITHOUT_OUTLINE)


class LabelmeDataset(TabledDataset):
    """Images drawn on with labelme.

    Shapes of one label and one group id on an image are one object of several parts.
    """

    @property
    def classes(self) -> list[str]:
        """The labels, in the order of the class ids."""
        return [info["id"] for info in self.class_info if info["source"] == SOURCE]

    @classmethod
    def from_folder(cls, folder: str | Path, **kwargs: Any) -> "LabelmeDataset":
        """Return a prepared dataset; the arguments are those of `load_labelme`."""
        dataset = cls()
        dataset.load_labelme(folder, **kwargs)
        dataset.prepare()
        return dataset

    def load_labelme(
        self, folder: str | Path, classes: Sequence[str] | None = None, limit: int | None = None
    ) -> None:
        """Add the images of a folder of JSON files.

        Args:
            folder: Has the JSON files; they say where the images are, relative to themselves.
            classes: The labels in the order of their class ids, another label is an error; without
                it those that occur, sorted. Folders that belong together need the same.
            limit: Add only the first so many images.

        Raises:
            InputError: An image is missing, or a file is not one of labelme.
        """
        files = list(files_by_stem(folder, (".json",)).values())
        contents = [_read(file) for file in files]
        labels = {shape["label"] for content in contents for shape in content["shapes"]}
        names = list(classes) if classes else sorted(labels - set(IGNORED))
        for name in names:
            self.add_class(SOURCE, name, name)
        ids = {c["id"]: n for n, c in enumerate(self.class_info) if c["source"] == SOURCE}
        files, contents = files[:limit], contents[:limit]
        paths = [_image_path(*pair) for pair in zip(files, contents, strict=True)]
        refuse_missing(paths, folder)
        first, builder = len(self.image_info), ObjectTableBuilder()
        for file, content, path in zip(files, contents, paths, strict=True):
            size = _size(content)
            known = {} if size is None else {"height": size[0], "width": size[1]}
            self.add_image(SOURCE, Path(file).stem, path, **known)
            builder.add_image(size)
            for label, polygons in self._objects(content, file):
                if label not in ids:
                    raise InputError(
                        f"{file} has the label {label!r}, which is not among the classes "
                        f"{', '.join(names)}.{nearest(label, names)}"
                    )
                builder.add(ids[label], polygons)
        self.add_objects(first, builder)

    def _objects(self, content: dict[str, Any], file: str) -> list[tuple[str, list[list[float]]]]:
        """Return label and flat polygons of every object of a file."""
        objects: dict[Any, tuple[str, list[list[float]]]] = {}
        for index, shape in enumerate(content["shapes"]):
            if shape["label"] in IGNORED:
                continue
            if shape["shape_type"] in WITHOUT_OUTLINE:
                self.skipped[f"shape of type {shape['shape_type']}"] += 1
                continue
            outline = _outline(shape, f"shapes[{index}] of {file}")
            group = shape.get("group_id")
            key = index if group is None else (shape["label"], str(group))
            objects.setdefault(key, (shape["label"], []))[1].append(outline.ravel().tolist())
        return list(objects.values())


def _read(file: str) -> dict[str, Any]:
    """Read a file, and check what it must have."""
    content = read_json(file)
    shapes = content.get("shapes") if isinstance(content, dict) else None
    if not isinstance(shapes, list) or not isinstance(content.get("imagePath"), str):
        raise InputError(f"{file} is not a file of labelme: it needs 'shapes' and 'imagePath'")
    for index, shape in enumerate(shapes):
        if not isinstance(shape, dict) or not isinstance(shape.get("label"), str):
            raise InputError(f"shapes[{index}] of {file} must be an object with a 'label'")
        # Old versions of labelme drew polygons alone, and did not say so.
        shape.setdefault("shape_type", "polygon")
        if shape["shape_type"] not in SHAPES:
            raise InputError(
                f"shapes[{index}] of {file}: no such 'shape_type': {shape['shape_type']!r}; "
                f"there are {', '.join(SHAPES)}"
            )
    return content


def _outline(shape: dict[str, Any], place: str) -> np.ndarray:
    """Return the outline (K, 2) of a polygon, a rectangle or a circle."""
    points = shape.get("points")
    if not isinstance(points, list):
        raise InputError(f"{place}: 'points' must be a list, found {kind(points)}")
    for point in points:
        if not isinstance(point, list) or len(point) != 2:
            raise InputError(f"{place}: a point must be [x, y], found {point!r:.60}")
    flat = numbers([value for point in points for value in point], f"{place}: coordinates")
    corners = flat.reshape(-1, 2)
    name = shape["shape_type"]
    # Newer versions write a rectangle as its four corners.
    if name == "polygon" or (name == "rectangle" and len(corners) == 4):
        return corners
    if len(corners) != 2:
        raise InputError(f"{place}: a {name} has 2 points, found {len(corners)}")
    (x, y), (x2, y2) = corners.tolist()
    if name == "rectangle":
        return rectangle(x, y, x2 - x, y2 - y)
    radius = math.hypot(x2 - x, y2 - y)
    with np.errstate(invalid="ignore"):  # infinite or NaN: for the builder of objects to count
        return ellipse(x, y, radius, radius)


def _size(content: dict[str, Any]) -> tuple[int, int] | None:
    """Return height and width, where the file has them."""
    height, width = content.get("imageHeight"), content.get("imageWidth")
    if type(height) is int and type(width) is int and min(height, width) > 0:
        return height, width
    return None


def _image_path(file: str, content: dict[str, Any]) -> str:
    # labelme on Windows writes backslashes.
    name = content["imagePath"].replace("\\", "/")
    return os.path.normpath(os.path.join(os.path.dirname(file), name))
