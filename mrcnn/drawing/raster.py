"""Instances drawn into the pixels of a picture, for files: no axes, and labels that keep apart."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mrcnn.drawing.images import Color, luma
from mrcnn.drawing.instances import arrange, paint

Extent = tuple[float, float, float, float]  # left, top, right, bottom, as Pillow has it


def draw_instances(
    image: np.ndarray,
    boxes: np.ndarray,
    masks: np.ndarray | None,
    class_ids: Sequence[int] | np.ndarray,
    class_names: Sequence[str],
    scores: Sequence[float] | np.ndarray | None = None,
    scale: int = 1,
    font_size: float | None = None,
    captions: Sequence[str] | None = None,
) -> np.ndarray:
    """Draw masks with an outline, boxes, names and scores into a copy of an image.

    Args:
        image: (H, W, 3) uint8, or as in `mrcnn.drawing.images.to_rgb`.
        boxes: (N, 4) pixels y1, x1, y2, x2, the last two exclusive. Instances whose box is all
            zeros are left out.
        masks: (H, W, N) bool, or None for boxes alone.
        class_ids: (N,); a negative one marks a crowd.
        class_names: Name of each class id.
        scores: (N,) in [0, 1], or None, as for ground truth.
        scale: Whole factor by which the picture is enlarged first, to keep the labels of a small
            image readable.
        font_size: Height of the labels in pixels of the drawn picture; None fits it to the size of
            the picture.
        captions: (N,) labels in place of names and scores.

    Returns:
        (scale * H, scale * W, 3) uint8.

    Raises:
        InputError: Boxes, masks, class ids, scores or captions differ in number, or masks and image
            in size.
    """
    scene = arrange(image, boxes, masks, class_ids, class_names, scores, captions=captions)
    height, width = (scale * side for side in scene.image.shape[:2])
    resized = Image.fromarray(scene.image).resize((width, height), Image.Resampling.BICUBIC)
    canvas = np.array(resized)
    line = max(1, round(max(height, width) / 400))
    if scene.masks is not None:
        for index in scene.places:
            paint(canvas, scene.masks[:, :, index], scene.colors[index], scale, line)

    picture = Image.fromarray(canvas)
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(size=font_size or np.clip(max(height, width) / 45, 11, 28))
    extents = [_extent(box, scale) for box in scene.boxes]
    for index in scene.places:
        draw.rectangle(extents[index], outline=_as_bytes(scene.colors[index]), width=line)
    taken: list[Extent] = []
    # The surest detection chooses the place of its label first.
    order = scene.places
    if scores is not None:
        order = sorted(order, key=lambda index: -float(scores[index]))
    for index in order:
        text = scene.captions[index]
        place = _label_place(draw, text, font, extents[index], taken, picture.size)
        taken.append(place)
        _draw_label(draw, text, font, place, scene.colors[index])
    return np.array(picture)


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
    middle = ((place[0] + place[2]) / 2, (place[1] + place[3]) / 2)
    draw.text(middle, text, fill="black" if luma(color) > 0.5 else "white", font=font, anchor="mm")


def _as_bytes(color: Color) -> tuple[int, int, int]:
    red, green, blue = (round(255 * channel) for channel in color)
    return red, green, blue
