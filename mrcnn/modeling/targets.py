"""Targets of the RPN and the heads: sampled anchors and RoIs with what should be predicted for
them, computed in the graph.
"""

import keras
from keras import ops

from mrcnn.constants import (
    CROWD_IOU,
    NEGATIVE_ANCHOR_IOU,
    POSITIVE_ANCHOR_IOU,
    POSITIVE_ROI_IOU,
)
from mrcnn.modeling import boxes as box_ops
from mrcnn.modeling import matching
from mrcnn.modeling.fpn import take_rows
from mrcnn.modeling.proposals import anchors_for
from mrcnn.modeling.roi_align import average_masks, crop_masks


class RPNTargets(keras.layers.Layer):
    """Samples anchors for the RPN losses (arXiv 1506.01497, section 3.1.2).

    An anchor is positive when its IoU with an object is at least 0.7 or no anchor overlaps that
    object more, negative below 0.3 (and outside crowds). Up to half of the sampled anchors are
    positive.

    Call arguments:
        gt_class_ids `(B, G)` int32, gt_boxes `(B, G, 4)` normalised, image `(B, H, W, C)` for its
        shape alone.

    Returns:
        With K slots, N // 2 for positives and then N for negatives, where N =
        RPN_TRAIN_ANCHORS_PER_IMAGE:
        indices `(B, K)` int32 of anchors, 0 in empty slots;
        labels `(B, K)` int32, 1 for positive slots, 0 for negative ones;
        used `(B, K)` bool, false in empty slots, N true ones at most;
        deltas `(B, N // 2, 4)` of the positive slots, in units of `RPN_BBOX_STD_DEV`, zeros in
        empty ones.
    """

    def __init__(self, config, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.config = config
        self.count = config.RPN_TRAIN_ANCHORS_PER_IMAGE
        self.seed_generator = (
            keras.random.SeedGenerator(config.SEED) if config.RANDOM_SAMPLING else None
        )

    def call(self, gt_class_ids, gt_boxes, image):
        anchors = ops.convert_to_tensor(anchors_for(self.config, image.shape[1:3]))
        best_iou, best_gt, crowd_iou, gt_anchor, gt_iou = matching.match_anchors(
            anchors, gt_boxes, gt_class_ids
        )
        if self.config.RPN_MATCH_TIES:
            forced = matching.equal_matches(anchors, gt_boxes, gt_class_ids, gt_iou)
        else:
            forced = _flags(gt_anchor, gt_iou > 0, anchors.shape[0])
        positive = ops.logical_or(forced, best_iou >= POSITIVE_ANCHOR_IOU)
        negative = ops.logical_and(
            ops.logical_and(best_iou < NEGATIVE_ANCHOR_IOU, crowd_iou < CROWD_IOU),
            ops.logical_not(positive),
        )
        positives, is_positive = matching.sample(positive, self.count // 2, self.seed_generator)
        negatives, is_negative = matching.sample(negative, self.count, self.seed_generator)
        number = ops.sum(ops.cast(is_positive, "int32"), axis=1)
        is_negative = matching.first(is_negative, self.count - number)

        matched = take_rows(best_gt[..., None], positives)[..., 0]
        deltas = box_ops.deltas_between(
            ops.take(anchors, positives, axis=0), take_rows(gt_boxes, matched)
        ) / ops.convert_to_tensor(self.config.RPN_BBOX_STD_DEV, dtype="float32")
        deltas = ops.where(is_positive[..., None], deltas, 0.0)
        labels = ops.concatenate(
            [ops.ones_like(positives, dtype="int32"), ops.zeros_like(negatives, dtype="int32")],
            axis=1,
        )
        return (
            ops.concatenate([positives, negatives], axis=1),
            labels,
            ops.concatenate([is_positive, is_negative], axis=1),
            ops.stop_gradient(deltas),
        )


def _flags(indices, given, size: int):
    """`(B, size)` bool, true at `indices` `(B, G)` where `given`."""
    batch = ops.shape(indices)[0]
    flat = indices + ops.cast(ops.arange(batch)[:, None] * size, "int32")
    hits = ops.segment_sum(
        ops.reshape(ops.cast(given, "int32"), (-1,)),
        ops.reshape(flat, (-1,)),
        num_segments=batch * size,
    )
    return ops.reshape(hits, (batch, size)) > 0


class RoITargets(keras.layers.Layer):
    """Samples proposals and gives each its class, deltas and mask (arXiv 1504.08083, section 2.3).

    A proposal is positive when its IoU with an object is at least 0.5. Negatives fill up to
    positives / `positive_ratio`, so an image without positives gets none, as in the original.

    Call arguments:
        proposals `(B, N, 4)` normalised with valid `(B, N)`; gt_class_ids `(B, G)`; gt_boxes `(B,
        G, 4)` normalised; gt_masks `(B, h, w, G)`: mini masks, or full-size ones when `mini_masks`
        is off; gt_has_mask `(B, G)` bool, false for objects with a box alone (None: all have one).

    Returns:
        rois `(B, R, 4)`, P positive slots and then negative ones, zeros in empty slots (with
        `ROI_NEGATIVES: fill` negative ones follow the last positive one);
        class_ids `(B, R)` int32, 0 for background and empty slots;
        deltas `(B, P, 4)` in units of `std_dev`;
        mask_ids `(B, P)` int32, the class ids of those positive slots whose object has a mask,
        else 0;
        masks `(B, P, *mask_shape)` of 0 and 1, zeros in empty slots.
    """

    def __init__(self, config, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.count = config.TRAIN_ROIS_PER_IMAGE
        self.positives = config.POSITIVE_ROIS
        self.positive_ratio = config.ROI_POSITIVE_RATIO
        self.std_dev = config.BBOX_STD_DEV
        self.mask_shape = config.MASK_SHAPE
        self.mini_masks = config.USE_MINI_MASK
        self.fills = config.ROI_NEGATIVES == "fill"
        self.adds_objects = config.ROI_GT_BOXES
        self.averages = config.MASK_TARGETS == "sampled"
        self.coding = config.BOX_CODING
        self.seed_generator = (
            keras.random.SeedGenerator(config.SEED + 1) if config.RANDOM_SAMPLING else None
        )

    def call(self, proposals, valid, gt_class_ids, gt_boxes, gt_masks, gt_has_mask=None):
        if self.adds_objects:
            proposals = ops.concatenate([proposals, gt_boxes], axis=1)
            valid = ops.concatenate([valid, gt_class_ids > 0], axis=1)
        iou = box_ops.pairwise_iou(proposals, gt_boxes)
        is_object, is_crowd = (gt_class_ids > 0)[:, None], (gt_class_ids < 0)[:, None]
        object_iou = ops.where(is_object, iou, -1.0)
        best_iou, best_gt = (
            ops.max(object_iou, axis=2),
            ops.cast(ops.argmax(object_iou, axis=2), "int32"),
        )
        crowd_iou = ops.max(ops.where(is_crowd, iou, 0.0), axis=2)
        positive = valid & (best_iou >= POSITIVE_ROI_IOU)
        negative = valid & (best_iou < POSITIVE_ROI_IOU) & (crowd_iou < CROWD_IOU)

        positives, is_positive = matching.sample(positive, self.positives, self.seed_generator)
        slots = self.count if self.fills else self.count - self.positives
        negatives, is_negative = matching.sample(negative, slots, self.seed_generator)
        number = ops.sum(ops.cast(is_positive, "int32"), axis=1)
        most = (
            ops.full_like(number, self.count)
            if self.fills
            else ops.cast(ops.cast(number, "float32") * (1.0 / self.positive_ratio), "int32")
        )
        is_negative = matching.first(is_negative, most - number)

        positive_rois = _kept(take_rows(proposals, positives), is_positive)
        negative_rois = _kept(take_rows(proposals, negatives), is_negative)
        matched = take_rows(best_gt[..., None], positives)[..., 0]
        boxes = take_rows(gt_boxes, matched)
        ids = take_rows(gt_class_ids[..., None], matched)[..., 0]
        ids = ops.where(is_positive, ids, 0)
        mask_ids = ids
        if gt_has_mask is not None:
            has_mask = take_rows(ops.cast(gt_has_mask, "int32")[..., None], matched)[..., 0]
            mask_ids = ids * has_mask
        deltas = box_ops.deltas_between(positive_rois, boxes)
        deltas = deltas / ops.convert_to_tensor(self.std_dev, dtype="float32")
        masks = self._masks(gt_masks, matched, positive_rois, boxes)
        rois = ops.concatenate([positive_rois, negative_rois], axis=1)
        if self.fills:
            # The negative ones move up to the last positive one; what is behind R is empty.
            slot = ops.arange(self.count, dtype="int32")[None]
            behind = self.positives + slot - number[:, None]
            rois = take_rows(rois, ops.where(slot < number[:, None], slot, behind))
        empty = ops.zeros_like(negatives[:, : self.count - self.positives])
        results = (
            rois,
            ops.concatenate([ids, empty], axis=1),
            _kept(deltas, is_positive),
            mask_ids,
            ops.where(is_positive[..., None, None], masks, 0.0),
        )
        return tuple(ops.stop_gradient(result) for result in results)

    def _masks(self, gt_masks, matched, rois, boxes):
        height, width, count = gt_masks.shape[1:]
        # A product with a one-hot matrix: exact, and without transposing all masks.
        masks = ops.cast(ops.reshape(gt_masks, (-1, height * width, count)), "float32")
        chosen = ops.matmul(
            ops.one_hot(matched, count, dtype="float32"), ops.swapaxes(masks, -1, -2)
        )
        masks = ops.reshape(chosen, (-1, matched.shape[1], height, width))
        if self.mini_masks:
            rois = _relative(rois, boxes)
        if self.averages:
            coding = "continuous" if self.mini_masks else self.coding
            pixels = box_ops.to_pixels(rois, (height, width), coding)
            return average_masks(masks, pixels, self.mask_shape)
        return ops.round(crop_masks(masks, rois, self.mask_shape))


def _kept(values, flags):
    return ops.where(flags[..., None], values, 0.0)


def _relative(rois, boxes):
    """Corners of `rois` in the frame of `boxes`, where (0, 0, 1, 1) is the box itself."""
    height = ops.maximum(boxes[..., 2] - boxes[..., 0], 1e-8)
    width = ops.maximum(boxes[..., 3] - boxes[..., 1], 1e-8)
    return ops.stack(
        [
            (rois[..., 0] - boxes[..., 0]) / height,
            (rois[..., 1] - boxes[..., 1]) / width,
            (rois[..., 2] - boxes[..., 0]) / height,
            (rois[..., 3] - boxes[..., 1]) / width,
        ],
        axis=-1,
    )
