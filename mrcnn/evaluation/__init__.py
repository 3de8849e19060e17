"""Scores of a model: results in COCO's format and box, mask and boundary average precision."""

from mrcnn.evaluation.coco import coco_results, evaluate_results, metrics_table
from mrcnn.evaluation.inference import Passed, detect_dataset, detect_readable

__all__ = [
    "Passed",
    "coco_results",
    "detect_dataset",
    "detect_readable",
    "evaluate_results",
    "metrics_table",
]
