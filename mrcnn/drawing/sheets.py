"""A table of pictures as one picture."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

GAP, HEAD = 8, 32
# Letters in pixels, and what a line of them takes.
LETTERS, LINE = 14, 19


def picture_sheet(
    rows: Sequence[Sequence[np.ndarray]],
    titles: Sequence[str],
    cell: int = 360,
    *,
    captions: Sequence[Sequence[str]] | None = None,
    note: str = "",
) -> np.ndarray:
    """Lay pictures out in a table with titled columns.

    Args:
        rows: Pictures (H, W, 3) uint8; each row has as many as there are titles.
        titles: One per column.
        cell: Side in pixels of the square that each picture is fitted into.
        captions: One per picture, below it, of any number of lines; None is none.
        note: Text below the table, wrapped at its width.

    Returns:
        The sheet, (H, W, 3) uint8 on white.

    Raises:
        ValueError: A row has another number of pictures, or of captions, than there are titles, or
            there are captions for another number of rows.
    """
    texts = [[""] * len(titles) for _ in rows] if captions is None else captions
    wrong = [len(row) for row in rows if len(row) != len(titles)]
    if wrong:
        raise ValueError(f"each row needs {len(titles)} pictures, one per title, got {wrong[0]}")
    if [len(line) for line in texts] != [len(row) for row in rows]:
        raise ValueError("captions must be as many as pictures, in as many rows")
    fitted = [[_fit(picture, cell) for picture in row] for row in rows]
    heights = [max(picture.height for picture in row) for row in fitted]
    lines = [max(text.count("\n") + bool(text) for text in row) for row in texts]
    width = len(titles) * (cell + GAP) + GAP
    wrapped = _wrap(note, width - 2 * GAP)
    height = HEAD + sum(heights) + GAP * len(rows) + LINE * (sum(lines) + len(wrapped))
    sheet = Image.new("RGB", (width, height + (GAP if wrapped else 0)), "white")
    draw = ImageDraw.Draw(sheet)
    middles = [GAP + column * (cell + GAP) + cell // 2 for column in range(len(titles))]
    for middle, title in zip(middles, titles, strict=True):
        draw.text((middle, HEAD // 2), title, fill="black", font=_font(18), anchor="mm")
    top = HEAD
    for row, below, tallest, count in zip(fitted, texts, heights, lines, strict=True):
        for middle, picture, text in zip(middles, row, below, strict=True):
            spare = tallest - picture.height
            sheet.paste(picture, (middle - picture.width // 2, top + spare // 2))
            for number, part in enumerate(text.split("\n")):
                place = (middle, top + tallest + LINE * number + LINE // 2 + 2)
                draw.text(place, part, fill="black", font=_font(LETTERS), anchor="mm")
        top += tallest + LINE * count + GAP
    for number, part in enumerate(wrapped):
        draw.text((GAP, top + LINE * number), part, fill="black", font=_font(LETTERS))
    return np.array(sheet)


def _font(size: int) -> Any:
    return ImageFont.load_default(size=size)


def _wrap(text: str, width: int) -> list[str]:
    """The lines of a text, broken at spaces to be no wider than `width` pixels."""
    font = _font(LETTERS)
    lines: list[str] = []
    for word in text.split():
        if lines and font.getlength(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _fit(picture: np.ndarray, cell: int) -> Image.Image:
    image = Image.fromarray(picture)
    factor = cell / max(image.size)
    size = [max(1, round(side * factor)) for side in image.size]
    return image.resize((size[0], size[1]), Image.Resampling.LANCZOS)
