"""Matching of predictions with the ground truth of one image, and its average precision.

These are the measures of the original's notebooks, Pascal VOC's with masks. For COCO's use
`mrcnn.evaluation.coco`.
"""

from collections.abc import Sequence

import numpy as np

from mrcnn.data.boxes import compute_overlaps, compute_overlaps_masks, trim_zeros


def compute_matches(
    gt_boxes: np.ndarray,
    gt_class_ids: np.ndarray,
    gt_masks: np.ndarray,
    pred_boxes: np.ndarray,
    pred_class_ids: np.ndarray,
    pred_scores: np.ndarray,
    pred_masks: np.ndarray,
    iou_threshold: float = 0.5,
    score_threshold: float = 0.0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Match predictions with objects of their class, the highest score first.

    Every prediction takes the free object of its class whose mask it overlaps most.

    Args:
        gt_boxes: (N, 4), zero padding last.
        gt_class_ids: (N,).
        gt_masks: Full masks (H, W, N).
        pred_boxes: (M, 4), zero padding last.
        pred_class_ids: (M,).
        pred_scores: (M,).
        pred_masks: Full masks (H, W, M).
        iou_threshold: IoU of masks that a match needs.
        score_threshold: As in the original, this too is about the IoU: objects below it are not
            looked at.

    Returns:
        For every object the position of its prediction (N,), and for every prediction that of its
        object (M,), both -1 without one; and the IoU of masks (M, N). Predictions are numbered by
        falling score.
    """
    gt_boxes, pred_boxes = trim_zeros(gt_boxes), trim_zeros(pred_boxes)
    gt_masks = gt_masks[..., : len(gt_boxes)]
    order = np.argsort(pred_scores[: len(pred_boxes)])[::-1]
    pred_class_ids = pred_class_ids[order]
    overlaps = compute_overlaps_masks(pred_masks[..., order], gt_masks)
    gt_match, pred_match = np.full(len(gt_boxes), -1.0), np.full(len(pred_boxes), -1.0)
    least = max(iou_threshold, score_threshold)
    for row, overlap in enumerate(overlaps):
        for column in np.argsort(overlap)[::-1]:
            if overlap[column] < least:
                break
            free = gt_match[column] < 0
            if free and gt_class_ids[column] == pred_class_ids[row]:
                gt_match[column], pred_match[row] = row, column
                break
    return gt_match, pred_match, overlaps


def compute_ap(
    gt_boxes: np.ndarray,
    gt_class_ids: np.ndarray,
    gt_masks: np.ndarray,
    pred_boxes: np.ndarray,
    pred_class_ids: np.ndarray,
    pred_scores: np.ndarray,
    pred_masks: np.ndarray,
    iou_threshold: float = 0.5,
) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
    """Return the average precision of one image over all its classes.

    Args: see `compute_matches`.

    Returns:
        The average precision, 0 to 1: the area below the precision, made to fall, over the recall;
        precisions and recalls (M + 2,), with a point in front and one behind; and the IoU of masks
        (M, N). Without objects the average precision is 0.
    """
    gt_match, pred_match, overlaps = compute_matches(
        gt_boxes,
        gt_class_ids,
        gt_masks,
        pred_boxes,
        pred_class_ids,
        pred_scores,
        pred_masks,
        iou_threshold,
    )
    right = np.cumsum(pred_match > -1)
    precisions = np.concatenate([[0], right / np.arange(1, len(right) + 1), [0]])
    recalls = np.concatenate([[0], right.astype(np.float32) / max(len(gt_match), 1), [1]])
    precisions = np.maximum.accumulate(precisions[::-1])[::-1]
    average = np.sum(np.diff(recalls) * precisions[1:])
    return float(average), precisions, recalls, overlaps


def compute_ap_range(
    gt_box: np.ndarray,
    gt_class_id: np.ndarray,
    gt_mask: np.ndarray,
    pred_box: np.ndarray,
    pred_class_id: np.ndarray,
    pred_score: np.ndarray,
    pred_mask: np.ndarray,
    iou_thresholds: Sequence[float] | np.ndarray | None = None,
    verbose: int = 1,
) -> float:
    """Return the mean of `compute_ap` over thresholds, 0.5 to 0.95 in steps of 0.05 by default.

    Args: see `compute_matches`; `verbose` prints a line for every threshold.
    """
    thresholds = np.arange(0.5, 1.0, 0.05) if iou_thresholds is None else iou_thresholds
    values = []
    for threshold in thresholds:
        value, *_ = compute_ap(
            gt_box,
            gt_class_id,
            gt_mask,
            pred_box,
            pred_class_id,
            pred_score,
            pred_mask,
            iou_threshold=threshold,
        )
        if verbose:
            print(f"AP @{threshold:.2f}:\t {value:.3f}")
        values.append(value)
    mean = float(np.mean(values))
    if verbose:
        print(f"AP @{thresholds[0]:.2f}-{thresholds[-1]:.2f}:\t {mean:.3f}")
    return mean


def compute_recall(
    pred_boxes: np.ndarray, gt_boxes: np.ndarray, iou: float
) -> tuple[float, np.ndarray]:
    """Return which share of the objects are the best match of a box.

    Args:
        pred_boxes: (M, 4).
        gt_boxes: (N, 4).
        iou: The least IoU of a match.

    Returns:
        The recall, 0 to 1 (0 without objects); and the positions of the boxes that match.
    """
    if len(gt_boxes) == 0:
        return 0.0, np.zeros(0, np.int64)
    overlaps = compute_overlaps(pred_boxes, gt_boxes)
    matching = np.flatnonzero(overlaps.max(axis=1) >= iou)
    return len(np.unique(overlaps[matching].argmax(axis=1))) / len(gt_boxes), matching
