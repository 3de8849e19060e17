"""A table of pictures as one picture."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont


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


def _fit(picture: np.ndarray, cell: int) -> Image.Image:
    image = Image.fromarray(picture)
    factor = cell / max(image.size)
    size = [max(1, round(side * factor)) for side in image.size]
    return image.resize((size[0], size[1]), Image.Resampling.LANCZOS)
