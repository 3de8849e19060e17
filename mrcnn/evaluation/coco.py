"""COCO's result format, and average precision of boxes, masks and mask boundaries.

The metrics are those of MS COCO (Lin et al., arXiv 1405.0312) and Boundary IoU (Cheng et al., arXiv
2103.16562), computed by faster-coco-eval.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster

from mrcnn.compat.moved import moved_name
from mrcnn.data.datasets.coco import read_annotations
from mrcnn.data.encodings import as_text, encode
from mrcnn.errors import InputError
from mrcnn.evaluation.truth import Truth, read_truth

IOU_TYPES = ("bbox", "segm", "boundary")
# Our names for those of faster-coco-eval.
SCORES = {
    "AP": "AP_all",
    "AP50": "AP_50",
    "AP75": "AP_75",
    "APs": "AP_small",
    "APm": "AP_medium",
    "APl": "AP_large",
    "AR1": "AR_all",
    "AR10": "AR_second",
    "AR100": "AR_third",
    "ARs": "AR_small",
    "ARm": "AR_medium",
    "ARl": "AR_large",
}
TABLE_COLUMNS = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR100")


def coco_results(
    image_id: int, detections: Mapping[str, np.ndarray], dataset: Any
) -> list[dict[str, Any]]:
    """Put the detections of one image into COCO's result format.

    Args:
        image_id: The dataset's own id (index) of the image.
        detections: `rois` (N, 4) pixels y1, x1, y2, x2; `class_ids` (N,); `scores` (N,); `masks`
            (H, W, N) bool, or a list of N run-length encodings.
        dataset: Gives the image and category ids of the annotation file (`image_info`,
            `class_info`).

    Returns:
        One dict per detection: `image_id`, `category_id`, `bbox` (x, y, width, height in pixels),
        `score` and `segmentation`, a run-length encoding whose counts are a string, ready for JSON.
    """
    masks: Any = detections["masks"]
    if not isinstance(masks, list):
        full = np.asarray(masks)
        masks = [encode(full[:, :, index]) for index in range(full.shape[2])]
    source_image_id = dataset.image_info[image_id]["id"]
    results = []
    for roi, class_id, score, mask in zip(
        detections["rois"], detections["class_ids"], detections["scores"], masks, strict=True
    ):
        y1, x1, y2, x2 = (float(side) for side in roi)
        results.append(
            {
                "image_id": source_image_id,
                "category_id": dataset.class_info[int(class_id)]["id"],
                "bbox": [x1, y1, x2 - x1, y2 - y1],
                "score": float(score),
                "segmentation": as_text(mask),
            }
        )
    return results


def evaluate_results(
    ground_truth: str | Path | Mapping[str, Any],
    results: Sequence[Mapping[str, Any]],
    image_ids: Iterable[int | str] | None = None,
    iou_types: Sequence[str] = IOU_TYPES,
) -> dict[str, dict[str, Any]]:
    """Compare results with the ground truth: the objects of a file that training takes.

    An object without a mask, or without a pixel of it, counts for boxes. For masks and boundaries
    it is ignored as a crowd is: a detection on it costs nothing. A box that is not that of the mask
    gives way to the extent of the mask, which training takes too.

    Masks are put into the size classes by their own area. pycocotools takes the area of the box
    where a result has both, which moves masks between small, medium and large.

    Args:
        ground_truth: A COCO annotation file, or its content. It is not changed.
        results: Dicts in COCO's result format (see `coco_results`). They are not changed.
        image_ids: The images to judge, by the ids of the annotation file; None for all. Results of
            other images are left out.
        iou_types: Some of "bbox", "segm", "boundary".

    Returns:
        For each IoU type `AP`, `AP50`, `AP75`, `APs`, `APm`, `APl`, `AR1`, `AR10`, `AR100`, `ARs`,
        `ARm`, `ARl` in [0, 1], and `per_class`: class name -> `AP`, `AP50`, `AP75`, `APl` and
        `objects`, the number of objects that are not crowds. A score is None where there is no
        ground truth to compute it from (no large object, say).

    Raises:
        InputError: The file is no COCO annotation file; an image or category id does not occur in
            it; an unknown IoU type.
    """
    unknown = [name for name in iou_types if name not in IOU_TYPES]
    if unknown:
        raise InputError(
            f"IoU type {unknown[0]!r} does not exist; there are {', '.join(IOU_TYPES)}"
        )
    content = ground_truth if isinstance(ground_truth, Mapping) else read_annotations(ground_truth)
    known = [image["id"] for image in content["images"]]
    wanted = set(known if image_ids is None else image_ids)
    if wanted - set(known):
        raise InputError(
            f"the ground truth has no image with id {min(wanted - set(known), key=str)}"
        )
    # The evaluator wants whole numbers; files of other tools have texts as image ids. The order is
    # that of the ids, as in pycocotools, because it decides between detections of equal score.
    ordered = sorted(wanted, key=lambda image_id: (isinstance(image_id, str), image_id))
    numbers = {image_id: number for number, image_id in enumerate(ordered, start=1)}
    truth = read_truth(content, numbers)
    kept = _matching(results, content, numbers)
    return {name: _evaluate(truth, kept, name) for name in iou_types}


def metrics_table(metrics: Mapping[str, Mapping[str, Any]], per_class: bool = True) -> str:
    """Lay out what `evaluate_results` returns as text: a line per IoU type, then a line per class.

    Args:
        metrics: The return value of `evaluate_results`.
        per_class: Also list the AP of every class that has objects or crowds in the ground truth.

    Returns:
        The table without a newline at its end. "-" stands for a score that has no ground truth.
    """
    rows = [["", *TABLE_COLUMNS]]
    rows += [
        [name, *(_shown(scores[key]) for key in TABLE_COLUMNS)] for name, scores in metrics.items()
    ]
    text = _aligned(rows)
    names = [name for name, scores in _first(metrics).items() if scores["AP"] is not None]
    if per_class and names:
        rows = [["class", "objects", *(f"{iou_type} AP" for iou_type in metrics)]]
        for name in names:
            classes = [scores["per_class"][name] for scores in metrics.values()]
            rows.append([name, str(classes[0]["objects"]), *(_shown(c["AP"]) for c in classes)])
        text += "\n\n" + _aligned(rows)
    return text


def _matching(
    results: Sequence[Mapping[str, Any]],
    truth: Mapping[str, Any],
    numbers: Mapping[int | str, int],
) -> list[dict[str, Any]]:
    """Copies of the results of the chosen images, with the images' new numbers."""
    images = {image["id"] for image in truth["images"]}
    categories = {category["id"] for category in truth["categories"]}
    for result in results:
        for key, known in (("category_id", categories), ("image_id", images)):
            if result[key] not in known:
                raise InputError(f"{key} {result[key]} of a result is not in the ground truth")
    return [{**r, "image_id": numbers[r["image_id"]]} for r in results if r["image_id"] in numbers]


def _evaluate(truth: Truth, results: Sequence[dict[str, Any]], iou_type: str) -> dict[str, Any]:
    # Without its box the area of a result is that of its mask. The evaluator writes into the dicts
    # that it gets, so these are copies.
    masks = iou_type != "bbox"
    dropped = "bbox" if masks else "segmentation"
    judged = truth.with_masks(results) if masks else results
    copies = [{key: value for key, value in result.items() if key != dropped} for result in judged]
    content = truth.content(masks)
    coco = COCO(content)
    evaluator = COCOeval_faster(
        coco, coco.loadRes(copies), iouType=iou_type, print_function=_say_nothing
    )
    evaluator.run()
    stats = evaluator.stats_as_dict
    return {
        **{ours: _score(stats[theirs]) for ours, theirs in SCORES.items()},
        "per_class": _per_class(evaluator, content),
    }


def _per_class(evaluator: COCOeval_faster, truth: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    # (IoU threshold, recall, class, size class, number of detections); -1 where there is no ground
    # truth.
    precision = np.asarray(evaluator.eval["precision"])[..., -1]
    thresholds = np.asarray(evaluator.params.iouThrs)
    by_id = {category["id"]: category["name"] for category in truth["categories"]}
    twice = {name for name, count in Counter(by_id.values()).items() if count > 1}
    objects = Counter(a["category_id"] for a in truth["annotations"] if not a["iscrowd"])
    table = {}
    for index, category_id in enumerate(evaluator.params.catIds):
        name = by_id[category_id]
        everything = precision[:, :, index, 0]
        table[f"{name} ({category_id})" if name in twice else name] = {
            "AP": _mean(everything),
            "AP50": _mean(everything[np.isclose(thresholds, 0.5)]),
            "AP75": _mean(everything[np.isclose(thresholds, 0.75)]),
            "APl": _mean(precision[:, :, index, evaluator.params.areaRngLbl.index("large")]),
            "objects": objects[category_id],
        }
    return table


def _mean(precision: np.ndarray) -> float | None:
    defined = precision[precision > -1]
    return float(defined.mean()) if defined.size else None


def _score(value: float) -> float | None:
    return None if value < 0 else float(value)


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _first(metrics: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    return next(iter(metrics.values()))["per_class"] if metrics else {}


def _aligned(rows: list[list[str]]) -> str:
    """The first column to the left, the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _say_nothing(*_: object) -> None:
    """Stand in for the evaluator's own printing."""


def __getattr__(name: str) -> Any:
    return moved_name(__name__, name)
