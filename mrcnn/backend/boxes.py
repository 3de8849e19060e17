"""Areas and overlaps of boxes `(..., 4)` as y1, x1, y2, x2, in the graph."""

from keras import ops


def area(boxes):
    """Area of each box; 0 for boxes of negative size."""
    return ops.maximum(boxes[..., 2] - boxes[..., 0], 0) * ops.maximum(
        boxes[..., 3] - boxes[..., 1], 0
    )


def pairwise_iou(boxes1, boxes2):
    """IoU of `(B, N, 4)` with `(B, M, 4)`: `(B, N, M)` in 0..1, 0 where both boxes are empty."""
    one, two = boxes1[:, :, None], boxes2[:, None]
    height = ops.minimum(one[..., 2], two[..., 2]) - ops.maximum(one[..., 0], two[..., 0])
    width = ops.minimum(one[..., 3], two[..., 3]) - ops.maximum(one[..., 1], two[..., 1])
    intersection = ops.maximum(height, 0) * ops.maximum(width, 0)
    union = area(boxes1)[:, :, None] + area(boxes2)[:, None] - intersection
    return intersection / ops.maximum(union, 1e-12)
