"""Where labels go: beside their objects, off each other, and off small objects.

All extents are left, top, right, bottom in one unit, y downward.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

Extent = tuple[float, float, float, float]
# Shares of a box that labels may cover: of any box, and of the own one. First without hiding
# anything, then hiding a little; a label that would hide more is left out.
LIMITS = ((0.1, 0.1), (0.3, 0.3), (0.3, 0.5))


class Place(NamedTuple):
    """Where a label goes, and in which of the offered sizes."""

    extent: Extent
    size: int


def place_labels(
    boxes: Sequence[Extent] | np.ndarray,
    sizes: Sequence[Sequence[tuple[float, float]]],
    order: Sequence[int],
    canvas: Extent,
    taken: Sequence[Extent] = (),
) -> dict[int, Place]:
    """Find a place for labels beside their boxes.

    A label keeps inside of the canvas and off all labels before it, and hides no more than a share
    of any box. It is tried above its box, below, to the right, to the left and inside, in the sizes
    that are offered, the first ones first.

    Args:
        boxes: (N, 4) extents of the objects.
        sizes: For each size that is offered, width and height of the N labels in it.
        order: The labels to place, the most important one first.
        canvas: Extent of the picture.
        taken: Extents that labels keep off.

    Returns:
        The places by the position of the label; those that found none are missing.
    """
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    inside = np.concatenate(
        [np.maximum(boxes[:, :2], canvas[:2]), np.minimum(boxes[:, 2:], canvas[2:])], axis=1
    )
    occupied = list(taken)
    places: dict[int, Place] = {}
    for index in order:
        place = _place(index, inside, sizes, canvas, occupied)
        if place is not None:
            places[index] = place
            occupied.append(place.extent)
    return places


def _place(
    index: int,
    boxes: np.ndarray,
    sizes: Sequence[Sequence[tuple[float, float]]],
    canvas: Extent,
    occupied: Sequence[Extent],
) -> Place | None:
    others = np.array(occupied, np.float64).reshape(-1, 4)
    free = []
    for size, labels in enumerate(sizes):
        for extent in _candidates(boxes[index], *labels[index], canvas):
            if not _common(extent, others).any():
                shares = _shares(extent, boxes)
                own = float(shares[index])
                shares[index] = 0
                free.append((Place(extent, size), float(shares.max(initial=0)), own))
    for limit, own_limit in LIMITS:
        for place, share, own in free:
            if share <= limit and own <= own_limit:
                return place
    return None


def _candidates(box: np.ndarray, width: float, height: float, canvas: Extent) -> Iterator[Extent]:
    """Places beside a box and at its inner corners, inside of the canvas; none if it is too small.

    They slide along the side of the box to stay on the canvas.
    """
    left, top, right, bottom = (float(side) for side in box)
    last_x, last_y = canvas[2] - width, canvas[3] - height
    xs = [min(max(x, canvas[0]), last_x) for x in (left, right - width)]
    ys = [min(max(y, canvas[1]), last_y) for y in (top, bottom - height)]
    spots = [(x, y) for y in (top - height, bottom) for x in xs]
    spots += [(x, y) for x in (right, left - width) for y in ys]
    spots += [(x, y) for y in ys for x in xs]
    for x, y in spots:
        if canvas[0] <= x <= last_x and canvas[1] <= y <= last_y:
            yield x, y, x + width, y + height


def free_corner(width: float, height: float, boxes: np.ndarray, canvas: Extent) -> Extent:
    """The corner of the canvas where a note of this size hides the least of all boxes."""
    left, top, right, bottom = canvas
    corners = [
        (x, y, x + width, y + height) for y in (bottom - height, top) for x in (left, right - width)
    ]
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    return min(corners, key=lambda corner: float(_shares(corner, boxes).sum()))


def _shares(extent: Extent, boxes: np.ndarray) -> np.ndarray:
    """The share of each box (N, 4) that an extent covers, 0 to 1."""
    areas = (boxes[:, 2:] - boxes[:, :2]).clip(min=0).prod(axis=1)
    return _common(extent, boxes) / np.maximum(areas, 1e-9)


def _common(extent: Extent, others: np.ndarray) -> np.ndarray:
    """The area that an extent has in common with each of the others (N, 4)."""
    low = np.maximum(others[:, :2], extent[:2])
    high = np.minimum(others[:, 2:], extent[2:])
    return (high - low).clip(min=0).prod(axis=1)
