"""Instances on an image, before anything is drawn: colors, captions, painted masks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mrcnn.data.encodings import decode_inside
from mrcnn.data.masks import Part
from mrcnn.drawing.images import Color, apply_mask, random_colors, rgb_of, to_rgb
from mrcnn.drawing.style import ColorBy, Mark, Style, class_colors
from mrcnn.errors import InputError


@dataclass(frozen=True)
class Scene:
    """What is to be drawn, the same for pictures and for figures.

    Attributes:
        image: (H, W, 3) uint8, a copy.
        boxes: (N, 4) float, pixels y1, x1, y2, x2.
        parts: The pixels of each mask and where they begin, or None.
        colors: One per instance.
        captions: One per instance.
        marks: One per instance.
        places: The instances to draw: an all-zero box is padding, as in the original.
        labelled: Those of them that have a label, the most important one first.
    """

    image: np.ndarray
    boxes: np.ndarray
    parts: list[Part] | None
    colors: list[Color]
    captions: list[str]
    marks: list[Mark]
    places: list[int]
    labelled: list[int]

    @property
    def labels(self) -> int:
        """How many labels there would be without a limit."""
        return sum(bool(self.captions[index]) for index in self.places)


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
    masks: np.ndarray | list[dict[str, Any]] | None,
    class_ids: Sequence[int] | np.ndarray,
    class_names: Sequence[str],
    scores: Sequence[float] | np.ndarray | None = None,
    colors: Sequence[Any] | None = None,
    captions: Sequence[str] | None = None,
    marks: Sequence[Mark] | None = None,
    style: Style | None = None,
) -> Scene:
    """Check what belongs to the instances and fill in what is not given.

    The colors that are not given are those of the style; where there is nothing to match with, as
    of single instances.

    Raises:
        InputError: Boxes, masks, class ids, scores, colors, captions or marks differ in number,
            masks and image differ in size, or an array has the wrong number of axes.
    """
    style = style or Style()
    canvas = to_rgb(image)
    boxes = as_boxes("boxes", boxes)
    given = {"scores": scores, "colors": colors, "captions": captions, "marks": marks}
    check_counts("boxes", len(boxes), class_ids=class_ids, **given)
    parts = None if masks is None else parts_of(masks, canvas.shape[:2], len(boxes))
    if captions is None:
        captions = [
            caption(class_id, class_names, None if scores is None else float(scores[index]))
            for index, class_id in enumerate(class_ids)
        ]
    if colors is not None:
        chosen = [rgb_of(color) for color in colors]
    elif style.color_by is ColorBy.CLASS:
        chosen = class_colors([int(class_id) for class_id in class_ids])
    else:
        chosen = random_colors(len(boxes))
    marks = [Mark.NONE] * len(boxes) if marks is None else list(marks)
    sure = np.ones(len(boxes)) if scores is None else np.asarray(scores, np.float64)
    places = [
        int(index) for index in np.flatnonzero(boxes.any(axis=1)) if sure[index] >= style.min_score
    ]
    # Marked ones first, then by falling score.
    ranked = sorted(places, key=lambda index: (marks[index] is Mark.NONE, -sure[index]))
    labelled = [index for index in ranked if captions[index]][: style.max_labels]
    if not style.labels:
        labelled = []
    parts = parts if style.masks else None
    return Scene(canvas, boxes, parts, chosen, list(captions), marks, places, labelled)


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


def parts_of(masks: Any, size: tuple[int, ...], count: int) -> list[Part]:
    """The rectangles of the pixels of masks, and where they begin; what is done to them costs no
    more than they are large.

    Args:
        masks: (H, W, N), or a list of N of COCO's run-length encodings.
        size: Of the image.
        count: How many there must be.

    Raises:
        InputError: They do not fit to the image or to the count.
    """
    if not (isinstance(masks, list) and masks and isinstance(masks[0], dict)):
        masks = check_masks(masks, size, count)
        return [part_of(masks[:, :, index]) for index in range(count)]
    check_counts("boxes", count, masks=masks)
    for mask in masks:
        if tuple(mask["size"]) != tuple(size):
            raise InputError(
                f"masks must have the size of the image, {tuple(size)} (height, width), "
                f"got {tuple(mask['size'])}"
            )
    return [decode_inside(mask, (0, 0, *size)) for mask in masks]  # type: ignore[arg-type]


def part_of(mask: np.ndarray) -> Part:
    """The rectangle of the pixels of a mask (H, W), and where it begins."""
    mask = np.asarray(mask).astype(bool, copy=False)
    extent = extent_of(mask)
    if extent is None:
        return np.zeros((0, 0), bool), (0, 0)
    top, left, bottom, right = extent
    return mask[top:bottom, left:right], (top, left)


def paint(
    canvas: np.ndarray,
    part: Part,
    color: Color,
    scale: int = 1,
    line: int = 0,
    mark: Mark = Mark.NONE,
) -> None:
    """Blend a part of a mask into `canvas` in place, with an outline of `line` pixels inside
    of the mask.

    A false one is filled with stripes; of a missed one, there is a dashed outline alone.
    """
    pixels, (top, left) = part
    if not pixels.size:
        return
    inside = pixels.repeat(scale, axis=0).repeat(scale, axis=1)
    shown = canvas[top * scale :, left * scale :][: inside.shape[0], : inside.shape[1]]
    if mark is not Mark.MISSED:
        filled = inside & _stripes(inside.shape, 2 * max(line, 1)) if mark else inside
        apply_mask(shown, filled, color)
    if line:
        edge = inside & ~_eroded(inside, line)
        if mark is Mark.MISSED:
            edge &= _stripes(inside.shape, 3 * line)
        apply_mask(shown, edge, color, alpha=1.0)


def _stripes(shape: tuple[int, ...], width: int) -> np.ndarray:
    """Diagonal stripes of `width` pixels, as wide as what is between them (H, W)."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return (rows + columns) // width % 2 == 0


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
