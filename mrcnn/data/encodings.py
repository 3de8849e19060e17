"""COCO's run-length encodings: of full masks, of parts of masks, and of all labels of a picture.

Runs go down the columns of an image and are 0 and 1 in turn, as in `pycocotools`.
"""

from typing import Any

import numpy as np
from faster_coco_eval.core import mask as coco_mask
from faster_coco_eval.mask_api_new_cpp import toUncompressedRLE

Encoding = dict[str, Any]
Size = tuple[int, int]


def compress(rle: Encoding) -> Encoding:
    """Return a run-length encoding in its compressed form, with `counts` as bytes."""
    counts = rle["counts"]
    if isinstance(counts, bytes):
        return rle
    if isinstance(counts, str):
        return {"size": rle["size"], "counts": counts.encode("ascii")}
    return coco_mask.frPyObjects(rle, *rle["size"])


def as_text(rle: Encoding) -> Encoding:
    """Return an encoding with its counts as a string, ready for JSON."""
    counts = compress(rle)["counts"]
    return {"size": [int(side) for side in rle["size"]], "counts": counts.decode("ascii")}


def encode(mask: np.ndarray) -> Encoding:
    """Return the encoding of a full mask (H, W)."""
    return coco_mask.encode(np.asfortranarray(mask, np.uint8))


def pixels_of(rle: Encoding) -> int | None:
    """Return how many pixels a compressed encoding covers, from its runs alone; None where these do
    not add up to its size.
    """
    try:
        (runs,) = toUncompressedRLE([rle])
        counts = np.array(runs["counts"], np.int64)
    except (ValueError, TypeError, OverflowError, RuntimeError):
        return None
    height, width = rle["size"]
    if list(runs["size"]) != [height, width] or counts.sum() != height * width:
        return None
    return int(counts[1::2].sum())


def encode_part(part: np.ndarray, corner: tuple[int, int], size: Size) -> Encoding:
    """Return the encoding of a mask in an image, without the full mask.

    Args:
        part: (h, w), bool.
        corner: Row and column of the image where it begins.
        size: Height and width of the image.
    """
    height = part.shape[0]
    # A row of background below keeps a run from going on in the next column.
    columns = np.zeros((part.shape[1], height + 1), np.int8)
    columns[:, :height] = part.T
    steps = np.diff(columns.ravel(), prepend=0)
    starts, ends = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)
    offset = corner[1] * size[0] + corner[0]
    first, last = (
        index // (height + 1) * size[0] + index % (height + 1) + offset for index in (starts, ends)
    )
    return _of_runs(first, last, size)


def decode_part(rle: Encoding, rows: slice, columns: slice) -> np.ndarray:
    """Return some rows and columns (slices with both ends) of the full mask, bool; no other columns
    are decoded.
    """
    (runs,) = toUncompressedRLE([compress(rle)])
    height, width = runs["size"]
    first, last, _ = columns.indices(width)
    ends = np.array([0, *runs["counts"]]).cumsum().clip(first * height, last * height)
    lengths = ends[1:] - ends[:-1]
    pixels = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    return pixels.reshape(last - first, height).T[rows]


def decode_inside(
    rle: Encoding, window: tuple[int, int, int, int]
) -> tuple[np.ndarray, tuple[int, int]]:
    """Return the part of a mask that is inside its own box and a window y1, x1, y2, x2, and the row
    and column of the image where that begins; it may be empty.
    """
    rle = compress(rle)
    y1, x1, y2, x2 = (int(side) for side in boxes_of([rle])[0])
    y1, x1 = max(y1, window[0]), max(x1, window[1])
    y2, x2 = max(min(y2, window[2]), y1), max(min(x2, window[3]), x1)
    if y2 == y1 or x2 == x1:
        return np.zeros((y2 - y1, x2 - x1), bool), (y1, x1)
    return decode_part(rle, slice(y1, y2), slice(x1, x2)), (y1, x1)


def boxes_of(encodings: list[Encoding]) -> np.ndarray:
    """Return the boxes (N, 4), int32, y1, x1, y2, x2, of compressed encodings."""
    if not encodings:
        return np.zeros((0, 4), np.int32)
    x, y, width, height = np.asarray(coco_mask.toBbox(encodings)).reshape(-1, 4).T
    return np.stack([y, x, y + height, x + width], axis=1).astype(np.int32)


def encode_values(values: np.ndarray) -> tuple[np.ndarray, list[Encoding]]:
    """Return the values (V,) other than 0 of a picture (H, W), sorted, and the encoding of where
    each of them is. The picture is looked at once, whatever the number of values is.
    """
    size = (values.shape[0], values.shape[1])
    found, starts = runs_of(values)
    ends = np.append(starts[1:], values.size)
    order = np.argsort(found, kind="stable")
    distinct, first = np.unique(found[order], return_index=True)
    groups = np.split(order, first[1:])
    kept = [(v, runs) for v, runs in zip(distinct, groups, strict=True) if v]
    encodings = [_of_runs(starts[runs], ends[runs], size) for _, runs in kept]
    return np.array([v for v, _ in kept], values.dtype), encodings


def runs_of(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the runs down the columns of a picture (H, W): the value of each, and where it begins
    when the columns are laid end to end.
    """
    flat = values.ravel(order="F")
    if not flat.size:
        return flat, np.zeros(0, np.int64)
    starts = np.append(0, np.flatnonzero(flat[1:] != flat[:-1]) + 1)
    return flat[starts], starts


def _of_runs(starts: np.ndarray, ends: np.ndarray, size: Size) -> Encoding:
    """Return the encoding of runs of 1, given by where they begin and end."""
    # Runs that meet, at the bottom of a column and the top of the next, are one.
    apart = np.append(True, starts[1:] != ends[:-1]) if len(starts) else np.zeros(0, bool)
    starts, ends = starts[apart], ends[np.append(apart[1:], True)] if len(ends) else ends
    bounds = np.stack([starts, ends], axis=1).ravel()
    counts = np.diff(bounds, prepend=0, append=size[0] * size[1])
    if counts[-1] == 0:
        counts = counts[:-1]
    return compress({"size": list(size), "counts": counts.tolist()})
