"""Scores of a model: results in COCO's format and box, mask and boundary average precision."""

from mrcnn.evaluation.coco import coco_results, evaluate_results, metrics_table
from mrcnn.evaluation.inference import detect_dataset

__all__ = ["coco_results", "detect_dataset", "evaluate_results", "metrics_table"]
