"""What is drawn on axes: the image, frames, outlines of masks, labels."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Rectangle
from matplotlib.textpath import text_to_path
from skimage.measure import find_contours

from mrcnn.compat.moved import moved_name
from mrcnn.data.masks import Part
from mrcnn.drawing.images import Color, luma
from mrcnn.drawing.labels import Extent, free_corner, place_labels

# Points around the text of a label.
PADDING = 1.5


def show_image(ax: Axes, image: np.ndarray, title: str, margin: float = 0.0) -> None:
    """Show an image (H, W, 3) uint8, with a margin of a share of its sides around it."""
    height, width = image.shape[:2]
    ax.imshow(image)
    # Pixel centres lie at whole coordinates. Fixed here: nothing drawn later moves the limits.
    ax.set_xlim(-0.5 - margin * width, width - 0.5 + margin * width)
    ax.set_ylim(height - 0.5 + margin * height, -0.5 - margin * height)
    ax.set_title(title)
    ax.axis("off")


def frame(
    ax: Axes,
    box: Sequence[float],
    color: Color,
    style: str = "solid",
    alpha: float = 1.0,
    width: float = 2.0,
) -> None:
    """Draw a box, pixels y1, x1, y2, x2, around the pixels that it holds."""
    y1, x1, y2, x2 = (float(side) for side in box)
    # The border of pixel x1 is at x1 - 0.5.
    patch = Rectangle((x1 - 0.5, y1 - 0.5), x2 - x1, y2 - y1, linewidth=width)
    patch.set(edgecolor=color, facecolor="none", linestyle=style, alpha=alpha)
    ax.add_patch(patch)


def outline(ax: Axes, part: Part, color: Color, style: str = "solid", width: float = 1.5) -> None:
    """Draw the contours of the part of a mask that has all its pixels, holes too."""
    pixels, (top, left) = part
    if not pixels.any():
        return
    # Padded: a contour is closed where the mask ends at the border of the image too.
    inside = np.pad(pixels, 1).astype(np.float32)
    lines = [line[:, ::-1] + (left - 1, top - 1) for line in find_contours(inside, 0.5)]
    drawn = LineCollection(lines, colors=[color], linewidths=width, linestyles=style)
    ax.add_collection(drawn, autolim=False)


def write_labels(
    ax: Axes,
    boxes: np.ndarray,
    texts: Sequence[str],
    colors: Sequence[Color],
    order: Sequence[int] | None = None,
    total: int | None = None,
) -> None:
    """Write labels beside their boxes, off each other and off small boxes.

    Args:
        ax: Axes that show the image, whose limits stay.
        boxes: (N, 4) pixels y1, x1, y2, x2.
        texts: One per box.
        colors: One per box.
        order: The boxes that get a label, the most important one first; None is all of them.
        total: How many labels there would be without a limit; where fewer find a place, a note
            says so. None counts `order`.
    """
    order = [index for index in range(len(texts)) if texts[index]] if order is None else order
    if not order:
        return
    total = len(order) if total is None else total
    left, right = sorted(ax.get_xlim())
    top, bottom = sorted(ax.get_ylim())
    canvas = (left, top, right, bottom)
    place_on_figure, figure = ax.get_position(), ax.figure.figure
    width = place_on_figure.width * figure.get_figwidth()
    height = place_on_figure.height * figure.get_figheight()
    # The image is fitted into the axes: so many of its pixels are a point.
    unit = max((right - left) / width, (bottom - top) / height) / 72
    # 8 points on the axes of a small panel, 14 on those of a figure 16 inches wide.
    size = float(np.clip(7 + 0.45 * width, 8, 14))
    points = (size, max(0.75 * size, 7.0))
    sizes = [[_text_size(text, number, unit) for text in texts] for number in points]
    extents = np.asarray(boxes, np.float64).reshape(-1, 4)[:, [1, 0, 3, 2]] - 0.5
    places = place_labels(extents, sizes, order, canvas)
    if len(places) < total:
        extent = _text_size(f"{total} of {total} labels", points[1], unit)
        corner = free_corner(*extent, extents[order], canvas)
        places = place_labels(extents, sizes, order, canvas, [corner])
        note = f"{len(places)} of {total} labels"
        _write(ax, note, corner, points[1], unit, (1.0, 1.0, 1.0))
    for index, (place, number) in places.items():
        _write(ax, texts[index], place, points[number], unit, colors[index])


def shift(ax: Axes, start: Sequence[float], end: Sequence[float], color: Color) -> None:
    """Draw a line between the upper left corners of two boxes."""
    xs, ys = (start[1] - 0.5, end[1] - 0.5), (start[0] - 0.5, end[0] - 0.5)
    ax.plot(xs, ys, color=color, linewidth=1, scalex=False, scaley=False)


def _text_size(text: str, points: float, unit: float) -> tuple[float, float]:
    """Width and height of a label in pixels of the image, of which `unit` are a point."""
    width = text_to_path.get_text_width_height_descent(text, FontProperties(size=points), False)[0]
    # As high for all texts, so that labels are alike.
    return (width + 2 * PADDING) * unit, (1.15 * points + 2 * PADDING) * unit


def _write(ax: Axes, text: str, place: Extent, points: float, unit: float, color: Color) -> None:
    ax.text(
        place[0] + PADDING * unit,
        (place[1] + place[3]) / 2,
        text,
        color="black" if luma(color) > 0.5 else "white",
        size=points,
        verticalalignment="center_baseline",
        parse_math=False,
        bbox={"facecolor": color, "alpha": 0.75, "pad": PADDING, "edgecolor": "none"},
        clip_on=True,
    )


def __getattr__(name: str) -> Any:
    return moved_name(__name__, name)
