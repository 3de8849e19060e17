"""Pictures of instances, sheets of pictures, and loss curves.

Function names and argument orders that matterport/Mask_RCNN has too are those of its `visualize`.
"""

import colorsys
import csv
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image, ImageDraw, ImageFont

from mrcnn.errors import InputError

Color = tuple[float, float, float]
Extent = tuple[float, float, float, float]  # left, top, right, bottom, as Pillow has it

LOSS_PANELS = (
    "loss",
    "rpn_class_loss",
    "rpn_bbox_loss",
    "mrcnn_class_loss",
    "mrcnn_bbox_loss",
    "mrcnn_mask_loss",
    "mrcnn_mask_edge_loss",
)


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


def apply_mask(
    image: np.ndarray, mask: np.ndarray, color: Sequence[float], alpha: float = 0.5
) -> np.ndarray:
    """Blend a color into the pixels of a mask.

    Args:
        image: (H, W, 3) in [0, 255]. It is changed in place, as in the original.
        mask: (H, W); the pixels that are not 0 are colored.
        color: Red, green and blue in [0, 1].
        alpha: Share of the color in [0, 1].

    Returns:
        `image`.
    """
    inside = np.asarray(mask).astype(bool)
    blended = image[inside] * (1 - alpha) + alpha * 255 * np.asarray(color, np.float64)
    image[inside] = blended.astype(image.dtype)
    return image


def draw_instances(
    image: np.ndarray,
    boxes: np.ndarray,
    masks: np.ndarray | None,
    class_ids: Sequence[int] | np.ndarray,
    class_names: Sequence[str],
    scores: Sequence[float] | np.ndarray | None = None,
    scale: int = 1,
    font_size: float | None = None,
) -> np.ndarray:
    """Draw masks with an outline, boxes, names and scores into a copy of an image.

    Args:
        image: (H, W, 3) uint8.
        boxes: (N, 4) pixels y1, x1, y2, x2, the last two exclusive.
        masks: (H, W, N) bool, or None for boxes alone.
        class_ids: (N,); a negative one marks a crowd.
        class_names: Name of each class id.
        scores: (N,) in [0, 1], or None, as for ground truth.
        scale: Whole factor by which the picture is enlarged first, to keep the labels of a small
            image readable.
        font_size: Height of the labels in pixels of the drawn picture; None fits it to the size of
            the picture.

    Returns:
        (scale * H, scale * W, 3) uint8.
    """
    height, width = (scale * side for side in image.shape[:2])
    resized = Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC)
    canvas = np.array(resized)
    line = max(1, round(max(height, width) / 400))
    colors = random_colors(len(boxes))
    if masks is not None:
        for index, color in enumerate(colors):
            _paint(canvas, masks[:, :, index], color, scale, line)

    picture = Image.fromarray(canvas)
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(size=font_size or np.clip(max(height, width) / 45, 11, 28))
    extents = [_extent(box, scale) for box in boxes]
    for extent, color in zip(extents, colors, strict=True):
        draw.rectangle(extent, outline=_as_bytes(color), width=line)
    taken: list[Extent] = []
    # The surest detection chooses the place of its label first.
    order = range(len(boxes)) if scores is None else np.argsort(-np.asarray(scores), kind="stable")
    for index in order:
        text = caption(
            class_ids[index], class_names, None if scores is None else float(scores[index])
        )
        place = _label_place(draw, text, font, extents[index], taken, picture.size)
        taken.append(place)
        _draw_label(draw, text, font, place, colors[index])
    return np.array(picture)


def caption(class_id: int, class_names: Sequence[str], score: float | None = None) -> str:
    """The label of an instance: its name, "crowd" for a negative class id, and the score."""
    number = abs(int(class_id))
    text = class_names[number] if number < len(class_names) else f"class {number}"
    if class_id < 0:
        text += " (crowd)"
    return text if score is None else f"{text} {score:.2f}"


def display_instances(
    image: np.ndarray,
    boxes: np.ndarray,
    masks: np.ndarray | None,
    class_ids: Sequence[int] | np.ndarray,
    class_names: Sequence[str],
    scores: Sequence[float] | np.ndarray | None = None,
    title: str = "",
    figsize: tuple[float, float] = (16, 16),
    ax: Axes | None = None,
    show_mask: bool = True,
    show_bbox: bool = True,
    colors: Sequence[Color] | None = None,
    captions: Sequence[str] | None = None,
) -> Figure:
    """Show instances in a Matplotlib figure, for notebooks.

    Args:
        image: (H, W, 3) uint8.
        boxes: (N, 4) pixels y1, x1, y2, x2.
        masks: (H, W, N) bool.
        class_ids: (N,); a negative one marks a crowd.
        class_names: Name of each class id.
        scores: (N,), or None.
        title: Title of the axes.
        figsize: Width and height in inches of the figure, where `ax` is None.
        ax: Axes to draw into. None makes a figure, and opens it where the backend has windows; a
            notebook shows it at the end of its cell.
        show_mask: Draw the masks.
        show_bbox: Draw the boxes.
        colors: One color per instance; None for random ones.
        captions: One label per instance instead of name and score.

    Returns:
        The figure that holds the axes.
    """
    # Only here: pyplot chooses the backend of the process, which is the notebook's business.
    import matplotlib.pyplot as plt

    made_here = ax is None
    if ax is None:
        _, ax = plt.subplots(figsize=figsize)
    colors = colors or random_colors(len(boxes))
    canvas = image.copy()
    for index, box in enumerate(boxes):
        if show_mask and masks is not None:
            _paint(canvas, masks[:, :, index], colors[index])
        y1, x1, y2, x2 = (float(side) for side in box)
        if show_bbox:
            # Pixel centres lie at whole coordinates, so the border of pixel x1 is at x1 - 0.5.
            frame = Rectangle((x1 - 0.5, y1 - 0.5), x2 - x1, y2 - y1, linewidth=2)
            frame.set(edgecolor=colors[index], facecolor="none")
            ax.add_patch(frame)
        score = None if scores is None else float(scores[index])
        text = captions[index] if captions else caption(class_ids[index], class_names, score)
        ax.text(x1, y1 + 8, text, color="w", size=11, backgroundcolor=(0, 0, 0, 0.4))
    ax.imshow(canvas)
    ax.set_title(title)
    ax.axis("off")
    if made_here and ax.figure.canvas.required_interactive_framework:
        plt.show()
    return cast(Figure, ax.get_figure(root=True))


def picture_sheet(
    rows: Sequence[Sequence[np.ndarray]], titles: Sequence[str], cell: int = 360
) -> np.ndarray:
    """Lay pictures out in a table with titled columns.

    Args:
        rows: Pictures (H, W, 3) uint8; each row has as many as there are titles.
        titles: One per column.
        cell: Side in pixels of the square that each picture is fitted into.

    Returns:
        The sheet, (H, W, 3) uint8 on white.

    Raises:
        ValueError: A row has another number of pictures than there are titles.
    """
    wrong = [len(row) for row in rows if len(row) != len(titles)]
    if wrong:
        raise ValueError(f"each row needs {len(titles)} pictures, one per title, got {wrong[0]}")
    gap, head = 8, 32
    fitted = [[_fit(picture, cell) for picture in row] for row in rows]
    heights = [max(picture.height for picture in row) for row in fitted]
    width = len(titles) * (cell + gap) + gap
    sheet = Image.new("RGB", (width, head + sum(heights) + gap * len(heights)), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=18)
    for column, title in enumerate(titles):
        middle = gap + column * (cell + gap) + cell // 2
        draw.text((middle, head // 2), title, fill="black", font=font, anchor="mm")
    top = head
    for row, height in zip(fitted, heights, strict=True):
        for column, picture in enumerate(row):
            left = gap + column * (cell + gap) + (cell - picture.width) // 2
            sheet.paste(picture, (left, top + (height - picture.height) // 2))
        top += height + gap
    return np.array(sheet)


def plot_losses(csv_path: str | Path, png_path: str | Path | None = None) -> Figure:
    """Plot the losses of a training log against the step, with the stages told apart.

    Args:
        csv_path: Log with the columns step, stage, split (train or val), loss and one per loss.
        png_path: Where to save the figure; None to save nothing.

    Returns:
        The figure, one panel per loss that the log has values of.

    Raises:
        InputError: There is no such log, or it holds no losses.
    """
    rows = _read_log(Path(csv_path))
    panels = [name for name in LOSS_PANELS if any(row.get(name) for row in rows)]
    columns = min(4, len(panels))
    lines = -(-len(panels) // columns)
    figure = Figure(figsize=(3.6 * columns, 2.8 * lines), layout="constrained")
    axes = figure.subplots(lines, columns, squeeze=False).ravel()
    for ax, name in zip(axes, panels, strict=False):
        _plot_loss(ax, rows, name)
    for ax in axes[len(panels) :]:
        ax.axis("off")
    axes[0].legend(frameon=False, fontsize=8)
    if png_path is not None:
        FigureCanvasAgg(figure).print_png(png_path)
    return figure


def _plot_loss(ax: Axes, rows: list[dict[str, str]], name: str) -> None:
    steps, losses = _series(rows, "train", name)
    highest = losses.max(initial=0)
    if len(steps):
        # A short run logs so few points that a line alone may not show.
        marker = "o" if len(steps) < 20 else None
        ax.plot(steps, losses, color="tab:blue", alpha=0.25, linewidth=0.8)
        mean = _moving_mean(losses, len(losses) // 30)
        ax.plot(steps, mean, color="tab:blue", marker=marker, markersize=3, label="train")
    steps, losses = _series(rows, "val", name)
    highest = losses.max(initial=highest)
    if len(steps):
        ax.plot(steps, losses, color="tab:orange", marker="o", markersize=3, label="val")
    for step in _stage_starts(rows):
        ax.axvline(step, color="0.7", linestyle="--", linewidth=0.8)
    ax.set_title(name.removesuffix("_loss").replace("_", " "), fontsize=10)
    ax.set_xlabel("step", fontsize=8)
    ax.tick_params(labelsize=8)
    ax.set_ylim(0, 1.05 * highest or 1)
    ax.spines[["top", "right"]].set_visible(False)


def _read_log(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is not a text file") from None
    if not any(row.get("step") and row.get("loss") for row in rows):
        raise InputError(f"{path} holds no losses: it needs the columns step and loss and a line")
    return rows


def _series(rows: list[dict[str, str]], split: str, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps and finite values of one loss; a log that was cut off has lines with empty fields."""
    points = [
        (float(row["step"]), float(row[name]))
        for row in rows
        if (row.get("split") or "train") == split and row.get(name)
    ]
    table = np.array(points, np.float64).reshape(-1, 2)
    table = table[np.isfinite(table[:, 1])]
    return table[:, 0], table[:, 1]


def _stage_starts(rows: list[dict[str, str]]) -> list[float]:
    """Steps after which another stage began: those of the last row before the change."""
    whole = [row for row in rows if row.get("step") and row.get("loss")]
    return [
        float(before["step"])
        for before, row in zip(whole, whole[1:], strict=False)
        if row.get("stage") != before.get("stage")
    ]


def _moving_mean(values: np.ndarray, window: int) -> np.ndarray:
    """Mean over up to `window` values on each side: no lag, and no false ends."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    centre = np.arange(len(values))
    first = np.maximum(centre - window, 0)
    last = np.minimum(centre + window + 1, len(values))
    return (total[last] - total[first]) / (last - first)


def _paint(
    canvas: np.ndarray, mask: np.ndarray, color: Color, scale: int = 1, line: int = 1
) -> None:
    """Blend a mask into `canvas` in place and trace its outline, inside of the mask."""
    mask = np.asarray(mask).astype(bool)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return
    # Only the rectangle of the mask: a hundred full-size masks would take seconds.
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    inside = mask[top:bottom, left:right].repeat(scale, axis=0).repeat(scale, axis=1)
    part = canvas[top * scale : bottom * scale, left * scale : right * scale]
    apply_mask(part, inside, color)
    apply_mask(part, inside & ~_eroded(inside, line), color, alpha=1.0)


def _eroded(mask: np.ndarray, steps: int) -> np.ndarray:
    """Take `steps` layers of pixels off a mask; what lies outside of the array counts as empty."""
    for _ in range(steps):
        padded = np.pad(mask, 1)
        mask = mask & padded[2:, 1:-1] & padded[:-2, 1:-1] & padded[1:-1, 2:] & padded[1:-1, :-2]
    return mask


def _extent(box: np.ndarray, scale: int) -> Extent:
    """Pillow's corners, both inclusive; never inside out, not even for an empty box."""
    y1, x1, y2, x2 = (float(side) * scale for side in box)
    return x1, y1, max(x1, x2 - 1), max(y1, y2 - 1)


def _label_place(
    draw: ImageDraw.ImageDraw,
    text: str,
    font: Any,
    extent: Extent,
    taken: list[Extent],
    size: tuple[int, int],
) -> Extent:
    """The first free place above the box, below it, inside of it or a line further off."""
    left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
    width, height = right - left + 6, bottom - top + 6
    tops = [extent[1] - height, extent[3] + 1, extent[1], extent[3] - height]
    tops += [extent[3] + 1 + height, extent[1] - 2 * height]
    lefts = [np.clip(x, 0, max(size[0] - width, 0)) for x in (extent[0], extent[2] - width)]
    places = [
        (x, y, x + width, y + height)
        for y in tops
        for x in lefts
        if 0 <= y <= max(size[1] - height, 0)
    ] or [(lefts[0], 0, lefts[0] + width, height)]
    return next((place for place in places if not any(_meet(place, t) for t in taken)), places[0])


def _meet(a: Extent, b: Extent) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _draw_label(
    draw: ImageDraw.ImageDraw, text: str, font: Any, place: Extent, color: Color
) -> None:
    draw.rectangle((place[0], place[1], place[2] - 1, place[3] - 1), fill=_as_bytes(color))
    # Rec. 601 luma: black letters on light colors, white ones on dark.
    luma = 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2]
    middle = ((place[0] + place[2]) / 2, (place[1] + place[3]) / 2)
    draw.text(middle, text, fill="black" if luma > 0.5 else "white", font=font, anchor="mm")


def _fit(picture: np.ndarray, cell: int) -> Image.Image:
    image = Image.fromarray(picture)
    factor = cell / max(image.size)
    size = [max(1, round(side * factor)) for side in image.size]
    return image.resize((size[0], size[1]), Image.Resampling.LANCZOS)


def _as_bytes(color: Color) -> tuple[int, int, int]:
    red, green, blue = (round(255 * channel) for channel in color)
    return red, green, blue
