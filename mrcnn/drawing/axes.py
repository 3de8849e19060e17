"""What is drawn on axes: the image, frames, outlines of masks, labels."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patches import Rectangle
from skimage.measure import find_contours

from mrcnn.drawing.images import Color, luma
from mrcnn.drawing.instances import extent_of


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
    ax: Axes, box: Sequence[float], color: Color, style: str = "solid", alpha: float = 1.0
) -> None:
    """Draw a box, pixels y1, x1, y2, x2, around the pixels that it holds."""
    y1, x1, y2, x2 = (float(side) for side in box)
    # The border of pixel x1 is at x1 - 0.5.
    patch = Rectangle((x1 - 0.5, y1 - 0.5), x2 - x1, y2 - y1, linewidth=2)
    patch.set(edgecolor=color, facecolor="none", linestyle=style, alpha=alpha)
    ax.add_patch(patch)


def outline(ax: Axes, mask: np.ndarray, color: Color) -> None:
    """Draw the contours of a mask (H, W), holes too."""
    mask = np.asarray(mask).astype(bool)
    extent = extent_of(mask)
    if extent is None:
        return
    top, left, bottom, right = extent
    # Padded: a contour is closed where the mask ends at the border of the image too.
    inside = np.pad(mask[top:bottom, left:right], 1).astype(np.float32)
    lines = [line[:, ::-1] + (left - 1, top - 1) for line in find_contours(inside, 0.5)]
    ax.add_collection(LineCollection(lines, colors=[color], linewidths=1.5), autolim=False)


def label(ax: Axes, box: Sequence[float], text: str, color: Color) -> None:
    """Write a label at the upper left corner of a box, inside of the axes."""
    if not text:
        return
    # 8 points on the axes of a small panel, 14 on those of a figure 16 inches wide.
    inches = ax.get_position().width * ax.figure.figure.get_figwidth()
    size = float(np.clip(7 + 0.45 * inches, 8, 14))
    left, right = sorted(ax.get_xlim())
    top, bottom = sorted(ax.get_ylim())
    x, y = np.clip(box[1] - 0.5, left, right), np.clip(box[0] - 0.5, top, bottom)
    ax.text(
        x,
        y,
        text,
        color="black" if luma(color) > 0.5 else "white",
        size=size,
        verticalalignment="top",
        bbox={"facecolor": color, "alpha": 0.75, "pad": 1.5, "edgecolor": "none"},
        clip_on=True,
    )


def shift(ax: Axes, start: Sequence[float], end: Sequence[float], color: Color) -> None:
    """Draw a line between the upper left corners of two boxes."""
    xs, ys = (start[1] - 0.5, end[1] - 0.5), (start[0] - 0.5, end[0] - 0.5)
    ax.plot(xs, ys, color=color, linewidth=1, scalex=False, scaley=False)
