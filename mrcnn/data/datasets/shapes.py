"""Outlines of the shapes that annotation tools draw, as polygons."""

from collections.abc import Sequence

import numpy as np

from mrcnn.data.annotation_files import kind
from mrcnn.errors import InputError

# A polygon with its corners on an ellipse has the IoU n / (2 pi) * sin(2 pi / n) with it, at 64
# corners 0.9984; and four corners at the ends of the axes, so that its box is exact.
ELLIPSE_CORNERS = 64


def rectangle(x: float, y: float, width: float, height: float) -> np.ndarray:
    """Return the corners (4, 2), x, y, of a rectangle whose first corner is at x, y."""
    return np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height]])


def ellipse(x: float, y: float, radius_x: float, radius_y: float, angle: float = 0.0) -> np.ndarray:
    """Return a polygon (64, 2) of x, y on an ellipse.

    Args:
        x: Of the centre, in pixels.
        y: Of the centre, in pixels.
        radius_x: Half of the axis that is horizontal before the turn, in pixels.
        radius_y: Half of the other axis, in pixels.
        angle: Turn in radians, from the x axis towards the y axis (clockwise on the screen).
    """
    turns = 2 * np.pi * np.arange(ELLIPSE_CORNERS) / ELLIPSE_CORNERS
    along, across = radius_x * np.cos(turns), radius_y * np.sin(turns)
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.stack([x + along * cosine - across * sine, y + along * sine + across * cosine], 1)


def numbers(values: Sequence[object], what: str) -> np.ndarray:
    """Return JSON values as float64; whole numbers beyond its range are infinite.

    Args:
        values: What was read.
        what: Names the values in the error.

    Raises:
        InputError: One of them is not a number.
    """
    for value in values:
        # bool is an int in Python.
        if type(value) not in (int, float):
            raise InputError(f"{what} must be numbers, found {kind(value)}")
    try:
        return np.array(values, np.float64)
    except OverflowError:
        return np.array([_float(value) for value in values])


def _float(value: object) -> float:
    try:
        return float(value)  # type: ignore[arg-type]
    except OverflowError:
        return np.inf
