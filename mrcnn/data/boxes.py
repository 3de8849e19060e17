"""Boxes in NumPy, y1, x1, y2, x2: overlaps, suppression, deltas, normalised coordinates.

The functions of the graph are in `mrcnn.modeling.boxes`.
"""

from collections.abc import Sequence

import numpy as np


def areas(boxes: np.ndarray) -> np.ndarray:
    """Return the area (...,) of each box (..., 4)."""
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def iou(boxes1: np.ndarray, boxes2: np.ndarray) -> np.ndarray:
    """Return the IoU (...,), 0 to 1, of boxes (..., 4) with boxes in the same places; broadcast.

    0 where both are empty.
    """
    return ratio(_shared(boxes1, boxes2), areas(boxes1), areas(boxes2))


def compute_iou(
    box: np.ndarray, boxes: np.ndarray, box_area: float, boxes_area: np.ndarray
) -> np.ndarray:
    """Return the IoU (N,) of one box with many.

    Args:
        box: (4,).
        boxes: (N, 4).
        box_area: Area of `box`.
        boxes_area: (N,), areas of `boxes`; passed in, so that they are computed once.

    Returns:
        0 to 1; 0 where both boxes are empty.
    """
    return ratio(_shared(box, boxes), box_area, boxes_area)


def compute_overlaps(boxes1: np.ndarray, boxes2: np.ndarray) -> np.ndarray:
    """Return the IoU (N, M), 0 to 1, of boxes (N, 4) with boxes (M, 4); put the fewer second."""
    overlaps = np.zeros((len(boxes1), len(boxes2)))
    areas1, areas2 = areas(boxes1), areas(boxes2)
    # Column by column: all pairs at once would be gigabytes for 261,888 anchors and 100 objects.
    for column, (box, area) in enumerate(zip(boxes2, areas2, strict=True)):
        overlaps[:, column] = compute_iou(box, boxes1, area, areas1)
    return overlaps


def compute_overlaps_masks(masks1: np.ndarray, masks2: np.ndarray) -> np.ndarray:
    """Return the IoU (N, M), 0 to 1, of masks (H, W, N) with masks (H, W, M).

    A pixel belongs to a mask above 0.5. The overlap of two empty masks is 0.
    """
    if 0 in (masks1.shape[-1], masks2.shape[-1]):
        return np.zeros((masks1.shape[-1], masks2.shape[-1]), np.float32)
    one, two = (
        (masks.reshape(-1, masks.shape[-1]) > 0.5).astype(np.float32) for masks in (masks1, masks2)
    )
    return ratio(one.T @ two, one.sum(axis=0)[:, None], two.sum(axis=0)[None])


def non_max_suppression(boxes: np.ndarray, scores: np.ndarray, threshold: float) -> np.ndarray:
    """Return the positions (K,), int32, of the boxes that stay, highest score first.

    Args:
        boxes: (N, 4).
        scores: (N,).
        threshold: A box goes if its IoU with one that stays is larger.
    """
    boxes = boxes.astype(np.float32, copy=False)
    sizes = areas(boxes)
    order = np.argsort(scores)[::-1]
    kept = []
    while len(order):
        best, rest = order[0], order[1:]
        kept.append(best)
        order = rest[compute_iou(boxes[best], boxes[rest], sizes[best], sizes[rest]) <= threshold]
    return np.array(kept, np.int32)


def apply_box_deltas(boxes: np.ndarray, deltas: np.ndarray) -> np.ndarray:
    """Move boxes (N, 4) by deltas (N, 4), dy, dx, log dh, log dw; float32, not clipped."""
    boxes = boxes.astype(np.float32)
    size = boxes[:, 2:] - boxes[:, :2]
    center = boxes[:, :2] + 0.5 * size + deltas[:, :2] * size
    size = size * np.exp(deltas[:, 2:])
    start = center - 0.5 * size
    return np.concatenate([start, start + size], axis=1)


def box_refinement(box: np.ndarray, gt_box: np.ndarray) -> np.ndarray:
    """Return the deltas (N, 4), float32, with which `apply_box_deltas` turns `box` into `gt_box`.

    Boxes (N, 4) must have positive sizes.
    """
    return deltas_between(box.astype(np.float32), gt_box.astype(np.float32))


def deltas_between(boxes: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return the same in the precision of the arguments."""
    size, target_size = boxes[:, 2:] - boxes[:, :2], targets[:, 2:] - targets[:, :2]
    shift = (targets[:, :2] + 0.5 * target_size) - (boxes[:, :2] + 0.5 * size)
    return np.concatenate([shift / size, np.log(target_size / size)], axis=1)


def norm_boxes(boxes: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Return boxes (N, 4) in pixels, ends exclusive, as shares of an image, float32.

    Args:
        boxes: In pixels.
        shape: Height and width of the image. A box over all of it becomes 0, 0, 1, 1.
    """
    offset, scale = _frame(shape)
    return ((boxes - offset) / scale).astype(np.float32)


def denorm_boxes(boxes: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Undo `norm_boxes`; rounded to whole pixels, int32."""
    offset, scale = _frame(shape)
    return np.around(boxes * scale + offset).astype(np.int32)


def trim_zeros(x: np.ndarray) -> np.ndarray:
    """Return the rows of (N, C) that are not all zeros."""
    return x[np.any(x != 0, axis=1)]


def ratio(intersection: np.ndarray, size1: np.ndarray | float, size2: np.ndarray) -> np.ndarray:
    """Return intersection over union; 0 where the union is empty."""
    union = size1 + size2 - intersection
    empty = np.zeros(union.shape, np.result_type(union, np.float32))
    return np.divide(intersection, union, out=empty, where=union > 0)


def _shared(boxes1: np.ndarray, boxes2: np.ndarray) -> np.ndarray:
    """Return the area that boxes have in common."""
    height = np.minimum(boxes1[..., 2], boxes2[..., 2]) - np.maximum(boxes1[..., 0], boxes2[..., 0])
    width = np.minimum(boxes1[..., 3], boxes2[..., 3]) - np.maximum(boxes1[..., 1], boxes2[..., 1])
    return height.clip(0) * width.clip(0)


def _frame(shape: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Return offset and scale (4,) of normalised coordinates."""
    height, width = shape[0] - 1, shape[1] - 1
    return np.array([0, 0, 1, 1]), np.array([height, width, height, width])
