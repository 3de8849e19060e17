"""RoIs in place of proposals, and their targets, in NumPy: to look at or train the heads alone.

Training computes targets in the graph.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mrcnn.compat.loading import generator
from mrcnn.constants import POSITIVE_ROI_IOU
from mrcnn.data.boxes import box_refinement, compute_overlaps
from mrcnn.data.masks import expand_mask
from mrcnn.data.resampling import resize_exact
from mrcnn.errors import InputError

# The share of the RoIs that lie around objects; the others lie anywhere.
NEAR = 0.9


def generate_random_rois(
    image_shape: Sequence[int], count: int, gt_class_ids: np.ndarray, gt_boxes: np.ndarray
) -> np.ndarray:
    """Draw RoIs: nine tenths within an object's box made larger by its own size on all four sides,
    in equal numbers for every object, then the others anywhere.

    Args:
        image_shape: Height and width; more entries are ignored.
        count: Number of RoIs.
        gt_class_ids: Without effect, as in the original.
        gt_boxes: (N, 4), y1, x1, y2, x2 in pixels.

    Returns:
        (count, 4) int32, y1, x1, y2, x2 in pixels, at least one pixel wide and high.
    """
    rng = generator()
    height, width = image_shape[:2]
    per_box = int(NEAR * count / len(gt_boxes)) if len(gt_boxes) else 0
    sizes = np.tile(gt_boxes[:, 2:] - gt_boxes[:, :2], 2) * [-1, -1, 1, 1]
    limits = np.array([height, width, height, width])
    around = np.repeat((gt_boxes + sizes).clip(0, limits), per_box, axis=0)
    areas = np.concatenate([around, np.tile([[0, 0, height, width]], (count - len(around), 1))])
    rois = np.empty((count, 4), np.int32)
    for axis in (0, 1):
        low, high = areas[:, axis].astype(int), areas[:, axis + 2].astype(int)
        # Two different numbers below `high`: the second one skips the first.
        first = rng.integers(low, high)
        second = rng.integers(low, np.maximum(high - 1, low + 1))
        second = second + (second >= first)
        rois[:, axis], rois[:, axis + 2] = np.minimum(first, second), np.maximum(first, second)
    return rois


def build_detection_targets(
    rpn_rois: np.ndarray,
    gt_class_ids: np.ndarray,
    gt_boxes: np.ndarray,
    gt_masks: np.ndarray,
    config: Any,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Sample RoIs, and give them class, deltas and mask of the object that they overlap most.

    A RoI is positive above an IoU of 0.5. Where there are too few, negative ones come again.

    Args:
        rpn_rois: (N, 4) int32, y1, x1, y2, x2 in pixels.
        gt_class_ids: (G,); only objects above 0 count.
        gt_boxes: (G, 4) int32, in pixels.
        gt_masks: Full masks (H, W, G), or mini masks (h, w, G) with `USE_MINI_MASK`; bool.
        config: A `mrcnn.config.Config`.

    Returns:
        With R of TRAIN_ROIS_PER_IMAGE, positive ones first: rois (R, 4); class_ids (R,) int32, 0
        for background; deltas (R, NUM_CLASSES, 4) float32, divided by BBOX_STD_DEV; masks (R,
        *MASK_SHAPE, NUM_CLASSES) float32, 0 to 1. The last two are zero but at the RoI's class.

    Raises:
        InputError: There is no RoI or no object.
    """
    objects = np.flatnonzero(gt_class_ids > 0)
    if not len(objects) or not len(rpn_rois):
        raise InputError(
            f"targets need RoIs and objects, got {len(rpn_rois)} RoIs and {len(objects)} objects"
        )
    gt_class_ids, gt_boxes = gt_class_ids[objects], gt_boxes[objects]
    gt_masks = gt_masks[:, :, objects]
    overlaps = compute_overlaps(rpn_rois, gt_boxes)
    best, iou = overlaps.argmax(axis=1), overlaps.max(axis=1)
    keep, positive = _sample(iou > POSITIVE_ROI_IOU, config)
    rois, best = rpn_rois[keep], best[keep[:positive]]
    if config.USE_MINI_MASK:
        ends = np.concatenate([rpn_rois, gt_boxes])[:, 2:].max(axis=0)
        gt_masks = expand_mask(gt_boxes, gt_masks, ends.astype(int))

    total, classes = config.TRAIN_ROIS_PER_IMAGE, config.NUM_CLASSES
    class_ids = np.zeros(total, np.int32)
    class_ids[:positive] = gt_class_ids[best]
    rows, own = np.arange(positive), class_ids[:positive]
    deltas = np.zeros((total, classes, 4), np.float32)
    deltas[rows, own] = box_refinement(rois[:positive], gt_boxes[best]) / config.BBOX_STD_DEV
    masks = np.zeros((total, *config.MASK_SHAPE, classes), np.float32)
    for row, (y1, x1, y2, x2) in enumerate(rois[:positive].astype(int)):
        inside = gt_masks[y1:y2, x1:x2, best[row]].astype(np.float32)
        masks[row, :, :, own[row]] = resize_exact(inside, config.MASK_SHAPE)
    return rois, class_ids, deltas, masks


def _sample(positive: np.ndarray, config: Any) -> tuple[np.ndarray, int]:
    """Return TRAIN_ROIS_PER_IMAGE positions, positive ones first, and how many of them are."""
    rng, total = generator(), config.TRAIN_ROIS_PER_IMAGE
    chosen, others = (rng.permutation(np.flatnonzero(side)) for side in (positive, ~positive))
    if not len(others):
        return rng.choice(chosen, total), total
    chosen = chosen[: int(total * config.ROI_POSITIVE_RATIO)]
    rest = others[: total - len(chosen)]
    again = rng.choice(others, total - len(chosen) - len(rest))
    return np.concatenate([chosen, rest, again]), len(chosen)
