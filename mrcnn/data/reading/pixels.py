"""Pixels of more than 8 bits: the values of a file, the range that they are in, and as bytes.

The range of floats and of whole numbers of more than 8 bits is written nowhere: a camera of 12 bits
saves 16, and floats are from 0 to 1 or from 0 to anything. It is given, or it is assumed from the
largest value: the smallest one of those that are usual.
"""

import sys
import threading
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from PIL import Image

from mrcnn.data.reading.header import open_picture

Range = tuple[float, float] | Literal["auto"]

AUTO: Literal["auto"] = "auto"
# Bits of whole numbers; sensors have even ones.
_BITS = (8, 10, 12, 14, 16, 24, 32)
_SWAPPED = {";16B": ";16L", ";16L": ";16B", ";16N": {"little": ";16B"}.get(sys.byteorder, ";16L")}

_said: set[str] = set()
_saying = threading.Lock()


class DeepPixels(NamedTuple):
    """The pixels of a file with more than 8 bits a channel.

    Attributes:
        values: (H, W) or (H, W, C), as they are stored.
        kind: What they are, in words, such as "16 bits".
    """

    values: np.ndarray
    kind: str

    @property
    def not_finite(self) -> int:
        """How many values are NaN or infinite."""
        if self.values.dtype.kind != "f":
            return 0
        return int(self.values.size - np.isfinite(self.values).sum())

    @property
    def extent(self) -> tuple[float, float]:
        """The lowest and the highest value that is finite; zeros where there is none."""
        values = self.values
        if values.dtype.kind == "f":
            values = values[np.isfinite(values)]
        return (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)


def kind_of(mode: str, layout: str) -> str:
    """Return what the pixels of an image file are, in words.

    Args:
        mode: Pillow's mode of the picture.
        layout: Pillow's name for how its pixels are stored.
    """
    if mode == "F":
        return "float"
    if ";16S" in layout:
        return "16 bits with a sign"
    if mode.startswith("I;16") or ";16" in layout:
        return "16 bits"
    return "32 bits" if mode == "I" else "8 bits"


def is_deep(mode: str, layout: str) -> bool:
    """Return whether a pixel has more than 8 bits a channel."""
    return kind_of(mode, layout) != "8 bits"


def deep_pixels(path: str | Path, picture: Image.Image, layout: str) -> DeepPixels:
    """Return the pixels of a file that `is_deep`; `picture` is the file as Pillow decoded it."""
    kind = kind_of(picture.mode, layout)
    values = np.asarray(picture)
    if picture.mode == "F" or picture.mode.startswith("I"):
        return DeepPixels(values.astype(values.dtype.newbyteorder("=")), kind)
    # Of several channels Pillow keeps the upper byte of each value. With the order of the bytes
    # swapped it keeps the lower one.
    base, ending = layout[:-4], layout[-4:]
    if base != picture.mode or ending not in _SWAPPED:
        return DeepPixels(values * np.uint16(257), kind)
    lower, _ = open_picture(path, base + _SWAPPED[ending])
    return DeepPixels(values * np.uint16(256) + np.asarray(lower), kind)


def assumed_range(low: float, high: float, whole: bool) -> tuple[float, float]:
    """Return the range that values are assumed to be in.

    Args:
        low: The lowest of them.
        high: The highest.
        whole: They are whole numbers.

    Returns:
        From 0, or where there are negative values from the negative of such an end: of whole
        numbers 255, 1023, 4095, 16383, 65535, ..., the first that is not below `high`; of floats
        1, 2, 4, 8, ...; from 128 on 255, 511, ...

    Example:

    >>> assumed_range(0, 3000, whole=True)
    (0.0, 4095.0)
    >>> assumed_range(-1, 0.5, whole=False)
    (-1.0, 1.0)
    """
    least = -_end(-low, whole) if low < 0 else 0.0
    return least, _end(high, whole)


def to_bytes(values: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    """Return values as uint8: 0 at the lower limit, 255 at the upper; NaN is 0."""
    low, high = limits
    scaled = np.subtract(values, low, dtype=np.float32 if values.dtype != np.int32 else np.float64)
    scaled *= 255 / (high - low)
    scaled = np.nan_to_num(scaled, copy=False, nan=0.0, posinf=255.0, neginf=0.0)
    return np.rint(scaled.clip(0, 255, out=scaled), out=scaled).astype(np.uint8)


def limits_of(pixels: DeepPixels, wanted: Range) -> tuple[float, float]:
    """Return the range that is given, or else the one that is assumed."""
    if wanted != AUTO:
        return wanted
    return assumed_range(*pixels.extent, whole=pixels.values.dtype.kind != "f")


def words(limits: tuple[float, float]) -> str:
    """Return a range as "0 to 4095"."""
    return f"{limits[0]:.10g} to {limits[1]:.10g}"


def is_known(pixels: DeepPixels, limits: tuple[float, float]) -> bool:
    """Return whether a range is that of the type: nothing had to be assumed."""
    usual = (0.0, 65535.0) if pixels.kind == "16 bits" else (0.0, 1.0)
    return pixels.kind in ("16 bits", "float") and limits == usual


def say_what_is_not_kept(path: str | Path, pixels: DeepPixels, wanted: Range) -> None:
    """Print on stderr, once for each kind, what was assumed of pixels and what of them is lost."""
    limits = limits_of(pixels, wanted)
    low, high = pixels.extent
    if wanted == AUTO and not is_known(pixels, limits):
        _say(
            f"pixels of {pixels.kind} from {words((low, high))} in {path}: assumed to be "
            f"{words(limits)}, file by file; IMAGE_RANGE sets it",
            f"{pixels.kind} {limits}",
        )
    elif low < limits[0] or high > limits[1]:
        _say(
            f"pixels from {words((low, high))} in {path}: cut off at IMAGE_RANGE {words(limits)}",
            f"cut {limits}",
        )
    if count := pixels.not_finite:
        _say(f"{count:,} pixels of {path} are NaN or infinite: NaN is taken as black", "nan")


def _end(value: float, whole: bool) -> float:
    """Return the smallest usual end of a range that is not below a value."""
    if whole or value > 64:
        bits = _BITS if whole else range(7, 128)
        return next((2.0**n - 1 for n in bits if 2.0**n - 1 >= value), value)
    return next(2.0**n for n in range(8) if 2.0**n >= value)


def _say(text: str, what: str) -> None:
    with _saying:
        if what not in _said:
            _said.add(what)
            print(f"note: {text}", file=sys.stderr)
