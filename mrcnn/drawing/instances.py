"""Instances on an image, before anything is drawn: colors, captions, painted masks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mrcnn.drawing.images import Color, apply_mask, random_colors, rgb_of, to_rgb
from mrcnn.errors import InputError


@dataclass(frozen=True)
class Scene:
    """What is to be drawn, the same for pictures and for figures.

    Attributes:
        image: (H, W, 3) uint8, a copy.
        boxes: (N, 4) float, pixels y1, x1, y2, x2.
        masks: (H, W, N), or None.
        colors: One per instance.
        captions: One per instance.
        places: The instances to draw: an all-zero box is padding, as in the original.
    """

    image: np.ndarray
    boxes: np.ndarray
    masks: np.ndarray | None
    colors: list[Color]
    captions: list[str]
    places: list[int]


def caption(class_id: int, class_names: Sequence[str], score: float | None = None) -> str:
    """The label of an instance: its name, "crowd" for a negative class id, and the score."""
    number = abs(int(class_id))
    text = class_names[number] if number < len(class_names) else f"class {number}"
    if class_id < 0:
        text += " (crowd)"
    return text if score is None else f"{text} {score:.2f}"


def arrange(
    image: np.ndarray,
    boxes: np.ndarray,
    masks: np.ndarray | None,
    class_ids: Sequence[int] | np.ndarray,
    class_names: Sequence[str],
    scores: Sequence[float] | np.ndarray | None = None,
    colors: Sequence[Any] | None = None,
    captions: Sequence[str] | None = None,
) -> Scene:
    """Check what belongs to the instances and fill in what is not given.

    Raises:
        InputError: Boxes, masks, class ids, scores, colors or captions differ in number, masks and
            image differ in size, or an array has the wrong number of axes.
    """
    canvas = to_rgb(image)
    boxes = as_boxes("boxes", boxes)
    check_counts(
        "boxes", len(boxes), class_ids=class_ids, scores=scores, colors=colors, captions=captions
    )
    if masks is not None:
        masks = check_masks(masks, canvas.shape[:2], len(boxes))
    if captions is None:
        captions = [
            caption(class_id, class_names, None if scores is None else float(scores[index]))
            for index, class_id in enumerate(class_ids)
        ]
    chosen = random_colors(len(boxes)) if colors is None else [rgb_of(color) for color in colors]
    places = [int(index) for index in np.flatnonzero(boxes.any(axis=1))]
    return Scene(canvas, boxes, masks, chosen, list(captions), places)


def as_boxes(name: str, boxes: Any) -> np.ndarray:
    """Boxes as (N, 4) float64; an empty list is no boxes.

    Raises:
        InputError: The array has another shape.
    """
    array = np.asarray(boxes, np.float64)
    array = array.reshape(0, 4) if array.size == 0 else array
    if array.ndim != 2 or array.shape[1] != 4:
        raise InputError(f"{name} must have the shape (N, 4), got {array.shape}")
    return array


def check_counts(name: str, count: int, **others: Any) -> None:
    """Compare the lengths of those of `others` that are given with `count`, that of `name`.

    Raises:
        InputError: One differs; it names both counts.
    """
    for other, values in others.items():
        if values is not None and len(values) != count:
            raise InputError(
                f"{other} must be as many as {name}: got {len(values)} {other}, {count} {name}"
            )


def check_masks(masks: Any, size: tuple[int, ...], count: int) -> np.ndarray:
    """Masks (H, W, N) that fit to an image of `size` and to `count` boxes.

    Raises:
        InputError: They do not.
    """
    masks = np.asarray(masks)
    if masks.size == 0 and count == 0:
        return np.zeros((*size, 0), bool)
    if masks.ndim != 3:
        raise InputError(f"masks must have the shape (height, width, N), got {masks.shape}")
    if masks.shape[2] != count:
        raise InputError(
            f"masks must be as many as boxes: got {masks.shape[2]} masks, {count} boxes"
        )
    if masks.shape[:2] != tuple(size):
        raise InputError(
            f"masks must have the size of the image, {tuple(size)} (height, width), "
            f"got {masks.shape[:2]}"
        )
    return masks


def paint(
    canvas: np.ndarray, mask: np.ndarray, color: Color, scale: int = 1, line: int = 0
) -> None:
    """Blend a mask into `canvas` in place, with an outline of `line` pixels inside of the mask."""
    mask = np.asarray(mask).astype(bool)
    extent = extent_of(mask)
    if extent is None:
        return
    # Only the rectangle of the mask: a hundred full-size masks would take seconds.
    top, left, bottom, right = extent
    inside = mask[top:bottom, left:right].repeat(scale, axis=0).repeat(scale, axis=1)
    part = canvas[top * scale : bottom * scale, left * scale : right * scale]
    apply_mask(part, inside, color)
    if line:
        apply_mask(part, inside & ~_eroded(inside, line), color, alpha=1.0)


def extent_of(mask: np.ndarray) -> tuple[int, int, int, int] | None:
    """The rectangle y1, x1, y2, x2 (exclusive) of the pixels of a mask (H, W); None if empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return None
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


def _eroded(mask: np.ndarray, steps: int) -> np.ndarray:
    """Take `steps` layers of pixels off a mask; what lies outside of the array counts as empty."""
    for _ in range(steps):
        padded = np.pad(mask, 1)
        mask = mask & padded[2:, 1:-1] & padded[:-2, 1:-1] & padded[1:-1, 2:] & padded[1:-1, :-2]
    return mask
