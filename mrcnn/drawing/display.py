"""Instances in a Matplotlib figure, and predictions beside what is true."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mrcnn.drawing.axes import frame, outline, show_image, write_labels
from mrcnn.drawing.figures import axes_for, finish
from mrcnn.drawing.images import display_images, to_rgb
from mrcnn.drawing.instances import Scene, arrange, as_boxes, check_counts, check_masks, paint
from mrcnn.drawing.matches import ObjectSet, colors_by_match, match_instances, match_marks
from mrcnn.drawing.style import ColorBy, Mark, Style
from mrcnn.errors import InputError

TRUE_COLOR = (0.0, 1.0, 0.0)
PREDICTED_COLOR = (1.0, 0.0, 0.0)


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
    colors: Sequence[Any] | None = None,
    captions: Sequence[str] | None = None,
    show: bool = False,
    *,
    style: Style | None = None,
) -> Figure:
    """Show instances in a Matplotlib figure.

    Args:
        image: (H, W, 3) uint8, or as in `mrcnn.drawing.images.to_rgb`.
        boxes: (N, 4) pixels y1, x1, y2, x2. Instances whose box is all zeros are left out.
        masks: (H, W, N), or None for boxes alone.
        class_ids: (N,); a negative one marks a crowd.
        class_names: Name of each class id.
        scores: (N,), or None.
        title: Title of the axes.
        figsize: Width and height in inches of the figure, where `ax` is None.
        ax: Axes to draw into; None makes a figure, which is pyplot's current one.
        show_mask: Draw the masks.
        show_bbox: Draw the boxes.
        colors: One color per instance; None for those of the style.
        captions: One label per instance instead of name and score.
        show: Open a window. A notebook shows the figure anyway.
        style: What is drawn, and in which colors; None is all of it, each instance in its color.

    Returns:
        The figure that holds the axes.

    Raises:
        InputError: Boxes, masks, class ids, scores, colors or captions differ in number, or masks
            and image in size.
    """
    style = style or Style()
    style = replace(style, masks=style.masks and show_mask, boxes=style.boxes and show_bbox)
    scene = arrange(
        image, boxes, masks, class_ids, class_names, scores, colors, captions, style=style
    )
    ax = axes_for(ax, figsize)
    _draw(ax, scene, title, style, ["solid"] * len(scene.boxes))
    return finish(ax.figure, show)


def _draw(ax: Axes, scene: Scene, title: str, style: Style, lines: Sequence[str]) -> None:
    """Draw a scene on axes; `lines` are the line styles of the boxes."""
    if scene.parts is not None:
        for index in scene.places:
            part, color = scene.parts[index], scene.colors[index]
            paint(scene.image, part, color, mark=scene.marks[index])
    show_image(ax, scene.image, title)
    width = style.line_width or 2.0
    for index in scene.places:
        color = scene.colors[index]
        if scene.parts is not None:
            dashes = "dashed" if scene.marks[index] is Mark.MISSED else "solid"
            outline(ax, scene.parts[index], color, dashes, 0.75 * width)
        if style.boxes:
            frame(ax, scene.boxes[index], color, lines[index], width=width)
    # Labels last: no mask or frame of another instance crosses them.
    write_labels(ax, scene.boxes, scene.captions, scene.colors, scene.labelled, scene.labels)


def display_differences(
    image: np.ndarray,
    gt_box: np.ndarray,
    gt_class_id: np.ndarray,
    gt_mask: np.ndarray,
    pred_box: np.ndarray,
    pred_class_id: np.ndarray,
    pred_score: np.ndarray,
    pred_mask: np.ndarray,
    class_names: Sequence[str],
    title: str = "",
    ax: Axes | None = None,
    show_mask: bool = True,
    show_box: bool = True,
    iou_threshold: float = 0.5,
    score_threshold: float = 0.5,
    show: bool = False,
    *,
    style: Style | None = None,
) -> Figure:
    """Show the ground truth in green with dashed boxes, and predictions in red.

    The label of a prediction is its score and, after a slash, its mask's IoU with the object that
    it was matched to, or else with the one that it overlaps most. "missed" is said of an object
    without a match, whose mask is an outline alone, and "false" of a prediction without one, whose
    mask has stripes.

    Args:
        image: (H, W, 3) uint8, or as in `mrcnn.drawing.images.to_rgb`.
        gt_box: (N, 4) pixels y1, x1, y2, x2.
        gt_class_id: (N,).
        gt_mask: (H, W, N).
        pred_box: (M, 4).
        pred_class_id: (M,).
        pred_score: (M,) in [0, 1].
        pred_mask: (H, W, M).
        class_names: Name of each class id.
        title: Title of the axes; empty for an explanation of the colors.
        ax: Axes to draw into; None makes a figure, which is pyplot's current one.
        show_mask: Draw the masks.
        show_box: Draw the boxes.
        iou_threshold: Least IoU of the masks of a match.
        score_threshold: As in the original, this too is a least IoU of a match.
        show: Open a window. A notebook shows the figure anyway.
        style: What is drawn; with `color_by` "match" in colors by match instead of green and red.

    Returns:
        The figure that holds the axes.

    Raises:
        InputError: Boxes, class ids, scores and masks differ in number, or masks and image in size.
    """
    size = to_rgb(image).shape[:2]
    gt_box, pred_box = as_boxes("gt_box", gt_box), as_boxes("pred_box", pred_box)
    style = style or Style()
    style = replace(style, masks=style.masks and show_mask, boxes=style.boxes and show_box)
    check_counts("pred_box", len(pred_box), pred_score=pred_score)
    sure = np.flatnonzero(np.asarray(pred_score, np.float64) >= style.min_score)
    truth = ObjectSet(gt_box, check_masks(gt_mask, size, len(gt_box)), np.asarray(gt_class_id))
    scores = np.asarray(pred_score)[sure]
    found = ObjectSet(
        pred_box[sure],
        check_masks(pred_mask, size, len(pred_box))[:, :, sure],
        np.asarray(pred_class_id)[sure],
        scores,
    )
    matches = match_instances(truth, found, max(iou_threshold, score_threshold))
    marks = match_marks(matches)
    captions = [str(mark) for mark in marks[0]]
    for index, (place, mark) in enumerate(zip(matches.predictions, marks[1], strict=True)):
        row = matches.overlaps[index]
        overlap = row[place] if place >= 0 else row.max(initial=0)
        captions.append(f"{mark} {scores[index]:.2f} / {overlap:.2f}".strip())
    colors = ([TRUE_COLOR] * len(truth.boxes), [PREDICTED_COLOR] * len(found.boxes))
    if style.color_by is ColorBy.MATCH:
        colors = colors_by_match(matches)
    scene = arrange(
        image,
        np.concatenate([truth.boxes, found.boxes]),
        np.concatenate([truth.masks.astype(bool), found.masks.astype(bool)], axis=2),
        np.concatenate([truth.class_ids, found.class_ids]).astype(np.int64),
        class_names,
        colors=colors[0] + colors[1],
        captions=captions,
        marks=marks[0] + marks[1],
        style=style,
    )
    title = title or (
        "Ground truth (green, dashed) and detections (red)\nLabels: score / IoU of the masks"
    )
    lines = ["dashed"] * len(truth.boxes) + ["solid"] * len(found.boxes)
    ax = axes_for(ax, (16, 16))
    _draw(ax, scene, title, style, lines)
    return finish(ax.figure, show)


def display_top_masks(
    image: np.ndarray,
    mask: np.ndarray,
    class_ids: Sequence[int] | np.ndarray,
    class_names: Sequence[str],
    limit: int = 4,
    show: bool = False,
) -> Figure:
    """Show an image, and the masks of the classes that cover the most of it, one panel per class.

    Args:
        image: (H, W, 3) uint8, or as in `mrcnn.drawing.images.to_rgb`.
        mask: (H, W, N).
        class_ids: (N,).
        class_names: Name of each class id.
        limit: How many classes; panels without a class are empty and titled "-".
        show: Open a window. A notebook shows the figure anyway.

    Raises:
        InputError: Masks and class ids differ in number, masks and image in size, or `limit` is
            below 0.
    """
    if limit < 0:
        raise InputError(f"limit must not be negative, got {limit}")
    picture = to_rgb(image)
    height, width = picture.shape[:2]
    mask, class_ids = np.asarray(mask), np.asarray(class_ids, np.int64)
    check_counts("class_ids", len(class_ids), masks=np.moveaxis(np.atleast_3d(mask), -1, 0))
    mask = check_masks(mask, (height, width), len(class_ids)).astype(bool)
    ids = np.unique(class_ids)
    areas = [mask[:, :, class_ids == class_id].sum() for class_id in ids]
    order = np.argsort([-int(area) for area in areas], kind="stable")
    chosen = [int(ids[place]) for place in order if areas[place]][:limit]

    panels, titles = [picture], [f"{height} x {width}"]
    for class_id in chosen:
        of_class = mask[:, :, class_ids == class_id]
        # Instances differ in brightness.
        numbers = np.arange(1, of_class.shape[2] + 1)
        panels.append((of_class * numbers).max(axis=2))
        known = 0 <= class_id < len(class_names)
        titles.append(class_names[class_id] if known else f"class {class_id}")
    for _ in range(limit - len(chosen)):
        panels.append(np.zeros((height, width), np.int64))
        titles.append("-")
    return display_images(panels, titles, cols=limit + 1, cmap="Blues_r", show=show)
