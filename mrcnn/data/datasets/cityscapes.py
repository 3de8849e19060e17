"""Cityscapes: 16-bit PNGs of instances, or the polygons that these were drawn from."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from mrcnn.data.annotation_files import read_json, refuse_missing
from mrcnn.data.datasets.dataset import Instances
from mrcnn.data.datasets.mask_files import MaskDataset
from mrcnn.data.datasets.object_table import MAX_COORDINATE
from mrcnn.data.datasets.shapes import numbers
from mrcnn.data.image_files import find_images
from mrcnn.data.reading.header import Size, read_size
from mrcnn.data.reading.labels import load_values
from mrcnn.errors import InputError

SOURCE = "cityscapes"
# The classes with instances that its benchmark scores, by their numbers in the masks.
CLASSES = {
    24: "person",
    25: "rider",
    26: "car",
    27: "truck",
    28: "bus",
    31: "train",
    32: "motorcycle",
    33: "bicycle",
}
NOT_DRAWN = "license plate"  # covers nothing: it is part of its car
INSTANCES = 1000  # a value is the class times this, plus the number of the object


class CityscapesDataset(MaskDataset):
    """Cityscapes, or a dataset in its layout.

    A folder has `leftImg8bit/SUBSET/CITY/NAME_leftImg8bit.png` and
    `gtFine/SUBSET/CITY/NAME_gtFine_instanceIds.png`, or where this is missing
    `NAME_gtFine_polygons.json`. A value of 26003 is the fourth car of an image; a plain 26, or the
    label "cargroup", is a group of cars that were not told apart, which becomes a crowd. Later
    polygons cover earlier ones, whatever their label is.

    Attributes:
        skipped: How many polygons of objects were left out, by reason.
    """

    def __init__(self) -> None:
        super().__init__()
        self.skipped: Counter[str] = Counter()

    @classmethod
    def from_folder(cls, root: str | Path, subset: str, **kwargs: Any) -> "CityscapesDataset":
        """Return a prepared dataset; the arguments are those of `load_cityscapes`."""
        dataset = cls()
        dataset.load_cityscapes(root, subset, **kwargs)
        dataset.prepare()
        return dataset

    def load_cityscapes(
        self,
        root: str | Path,
        subset: str,
        classes: dict[int, str] = CLASSES,
        annotation: str = "gtFine",
        limit: int | None = None,
    ) -> None:
        """Add the images of a subset.

        Args:
            root: Has `leftImg8bit/` and `gtFine/`.
            subset: `"train"` or `"val"`.
            classes: Names of the classes, by their numbers in the masks; others are no objects.
            annotation: `"gtFine"` or `"gtCoarse"`.
            limit: Add only the first so many images.

        Raises:
            InputError: A folder or an image is missing, or a file of polygons is not in this form.
        """
        top = Path(root) / annotation / subset
        endings = [f"_{annotation}_polygons.json", f"_{annotation}_instanceIds.png"]
        found: dict[tuple[str, str], str] = {}
        for ending in endings:  # the pictures last, so that they are taken where both are there
            for file in top.glob(f"*/*{ending}"):
                found[file.parent.name, file.name.removesuffix(ending)] = str(file)
        if not found:
            raise InputError(f"{top} has no files CITY/NAME{endings[1]} or {endings[0]}")
        chosen = sorted(found.items())[:limit]
        folder = Path(root) / "leftImg8bit" / subset
        names = [f"{city}/{name}_leftImg8bit.png" for (city, name), _ in chosen]
        paths = find_images(folder, names)
        refuse_missing(paths, top)
        for number, name in classes.items():
            self.add_class(SOURCE, number, name)
        for path, ((_, name), mask) in zip(paths, chosen, strict=True):
            self.add_image(SOURCE, name, path, mask=mask)
            if mask.endswith(".json"):
                self.skipped.update(read_polygons(mask, set(classes.values()))[1])

    def annotated_size(self, image_id: int) -> Size | None:
        """Return height and width of the picture of instances, or as the file of polygons says."""
        mask = self.image_info[image_id]["mask"]
        if not mask.endswith(".json"):
            return super().annotated_size(image_id)
        content = read_json(mask)
        found = [content.get(key) for key in ("imgHeight", "imgWidth")]
        height, width = (side if type(side) is int and side > 0 else 0 for side in found)
        return (height, width) if height and width else None

    def load_instances(self, image_id: int) -> Instances:
        """Return the objects on an image, as encodings; groups are crowds."""
        info = self.image_info[image_id]
        if info["mask"].endswith(".json"):
            classes = {c["name"]: c["id"] for c in self.class_info if c["source"] == SOURCE}
            polygons, _ = read_polygons(info["mask"], set(classes))
            values = draw_values(polygons, classes, read_size(info["path"]))
        else:
            values = load_values(info["mask"])

        def class_of(value: int) -> int:
            group = value < INSTANCES
            number = value if group else value // INSTANCES
            class_id = self.class_from_source_map.get(f"{SOURCE}.{number}", 0)
            return -class_id if group else class_id

        return self.with_values(image_id, values, class_of)


def read_polygons(
    file: str, classes: set[str]
) -> tuple[list[tuple[str, np.ndarray]], Counter[str]]:
    """Return label and points (K, 2), x, y, of the polygons of a file, in the order of drawing.

    Polygons that cannot be drawn are left out; those of `classes` and their groups are counted.

    Raises:
        InputError: The file is not one of polygons of Cityscapes.
    """
    content = read_json(file)
    entries = content.get("objects") if isinstance(content, dict) else None
    if not isinstance(entries, list):
        raise InputError(f"{file} is no file of polygons of Cityscapes: it needs a list 'objects'")
    polygons, skipped = [], Counter[str]()
    for index, entry in enumerate(entries):
        place = f"objects[{index}] of {file}"
        label = entry.get("label") if isinstance(entry, dict) else None
        points = entry.get("polygon") if isinstance(entry, dict) else None
        if not isinstance(label, str) or not isinstance(points, list):
            raise InputError(f"{place} needs a 'label' and a list 'polygon'")
        if not all(isinstance(point, list) and len(point) == 2 for point in points):
            raise InputError(f"{place}: the points of 'polygon' must be [x, y]")
        corners = numbers([v for point in points for v in point], f"{place}: coordinates")
        if entry.get("deleted") or label == NOT_DRAWN:
            continue
        fault = ""
        if len(points) < 3:
            fault = "polygon with fewer than 3 points"
        elif not np.isfinite(corners).all():
            fault = "polygon with a coordinate that is not finite"
        elif np.abs(corners).max() > MAX_COORDINATE:
            fault = "polygon far outside any image"
        if not fault:
            polygons.append((label, corners.reshape(-1, 2)))
        elif label.removesuffix("group") in classes:
            skipped[fault] += 1
    return polygons, skipped


def draw_values(
    polygons: list[tuple[str, np.ndarray]], classes: dict[str, int], size: tuple[int, int]
) -> np.ndarray:
    """Return the picture (H, W), int32, of instances that polygons make, 0 where there is none.

    Drawn as Cityscapes' own scripts do it, so that it equals their pictures to the pixel.

    Raises:
        InputError: There are more objects of a class than its numbers allow.
    """
    picture = Image.new("I", (size[1], size[0]), 0)
    pen = ImageDraw.Draw(picture)
    drawn: Counter[str] = Counter()
    for label, points in polygons:
        value = classes.get(label.removesuffix("group"), 0)
        if label in classes:
            if drawn[label] == INSTANCES:
                raise InputError(f"an image has more than {INSTANCES} objects of the class {label}")
            value = classes[label] * INSTANCES + drawn[label]
            drawn[label] += 1
        pen.polygon([(x, y) for x, y in points.tolist()], fill=value)
    return np.asarray(picture)
