"""Image files that hold labels: a value for each object, or the shape of one.

Pillow's conversions are for display. They cut 16 bits down to 8, spread 4 bits over 8, drop
transparency and turn a palette into colors; labels are read without them.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from mrcnn.data.reading.header import open_picture, orientation, turned
from mrcnn.errors import InputError

# By which grey values of fewer than 8 bits are spread, by Pillow's name for how they are stored.
_SPREAD = {"L;2": 85, "L;4": 17}
# What transparency is kept in.
_WITH_ALPHA = ("LA", "La", "PA", "RGBA", "RGBa")


def load_values(path: str | Path) -> np.ndarray:
    """Read an image file of one label a pixel as it is stored: palette indices, whole numbers of 1
    to 32 bits, or floats that are whole.

    Grey that was saved as RGB is taken too. Pixels that are fully transparent, or NaN, are 0.

    Returns:
        (H, W), whole numbers of any type.

    Raises:
        InputError: The file is missing, is no image, is cut off, or has colors or fractions.
    """
    picture, layout = open_picture(path)
    values = _stored(picture, layout)
    if values.dtype.kind == "f":
        values = np.where(np.isnan(values), 0, values)
        whole = values.astype(np.int64)
        if not np.array_equal(whole, values):
            raise InputError(
                f"image {path} has values that are not whole numbers; a mask has one a pixel"
            )
        values = whole
    if values.ndim == 3:
        colors, alpha = _parted(picture.mode, values)
        if (colors != colors[:, :, :1]).any():
            raise InputError(
                f"image {path} has pixels of the kind {picture.mode}; "
                "a mask has one whole number a pixel: 8, 16 or 32 bits, or a palette"
            )
        values = colors[:, :, 0] if alpha is None else np.where(alpha > 0, colors[:, :, 0], 0)
    return _turned(values, picture)


def load_shape(path: str | Path) -> np.ndarray:
    """Read an image file of one object: every pixel that is not 0, transparent or NaN.

    A palette counts by its colors, so that black is background whatever its number is. Where all
    that is visible is black, the shape is what is not transparent, or else the numbers of the
    palette.

    Returns:
        (H, W), bool.

    Raises:
        InputError: The file is missing, is no image, or is cut off.
    """
    picture, layout = open_picture(path)
    shown = picture
    if picture.mode == "P" or "transparency" in picture.info and picture.mode in ("L", "RGB"):
        shown = picture.convert("RGBA")
    values = _stored(shown, layout)
    if values.dtype.kind == "f":
        values = np.nan_to_num(values, nan=0.0)
    if values.ndim == 2:
        return _turned(values != 0, picture)
    colors, alpha = _parted(shown.mode, values)
    visible = np.ones(colors.shape[:2], bool) if alpha is None else alpha > 0
    shape = visible & (colors != 0).any(axis=2)
    if not shape.any() and not visible.all():
        shape = visible
    elif not shape.any() and picture.mode == "P":
        shape = np.asarray(picture) != 0
    return _turned(shape, picture)


def _stored(picture: Image.Image, layout: str) -> np.ndarray:
    values = np.asarray(picture)
    return values // _SPREAD[layout] if layout in _SPREAD and picture.mode == "L" else values


def _parted(mode: str, values: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Return colors (H, W, C) and transparency (H, W), if there is one, of pixels."""
    return (values[:, :, :-1], values[:, :, -1]) if mode in _WITH_ALPHA else (values, None)


def _turned(values: np.ndarray, picture: Image.Image) -> np.ndarray:
    """Return labels turned by the EXIF orientation of their own file, as an image is."""
    lies = orientation(picture)
    if lies == 1:
        return values
    positions = np.arange(values.size, dtype=np.int32).reshape(values.shape)
    return values.ravel()[np.asarray(turned(Image.fromarray(positions), lies))]
