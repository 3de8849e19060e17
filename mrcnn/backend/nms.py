"""Greedy non-maximum suppression with static shapes."""

import keras
from keras import ops

from mrcnn.backend.boxes import float32, pairwise_iou
from mrcnn.backend.device import jit_compile


def non_max_suppression(boxes, valid, iou_threshold: float, max_output: int):
    """Keep the boxes that overlap no kept box of a higher score.

    Args:
        boxes: `(B, N, 4)` y1, x1, y2, x2, sorted by descending score.
        valid: `(B, N)` bool; other boxes are neither kept nor suppress any.
        iou_threshold: A box is dropped when its IoU with a kept one is larger than this.
        max_output: Number of slots K of the result.

    Returns:
        indices `(B, K)` int32 into N in the order of the scores, 0 in empty slots; kept `(B, K)`
        bool.
    """
    if keras.backend.backend() == "tensorflow" and not jit_compile():
        from mrcnn.backend.tensorflow import non_max_suppression as native

        return native(float32(boxes), valid, iou_threshold, max_output)
    return suppress(pairwise_iou(boxes, boxes) > iou_threshold, valid, max_output)


def suppress(conflict, valid, max_output: int):
    """Greedy selection over a matrix of conflicts.

    The greedy result is the only fixed point of "kept = valid and in conflict with no kept one
    before it". Iterating that rule from "all valid" settles at least one more link of each chain
    per round, so it ends after as many rounds as the longest chain has links: a handful, where the
    sequential algorithm has N; and never after more than N.

    Args:
        conflict: `(B, N, N)` bool, symmetric.
        valid: `(B, N)` bool.
        max_output: Number of slots K.

    Returns:
        indices `(B, K)` int32, kept `(B, K)` bool, as `non_max_suppression`.
    """
    count = conflict.shape[-1]
    before = ops.arange(count)[:, None] < ops.arange(count)[None, :]
    conflict = ops.logical_and(conflict, before[None])

    def changed(kept, previous):
        return ops.any(ops.not_equal(kept, previous))

    def settle(kept, _):
        dropped = ops.any(ops.logical_and(conflict, kept[:, :, None]), axis=1)
        return ops.logical_and(valid, ops.logical_not(dropped)), kept

    first, _ = settle(valid, valid)
    kept, _ = ops.while_loop(changed, settle, (first, valid), maximum_iterations=count)
    return first_true(kept, max_output)


def first_true(mask, count: int):
    """The first `count` true entries of each row of `mask` `(B, N)`: indices and found, as
    `top_slots`.
    """
    size = mask.shape[-1]
    return top_slots(ops.where(mask, ops.arange(size, 0, -1, dtype="float32")[None], 0.0), count)


def top_slots(score, count: int):
    """The `count` highest positive scores of each row.

    Args:
        score: `(B, N)` float32, 0 for what must not be taken.
        count: Number of slots K.

    Returns:
        indices `(B, K)` int32, highest score first, 0 in empty slots; found `(B, K)` bool.
    """
    size = score.shape[-1]
    top, indices = ops.top_k(score, min(count, size))
    found = top > 0
    indices = ops.where(found, ops.cast(indices, "int32"), 0)
    if count > size:
        padding = [[0, 0], [0, count - size]]
        indices, found = ops.pad(indices, padding), ops.pad(found, padding)
    return indices, found
