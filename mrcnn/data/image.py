"""Images: resizing to the input of the network, the mean, and the image meta vector."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

# Where they were in 0.1.0.
from mrcnn.data.reading.header import read_size as read_size
from mrcnn.data.reading.header import read_sizes as read_sizes
from mrcnn.data.reading.labels import load_values as load_values
from mrcnn.data.reading.picture import load as load
from mrcnn.errors import InputError

Box = tuple[int, int, int, int]
Padding = list[tuple[int, int]]

RESIZE_MODES = ("square", "canvas", "pad64", "shorter", "crop", "none")


def canvas_shape(
    height: int, width: int, min_dim: int, max_dim: int, min_scale: float, mode: str
) -> tuple[int, int]:
    """Return height and width of what `resize_image` makes of an image of this size."""
    return _layout(height, width, min_dim, max_dim, min_scale, mode).canvas


def fitting_scale(
    size: tuple[int, int],
    canvas: tuple[int, int],
    min_dim: int,
    max_dim: int,
    min_scale: float,
    mode: str,
) -> float:
    """Return the factor for an image of `size` on a `canvas` that may be that of another size.

    It is the one of `resize_image`, but small enough for the canvas; in mode `"crop"`, which takes
    a part of larger images, it is that one.
    """
    scale = _layout(*size, min_dim, max_dim, min_scale, mode).scale
    return scale if mode == "crop" else min(scale, canvas[0] / size[0], canvas[1] / size[1])


def resize_boxes(
    boxes: np.ndarray,
    height: int,
    width: int,
    min_dim: int,
    max_dim: int,
    min_scale: float,
    mode: str,
) -> np.ndarray:
    """Return boxes (N, 4), pixels, where they are once `resize_image` has resized their image.

    In mode `"crop"` they are where they are before the square is cut out.
    """
    layout = _layout(height, width, min_dim, max_dim, min_scale, mode)
    return boxes * layout.scale + np.tile(layout.offset if mode != "crop" else (0, 0), 2)


def resize(
    image: np.ndarray,
    size: tuple[int, int],
    part: tuple[float, float, float, float] | None = None,
) -> np.ndarray:
    """Resize an image (H, W, C) to `size` (height, width): bilinear, averaging where it shrinks.

    With `part`, y1, x1, y2, x2 in pixels, only this part of the image.
    """
    if image.shape[:2] == tuple(size) and part is None:
        return image
    target, method = (size[1], size[0]), Image.Resampling.BILINEAR
    box = None if part is None else (part[1], part[0], part[3], part[2])
    if image.shape[2] == 3 and image.dtype == np.uint8:
        return np.asarray(Image.fromarray(image).resize(target, method, box))
    # Pillow has no mode for other images; it resizes their channels one by one, in float32.
    channels = [Image.fromarray(image[:, :, c].astype(np.float32)) for c in range(image.shape[2])]
    resized = np.stack([np.asarray(c.resize(target, method, box)) for c in channels], axis=2)
    return (
        resized.astype(image.dtype)
        if image.dtype.kind == "f"
        else np.rint(resized).astype(image.dtype)
    )


def resize_image(
    image: np.ndarray,
    min_dim: int | None = None,
    max_dim: int | None = None,
    min_scale: float | None = None,
    mode: str = "square",
    rng: np.random.Generator | None = None,
    interpolate: Callable[[np.ndarray, tuple[int, int]], np.ndarray] = resize,
) -> tuple[np.ndarray, Box, float, Padding, Box | None]:
    """Resize an image without changing its aspect, and pad it with zeros.

    Args:
        image: (H, W, C), uint8.
        min_dim: The shorter side is enlarged to this, where `max_dim` leaves room.
        max_dim: The longer side is at most this.
        min_scale: The image is enlarged at least by this factor, where `max_dim` leaves room.
        mode: `"square"`: padded to `max_dim` x `max_dim`.
            `"canvas"`: the largest size that fits `min_dim` x `max_dim` (height x width; portrait
            images: `max_dim` x `min_dim`), padded to it.
            `"pad64"`: enlarged to `min_dim`, then padded to sides that divide by 64.
            `"shorter"`: the shorter side has `min_dim` pixels, unless the longer one would have
            more than `max_dim`; then padded below and at the right to sides that divide by 32.
            Sides are rounded down.
            `"crop"`: enlarged to `min_dim`, then a square of `min_dim` is cut out.
            `"none"`: unchanged.
        rng: Where `"crop"` takes its position from; the centre without it.
        interpolate: `resize`, or `mrcnn.data.resampling.resize_exact` for the arithmetic of the
            original.

    Returns:
        The image; the window y1, x1, y2, x2 of it that is not padding; the factor; the padding as
        [(top, bottom), (left, right), (0, 0)]; and the crop y, x, height, width in the enlarged
        image, or None.

    Raises:
        ValueError: The mode is unknown or misses a size that it needs.
    """
    shorter = min_dim or 0
    height, width = image.shape[:2]
    layout = _layout(height, width, shorter, max_dim or 0, min_scale or 0, mode)
    image = interpolate(image, layout.size)
    crop = None
    if mode == "crop":
        spare = [side - shorter for side in layout.size]
        y, x = [s // 2 for s in spare] if rng is None else [int(rng.integers(s + 1)) for s in spare]
        crop = (y, x, shorter, shorter)
        image = image[y : y + shorter, x : x + shorter]
    top, left = layout.offset
    height, width = image.shape[:2]
    bottom, right = layout.canvas[0] - height - top, layout.canvas[1] - width - left
    padding = [(top, bottom), (left, right), (0, 0)]
    if top or left or bottom or right:
        image = np.pad(image, padding)
    return image, (top, left, top + height, left + width), layout.scale, padding, crop


def place_image(
    image: np.ndarray, scale: float, canvas: tuple[int, int], rng: np.random.Generator
) -> tuple[np.ndarray, Box, Box | None]:
    """Resize an image by a factor, and put it at a random place of a canvas (height, width).

    Along an axis in which it is larger than the canvas, a random part of it fills that.

    Returns:
        The canvas, 0 where the image is not; the window y1, x1, y2, x2 where it is; and the part of
        it that is there, y, x, height, width in the resized image, or None for all of it.
    """
    sides = image.shape[:2]
    resized = [max(1, round(side * scale)) for side in sides]
    shift = [int(rng.integers(abs(c - r) + 1)) for c, r in zip(canvas, resized, strict=True)]
    larger = [r > c for c, r in zip(canvas, resized, strict=True)]
    y, x = (s if over else 0 for s, over in zip(shift, larger, strict=True))
    top, left = (0 if over else s for s, over in zip(shift, larger, strict=True))
    height, width = (min(c, r) for c, r in zip(canvas, resized, strict=True))
    part = None
    if any(larger):
        rows, columns = (side / r for side, r in zip(sides, resized, strict=True))
        # Not past the image, where a rounding error would put the last ones.
        bottom, right = min((y + height) * rows, sides[0]), min((x + width) * columns, sides[1])
        part = (y * rows, x * columns, bottom, right)
    placed = np.zeros((*canvas, image.shape[2]), image.dtype)
    placed[top : top + height, left : left + width] = resize(image, (height, width), part)
    window = (top, left, top + height, left + width)
    return placed, window, (y, x, height, width) if part else None


def mold_image(images: np.ndarray, config: Any) -> np.ndarray:
    """Return RGB images (..., C) minus `config.MEAN_PIXEL`, float32."""
    mean = np.asarray(config.MEAN_PIXEL, np.float32)
    if images.shape[-1] != len(mean):
        raise InputError(
            f"MEAN_PIXEL has {len(mean)} values, the image has {images.shape[-1]} channels"
        )
    # One subtraction a row: NumPy is six times slower when it broadcasts over an axis of length 3.
    rows = images.reshape(*images.shape[:-2], -1)
    return np.subtract(rows, np.tile(mean, images.shape[-2]), dtype=np.float32).reshape(
        images.shape
    )


def clear_padding(molded: np.ndarray, window: Sequence[int] | np.ndarray) -> None:
    """Set a molded image (H, W, C) to 0 outside its window y1, x1, y2, x2, in place: the padding
    then has the colour of the mean.
    """
    y1, x1, y2, x2 = (int(side) for side in window)
    molded[:y1], molded[y2:], molded[:, :x1], molded[:, x2:] = 0, 0, 0, 0


def unmold_image(normalized_images: np.ndarray, config: Any) -> np.ndarray:
    """Undo `mold_image`; uint8."""
    restored = np.rint(normalized_images + np.asarray(config.MEAN_PIXEL, np.float32))
    return restored.clip(0, 255).astype(np.uint8)


def compose_image_meta(
    image_id: int,
    original_image_shape: Sequence[int],
    image_shape: Sequence[int],
    window: Sequence[int],
    scale: float,
    active_class_ids: np.ndarray,
) -> np.ndarray:
    """Pack what is known of an image into one vector (12 + num_classes,), float32.

    Args:
        image_id: The number of the image in the dataset.
        original_image_shape: H, W, C before resizing.
        image_shape: H, W, C after it.
        window: y1, x1, y2, x2 of the image on its canvas, in pixels.
        scale: The factor of the resizing.
        active_class_ids: (num_classes,), 1 for classes that the image's source has, else 0.
    """
    head = [image_id, *original_image_shape, *image_shape, *window, scale]
    return np.concatenate([head, active_class_ids]).astype(np.float32)


def parse_image_meta(meta: np.ndarray) -> dict[str, np.ndarray]:
    """Unpack image metas (B, 12 + num_classes) into arrays with one row an image."""
    return {
        "image_id": meta[:, 0].astype(np.int32),
        "original_image_shape": meta[:, 1:4].astype(np.int32),
        "image_shape": meta[:, 4:7].astype(np.int32),
        "window": meta[:, 7:11].astype(np.int32),
        "scale": meta[:, 11].astype(np.float32),
        "active_class_ids": meta[:, 12:].astype(np.int32),
    }


@dataclass(frozen=True)
class _Layout:
    """How an image is resized: to `size` (h, w), put at `offset` (top, left) of `canvas` (h, w)."""

    size: tuple[int, int]
    scale: float
    offset: tuple[int, int]
    canvas: tuple[int, int]


def _layout(
    height: int, width: int, min_dim: int, max_dim: int, min_scale: float, mode: str
) -> _Layout:
    if mode not in RESIZE_MODES:
        raise ValueError(f"mode must be one of {', '.join(RESIZE_MODES)}; got {mode!r}")
    if mode == "none":
        return _Layout((height, width), 1.0, (0, 0), (height, width))
    needed = {
        "square": [max_dim],
        "canvas": [min_dim, max_dim],
        "pad64": [min_dim],
        "shorter": [min_dim, max_dim],
        "crop": [min_dim],
    }
    if not all(needed[mode]):
        raise ValueError(f"mode {mode!r} needs a size, got min_dim={min_dim} and max_dim={max_dim}")
    if mode == "pad64" and min_dim % 64:
        raise ValueError(f"min_dim must divide by 64 in mode 'pad64', got {min_dim}")

    scale = max(1.0, min_dim / min(height, width)) if min_dim else 1.0
    scale = max(scale, min_scale)
    if mode == "square" and round(max(height, width) * scale) > max_dim:
        scale = max_dim / max(height, width)
    if mode == "canvas":
        sides = (max_dim, min_dim) if height > width else (min_dim, max_dim)
        scale = min(sides[0] / height, sides[1] / width)
    if mode == "shorter":
        scale = max(min_dim / min(height, width), min_scale)
        scale = min(scale, max_dim / max(height, width))
        size = (max(1, int(height * scale)), max(1, int(width * scale)))
        return _Layout(size, scale, (0, 0), (-(-size[0] // 32) * 32, -(-size[1] // 32) * 32))
    size = (max(1, round(height * scale)), max(1, round(width * scale)))

    if mode == "crop":
        return _Layout(size, scale, (0, 0), (min_dim, min_dim))
    if mode == "square":
        canvas = (max_dim, max_dim)
    elif mode == "canvas":
        canvas = sides
    else:
        canvas = (-(-size[0] // 64) * 64, -(-size[1] // 64) * 64)
    return _Layout(size, scale, ((canvas[0] - size[0]) // 2, (canvas[1] - size[1]) // 2), canvas)
