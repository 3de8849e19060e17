"""Boxes `(..., 4)` as y1, x1, y2, x2: areas, IoU, and the deltas that move one box onto another.

All of it is computed and returned in float32, whatever comes in.
"""

import math

from keras import ops

from mrcnn.backend.boxes import area, float32, pairwise_iou

# exp of a size delta is clipped here, as Detectron2 does: a box may grow 62.5-fold, ten times more
# than trained networks ask for, and cannot overflow.
MAX_SIZE_DELTA = math.log(1000.0 / 16)

__all__ = [
    "MAX_SIZE_DELTA",
    "apply_deltas",
    "area",
    "clip",
    "deltas_between",
    "float32",
    "normalize",
    "pairwise_iou",
    "to_pixels",
]


def apply_deltas(boxes, deltas):
    """Move boxes by deltas (dy, dx, log dh, log dw), as in R-CNN (arXiv 1311.2524, appendix C)."""
    boxes, deltas = float32(boxes), float32(deltas)
    height = boxes[..., 2] - boxes[..., 0]
    width = boxes[..., 3] - boxes[..., 1]
    center_y = boxes[..., 0] + 0.5 * height + deltas[..., 0] * height
    center_x = boxes[..., 1] + 0.5 * width + deltas[..., 1] * width
    height = height * ops.exp(ops.minimum(deltas[..., 2], MAX_SIZE_DELTA))
    width = width * ops.exp(ops.minimum(deltas[..., 3], MAX_SIZE_DELTA))
    y1, x1 = center_y - 0.5 * height, center_x - 0.5 * width
    return ops.stack([y1, x1, y1 + height, x1 + width], axis=-1)


def deltas_between(boxes, targets):
    """The deltas that `apply_deltas` needs to turn `boxes` into `targets`; finite for boxes of size
    0.
    """
    boxes, targets = float32(boxes), float32(targets)
    height, width = _sizes(boxes)
    target_height, target_width = _sizes(targets)
    center_y, center_x = boxes[..., 0] + 0.5 * height, boxes[..., 1] + 0.5 * width
    target_y = targets[..., 0] + 0.5 * target_height
    target_x = targets[..., 1] + 0.5 * target_width
    return ops.stack(
        [
            (target_y - center_y) / height,
            (target_x - center_x) / width,
            ops.log(target_height / height),
            ops.log(target_width / width),
        ],
        axis=-1,
    )


def clip(boxes, window):
    """Clip boxes `(B, N, 4)` to `window` `(4,)` or `(B, 1, 4)`."""
    boxes, window = float32(boxes), float32(window)
    y1 = ops.clip(boxes[..., 0], window[..., 0], window[..., 2])
    x1 = ops.clip(boxes[..., 1], window[..., 1], window[..., 3])
    y2 = ops.clip(boxes[..., 2], window[..., 0], window[..., 2])
    x2 = ops.clip(boxes[..., 3], window[..., 1], window[..., 3])
    return ops.stack([y1, x1, y2, x2], axis=-1)


def normalize(boxes, shape, coding: str = "inclusive"):
    """Pixels to normalised coordinates.

    Args:
        boxes: `(..., 4)`, y2 and x2 outside the box.
        shape: (height, width) of the image, numbers.
        coding: `Config.BOX_CODING`. "inclusive": those of the original, (y1, x1, y2 - 1, x2 - 1) /
            (h - 1, w - 1, h - 1, w - 1). "continuous": (y1, x1, y2, x2) / (h, w, h, w).
    """
    offset, scale = _frame(shape, coding)
    return (float32(boxes) - ops.convert_to_tensor(offset)) / ops.convert_to_tensor(scale)


def to_pixels(boxes, shape, coding: str = "inclusive"):
    """Undo `normalize`."""
    offset, scale = _frame(shape, coding)
    return float32(boxes) * ops.convert_to_tensor(scale) + ops.convert_to_tensor(offset)


def _frame(shape, coding: str) -> tuple[list[float], list[float]]:
    """Offset and scale of normalised coordinates."""
    one = 1.0 if coding == "inclusive" else 0.0
    height, width = shape[0] - one, shape[1] - one
    return [0.0, 0.0, one, one], [height, width, height, width]


def _sizes(boxes):
    # 1e-8 is far below a pixel in normalised coordinates and keeps the logarithm finite.
    return ops.maximum(boxes[..., 2] - boxes[..., 0], 1e-8), ops.maximum(
        boxes[..., 3] - boxes[..., 1], 1e-8
    )
