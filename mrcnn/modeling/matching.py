"""Matching of anchors and RoIs to ground-truth boxes, and sampling with static shapes."""

from typing import Any

import keras
from keras import ops

from mrcnn.backend import first_true, top_slots
from mrcnn.compat.moved import moved_name
from mrcnn.modeling import boxes as box_ops

# Ground-truth boxes are compared with all anchors so many at a time: an image has 7 objects on
# average, not 100.
GT_CHUNK = 8


def match_anchors(anchors, gt_boxes, gt_class_ids):
    """Compare every anchor with the ground truth.

    Args:
        anchors: `(A, 4)` normalised.
        gt_boxes: `(B, G, 4)` normalised, real boxes first, then zero padding.
        gt_class_ids: `(B, G)` int32; 0 is padding, negative is a crowd.

    Returns:
        best_iou `(B, A)` and best_gt `(B, A)` int32 over the objects; crowd_iou `(B, A)`, the
        largest IoU with a crowd; and gt_anchor `(B, G)` int32, the anchor that overlaps each object
        most, with gt_iou `(B, G)`, that overlap (-1 for crowds and padding).
    """
    batch, total = ops.shape(gt_boxes)[0], gt_boxes.shape[1]
    padded = -(-total // GT_CHUNK) * GT_CHUNK
    gt_boxes = ops.pad(gt_boxes, [[0, 0], [0, padded - total], [0, 0]])
    gt_class_ids = ops.pad(gt_class_ids, [[0, 0], [0, padded - total]])
    positions = ops.arange(1, padded + 1, dtype="int32")
    used = ops.max(ops.where(ops.not_equal(gt_class_ids, 0), positions[None], 0))
    count = anchors.shape[0]

    def pending(start, *_):
        return start < used

    def compare(start, best_iou, best_gt, crowd_iou, gt_anchor, gt_iou):
        ids = _chunk(gt_class_ids, start)
        # (B, GT_CHUNK, A): the long axis last keeps the arithmetic contiguous.
        iou = box_ops.pairwise_iou(_chunk(gt_boxes, start), anchors[None])
        objects = ops.where((ids > 0)[..., None], iou, -1.0)
        crowds = ops.where((ids < 0)[..., None], iou, 0.0)
        iou_here = ops.max(objects, axis=1)
        gt_here = ops.cast(ops.argmax(objects, axis=1), "int32") + start
        better = iou_here > best_iou
        return (
            start + GT_CHUNK,
            ops.where(better, iou_here, best_iou),
            ops.where(better, gt_here, best_gt),
            ops.maximum(crowd_iou, ops.max(crowds, axis=1)),
            _put(gt_anchor, ops.cast(ops.argmax(objects, axis=2), "int32"), start),
            _put(gt_iou, ops.max(objects, axis=2), start),
        )

    state = (
        ops.zeros((), "int32"),
        ops.full((batch, count), -1.0),
        ops.zeros((batch, count), "int32"),
        ops.zeros((batch, count)),
        ops.zeros((batch, padded), "int32"),
        ops.full((batch, padded), -1.0),
    )
    _, best_iou, best_gt, crowd_iou, gt_anchor, gt_iou = ops.while_loop(pending, compare, state)
    return best_iou, best_gt, crowd_iou, gt_anchor[:, :total], gt_iou[:, :total]


def equal_matches(anchors, gt_boxes, gt_class_ids, gt_iou):
    """Which anchors overlap an object as much as the one that overlaps it most.

    Args:
        anchors, gt_boxes, gt_class_ids: As for `match_anchors`.
        gt_iou: `(B, G)`, from there.

    Returns:
        `(B, A)` bool.
    """
    batch, total = ops.shape(gt_boxes)[0], gt_boxes.shape[1]
    missing = -total % GT_CHUNK
    gt_boxes = ops.pad(gt_boxes, [[0, 0], [0, missing], [0, 0]])
    wanted = ops.where((gt_class_ids > 0) & (gt_iou > 0), gt_iou, 2.0)
    wanted = ops.pad(wanted, [[0, 0], [0, missing]], constant_values=2.0)
    found = ops.zeros((batch, anchors.shape[0]), "bool")
    for start in range(0, total + missing, GT_CHUNK):
        part = slice(start, start + GT_CHUNK)
        iou = box_ops.pairwise_iou(gt_boxes[:, part], anchors[None])
        # A rounding error below: mirrored anchors overlap by the same.
        found = found | ops.any(iou >= wanted[:, part, None] - 1e-6, axis=1)
    return found


def _chunk(values, start):
    shape = (ops.shape(values)[0], GT_CHUNK, *values.shape[2:])
    return ops.slice(values, (0, start) + (0,) * (len(shape) - 2), shape)


def _put(values, update, start):
    return ops.slice_update(values, (0, start), update)


def sample(mask, count: int, seed: keras.random.SeedGenerator | None):
    """Choose up to `count` true entries of each row of `mask` `(B, N)`.

    Args:
        seed: Source of a random choice; None takes the first ones, in order.

    Returns:
        indices `(B, count)` int32, 0 in empty slots; found `(B, count)` bool.
    """
    if seed is None:
        return first_true(mask, count)
    score = keras.random.uniform(ops.shape(mask), minval=1.0, maxval=2.0, seed=seed)
    return top_slots(ops.where(mask, score, 0.0), count)


def first(found, count):
    """Keep only the first `count` `(B,)` slots of `found` `(B, K)`."""
    return ops.logical_and(found, ops.arange(found.shape[1])[None] < count[:, None])


def __getattr__(name: str) -> Any:
    return moved_name(__name__, name)
