"""The objects of many images in a few arrays: small, and quick to send to a worker process."""

from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from mrcnn.data.datasets.dataset import Dataset, Instances, empty_instances
from mrcnn.data.encodings import compress, pixels_of
from mrcnn.data.masks import Segmentation, segmentation_box

# Square pixels. Below it, a polygon is a point or a line that was drawn by accident.
MIN_POLYGON_AREA = 0.01
# Pixels. No image is larger, and the rasteriser's memory grows with the length of an outline.
MAX_COORDINATE = 1e6


# Why polygons and objects are left out.
FEW_POINTS = "polygon with fewer than 3 points"
ODD = "polygon with an odd number of coordinates"
NOT_FINITE = "polygon with a coordinate that is not finite"
FAR = "polygon far outside any image"
NO_AREA = "polygon without area"
RLE_SIZE = "run-length encoding of another size than its image"
RLE_BROKEN = "run-length encoding that does not decode"
NO_MASK = "object without a usable mask"
BOX_KEPT = "mask that cannot be used, of an object that keeps its box"
OUTSIDE = "object outside its image"
BAD_BOX = "box without a positive size"
# Those that take their object with them.
LOST = (NO_MASK, OUTSIDE, BAD_BOX)

_NO_BOX = (np.nan,) * 4


class ObjectFault(NamedTuple):
    """A polygon or an object that was left out: the object by its image and its number on it, both
    counted from 0 as they were added, and one of the reasons above.
    """

    image: int
    number: int
    reason: str


@dataclass(frozen=True)
class ObjectTable:
    """The objects of I images; made by `ObjectTableBuilder`.

    Attributes:
        coordinates: (P, 2) float32, x, y of all polygons.
        polygon_ends: (M + 1,), polygon m is `coordinates[polygon_ends[m]:polygon_ends[m + 1]]`.
        object_ends: (A + 1,), the polygons of object a, in the same manner.
        image_ends: (I + 1,), the objects of image i, in the same manner.
        boxes: (A, 4) float32, y1, x1, y2, x2 in pixels, inside the image.
        class_ids: (A,) int32, negative for crowds.
        rles: The compressed run-length encodings of those objects that have no polygons. An object
            with neither has a box alone.
    """

    coordinates: np.ndarray
    polygon_ends: np.ndarray
    object_ends: np.ndarray
    image_ends: np.ndarray
    boxes: np.ndarray
    class_ids: np.ndarray
    rles: dict[int, dict[str, Any]]

    def __len__(self) -> int:
        return len(self.image_ends) - 1

    @property
    def has_mask(self) -> np.ndarray:
        """Which objects have a mask and not a box alone, (A,), bool."""
        masked = np.diff(self.object_ends) > 0
        masked[list(self.rles)] = True
        return masked

    def instances(self, image: int, size: tuple[int, int]) -> Instances:
        """Return the objects of one image of `size` (H, W)."""
        start, end = self.image_ends[image : image + 2]
        if start == end:
            return empty_instances(size)
        first, last = self.polygon_ends[self.object_ends[[start, end]]]
        # float32 keeps a thousandth of a pixel; rounded to it, coordinates of up to three decimals
        # are again the float64 numbers of the file, and masks equal those of the COCO tools to the
        # last pixel.
        points = self.coordinates[first:last].astype(np.float64).round(3)
        shapes = [self._segmentation(index, points, first) for index in range(start, end)]
        return Instances(self.boxes[start:end], self.class_ids[start:end], shapes, size)

    def _segmentation(self, index: int, points: np.ndarray, offset: int) -> Segmentation:
        if index in self.rles:
            return self.rles[index]
        first, last = self.object_ends[index : index + 2]
        ends = self.polygon_ends[first : last + 1] - offset
        return [points[a:b] for a, b in zip(ends[:-1], ends[1:], strict=True)]


class ObjectTableBuilder:
    """Collects objects image by image, and leaves out what cannot be trained on.

    Example:

    >>> builder = ObjectTableBuilder()
    >>> builder.add_image((10, 10))
    >>> builder.add(1, [[0, 0, 4, 0, 4, 2, 0, 2]])
    >>> builder.add(1, [[0, 0, 4, 0]])
    >>> table, faults = builder.build()
    >>> table.boxes.tolist()
    [[0.0, 0.0, 2.0, 4.0]]
    >>> [(fault.number, fault.reason) for fault in faults]
    [(1, 'polygon with fewer than 3 points'), (1, 'object without a usable mask')]
    """

    def __init__(self) -> None:
        self._sizes: list[tuple[float, float]] = []
        self._image = array("q")  # of an object
        self._class_id = array("q")
        self._object = array("q")  # of a polygon
        self._length = array("q")
        self._coordinates = array("d")
        self._rles: dict[int, dict[str, Any]] = {}
        self._boxes_given = array("d")  # x, y, width, height of an object
        self._alone: list[int] = []  # objects that have nothing but a box
        self._faults: list[tuple[int, str]] = []  # of an object, why

    def add_image(self, size: tuple[int, int] | None) -> None:
        """Begin an image of `size` (H, W); the objects that follow are on it.

        A size of None is for images whose files are not opened yet: the boxes on them are not cut
        off at the right and the bottom border, and run-length encodings cannot be added.
        """
        self._sizes.append((np.inf, np.inf) if size is None else size)

    def add(
        self,
        class_id: int,
        segmentation: Sequence[Sequence[float]] | dict[str, Any],
        box: Sequence[float] | None = None,
    ) -> None:
        """Add an object to the image begun last.

        Args:
            class_id: Negative for a crowd.
            segmentation: Polygons as flat lists x, y, x, y, ... in pixels, or a run-length
                encoding. Where it is empty or cannot be used, the object has its box alone.
            box: x, y, width, height in pixels. Not looked at where there is a mask, because the
                extent of that is exact.

        Raises:
            TypeError: A coordinate is not a number.
        """
        index = len(self._class_id)
        self._image.append(len(self._sizes) - 1)
        self._class_id.append(class_id)
        self._boxes_given.extend(_NO_BOX if box is None else _floats(box))
        if not segmentation and box is not None:
            self._alone.append(index)
        if isinstance(segmentation, dict):
            rle = self._checked(segmentation)
            if rle is not None:
                self._rles[index] = rle
            return
        for polygon in segmentation:
            if len(polygon) % 2:
                self._faults.append((index, ODD))
                continue
            if len(polygon) < 6:
                self._faults.append((index, FEW_POINTS))
                continue
            self._object.append(index)
            self._length.append(len(polygon) // 2)
            self._coordinates.extend(_floats(polygon))

    def build(self) -> tuple[ObjectTable, list[ObjectFault]]:
        """Return the table, and what was left out, object by object."""
        faults = self._faults.copy()
        coordinates = np.array(self._coordinates).reshape(-1, 2)
        lengths, owner = np.array(self._length, np.int64), np.array(self._object, np.int64)
        extents, areas = polygon_geometry(coordinates, lengths)
        finite = np.isfinite(extents).all(axis=1)
        near = finite & (np.abs(extents) <= MAX_COORDINATE).all(axis=1)
        good = near & (areas >= MIN_POLYGON_AREA)
        faults += [(int(o), NOT_FINITE) for o in owner[~finite]]
        faults += [(int(o), FAR) for o in owner[finite & ~near]]
        faults += [(int(o), NO_AREA) for o in owner[near & ~good]]

        coordinates = coordinates[np.repeat(good, lengths)].astype(np.float32)
        lengths, owner, extents = lengths[good], owner[good], extents[good]
        image = np.array(self._image, np.int64)
        raw = self._extents(extents, owner)
        masked = np.isfinite(raw).all(axis=1)
        given = _corners(np.array(self._boxes_given).reshape(-1, 4))
        boxed = ~masked & np.isfinite(given).all(axis=1)
        boxed &= (given[:, 2:] > given[:, :2]).all(axis=1)
        raw[boxed] = given[boxed]
        usable = masked | boxed
        alone = np.zeros(len(raw), bool)
        alone[self._alone] = True
        bad_box = alone & ~usable
        sizes = np.array(self._sizes, np.float64).reshape(-1, 2)[image]
        boxes = np.clip(raw, 0, np.concatenate([sizes, sizes], axis=1)).astype(np.float32)
        keep = usable & (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
        faults += [(int(o), NO_MASK) for o in np.flatnonzero(~usable & ~bad_box)]
        faults += [(int(o), BAD_BOX) for o in np.flatnonzero(bad_box)]
        faults += [(int(o), OUTSIDE) for o in np.flatnonzero(usable & ~keep)]
        faults += [(int(o), BOX_KEPT) for o in np.flatnonzero(keep & boxed & ~alone)]

        kept_polygons = keep[owner]
        number = np.cumsum(keep) - 1  # of an object, once the others are gone
        table = ObjectTable(
            coordinates=coordinates[np.repeat(kept_polygons, lengths)],
            polygon_ends=_ends(lengths[kept_polygons]),
            object_ends=_ends(np.bincount(number[owner[kept_polygons]], minlength=keep.sum())),
            image_ends=_ends(np.bincount(image[keep], minlength=len(self._sizes))),
            boxes=boxes[keep],
            class_ids=np.array(self._class_id, np.int32)[keep],
            rles={int(number[i]): rle for i, rle in self._rles.items() if keep[i]},
        )
        faults.sort(key=lambda fault: fault[0])
        first = np.searchsorted(image, np.arange(len(self._sizes)))  # object of an image
        return table, [
            ObjectFault(int(image[o]), o - int(first[image[o]]), reason) for o, reason in faults
        ]

    def _extents(self, extents: np.ndarray, owner: np.ndarray) -> np.ndarray:
        """Return the extents (A, 4) of the masks of all objects; infinite where there is none."""
        boxes = np.full((len(self._class_id), 4), np.inf)
        boxes[:, 2:] = -np.inf
        np.minimum.at(boxes[:, :2], owner, extents[:, :2])
        np.maximum.at(boxes[:, 2:], owner, extents[:, 2:])
        for index, rle in self._rles.items():
            boxes[index] = segmentation_box(rle, (rle["size"][0], rle["size"][1]))
        return boxes

    def _checked(self, rle: dict[str, Any]) -> dict[str, Any] | None:
        """Return a run-length encoding in compressed form, or None if it does not fit its image."""
        height, width = self._sizes[-1]
        if list(rle["size"]) != [height, width]:
            self._faults.append((len(self._class_id) - 1, RLE_SIZE))
            return None
        try:
            compressed = compress(rle)
            pixels = pixels_of(compressed)
        except (ValueError, TypeError, OverflowError, RuntimeError):
            pixels = None
        if pixels is None:
            self._faults.append((len(self._class_id) - 1, RLE_BROKEN))
            return None
        return compressed if pixels else None


def polygon_geometry(coordinates: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the boxes (M, 4), y1, x1, y2, x2, and areas (M,) of M polygons.

    Args:
        coordinates: (P, 2), x, y of all polygons, one after the other.
        lengths: (M,), the number of points of each, at least 1.
    """
    if len(lengths) == 0:
        return np.zeros((0, 4)), np.zeros(0)
    ends = np.cumsum(lengths)
    starts = ends - lengths
    low = np.minimum.reduceat(coordinates, starts)
    high = np.maximum.reduceat(coordinates, starts)
    boxes = np.concatenate([low[:, ::-1], high[:, ::-1]], axis=1)
    # Shoelace formula, relative to a corner of the box so that large coordinates cancel.
    with np.errstate(invalid="ignore", over="ignore"):
        x, y = (coordinates - np.repeat(low, lengths, axis=0)).T
        following = np.arange(1, len(coordinates) + 1)
        following[ends - 1] = starts
        cross = x * y[following] - x[following] * y
        return boxes, np.abs(np.add.reduceat(cross, starts)) / 2


def _corners(boxes: np.ndarray) -> np.ndarray:
    """Return y1, x1, y2, x2 of boxes (N, 4), x, y, width, height."""
    with np.errstate(invalid="ignore", over="ignore"):  # infinite ones are left out later
        return np.concatenate([boxes[:, 1::-1], boxes[:, 1::-1] + boxes[:, :1:-1]], axis=1)


def _ends(counts: np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def _floats(numbers: Sequence[float]) -> array:
    """Return numbers as float64; those that are too large for it are infinite."""
    try:
        return array("d", numbers)
    except OverflowError:
        return array("d", [_float(number) for number in numbers])


def _float(number: float) -> float:
    try:
        return float(number)
    except OverflowError:
        return np.inf if number > 0 else -np.inf


class ObjectTableDataset(Dataset):
    """A dataset that keeps its objects in one `ObjectTable` for each file or folder read.

    Attributes:
        skipped: How many polygons and objects were left out, by reason.
        faults: Those of them that the builder left out, one by one, in the order of the images.
        boxes_alone: How many objects have a box but no mask.
    """

    def __init__(self) -> None:
        super().__init__()
        self.skipped: Counter[str] = Counter()
        self.faults: list[ObjectFault] = []
        self.boxes_alone = 0
        self._first_images: list[int] = []
        self._tables: list[ObjectTable] = []

    @property
    def tables(self) -> list[ObjectTable]:
        """The objects of all files and folders read."""
        return self._tables

    def add_objects(self, first_image: int, builder: ObjectTableBuilder) -> None:
        """Add the objects of a row of images that were added before.

        Args:
            first_image: The number of the first of them in `image_info`.
            builder: Has all of them, in their order.
        """
        table, faults = builder.build()
        self.boxes_alone += int((~table.has_mask).sum())
        self.skipped.update(fault.reason for fault in faults)
        self.faults += [f._replace(image=first_image + f.image) for f in faults]
        self._first_images.append(first_image)
        self._tables.append(table)

    def load_instances(self, image_id: int) -> Instances:
        """Return the objects on an image, as polygons and run-length encodings."""
        size = self.image_size(image_id)
        position = bisect_right(self._first_images, image_id) - 1
        index = int(image_id) - self._first_images[position] if position >= 0 else 0
        # Images that were added one by one, not with a table, have no objects.
        if position < 0 or index >= len(self._tables[position]):
            return empty_instances(size)
        found = self._tables[position].instances(index, size)
        return found if "height" in self.image_info[image_id] else _inside(found)


def _inside(instances: Instances) -> Instances:
    """Cut boxes off at the border of their image; objects that are outside are left out."""
    boxes = np.minimum(instances.boxes, np.array(instances.size * 2, np.float32))
    kept = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    cut = Instances(boxes, instances.class_ids, instances.segmentations, instances.size)
    return cut.select(kept)
