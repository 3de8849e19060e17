"""Instances drawn into the pixels of a picture, for files: no axes, and labels that keep apart."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mrcnn.drawing.images import Color, luma
from mrcnn.drawing.instances import Scene, arrange, paint
from mrcnn.drawing.labels import Extent, free_corner, place_labels
from mrcnn.drawing.style import Mark, Style

# Pixels around the text of a label, and the smallest letters that can be read.
PADDING = 3
SMALLEST = 9


def draw_instances(
    image: np.ndarray,
    boxes: np.ndarray,
    masks: np.ndarray | list[dict[str, Any]] | None,
    class_ids: Sequence[int] | np.ndarray,
    class_names: Sequence[str],
    scores: Sequence[float] | np.ndarray | None = None,
    scale: int = 1,
    font_size: float | None = None,
    captions: Sequence[str] | None = None,
    *,
    style: Style | None = None,
    colors: Sequence[Any] | None = None,
    marks: Sequence[Mark] | None = None,
) -> np.ndarray:
    """Draw masks with an outline, boxes, names and scores into a copy of an image.

    Labels keep off each other and off small objects. Where not all find a place, or there are more
    than `style.max_labels`, a note in a corner says how many there are.

    Args:
        image: (H, W, 3) uint8, or as in `mrcnn.drawing.images.to_rgb`.
        boxes: (N, 4) pixels y1, x1, y2, x2, the last two exclusive. Instances whose box is all
            zeros are left out.
        masks: (H, W, N) bool, a list of N run-length encodings, or None for boxes alone.
        class_ids: (N,); a negative one marks a crowd.
        class_names: Name of each class id.
        scores: (N,) in [0, 1], or None, as for ground truth.
        scale: Whole factor by which the picture is enlarged first, to keep the labels of a small
            image readable.
        font_size: Height of the labels in pixels of the drawn picture; None fits it to the size of
            the picture. Labels that find no place are tried a quarter smaller.
        captions: (N,) labels in place of names and scores.
        style: What is drawn, and in which colors; None is all of it, each instance in its color.
        colors: One color per instance; None for those of the style.
        marks: One per instance, as of `mrcnn.drawing.matches`; None for no marks.

    Returns:
        (scale * H, scale * W, 3) uint8.

    Raises:
        InputError: Boxes, masks, class ids, scores, captions, colors or marks differ in number, or
            masks and image in size.
    """
    style = style or Style()
    scene = arrange(
        image, boxes, masks, class_ids, class_names, scores, colors, captions, marks, style
    )
    height, width = (scale * side for side in scene.image.shape[:2])
    resized = Image.fromarray(scene.image).resize((width, height), Image.Resampling.BICUBIC)
    canvas = np.array(resized)
    line = max(1, round(style.line_width or max(height, width) / 400))
    if scene.parts is not None:
        for index in scene.places:
            part, color = scene.parts[index], scene.colors[index]
            paint(canvas, part, color, scale, line, scene.marks[index])

    picture = Image.fromarray(canvas)
    draw = ImageDraw.Draw(picture)
    extents = [_extent(box, scale) for box in scene.boxes]
    if style.boxes:
        for index in scene.places:
            color = _as_bytes(scene.colors[index])
            if scene.marks[index] is Mark.NONE:
                draw.rectangle(extents[index], outline=color, width=line)
            else:
                _dashed_rectangle(draw, extents[index], color, line)
    size = float(font_size or np.clip(max(height, width) / 45, 11, 28))
    _draw_labels(draw, scene, extents, size, (0, 0, width, height))
    return np.array(picture)


def text_font(size: float) -> Any:
    """Pillow's own font, which is there wherever Pillow is."""
    return ImageFont.load_default(size=size)


def _draw_labels(
    draw: ImageDraw.ImageDraw, scene: Scene, extents: list[Extent], size: float, canvas: Extent
) -> None:
    """Draw the labels that find a place, and how many did where it is not all of them."""
    if not scene.labelled:
        return
    fonts = [text_font(size), text_font(max(0.75 * size, min(size, SMALLEST)))]
    sizes = [[_text_size(draw, text, font) for text in scene.captions] for font in fonts]
    boxes = [(x1, y1, x2 + 1, y2 + 1) for x1, y1, x2, y2 in extents]
    places = place_labels(boxes, sizes, scene.labelled, canvas)
    if len(places) < scene.labels:
        note = f"{scene.labels} of {scene.labels} labels"  # the widest that it may become
        shown = [boxes[index] for index in scene.places]
        corner = free_corner(*_text_size(draw, note, fonts[1]), np.array(shown), canvas)
        places = place_labels(boxes, sizes, scene.labelled, canvas, [corner])
        note = f"{len(places)} of {scene.labels} labels"
        _draw_label(draw, note, fonts[1], corner, (1.0, 1.0, 1.0))
    for index, (place, number) in places.items():
        _draw_label(draw, scene.captions[index], fonts[number], place, scene.colors[index])


def _extent(box: np.ndarray, scale: int) -> Extent:
    """Pillow's corners, both inclusive; never inside out, not even for an empty box."""
    y1, x1, y2, x2 = (float(side) * scale for side in box)
    return x1, y1, max(x1, x2 - 1), max(y1, y2 - 1)


def _dashed_rectangle(
    draw: ImageDraw.ImageDraw, extent: Extent, color: tuple[int, int, int], line: int
) -> None:
    left, top, right, bottom = (round(side) for side in extent)
    dash = 4 * line
    for x in range(left, right + 1, 2 * dash):
        for y in (top, bottom - line + 1):
            draw.rectangle((x, y, min(x + dash - 1, right), y + line - 1), fill=color)
    for y in range(top, bottom + 1, 2 * dash):
        for x in (left, right - line + 1):
            draw.rectangle((x, y, x + line - 1, min(y + dash - 1, bottom)), fill=color)


def _text_size(draw: ImageDraw.ImageDraw, text: str, font: Any) -> tuple[float, float]:
    """Width and height in pixels of a label: those of all letters, so that labels are alike."""
    top, bottom = draw.textbbox((0, 0), "Ag", font=font)[1::2]
    return draw.textlength(text, font=font) + 2 * PADDING, bottom - top + 2 * PADDING


def _draw_label(
    draw: ImageDraw.ImageDraw, text: str, font: Any, place: Extent, color: Color
) -> None:
    left, top, right, bottom = (round(side) for side in place)
    draw.rectangle((left, top, right - 1, bottom - 1), fill=_as_bytes(color))
    middle = ((left + right) / 2, (top + bottom) / 2)
    draw.text(middle, text, fill="black" if luma(color) > 0.5 else "white", font=font, anchor="mm")


def _as_bytes(color: Color) -> tuple[int, int, int]:
    red, green, blue = (round(255 * channel) for channel in color)
    return red, green, blue
