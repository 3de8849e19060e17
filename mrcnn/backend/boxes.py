"""Areas and overlaps of boxes `(..., 4)` as y1, x1, y2, x2, in the graph."""

import keras
from keras import ops


def float32(values):
    """`values` in float32, in which everything that makes or reads a box is computed.

    Under mixed precision boxes and deltas may come in half of it. bfloat16 has 8 bits: in the
    middle of 1024 pixels its neighbours are 4 pixels apart. float16 cannot hold the smallest area
    that IoU divides by.
    """
    is_single = keras.backend.standardize_dtype(values.dtype) == "float32"
    return values if is_single else ops.cast(values, "float32")


def area(boxes):
    """Area of each box; 0 for boxes of negative size."""
    boxes = float32(boxes)
    return ops.maximum(boxes[..., 2] - boxes[..., 0], 0) * ops.maximum(
        boxes[..., 3] - boxes[..., 1], 0
    )


def pairwise_iou(boxes1, boxes2):
    """IoU of `(B, N, 4)` with `(B, M, 4)`: `(B, N, M)` in 0..1, 0 where both boxes are empty."""
    boxes1, boxes2 = float32(boxes1), float32(boxes2)
    one, two = boxes1[:, :, None], boxes2[:, None]
    height = ops.minimum(one[..., 2], two[..., 2]) - ops.maximum(one[..., 0], two[..., 0])
    width = ops.minimum(one[..., 3], two[..., 3]) - ops.maximum(one[..., 1], two[..., 1])
    intersection = ops.maximum(height, 0) * ops.maximum(width, 0)
    union = area(boxes1)[:, :, None] + area(boxes2)[:, None] - intersection
    return intersection / ops.maximum(union, 1e-12)
