"""The objects of a dataset, whatever format it comes from: what its reader left out, and outlines
that were hardly meant.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import Any

import numpy as np
from skimage.measure import find_contours

from mrcnn.data.checks.files import ImagePlace
from mrcnn.data.datasets import object_table as objects
from mrcnn.data.datasets.dataset import Dataset, Instances
from mrcnn.data.datasets.mask_files import EMPTY, FULL, MaskDataset
from mrcnn.data.datasets.object_table import ObjectTableDataset
from mrcnn.data.findings import Finding, Severity, found
from mrcnn.data.masks import Segmentation, decode
from mrcnn.errors import InputError

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
        "a polygon without area: its points lie on a line, or it is wound both ways",
    ),
    objects.RLE_SIZE: (
        "rle-size",
        "a run-length encoding of another size than its image; 'size' is [height, width]",
    ),
    objects.RLE_BROKEN: (
        "rle-broken",
        "a run-length encoding that does not decode to the size of its image",
    ),
    objects.NO_MASK: ("empty-mask", "neither a mask with a pixel nor a box"),
    objects.BOX_KEPT: ("empty-mask", "a mask without a pixel"),
    objects.OUTSIDE: (
        "outside-image",
        "it lies outside of its image; coordinates are in pixels from the top left corner",
    ),
    objects.BAD_BOX: (
        "box-size",
        "'bbox' must be [x, y, width, height] in numbers, with a positive width and height",
    ),
}
# Pictures of masks without an object are images without objects, which is a finding already.
_MASKS = {EMPTY: "empty-mask", FULL: "full-mask"}


def fault_findings(dataset: Dataset, subset: str, place: Place) -> Iterator[Finding]:
    """Yield what the reader of a dataset left out.

    A polygon of fewer than three points is an error where it was all that its object had: there is
    an object, and it is not known where.
    """
    if not isinstance(dataset, ObjectTableDataset):
        return
    for (image, number), group in groupby(dataset.faults, key=lambda fault: fault[:2]):
        reasons = [fault.reason for fault in group]
        lost, boxed = objects.NO_MASK in reasons, objects.BOX_KEPT in reasons
        causes = [r for r in reasons if r not in (objects.NO_MASK, objects.BOX_KEPT)]
        for reason in causes or reasons:
            code, message = FAULTS[reason]
            severity: Severity | None = None
            if boxed:
                message += "; the object keeps its box, and the mask loss ignores it"
            elif lost and causes:
                message += "; the object has no other part"
                severity = "error" if reason == objects.FEW_POINTS else None
            yield found(code, message, severity, subset=subset, **place(image, number))
    counted = dataset.skipped.copy()
    counted.subtract(fault.reason for fault in dataset.faults)
    for reason, count in sorted((+counted).items()):
        yield found("left-out", f"{count} x {reason}", subset=subset)


def mask_findings(dataset: Dataset, subset: str, place: ImagePlace) -> Iterator[Finding]:
    """Yield masks in pictures that are empty or cover their image; the objects have been read."""
    if not isinstance(dataset, MaskDataset):
        return
    for image, masks in sorted(dataset.odd_masks.items()):
        for odd in masks:
            code = _MASKS.get(odd.kind)
            if code:
                message = f"{odd.file}: {odd.kind}"
                yield found(code, message, subset=subset, **place(image))


def outline_findings(dataset: Dataset, subset: str, place: Place) -> Iterator[Finding]:
    """Yield outlines that cross themselves or reach beyond their image, and images without any."""
    for image, numbers, instances in kept_objects(dataset):
        height, width = instances.size
        for number, shape in zip(numbers, instances.segmentations, strict=True):
            if not isinstance(shape, list) or not shape:
                continue
            crossings = [crossing for crossing in map(find_crossing, shape) if crossing]
            if crossings:
                x, y = crossings[0]
                message = f"an outline that crosses itself at x, y = {x:.1f}, {y:.1f}"
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


def kept_objects(
    dataset: Dataset, images: Iterable[int] | None = None
) -> Iterator[tuple[int, list[int], Instances]]:
    """Yield each image's number, the numbers of the objects on it that are used, and these.

    Images whose objects cannot be read are left out.
    """
    lost: dict[int, set[int]] = {}
    for fault in dataset.faults if isinstance(dataset, ObjectTableDataset) else ():
        if fault.reason in objects.LOST:
            lost.setdefault(fault.image, set()).add(fault.number)
    for image in range(len(dataset.image_info)) if images is None else images:
        try:
            instances = dataset.load_instances(image)
        except InputError:
            continue
        gone = lost.get(image, set())
        count = len(instances) + len(gone)
        numbers = [number for number in range(count) if number not in gone]
        yield image, numbers, instances


def outlines(shape: Segmentation, box: np.ndarray) -> list[np.ndarray]:
    """Return the outlines (K, 2), x, y in pixels, of an object; of its box where it has no mask."""
    if isinstance(shape, list):
        y1, x1, y2, x2 = (float(side) for side in box)
        return shape or [np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]])]
    mask = np.pad(decode(shape, (0, 0)), 1).astype(np.float32)
    # Pixel (i, j) is padded to (i + 1, j + 1), and its centre lies at i + 0.5, j + 0.5.
    return [contour[:, ::-1] - 0.5 for contour in find_contours(mask, 0.5)]


def find_crossing(points: np.ndarray) -> tuple[float, float] | None:
    """Return x and y of a place where two edges of an outline (K, 2) cross, or None.

    Edges that only touch do not cross.
    """
    count = len(points)
    if count < 4:
        return None
    ends = np.roll(points, -1, axis=0)
    step = ends - points
    rows = max(1, _PAIRS // count)
    for first in range(0, count, rows):
        part = slice(first, first + rows)
        start, along = points[part, None], step[part, None]
        # On which side of an edge (row) the ends of another one (column) lie, and the reverse.
        one, two = _side(start, along, points[None]), _side(start, along, ends[None])
        three = _side(points[None], step[None], start)
        four = _side(points[None], step[None], ends[part, None])
        found = np.argwhere((one * two < 0) & (three * four < 0))
        if len(found):
            row, column = found[0]
            share = three[row, column] / (three[row, column] - four[row, column])
            x, y = points[first + row] + share * step[first + row]
            return float(x), float(y)
    return None


def _side(origin: np.ndarray, step: np.ndarray, point: np.ndarray) -> np.ndarray:
    offset = point - origin
    return step[..., 0] * offset[..., 1] - step[..., 1] * offset[..., 0]
