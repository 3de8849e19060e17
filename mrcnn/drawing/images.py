"""Images as they are shown: RGB bytes, colors, blended masks, and several side by side."""

import colorsys
import math
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import colors as mpl_colors
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from mrcnn.drawing.figures import current_figure, finish
from mrcnn.errors import InputError

Color = tuple[float, float, float]


def random_colors(N: int, bright: bool = True) -> list[Color]:
    """Colors that differ as much as `N` hues can, shuffled the same way in every run.

    Args:
        N: How many.
        bright: Full brightness rather than 70 %.

    Returns:
        `N` tuples of red, green and blue in [0, 1].
    """
    value = 1.0 if bright else 0.7
    colors = [colorsys.hsv_to_rgb(i / N, 1.0, value) for i in range(N)]
    random.Random(0).shuffle(colors)
    return colors


def luma(color: Sequence[float]) -> float:
    """Brightness of a color as the eye weighs it (Rec. 601), in [0, 1]."""
    return 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2]


def to_rgb(image: np.ndarray) -> np.ndarray:
    """A copy of an image as RGB bytes, (H, W, 3) uint8.

    Args:
        image: (H, W) or (H, W, C). Fewer than three channels: the first is shown in grey; more: the
            first three are red, green and blue. Floats that do not exceed 1 range from 0 to 1,
            other numbers from 0 to 255 (16-bit integers that exceed it, to 65535); what lies
            outside is clipped, NaN is black.

    Raises:
        InputError: The array has another number of axes.
    """
    image = np.asarray(image)
    if image.ndim not in (2, 3) or 0 in image.shape[2:]:
        raise InputError(
            f"an image has the shape (height, width) or (height, width, channels), "
            f"got {image.shape}"
        )
    channels = np.atleast_3d(image)
    channels = channels[..., :3] if channels.shape[2] >= 3 else channels[..., :1]
    if channels.dtype == bool:
        channels = channels * np.uint8(255)
    elif channels.dtype == np.uint16 and channels.max(initial=0) > 255:
        channels = channels >> 8
    elif channels.dtype.kind == "f":
        channels = np.nan_to_num(channels)
        channels = np.rint(channels * _full(channels))
    channels = channels.clip(0, 255).astype(np.uint8)
    return channels.repeat(3, axis=2) if channels.shape[2] == 1 else channels.copy()


def apply_mask(
    image: np.ndarray, mask: np.ndarray, color: Sequence[float], alpha: float = 0.5
) -> np.ndarray:
    """Blend a color into the pixels of a mask.

    Args:
        image: (H, W, 3) in [0, 255], or floats in [0, 1]. It is changed in place, as in the
            original; an image of booleans or of one channel, which cannot hold a color, stays as it
            is.
        mask: (H, W); the pixels that are not 0 are colored.
        color: Red, green and blue in [0, 1].
        alpha: Share of the color in [0, 1].

    Returns:
        `image`, or a new one as of `to_rgb` in its place.

    Raises:
        InputError: Image and mask differ in size.
    """
    if image.ndim != 3 or image.shape[2] < 3 or image.dtype == bool:
        image = to_rgb(image)
    inside = np.asarray(mask).astype(bool)
    if inside.shape != image.shape[:2]:
        raise InputError(f"the mask is {inside.shape}, the image {image.shape[:2]} (height, width)")
    full = 255 / _full(image) if image.dtype.kind == "f" else 255
    part = image[inside, :3]
    blended = part * (1 - alpha) + alpha * full * np.asarray(color[:3], np.float64)
    image[inside, :3] = blended.astype(image.dtype)
    return image


def draw_box(image: np.ndarray, box: Sequence[float] | np.ndarray, color: Any) -> np.ndarray:
    """Draw the frame of a box, two pixels wide, into an image.

    Args:
        image: (H, W, C). It is changed in place, as in the original.
        box: y1, x1, y2, x2 in pixels, the last two exclusive. The frame lies inside of it; what
            lies outside of the image is left out.
        color: One value per channel, in the numbers of the image.

    Returns:
        `image`.
    """
    y1, x1, y2, x2 = (round(float(side)) for side in box)
    top, left, bottom, right = (max(side, 0) for side in (y1, x1, y2, x2))
    for rows, columns in (
        ((y1, min(y1 + 2, y2)), (left, right)),
        ((max(y2 - 2, y1), y2), (left, right)),
        ((top, bottom), (x1, min(x1 + 2, x2))),
        ((top, bottom), (max(x2 - 2, x1), x2)),
    ):
        part = [slice(max(first, 0), max(end, 0)) for first, end in (rows, columns)]
        image[part[0], part[1]] = color
    return image


def display_images(
    images: Sequence[np.ndarray] | np.ndarray,
    titles: Sequence[Any] | None = None,
    cols: int = 4,
    cmap: Any = None,
    norm: Any = None,
    interpolation: str | None = None,
    show: bool = False,
) -> Figure:
    """Show images side by side.

    Args:
        images: Each (H, W, 3), or (H, W) or (H, W, 1), whose values get the colors of `cmap`.
        titles: One per image.
        cols: Images in a row.
        cmap: Colors of single-channel images; None is Matplotlib's.
        norm: How the values of single-channel images are scaled before; None is from the smallest
            to the largest, of booleans from False to True.
        interpolation: Matplotlib's name of a way to enlarge.
        show: Open a window. A notebook shows the figure anyway.

    Returns:
        The figure, one axes per image.

    Raises:
        InputError: There is another number of titles than of images, or `cols` is below 1.
    """
    if cols < 1:
        raise InputError(f"cols must be at least 1, got {cols}")
    if titles is not None and len(titles) != len(images):
        raise InputError(
            f"titles must be as many as images: got {len(titles)} titles, {len(images)} images"
        )
    rows = max(1, math.ceil(len(images) / cols))
    side = 14 / cols
    figure = current_figure((14, rows * (side + 0.3)))
    for index, image in enumerate(images):
        ax = figure.add_subplot(rows, cols, index + 1)
        values = np.asarray(image)
        if values.ndim == 3 and values.shape[2] == 1:
            values = values[..., 0]
        if values.ndim == 2:
            if values.dtype == bool:
                # Not from the smallest to the largest value: a mask may be full, or empty.
                values, scaled = values.astype(np.float32), norm or Normalize(0, 1)
            else:
                scaled = norm
            ax.imshow(values, cmap=cmap, norm=scaled, interpolation=interpolation)
        else:
            ax.imshow(to_rgb(values), interpolation=interpolation)
        ax.set_title("" if titles is None else str(titles[index]), fontsize=9)
        ax.axis("off")
    return finish(figure, show)


def rgb_of(color: Any) -> Color:
    """Red, green and blue in [0, 1] of a color as Matplotlib has it: a name, 3 or 4 numbers."""
    return mpl_colors.to_rgb(color)


def _full(image: np.ndarray) -> int:
    """The factor from the numbers of a float image to bytes."""
    return 255 if image.max(initial=0) <= 1 else 1
