"""What of an object is visible inside a rectangle: the exact extent, without a raster."""

from collections.abc import Sequence

import numpy as np

from mrcnn.data.encodings import decode_inside
from mrcnn.data.masks import Segmentation, extract_bboxes

Region = Sequence[float] | np.ndarray
# Pixels. An object that only touches the rectangle, with an edge along it, is not visible there.
_TOUCH = 1e-5


def visible_box(segmentation: Segmentation, region: Region) -> np.ndarray:
    """Return the box y1, x1, y2, x2 (float32) of the part of an object inside a region.

    Args:
        segmentation: The object, in image pixels; a polygon at least.
        region: y1, x1, y2, x2 in image pixels; for run-length encodings and masks inside the image.

    Returns:
        The box; of zero area where nothing of the object is inside.
    """
    low, high = np.array(region[:2], np.float64), np.array(region[2:], np.float64)
    if isinstance(segmentation, list):
        boxes = np.array([_polygon_box(p[:, ::-1], low, high) for p in segmentation])
    else:
        (y1, x1), (y2, x2) = np.floor(low).astype(int), np.ceil(high).astype(int)
        if isinstance(segmentation, dict):
            window = (int(y1), int(x1), int(y2), int(x2))
            part, (y1, x1) = decode_inside(segmentation, window)
        else:
            part = segmentation[y1:y2, x1:x2]
        boxes = extract_bboxes(part[:, :, None]) + np.array([y1, x1, y1, x1])
        boxes = boxes.clip(np.tile(low, 2), np.tile(high, 2))
    boxes = boxes[(boxes[:, 2:] > boxes[:, :2]).all(axis=1)]
    if len(boxes) == 0:
        return np.zeros(4, np.float32)
    return np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)]).astype(np.float32)


def _polygon_box(points: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return the box (4,) of a polygon (K, 2) of y, x inside the rectangle from `low` to `high`.

    Its sides are reached by the parts of edges inside of the rectangle, or by corners of that
    inside of the polygon. Clipped polygons would not do: they have false edges along the rectangle.
    """
    first, last, step = low + _TOUCH, high - _TOUCH, np.roll(points, -1, axis=0) - points
    # Liang and Barsky: an edge is inside from where it has entered both strips to where it leaves
    # the first.
    with np.errstate(divide="ignore", invalid="ignore"):
        ends = np.sort(np.stack([(first - points) / step, (last - points) / step]), axis=0)
    parallel, within = step == 0, (points >= first) & (points <= last)
    enter = np.where(parallel, np.where(within, -np.inf, np.inf), ends[0]).max(axis=1).clip(0)
    leave = np.where(parallel, np.inf, ends[1]).min(axis=1).clip(max=1)
    met = enter <= leave
    found = [points[met] + share[met, None] * step[met] for share in (enter, leave)]

    corners = np.array([[y, x] for y in (first[0], last[0]) for x in (first[1], last[1])])
    found.append(corners[[_inside(corner, points, step) for corner in corners]])
    all_found = np.concatenate(found)
    if len(all_found) == 0:
        return np.zeros(4)
    start, end = all_found.min(axis=0), all_found.max(axis=0)
    near = 2 * _TOUCH
    return np.concatenate(
        [np.where(start < low + near, low, start), np.where(end > high - near, high, end)]
    )


def _inside(point: np.ndarray, points: np.ndarray, step: np.ndarray) -> bool:
    """Whether a point y, x is in a polygon: a ray to the left crosses its edges an odd number of
    times.
    """
    y, x = point
    crosses = (points[:, 0] > y) != (points[:, 0] + step[:, 0] > y)
    start, along = points[crosses], step[crosses]
    at = start[:, 1] + (y - start[:, 0]) / along[:, 0] * along[:, 1]
    return bool((at < x).sum() % 2)
