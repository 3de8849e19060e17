"""Scores of a model: results in COCO's format and box, mask and boundary average precision."""

from mrcnn.evaluation.coco import coco_results, detect_dataset, evaluate_results, metrics_table

__all__ = ["coco_results", "detect_dataset", "evaluate_results", "metrics_table"]
