"""Changes of the colours of an image."""

import numpy as np
from PIL import Image, ImageStat

from mrcnn.errors import InputError

# Of red, green and blue in the brightness that the eye sees (ITU-R BT.601, as in Pillow).
LUMA = np.array([0.299, 0.587, 0.114])
# Brightness and the two axes of colour of the television norm NTSC (YIQ).
_YIQ = np.array([LUMA, [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])


def recolor(
    image: np.ndarray,
    brightness: float = 1.0,
    contrast: float = 1.0,
    saturation: float = 1.0,
    hue: float = 0.0,
) -> np.ndarray:
    """Change the colours of an image, in the order of the arguments.

    Each of the changes is affine in red, green and blue; so together they are one matrix, and
    nothing is rounded or cut off to 0..255 in between.

    Args:
        image: (H, W, C) uint8. Only three channels have a saturation and a hue.
        brightness: Factor of all values.
        contrast: Factor of the distances to the mean brightness of the image.
        saturation: Factor of the distances to the grey of the same brightness; 0 makes it grey.
        hue: Shift along the colour circle in turns, at the same brightness: 1 is once around.

    Raises:
        InputError: The image is not uint8.
    """
    if image.dtype != np.uint8:
        raise InputError(f"colours are changed in images of uint8, got {image.dtype}")
    if image.shape[2] != 3:
        mean = brightness * float(image.mean())
        values = contrast * (brightness * np.arange(256) - mean) + mean
        return np.rint(values.clip(0, 255)).astype(np.uint8)[image]
    picture = Image.fromarray(image)
    mean = brightness * float(LUMA @ ImageStat.Stat(picture).mean)
    matrix = _hue_matrix(hue) @ _saturation_matrix(saturation) * (contrast * brightness)
    # The matrices leave greys as they are, so a constant passes through them.
    offset = np.full((3, 1), (1 - contrast) * mean)
    rows = np.concatenate([matrix, offset], axis=1)
    return np.asarray(picture.convert("RGB", tuple(rows.ravel().tolist())))


def _saturation_matrix(factor: float) -> np.ndarray:
    return factor * np.eye(3) + (1 - factor) * np.tile(LUMA, (3, 1))


def _hue_matrix(turns: float) -> np.ndarray:
    cosine, sine = np.cos(2 * np.pi * turns), np.sin(2 * np.pi * turns)
    turn = np.array([[1, 0, 0], [0, cosine, sine], [0, -sine, cosine]])
    return np.linalg.inv(_YIQ) @ turn @ _YIQ
