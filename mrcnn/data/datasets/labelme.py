"""labelme: one JSON file beside each image."""

import base64
import binascii
import io
import math
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from faster_coco_eval.core import mask as coco_mask
from PIL import Image

from mrcnn.data.annotation_files import (
    IMAGE_SUFFIXES,
    files_by_stem,
    kind,
    read_json,
    refuse_missing,
)
from mrcnn.data.datasets.object_table import ObjectTableBuilder, ObjectTableDataset
from mrcnn.data.datasets.shapes import ellipse, numbers, rectangle
from mrcnn.data.findings import printable
from mrcnn.data.image_files import Folders, find_images
from mrcnn.data.masks import decode
from mrcnn.data.reading.header import read_sizes
from mrcnn.data.reading.labels import load_values
from mrcnn.errors import InputError, misspelt
from mrcnn.files.writing import WriteError, write_bytes

SOURCE = "labelme"
# Labels that by labelme's own convention are no objects.
IGNORED = ("_background_", "__ignore__")
WITHOUT_AREA = ("point", "points", "line", "linestrip")
# Their points are their outline. The last ones are those of X-AnyLabeling.
OUTLINES = ("polygon", "oriented_rectangle", "rotation", "quadrilateral")
SHAPES = (*OUTLINES, "rectangle", "circle", "mask")
UNPACKED = "image that its file of labelme holds, written beside it"
MAX_SIDE = 1_000_000  # pixels of an image; larger numbers are no sizes


class LabelmeDataset(ObjectTableDataset):
    """Images drawn on with labelme.

    Shapes of one label and one group id on an image are one object of several parts. An image that
    is only in the `imageData` of its file is written beside that file, once.

    Attributes:
        remarks: How many images were written, and what about them is worth a look.
    """

    def __init__(self) -> None:
        super().__init__()
        self.remarks: Counter[str] = Counter()

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
        for number, ((_, file), content) in enumerate(entries):
            if content["imageData"] and not os.path.isfile(paths[number]):
                paths[number] = unpack_image(file, content["imagePath"])
                self.remarks[UNPACKED] += 1
        refuse_missing(paths, folder)
        first, builder = len(self.image_info), ObjectTableBuilder()
        for ((stem, file), content), path in zip(entries, paths, strict=True):
            size = _size(content)
            canvas = _canvas(content, size, path)
            known = {} if size is None else {"height": size[0], "width": size[1]}
            self.add_image(SOURCE, stem, path, **known)
            builder.add_image(size or canvas)
            for label, segmentation in self._objects(content, file, canvas):
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
            reason = _unusable(shape)
            if reason:
                self.skipped[reason] += 1
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
    """Read a file, and check what it must have. Of the picture that it may hold `imageData` says
    only whether it is there.
    """
    content = read_json(file)
    if isinstance(content, dict):
        content["imageData"] = isinstance(content.get("imageData"), str)
    shapes = content.get("shapes") if isinstance(content, dict) else None
    if not isinstance(shapes, list) or not isinstance(content.get("imagePath"), str):
        raise InputError(f"{file} is not a file of labelme: it needs 'shapes' and 'imagePath'")
    for index, shape in enumerate(shapes):
        label = shape.get("label") if isinstance(shape, dict) else None
        if isinstance(label, bool) or not isinstance(label, str | int | float):
            raise InputError(f"shapes[{index}] of {file} must be an object with a 'label'")
        shape["label"] = str(label)
        # Old versions of labelme drew polygons alone, and did not say so.
        if shape.get("shape_type") is None:
            shape["shape_type"] = "polygon"
    return content


def _unusable(shape: dict[str, Any]) -> str | None:
    """Return why a shape is no object, or None."""
    name, points = shape["shape_type"], shape.get("points")
    if name in WITHOUT_AREA:
        return f"shape of type {name}"
    if name not in SHAPES:
        return f"shape of the unknown type {printable(name, 40)!r}"
    # Newer versions write a rectangle as its four corners.
    known = {"rectangle": (2, 4), "circle": (2,)}.get(name)
    if known and isinstance(points, list) and len(points) not in known:
        return f"{name} of {len(points)} point{'s' if len(points) != 1 else ''}"
    return None


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
    """Return the outline (K, 2) of any shape but a mask."""
    corners = _points(shape, place)
    name = shape["shape_type"]
    if name in OUTLINES or len(corners) != 2:
        return corners
    (x, y), (x2, y2) = corners.tolist()
    if name == "rectangle":
        return rectangle(x, y, x2 - x, y2 - y)
    radius = math.hypot(x2 - x, y2 - y)
    with np.errstate(
        invalid="ignore", over="ignore"
    ):  # infinite or NaN: for the builder of objects to count
        return ellipse(x, y, radius, radius)


def _mask(shape: dict[str, Any], size: tuple[int, int], place: str) -> np.ndarray:
    """Return the full mask (H, W) of a shape that is a picture; its first point is where it begins,
    and what is beyond the image is cut off.

    Raises:
        InputError: It is not a PNG in base64 with one value a pixel.
    """
    (x, y), *_ = _points(shape, place).tolist() or [(math.nan, math.nan)]
    try:
        picture = io.BytesIO(base64.b64decode(shape.get("mask") or "", validate=True))
        values = load_values(picture) != 0  # type: ignore[arg-type]  # Pillow takes files too
    except (TypeError, ValueError, binascii.Error):
        raise InputError(f"{place}: 'mask' must be a PNG of one value a pixel, in base64") from None
    full = np.zeros(size, bool)
    if not abs(x) + abs(y) <= MAX_SIDE:  # NaN too: an empty mask is counted
        return full
    left, top = round(x), round(y)
    values = values[max(-top, 0) :, max(-left, 0) :]
    part = full[max(top, 0) :, max(left, 0) :][: values.shape[0], : values.shape[1]]
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


def _size(content: dict[str, Any]) -> tuple[int, int] | None:
    """Return height and width, where the file has them."""
    height, width = content.get("imageHeight"), content.get("imageWidth")
    if type(height) is not int or type(width) is not int:
        return None
    return (height, width) if min(height, width) > 0 and max(height, width) <= MAX_SIDE else None


def _canvas(
    content: dict[str, Any], size: tuple[int, int] | None, path: str
) -> tuple[int, int] | None:
    """Return the size of full masks. They take memory, so where a file has any it is one of those
    that the image has, whatever `size` the file says; that they differ is for the checks to find.
    """
    if not any(shape["shape_type"] == "mask" for shape in content["shapes"]):
        return size
    turned, stored = read_sizes(path)
    return size if size == stored else turned


def _image_path(file: str, content: dict[str, Any], folders: Folders) -> str:
    """Return where the image is: where the file says, or else beside the file; where it was written
    if the file holds it.
    """
    (path,) = find_images(os.path.split(file)[0], [content["imagePath"]], folders)
    if content["imageData"] and not os.path.isfile(path):
        written = _unpacked(file, content["imagePath"])
        return written if os.path.isfile(written) else path
    return os.path.normpath(path)


def _unpacked(file: str, name: str) -> str:
    """Return where the image goes that a file holds: beside it, with its name."""
    suffix = os.path.splitext(name)[1].lower()
    return os.path.splitext(file)[0] + (suffix if suffix in IMAGE_SUFFIXES else ".png")


def unpack_image(file: str, name: str) -> str:
    """Write the image that a file of labelme holds beside it, and return its path.

    Args:
        file: The JSON file.
        name: That it gives the image; its suffix is taken.

    Raises:
        InputError: What it holds is no image, or cannot be written there.
    """
    path = _unpacked(file, name)
    try:
        data = base64.b64decode(read_json(file)["imageData"], validate=True)
        with Image.open(io.BytesIO(data)) as picture:
            picture.verify()
    except (ValueError, OSError, SyntaxError, Image.DecompressionBombError):
        raise InputError(
            f"{file}: the image {name!r} is missing, and 'imageData' is no image in base64"
        ) from None
    try:
        write_bytes(path, data)
    except WriteError as error:
        raise InputError(f"{file} holds its image: {error}") from None
    return path
