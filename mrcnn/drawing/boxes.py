"""Boxes before and after they are refined: anchors, proposals and regions of interest."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mrcnn.data.masks import paste
from mrcnn.drawing.axes import frame, outline, shift, show_image, write_labels
from mrcnn.drawing.figures import axes_for, finish
from mrcnn.drawing.images import random_colors, to_rgb
from mrcnn.drawing.instances import as_boxes, caption, check_counts, paint, parts_of
from mrcnn.errors import InputError

GREY = (0.5, 0.5, 0.5)
# Line style and opacity of a box by its visibility.
VISIBILITIES = {0: ("dotted", 0.5), 1: ("dotted", 1.0), 2: ("solid", 1.0)}


def draw_boxes(
    image: np.ndarray,
    boxes: np.ndarray | None = None,
    refined_boxes: np.ndarray | None = None,
    masks: np.ndarray | None = None,
    captions: Sequence[str] | None = None,
    visibilities: Sequence[int] | np.ndarray | None = None,
    title: str = "",
    ax: Axes | None = None,
    show: bool = False,
) -> Figure:
    """Draw boxes, and where they went when they were refined.

    Args:
        image: (H, W, 3) uint8, or as in `mrcnn.drawing.images.to_rgb`.
        boxes: (N, 4) pixels y1, x1, y2, x2, or None. An all-zero box is left out.
        refined_boxes: (N, 4) in solid lines, tied to the corners of `boxes`, or None.
        masks: (H, W, N), or None.
        captions: One label per box, or None.
        visibilities: Per box 0 for grey, 1 for a color, 2 for a color and a solid line; None is 1
            for all.
        title: Title of the axes.
        ax: Axes to draw into; None makes a figure, which is pyplot's current one.
        show: Open a window. A notebook shows the figure anyway.

    Returns:
        The figure that holds the axes.

    Raises:
        InputError: There are neither boxes nor refined ones, what belongs to them differs from them
            in number, or a visibility is none of 0, 1 and 2.
    """
    canvas = to_rgb(image)
    given = {"boxes": boxes, "refined_boxes": refined_boxes}
    arrays = {name: as_boxes(name, values) for name, values in given.items() if values is not None}
    if not arrays:
        raise InputError("draw_boxes needs boxes, refined_boxes or both, got neither")
    name, first = next(iter(arrays.items()))
    count = len(first)
    check_counts(name, count, **arrays, captions=captions, visibilities=visibilities)
    parts = None if masks is None else parts_of(masks, canvas.shape[:2], count)
    levels = [1] * count if visibilities is None else [int(level) for level in visibilities]
    unknown = sorted(set(levels) - set(VISIBILITIES))
    if unknown:
        raise InputError(f"visibilities are 0, 1 or 2, got {unknown[0]}")
    colors = [
        color if level else GREY for color, level in zip(random_colors(count), levels, strict=True)
    ]
    before, after = arrays.get("boxes"), arrays.get("refined_boxes")

    ax = axes_for(ax, (12, 12))
    for part, color in zip(parts or (), colors, strict=False):
        paint(canvas, part, color)
    # Anchors and proposals may reach over the border.
    show_image(ax, canvas, title, margin=0.1)
    for index, color in enumerate(colors):
        style, alpha = VISIBILITIES[levels[index]]
        if before is not None and before[index].any():
            frame(ax, before[index], color, style, alpha)
        if after is not None and after[index].any():
            frame(ax, after[index], color)
            if before is not None and before[index].any():
                shift(ax, before[index], after[index], color)
        if parts is not None:
            outline(ax, parts[index], color)
    if captions is not None:
        places = first if after is None else after
        texts = [text if box.any() else "" for text, box in zip(captions, places, strict=True)]
        write_labels(ax, places, texts, colors)
    return finish(ax.figure, show)


def draw_rois(
    image: np.ndarray,
    rois: np.ndarray,
    refined_rois: np.ndarray,
    mask: np.ndarray,
    class_ids: Sequence[int] | np.ndarray,
    class_names: Sequence[str],
    limit: int = 10,
    show: bool = False,
) -> Figure:
    """Draw some regions of interest: what the classifier was given, and what it made of it.

    Positive regions get a color, their class and, in solid lines, the refined box; those of the
    background are grey. The title counts both.

    Args:
        image: (H, W, 3) uint8, or as in `mrcnn.drawing.images.to_rgb`.
        rois: (N, 4) pixels y1, x1, y2, x2.
        refined_rois: (N, 4).
        mask: (N, h, w) probabilities or zeros and ones, each of the inside of its roi.
        class_ids: (N,), 0 for background.
        class_names: Name of each class id.
        limit: At most so many are drawn, chosen at random, but the same in every run.
        show: Open a window. A notebook shows the figure anyway.

    Raises:
        InputError: What belongs to the regions differs from them in number, or `limit` is below 0.
    """
    if limit < 0:
        raise InputError(f"limit must not be negative, got {limit}")
    rois, refined = as_boxes("rois", rois), as_boxes("refined_rois", refined_rois)
    count, ids = len(rois), np.asarray(class_ids)
    check_counts("rois", count, refined_rois=refined, mask=mask, class_ids=ids)
    chosen = np.sort(np.random.default_rng(0).permutation(count)[:limit])
    colors: list[Any] = random_colors(len(chosen))
    canvas = to_rgb(image)
    pasted = [paste(mask[i], rois[i], canvas.shape) if ids[i] > 0 else None for i in chosen]

    ax = axes_for(None, (12, 12))
    for color, part in zip(colors, pasted, strict=True):
        if part is not None:
            paint(canvas, part, color)
    positive, negative = int((ids > 0).sum()), int((ids <= 0).sum())
    show_image(ax, canvas, f"{positive} positive and {negative} negative regions", margin=0.05)
    for index, color, part in zip(chosen, colors, pasted, strict=True):
        frame(ax, rois[index], GREY if part is None else color, "dashed", 0.8)
        if part is not None:
            frame(ax, refined[index], color)
            shift(ax, rois[index], refined[index], color)
            outline(ax, part, color)
    texts = [caption(int(ids[index]), class_names) if ids[index] > 0 else "" for index in chosen]
    write_labels(ax, refined[chosen], texts, colors)
    return finish(ax.figure, show)
