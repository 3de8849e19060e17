"""Parts of pictures and pages that are drawn in another way now."""

from collections.abc import Sequence
from importlib.resources import files

import numpy as np
from matplotlib.axes import Axes

from mrcnn.drawing.images import Color, luma

# The style sheet of the page of the dataset check.
STYLE = (files("mrcnn.report") / "templates" / "data_page.css").read_text("utf-8")


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
