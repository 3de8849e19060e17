"""Pictures of what is wrong with a dataset: an image with the outlines of an object on it, and
plots of the objects against the anchors.
"""

import base64
import io
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image, ImageDraw

from mrcnn.constants import NEGATIVE_ANCHOR_IOU as NEGATIVE
from mrcnn.constants import POSITIVE_ANCHOR_IOU as POSITIVE
from mrcnn.data.checks.statistics import AnchorFit, ObjectNumbers
from mrcnn.data.reading.header import read_sizes
from mrcnn.data.reading.picture import load
from mrcnn.drawing.figures import new_figure

RED = (230, 25, 25)
BLUE, ORANGE = "#3465a4", "#d9730d"
# Shares of an image: of an object smaller than the first, the surroundings alone are shown, so wide
# that it fills the second.
SMALL, FILLED = 0.1, 0.25
# Pixels between two thumbnails, and of a line of text.
GAP, LINE = 8, 16


def problem_picture(path: str | None, outlines: Sequence[np.ndarray], side: int = 240) -> bytes:
    """Return a thumbnail as JPEG: an image with the outlines of an object.

    Args:
        path: The image file; one that does not open is shown as a grey square.
        outlines: (K, 2) each, x, y in pixels of the image. What lies outside of it shows on white,
            as far as there is room; of a small object, only the surroundings are shown.
        side: The longer side of the thumbnail in pixels.
    """
    try:
        picture = Image.fromarray(load(path or ""))
    except Exception:  # whatever a decoder says to bytes that were never an image
        picture = Image.new("RGB", (side, side), (200, 200, 200))
        ImageDraw.Draw(picture).text((8, 8), "does not open", fill="black")
        outlines = []
    return _jpeg(_with_outlines(picture, outlines, side))


def turned_picture(path: str, outlines: Sequence[np.ndarray], side: int = 240) -> bytes:
    """Return two thumbnails beside each other, as JPEG: a photo as it is stored and turned upright,
    each with the same outlines, which fit one of them.
    """
    upright, stored = read_sizes(path)
    found = [Image.fromarray(load(path, size)) for size in (stored, upright)]
    panels = [_with_outlines(picture, outlines, side) for picture in found]
    sheet = Image.new("RGB", (2 * side + GAP, side + LINE), "white")
    words = ("as it is stored, and read", "upright")
    for number, (panel, text) in enumerate(zip(panels, words, strict=True)):
        sheet.paste(panel, (number * (side + GAP), LINE))
        ImageDraw.Draw(sheet).text((number * (side + GAP), 2), text, fill="black")
    return _jpeg(sheet)


def _with_outlines(picture: Image.Image, outlines: Sequence[np.ndarray], side: int) -> Image.Image:
    """Return a thumbnail of what shows the outlines, with them on it."""
    left, top, right, bottom = _view(picture.size, outlines)
    factor = side / max(right - left, bottom - top)
    size = (max(1, round((right - left) * factor)), max(1, round((bottom - top) * factor)))
    matrix = (1 / factor, 0, left, 0, 1 / factor, top)
    canvas = picture.transform(
        size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR, fillcolor="white"
    )
    draw = ImageDraw.Draw(canvas)
    for points in outlines:
        # Far corners would only cost time.
        corners = ((points - (left, top)) * factor).clip(-4 * side, 4 * side)
        draw.line([tuple(c) for c in [*corners.tolist(), corners[0].tolist()]], RED, width=2)
    return canvas


def _jpeg(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=82)
    return buffer.getvalue()


def _view(
    size: tuple[int, int], outlines: Sequence[np.ndarray]
) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom of the part of the plane that shows an object."""
    width, height = size
    if not outlines:
        return 0, 0, width, height
    points = np.concatenate(outlines)
    (x1, y1), (x2, y2) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    extent, longer = max(x2 - x1, y2 - y1), max(size)
    if extent < SMALL * longer:
        reach = max(extent / FILLED, 8) / 2
        x, y = (x1 + x2) / 2, (y1 + y2) / 2
        if 0 <= x <= width and 0 <= y <= height:
            return x - reach, y - reach, x + reach, y + reach
    margin = longer / 4
    left, top = max(min(0, x1 - 2), -margin), max(min(0, y1 - 2), -margin)
    right, bottom = max(width, x2 + 2), max(height, y2 + 2)
    return left, top, min(right, width + margin), min(bottom, height + margin)


def number_plots(numbers: ObjectNumbers, fit: AnchorFit) -> bytes:
    """Return plots as PNG: objects per image, sizes, aspects and the best IoU with an anchor, with
    the present and the proposed anchors.
    """
    figure = new_figure((11, 6.2))
    axes = figure.subplots(2, 2)
    most = int(numbers.per_image.max(initial=0))
    counted = np.arange(most + 2) - 0.5 if most < 60 else 60
    axes[0, 0].hist(numbers.per_image, bins=counted, color=BLUE)
    axes[0, 0].set(title="Objects per image", xlabel="objects", ylabel="images")
    names = ("size", "aspect")
    titles = ("Size after resizing", "Aspect")
    labels = ("root of the area of the box, pixels", "width / height")
    marks = [(anchors.scales, anchors.ratios) for anchors in fit.anchors]
    for index, (axis, name) in enumerate(zip((axes[0, 1], axes[1, 0]), names, strict=True)):
        values = getattr(numbers, name)
        if len(values):
            low, high = max(values.min(), 1e-3), max(values.max(), 2e-3)
            axis.hist(values, bins=np.geomspace(low, high * 1.001, 50), color=BLUE)
        axis.set_xscale("log", base=2)
        axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axis.set(title=titles[index], xlabel=labels[index], ylabel="objects")
        for number, color, style, label in (
            (0, "black", "-", "anchors in use"),
            (1, ORANGE, "--", "proposed"),
        ):
            for place, value in enumerate(marks[number][index]):
                text = label if place == 0 else None
                axis.axvline(value, color=color, linestyle=style, linewidth=1.2, label=text)
        axis.legend(fontsize="small")
    bins = np.linspace(0, 1, 41)
    axes[1, 1].hist(fit.ious[0], bins=bins, color=BLUE, label="anchors in use")
    axes[1, 1].hist(
        fit.ious[1], bins=bins, histtype="step", color=ORANGE, linewidth=1.6, label="proposed"
    )
    for value in (NEGATIVE, 0.5, POSITIVE):
        axes[1, 1].axvline(value, color="grey", linestyle=":", linewidth=1)
    axes[1, 1].set(
        title="Best IoU of an object with an anchor", xlabel="IoU", ylabel="objects", xlim=(0, 1)
    )
    axes[1, 1].legend(fontsize="small")
    for axis in axes.flat:
        axis.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes[0, 0].xaxis.set_major_locator(MaxNLocator(6, integer=True))
    return _png(figure)


def data_uri(content: bytes) -> str:
    """Return a JPEG or PNG as the address of an image in a page."""
    kind = "png" if content.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=90)
    return buffer.getvalue()
