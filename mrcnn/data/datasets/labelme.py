"""labelme: one JSON file beside each image."""

import base64
import binascii
import io
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from faster_coco_eval.core import mask as coco_mask

from mrcnn.data.annotation_files import files_by_stem, kind, read_json, refuse_missing
from mrcnn.data.datasets.object_table import ObjectTableBuilder, ObjectTableDataset
from mrcnn.data.datasets.shapes import ellipse, numbers, rectangle
from mrcnn.data.image import load_values, read_size
from mrcnn.data.image_files import Folders, find_images
from mrcnn.data.masks import decode
from mrcnn.errors import InputError, misspelt

SOURCE = "labelme"
# Labels that by labelme's own convention are no objects.
IGNORED = ("_background_", "__ignore__")
WITHOUT_AREA = ("point", "points", "line", "linestrip")
SHAPES = ("polygon", "rectangle", "circle", "mask", *WITHOUT_AREA)
MAX_SIDE = 1_000_000  # pixels of an image; larger numbers are no sizes


class LabelmeDataset(ObjectTableDataset):
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
        self,
        folder: str | Path,
        classes: Sequence[str] | None = None,
        limit: int | None = None,
        nested: bool = False,
    ) -> None:
        """Add the images of a folder of JSON files.

        Args:
            folder: Has the JSON files; they say where the images are, relative to themselves.
            classes: The labels in the order of their class ids, another label is an error; without
                it those that occur, sorted. Folders that belong together need the same.
            limit: Add only the first so many images.
            nested: Read the files in folders inside `folder` too; without it these are counted in
                `skipped`.

        Raises:
            InputError: An image is missing, or a file is not one of labelme.
        """
        files = _nested_files(folder) if nested else files_by_stem(folder, (".json",))
        contents = [_read(file) for file in files.values()]
        labels = {shape["label"] for content in contents for shape in content["shapes"]}
        names = list(classes) if classes else sorted(labels - set(IGNORED))
        for name in names:
            self.add_class(SOURCE, name, name)
        ids = {c["id"]: n for n, c in enumerate(self.class_info) if c["source"] == SOURCE}
        entries = list(zip(files.items(), contents, strict=True))[:limit]
        folders = Folders()
        paths = [_image_path(file, content, folders) for (_, file), content in entries]
        refuse_missing(paths, folder)
        first, builder = len(self.image_info), ObjectTableBuilder()
        for ((stem, file), content), path in zip(entries, paths, strict=True):
            size = _size(content, path)
            known = {} if size is None else {"height": size[0], "width": size[1]}
            self.add_image(SOURCE, stem, path, **known)
            builder.add_image(size)
            for label, segmentation in self._objects(content, file, size):
                if label not in ids:
                    raise InputError(
                        f"{file} has the label {label!r}, which is not among the classes "
                        f"{', '.join(names)}.{misspelt(label, names)}"
                    )
                builder.add(ids[label], segmentation)
        self.add_objects(first, builder)
        inside = sum(path.parent != Path(folder) for path in Path(folder).rglob("*.json"))
        if inside and not nested:
            self.skipped["file in a folder inside the folder"] += inside

    def _objects(
        self, content: dict[str, Any], file: str, size: tuple[int, int] | None
    ) -> list[tuple[str, Any]]:
        """Return label and segmentation of every object of a file."""
        objects: dict[Any, tuple[str, list[np.ndarray], list[np.ndarray]]] = {}
        for index, shape in enumerate(content["shapes"]):
            if shape["label"] in IGNORED:
                continue
            if shape["shape_type"] in WITHOUT_AREA:
                self.skipped[f"shape of type {shape['shape_type']}"] += 1
                continue
            place = f"shapes[{index}] of {file}"
            group = shape.get("group_id")
            key = index if group is None else (shape["label"], str(group))
            _, polygons, masks = objects.setdefault(key, (shape["label"], [], []))
            if shape["shape_type"] == "mask" and size is not None:
                masks.append(_mask(shape, size, place))
            else:
                polygons.append(_outline(shape, place))
        return [
            (label, _joined(polygons, masks, size)) for label, polygons, masks in objects.values()
        ]


def _nested_files(folder: str | Path) -> dict[str, str]:
    """Return the JSON files of a folder and of those inside it, by their places without suffix."""
    found = sorted(path.relative_to(folder) for path in Path(folder).rglob("*.json"))
    seen = [path for path in found if not any(part.startswith(".") for part in path.parts)]
    if not seen:
        raise InputError(f"{folder} and the folders in it have no files *.json")
    return {path.with_suffix("").as_posix(): os.path.join(folder, path) for path in seen}


def _read(file: str) -> dict[str, Any]:
    """Read a file without the picture that it may hold, and check what it must have."""
    content = read_json(file)
    if isinstance(content, dict):
        content.pop("imageData", None)
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


def _points(shape: dict[str, Any], place: str) -> np.ndarray:
    """Return the points (K, 2), x, y, of a shape."""
    points = shape.get("points")
    if not isinstance(points, list):
        raise InputError(f"{place}: 'points' must be a list, found {kind(points)}")
    for point in points:
        if not isinstance(point, list) or len(point) != 2:
            raise InputError(f"{place}: a point must be [x, y], found {point!r:.60}")
    flat = numbers([value for point in points for value in point], f"{place}: coordinates")
    return flat.reshape(-1, 2)


def _outline(shape: dict[str, Any], place: str) -> np.ndarray:
    """Return the outline (K, 2) of a polygon, a rectangle or a circle."""
    corners = _points(shape, place)
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
    with np.errstate(
        invalid="ignore", over="ignore"
    ):  # infinite or NaN: for the builder of objects to count
        return ellipse(x, y, radius, radius)


def _mask(shape: dict[str, Any], size: tuple[int, int], place: str) -> np.ndarray:
    """Return the full mask (H, W) of a shape that is a picture; its first point is where it begins.

    Raises:
        InputError: It is not a PNG in base64 with one value a pixel, or it lies outside the image.
    """
    (x, y), *_ = _points(shape, place).tolist() or [(math.nan, math.nan)]
    try:
        picture = io.BytesIO(base64.b64decode(shape.get("mask") or "", validate=True))
        values = load_values(picture) != 0  # type: ignore[arg-type]  # Pillow takes files too
    except (TypeError, ValueError, binascii.Error):
        raise InputError(f"{place}: 'mask' must be a PNG of one value a pixel, in base64") from None
    full = np.zeros(size, bool)
    if not (0 <= x < size[1] and 0 <= y < size[0]):
        raise InputError(f"{place}: the mask begins at {x:g}, {y:g}, outside the image")
    part = full[round(y) : round(y) + len(values), round(x) : round(x) + values.shape[1]]
    part |= values[: part.shape[0], : part.shape[1]]
    return full


def _joined(
    polygons: list[np.ndarray], masks: list[np.ndarray], size: tuple[int, int] | None
) -> list[list[float]] | dict[str, Any]:
    """Return the parts of an object as flat polygons, or all in one encoding if one is a mask."""
    if not masks or size is None:
        return [polygon.ravel().tolist() for polygon in polygons]
    near = [p for p in polygons if len(p) > 2 and (np.abs(p) <= MAX_SIDE).all()]
    full = np.logical_or.reduce([*masks, decode(near, size)] if near else masks)
    runs = coco_mask.encode(np.asfortranarray(full, np.uint8))
    return {"size": list(size), "counts": runs["counts"]}


def _size(content: dict[str, Any], path: str) -> tuple[int, int] | None:
    """Return height and width, where the file has them; those of the image where there are masks,
    which take memory.
    """
    if any(shape["shape_type"] == "mask" for shape in content["shapes"]):
        return read_size(path)
    height, width = content.get("imageHeight"), content.get("imageWidth")
    if type(height) is not int or type(width) is not int:
        return None
    return (height, width) if min(height, width) > 0 and max(height, width) <= MAX_SIDE else None


def _image_path(file: str, content: dict[str, Any], folders: Folders) -> str:
    """Return where the image is: where the file says, or else beside the file."""
    (path,) = find_images(os.path.split(file)[0], [content["imagePath"]], folders)
    return os.path.normpath(path)
