"""Masks: decoding and rasterising segmentations, mini masks, and pasting into an image.

A segmentation is one of

- polygons: a list of arrays (K, 2) of x, y in pixels, K >= 3, that together cover the object; an
  empty list for an object of which only the box is known,
- a COCO run-length encoding: `{"size": [H, W], "counts": list | str | bytes}`,
- a mask (H, W), bool or 0/1.

Coordinates are continuous: pixel (row i, column j) covers i..i+1, j..j+1, and belongs to an object
that covers its centre. That is the rule of the COCO tools, whose rasteriser is used here.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from faster_coco_eval.core import mask as coco_mask
from PIL import Image, ImageDraw

from mrcnn.data import encodings
from mrcnn.data.encodings import compress
from mrcnn.data.resampling import resize_exact, resize_linear
from mrcnn.errors import InputError

Segmentation = list[np.ndarray] | dict[str, Any] | np.ndarray
# Some pixels (h, w), bool, of a mask, and the row and column of the image where they begin.
Part = tuple[np.ndarray, tuple[int, int]]

# Cells of a grid. The rasteriser walks along outlines in steps of a fifth of a cell and keeps every
# step, so one that leads further away than this is cut off: 16,000 cells are 2 MB.
FAR = 16_000


def decode(segmentation: Segmentation, size: tuple[int, int]) -> np.ndarray:
    """Return the full mask (H, W), bool, of a segmentation in an image of `size` (H, W)."""
    if isinstance(segmentation, np.ndarray):
        return segmentation.astype(bool, copy=False)
    if isinstance(segmentation, dict):
        return coco_mask.decode(compress(segmentation)).astype(bool)
    return _fill_polygons(segmentation, size)


def decode_part(segmentation: Segmentation, rows: slice, columns: slice) -> np.ndarray:
    """Return some rows and columns (slices with both ends) of the full mask, bool; no others are
    drawn or decoded.
    """
    if isinstance(segmentation, np.ndarray):
        return segmentation[rows, columns].astype(bool, copy=False)
    if isinstance(segmentation, list):
        # Shifted to the corner of the part, outlines would round to other pixels now and then.
        segmentation = _encode_polygons(segmentation, (int(rows.stop), int(columns.stop)))
    return encodings.decode_part(segmentation, rows, columns)


def encode(segmentation: Segmentation, size: tuple[int, int]) -> dict[str, Any]:
    """Return the run-length encoding of a segmentation in an image of `size` (H, W), compressed."""
    if isinstance(segmentation, np.ndarray):
        return encodings.encode(segmentation)
    if isinstance(segmentation, dict):
        return compress(segmentation)
    return _encode_polygons(segmentation, size)


def rasterize(
    segmentation: Segmentation, box: Sequence[float] | np.ndarray, shape: tuple[int, int]
) -> np.ndarray:
    """Draw the part of a segmentation inside a box on a grid; polygons without a full-size mask.

    Args:
        segmentation: The object, in image pixels.
        box: y1, x1, y2, x2 in image pixels, of positive size. For run-length encodings and masks it
            must lie inside the image.
        shape: Rows and columns of the grid that the box is mapped to.

    Returns:
        A uint8 array of `shape`, 1 on the object: polygons where they cover the centre of a cell,
        pixels where they cover half of it. An object that would have no cell that way has those
        that it touches.
    """
    y1, x1, y2, x2 = (float(value) for value in box)
    if not isinstance(segmentation, list):
        return _rasterize_pixels(segmentation, (y1, x1, y2, x2), shape)
    scale = np.array([shape[1] / (x2 - x1), shape[0] / (y2 - y1)])
    polygons = [(polygon - (x1, y1)) * scale for polygon in segmentation]
    grid: np.ndarray = _fill_polygons(polygons, shape)
    if not grid.any():
        grid = _trace_polygons(polygons, shape)
    return grid.astype(np.uint8)


def segmentation_box(segmentation: Segmentation, size: tuple[int, int]) -> np.ndarray:
    """Return the extent y1, x1, y2, x2 (float32) of a segmentation inside an image of `size`.

    An object with nothing inside the image has a box of zero area.
    """
    if isinstance(segmentation, np.ndarray):
        return extract_bboxes(segmentation[:, :, None])[0].astype(np.float32)
    if isinstance(segmentation, dict):
        x, y, width, height = coco_mask.toBbox(compress(segmentation)).ravel()[:4]
        return np.array([y, x, y + height, x + width], np.float32)
    points = np.concatenate(segmentation).clip(0, (size[1], size[0]))
    return np.concatenate([points.min(0)[::-1], points.max(0)[::-1]]).astype(np.float32)


def extract_bboxes(mask: np.ndarray) -> np.ndarray:
    """Return boxes (N, 4), int32, y1, x1, y2, x2, of masks (H, W, N); zeros for an empty one."""
    height, width, count = mask.shape
    if 0 in (height, width, count):
        return np.zeros((count, 4), np.int32)
    rows = np.asarray(mask.any(axis=1)).T  # (N, H)
    columns = np.asarray(mask.any(axis=0)).T  # (N, W)
    y1, x1 = rows.argmax(axis=1), columns.argmax(axis=1)
    y2 = height - rows[:, ::-1].argmax(axis=1)
    x2 = width - columns[:, ::-1].argmax(axis=1)
    boxes = np.stack([y1, x1, y2, x2], axis=1)
    return np.where(np.asarray(rows.any(axis=1))[:, None], boxes, 0).astype(np.int32)


def resize_mask(
    mask: np.ndarray,
    scale: float,
    padding: Sequence[tuple[int, int]],
    crop: tuple[int, int, int, int] | None = None,
) -> np.ndarray:
    """Resize full masks as `mrcnn.data.image.resize_image` resized their image.

    Args:
        mask: (H, W, N).
        scale: The factor, from `resize_image`.
        padding: [(top, bottom), (left, right), (0, 0)], from there too.
        crop: y, x, height, width in the resized masks, or None; with it there is no padding.

    Returns:
        Masks of the same type: the nearest pixels, where first meets first and last meets last, as
        in the original (`scipy.ndimage.zoom` of order 0; but that loses the last row or column in
        one of seventy sizes, where a rounding error puts it outside).
    """
    height, width = (max(1, round(side * scale)) for side in mask.shape[:2])
    return fit_mask(mask, (height, width), padding, crop)


def fit_mask(
    mask: np.ndarray,
    size: tuple[int, int],
    padding: Sequence[tuple[int, int]],
    crop: tuple[int, int, int, int] | None = None,
) -> np.ndarray:
    """The same to a size (height, width) instead of by a factor."""
    for axis, length in enumerate(size):
        count = mask.shape[axis]
        if length != count:
            mask = np.take(mask, nearest_pixels(np.arange(length), count, length), axis=axis)
    if crop is not None:
        y, x, height, width = crop
        return mask[y : y + height, x : x + width]
    return np.pad(mask, padding)


def nearest_pixels(index: np.ndarray, count: int, length: int) -> np.ndarray:
    """Return which of `count` pixels those at `index` show in a mask of `length` that is resized
    as by `resize_mask`.
    """
    step = (count - 1) / (length - 1) if length > 1 else 1.0
    return np.floor(index * step + 0.5).astype(np.int64)


def minimize_mask(
    bbox: np.ndarray, mask: np.ndarray, mini_shape: Sequence[int] | np.ndarray
) -> np.ndarray:
    """Shrink full masks to mini masks, with the arithmetic of the original.

    Args:
        bbox: Boxes (N, 4), y1, x1, y2, x2 in whole pixels.
        mask: Full masks (H, W, N).
        mini_shape: Height and width of the mini masks.

    Returns:
        Mini masks (h, w, N), bool.

    Raises:
        InputError: A box has zero area.
    """
    mini = np.zeros((mini_shape[0], mini_shape[1], mask.shape[-1]), bool)
    for index, (y1, x1, y2, x2) in enumerate(np.asarray(bbox)[:, :4]):
        inside = mask[y1:y2, x1:x2, index]
        if inside.size == 0:
            raise InputError(
                f"bbox must be boxes of positive size inside the masks of shape {mask.shape}, "
                f"got {(int(y1), int(x1), int(y2), int(x2))} at position {index}"
            )
        mini[:, :, index] = np.around(resize_exact(inside.astype(bool), mini.shape[:2]))
    return mini


def expand_mask(bbox: np.ndarray, mini_mask: np.ndarray, image_shape: Sequence[int]) -> np.ndarray:
    """Undo `minimize_mask` as far as possible, with the arithmetic of the original.

    Args:
        bbox: Boxes (N, 4), y1, x1, y2, x2 in whole pixels, inside the image.
        mini_mask: (h, w, N).
        image_shape: Height and width of the image; more entries are ignored.

    Returns:
        Full masks (H, W, N), bool.
    """
    masks = np.zeros((*image_shape[:2], mini_mask.shape[-1]), bool)
    for index, (y1, x1, y2, x2) in enumerate(np.asarray(bbox)[:, :4]):
        mini = mini_mask[:, :, index].astype(np.float32)
        masks[y1:y2, x1:x2, index] = np.around(resize_exact(mini, (y2 - y1, x2 - x1)))
    return masks


def unmold_mask(
    mask: np.ndarray,
    bbox: Sequence[float] | np.ndarray,
    image_shape: Sequence[int],
    threshold: float = 0.5,
) -> np.ndarray:
    """Paste a predicted mask into an image, see `paste`.

    Returns:
        The full mask (H, W), bool. Empty where the rounded box is.
    """
    full = np.zeros(tuple(image_shape[:2]), bool)
    put_part(full, paste(mask, bbox, image_shape, threshold))
    return full


def put_part(full: np.ndarray, part: Part) -> None:
    """Copy a part of a mask into the full one (H, W)."""
    pixels, (row, column) = part
    full[row : row + pixels.shape[0], column : column + pixels.shape[1]] = pixels


def paste(
    mask: np.ndarray,
    bbox: Sequence[float] | np.ndarray,
    image_shape: Sequence[int],
    threshold: float = 0.5,
) -> Part:
    """Paste a predicted mask into an image, with the arithmetic of the original: resize the
    probabilities to the box, with zeros around them, then threshold.

    Args:
        mask: Probabilities (h, w), 0 to 1, that fill the box.
        bbox: y1, x1, y2, x2 in pixels, rounded to whole ones; what lies outside the image is cut
            off.
        image_shape: Height and width of the image; more entries are ignored.
        threshold: A pixel belongs to the object from this probability on.

    Returns:
        The pixels in the box (h, w), bool, and the row and column where they begin.
    """
    height, width = image_shape[:2]
    y1, x1, y2, x2 = (round(float(value)) for value in bbox)
    top, left, bottom, right = max(y1, 0), max(x1, 0), min(y2, height), min(x2, width)
    if bottom <= top or right <= left:
        return np.zeros((0, 0), bool), (0, 0)
    if not np.issubdtype(mask.dtype, np.floating):
        mask = mask.astype(np.float32)
    # Only the visible part is resized: a box far larger than the image costs no more than that.
    part = (top - y1, left - x1, bottom - y1, right - x1)
    return resize_exact(mask, (y2 - y1, x2 - x1), part) >= threshold, (top, left)


def paste_padded(
    mask: np.ndarray,
    bbox: Sequence[float] | np.ndarray,
    image_shape: Sequence[int],
    threshold: float = 0.5,
) -> Part:
    """Paste a predicted mask into an image as torchvision does: with a rim of zeros of one cell,
    into the box that is larger by it, whose corners are cut down to whole pixels.

    Args:
        mask: Probabilities (h, w), 0 to 1, that fill the box.
        bbox: y1, x1, y2, x2 in pixels, not rounded.
        image_shape: Height and width of the image; more entries are ignored.
        threshold: A pixel belongs to the object above this probability.

    Returns:
        The pixels in the larger box (h, w), bool, and the row and column where they begin.
    """
    box = np.asarray(bbox, np.float32)
    factor = np.array([(side + 2) / side for side in mask.shape], np.float32)
    half = (box[2:] - box[:2]) * np.float32(0.5) * factor
    center = (box[2:] + box[:2]) * np.float32(0.5)
    start = np.trunc(center - half).astype(int)
    size = np.maximum(np.trunc(center + half).astype(int) - start + 1, 1)
    low, high = start.clip(0), np.minimum(start + size, image_shape[:2])
    if (high <= low).any():
        return np.zeros((0, 0), bool), (0, 0)
    part = (*(low - start).tolist(), *(high - start).tolist())
    resized = resize_linear(np.pad(mask, 1), (int(size[0]), int(size[1])), part)
    return resized > threshold, (int(low[0]), int(low[1]))


def _rasterize_pixels(
    segmentation: dict[str, Any] | np.ndarray,
    box: tuple[float, float, float, float],
    shape: tuple[int, int],
) -> np.ndarray:
    """Draw the part of a run-length encoding or a mask inside a box on a grid, as uint8."""
    # Pixels outside the box must not blur its border: an object of one pixel fills its box. Boxes
    # come back from the resized image, with rounding errors.
    top, left = (math.floor(side + 1e-3) for side in box[:2])
    bottom, right = (math.ceil(side - 1e-3) for side in box[2:])
    mask = decode_part(segmentation, slice(top, bottom), slice(left, right))
    height, width = mask.shape
    part = (
        max(box[0] - top, 0.0),
        max(box[1] - left, 0.0),
        min(box[2] - top, float(height)),
        min(box[3] - left, float(width)),
    )
    grid = _resample(mask, part, shape)
    if not grid.any():
        grid = _resample(mask, part, shape, threshold=1e-6)
    return grid.astype(np.uint8)


def _fill_polygons(polygons: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """Return the union (H, W), bool, of polygons (K, 2) of x, y in pixels of the grid."""
    return coco_mask.decode(_encode_polygons(polygons, shape)).view(bool)


def _encode_polygons(polygons: list[np.ndarray], shape: tuple[int, int]) -> dict[str, Any]:
    """Return the run-length encoding of the union of polygons (K, 2) on a grid (H, W)."""
    polygons = [_near(polygon) for polygon in polygons]
    polygons = [polygon for polygon in polygons if len(polygon) >= 3]
    if not polygons:
        return compress({"size": list(shape), "counts": [shape[0] * shape[1]]})
    runs = coco_mask.frPyObjects([p.ravel().tolist() for p in polygons], *shape)
    return runs[0] if len(runs) == 1 else coco_mask.merge(runs)


def _near(polygon: np.ndarray) -> np.ndarray:
    """Return what a polygon (K, 2) covers of the square from -FAR to FAR (Sutherland-Hodgman).

    Outlines without a far point stay as they are. In the others, edges that run along the border of
    the square stand for what is beyond it; no grid is large enough to show them.
    """
    if np.abs(polygon).max(initial=0) <= FAR:
        return polygon
    for axis in (0, 1):
        for sign in (1.0, -1.0):
            inside = sign * polygon[:, axis] + FAR  # distance from the border
            following, ahead = np.roll(polygon, -1, axis=0), np.roll(inside, -1)
            crosses = (inside >= 0) != (ahead >= 0)
            share = np.divide(inside, inside - ahead, out=np.zeros_like(inside), where=crosses)
            cuts = polygon + share[:, None] * (following - polygon)
            kept = np.stack([inside >= 0, crosses], axis=1)
            polygon = np.stack([polygon, cuts], axis=1)[kept]
    return polygon


def _trace_polygons(polygons: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """Return the cells (H, W), bool, that the outlines run through, for what misses all centres."""
    image = Image.new("1", (shape[1], shape[0]))
    for polygon in polygons:
        cells = np.floor(polygon).clip(0, (shape[1] - 1, shape[0] - 1))
        ImageDraw.Draw(image).polygon(cells.ravel().tolist(), fill=1, outline=1)
    return np.asarray(image)


def _resample(
    mask: np.ndarray,
    box: tuple[float, float, float, float],
    shape: tuple[int, int],
    threshold: float = 0.5,
) -> np.ndarray:
    """Resize the part of a mask (H, W), bool, inside a box; True from the covered share on."""
    y1, x1, y2, x2 = box
    # The share of a cell that is covered when shrinking; straight lines between pixel centres when
    # growing.
    shrinks = y2 - y1 >= shape[0] and x2 - x1 >= shape[1]
    method = Image.Resampling.BOX if shrinks else Image.Resampling.BILINEAR
    image = Image.fromarray(mask.astype(np.float32))
    return np.asarray(image.resize((shape[1], shape[0]), method, box=(x1, y1, x2, y2))) >= threshold
