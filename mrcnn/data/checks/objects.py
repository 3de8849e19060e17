"""The objects of a dataset, whatever format it comes from: what its reader left out, and outlines
that were hardly meant.
"""

from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import PurePath
from typing import Any

import numpy as np

from mrcnn.data import objects
from mrcnn.data.checks.findings import Finding, Severity, found
from mrcnn.data.dataset import Instances
from mrcnn.data.tabled import TabledDataset

# Names an object, by the number of its image and its own number on it, as `found` takes it.
Place = Callable[[int, int], dict[str, Any]]

# Pixels. Tools round outlines up, and count from 0 or 1.
TOLERANCE = 1.5
# Pairs of edges that are compared at a time.
_PAIRS = 1_000_000

FAULTS = {
    objects.FEW_POINTS: (
        "polygon-few-points",
        "a polygon with fewer than 3 points; an outline is [x1, y1, x2, y2, x3, y3, ...]",
    ),
    objects.ODD: (
        "polygon-odd",
        "a polygon with an odd number of coordinates; they are pairs x, y",
    ),
    objects.NOT_FINITE: (
        "polygon-not-finite",
        "a polygon with a coordinate that is NaN or infinite",
    ),
    objects.FAR: (
        "polygon-far",
        "a polygon with a coordinate of over a million pixels",
    ),
    objects.NO_AREA: (
        "polygon-no-area",
        "a polygon without area: its points lie on a line",
    ),
    objects.RLE_SIZE: (
        "rle-size",
        "a run-length encoding of another size than its image; 'size' is [height, width]",
    ),
    objects.RLE_BROKEN: (
        "rle-broken",
        "a run-length encoding that does not decode to the size of its image",
    ),
    objects.NO_MASK: ("empty-mask", "a mask without a pixel"),
    objects.OUTSIDE: (
        "outside-image",
        "it lies outside of its image; coordinates are in pixels from the top left corner",
    ),
    objects.BAD_BOX: (
        "box-size",
        "a box without a positive width and height; 'bbox' is [x, y, width, height]",
    ),
}
# These take their object with them.
_OBJECTS = (objects.NO_MASK, objects.OUTSIDE, objects.BAD_BOX)


def fault_findings(dataset: TabledDataset, subset: str, place: Place) -> Iterator[Finding]:
    """Yield what the reader of a dataset left out.

    A polygon of fewer than three points is an error where it was all that its object had: there is
    an object, and nobody knows where.
    """
    for (image, number), group in groupby(dataset.faults, key=lambda fault: fault[:2]):
        reasons = [fault.reason for fault in group]
        lost = objects.NO_MASK in reasons
        if lost and len(reasons) > 1:
            reasons.remove(objects.NO_MASK)
        for reason in reasons:
            code, message = FAULTS[reason]
            severity: Severity | None = None
            if lost and reason != objects.NO_MASK:
                message += "; the object has no other part"
                severity = "error" if reason == objects.FEW_POINTS else None
            yield found(code, message, severity, subset=subset, **place(image, number))
    counted = dataset.skipped.copy()
    counted.subtract(fault.reason for fault in dataset.faults)
    for reason, count in sorted((+counted).items()):
        yield found("left-out", f"{count} x {reason}", subset=subset)


def outline_findings(dataset: TabledDataset, subset: str, place: Place) -> Iterator[Finding]:
    """Yield outlines that cross themselves or reach beyond their image, and images without any."""
    for image, numbers, instances in kept_objects(dataset):
        height, width = instances.size
        for number, shape in zip(numbers, instances.segmentations, strict=True):
            if not isinstance(shape, list) or not shape:
                continue
            if any(crosses_itself(polygon) for polygon in shape):
                message = "an outline that crosses itself"
                yield found("polygon-crossing", message, subset=subset, **place(image, number))
            points = np.concatenate(shape)
            low, high = points.min(axis=0), points.max(axis=0)
            outside = max(*-low, *(high - (width, height)))
            if outside > TOLERANCE:
                message = f"an outline {outside:.1f} pixels beyond its image of {width}x{height}"
                yield found("beyond-image", message, subset=subset, **place(image, number))
        if not len(instances):
            where = {k: v for k, v in place(image, 0).items() if k in ("image", "file_name")}
            yield found("no-objects", "an image without objects", subset=subset, **where)


def kept_objects(dataset: TabledDataset) -> Iterator[tuple[int, list[int], Instances]]:
    """Yield each image's number, the numbers of the objects on it that are used, and these."""
    lost: dict[int, set[int]] = {}
    for fault in dataset.faults:
        if fault.reason in _OBJECTS:
            lost.setdefault(fault.image, set()).add(fault.number)
    for image in range(len(dataset.image_info)):
        instances = dataset.load_instances(image)
        gone = lost.get(image, set())
        count = len(instances) + len(gone)
        numbers = [number for number in range(count) if number not in gone]
        yield image, numbers, instances


def plain_place(dataset: TabledDataset) -> Place:
    """Return what names the objects of a dataset that has no ids for them."""

    def place(image: int, number: int) -> dict[str, Any]:
        info = dataset.image_info[image]
        name = None if info["path"] is None else PurePath(info["path"]).name
        return {"image": info["id"], "file_name": name, "annotation": number}

    return place


def crosses_itself(points: np.ndarray) -> bool:
    """Return whether two edges of an outline (K, 2) cross; edges that only touch do not."""
    count = len(points)
    if count < 4:
        return False
    start, end = points, np.roll(points, -1, axis=0)
    step = end - start
    rows = max(1, _PAIRS // count)
    for first in range(0, count, rows):
        part = slice(first, first + rows)
        # On which side of an edge (row) the ends of another one (column) lie, and the reverse.
        one = _side(start[part, None], step[part, None], start[None])
        two = _side(start[part, None], step[part, None], end[None])
        three = _side(start[None], step[None], start[part, None])
        four = _side(start[None], step[None], end[part, None])
        if ((one * two < 0) & (three * four < 0)).any():
            return True
    return False


def _side(origin: np.ndarray, step: np.ndarray, point: np.ndarray) -> np.ndarray:
    offset = point - origin
    return np.sign(step[..., 0] * offset[..., 1] - step[..., 1] * offset[..., 0])
