"""Image files as RGB."""

from pathlib import Path

import numpy as np
from PIL import Image

from mrcnn.data.reading import pixels
from mrcnn.data.reading.header import SIDEWAYS, open_picture, orientation, size_of, turned
from mrcnn.data.reading.pixels import AUTO, Range
from mrcnn.errors import InputError


def load(
    path: str | Path, size: tuple[int, int] | None = None, image_range: Range = AUTO
) -> np.ndarray:
    """Read an image file as RGB, turned upright by its EXIF orientation.

    Args:
        path: Any file that Pillow reads. Transparency is dropped, grey becomes three equal
            channels.
        size: Height and width that the image must have, as its annotation says. An annotation that
            was made on the pixels as they are stored, without the EXIF turn, is recognised by its
            size.
        image_range: The values that become 0 and 255, where a pixel has more than 8 bits a channel;
            `"auto"` assumes them from the largest value of the file, and prints once what it
            assumed, see `mrcnn.data.reading.pixels.assumed_range`.

    Returns:
        A uint8 array (H, W, 3).

    Raises:
        InputError: The file is missing, is no image, is cut off, is too large, or has another size.
    """
    stored, layout = open_picture(path)
    lies = orientation(stored)
    unturned = size_of(stored)
    shown = (unturned[1], unturned[0]) if lies >= SIDEWAYS else unturned
    if size is not None and shown != tuple(size):
        if unturned != tuple(size):
            raise InputError(
                f"image {path} is {shown[1]}x{shown[0]}, "
                f"its annotation says {size[1]}x{size[0]} (width x height)"
            )
        lies = 1
    if pixels.is_deep(stored.mode, layout):
        deep = pixels.deep_pixels(path, stored, layout)
        pixels.say_what_is_not_kept(path, deep, image_range)
        stored = Image.fromarray(pixels.to_bytes(deep.values, pixels.limits_of(deep, image_range)))
    return np.asarray(turned(_rgb(stored), lies))


def _rgb(picture: Image.Image) -> Image.Image:
    if picture.mode == "RGB":
        return picture
    if "transparency" in picture.info:
        picture = picture.convert("RGBA")
    return picture.convert("RGB")
