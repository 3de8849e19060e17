"""The ground truth of an evaluation: the objects that training takes, made for the evaluator."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from faster_coco_eval.core import mask as rle_masks

from mrcnn.data.boxes import iou
from mrcnn.data.datasets.coco import by_image, read_objects
from mrcnn.data.datasets.coco_structure import ObjectEntry, read_object, shape_fault
from mrcnn.data.datasets.object_table import LOST
from mrcnn.data.masks import encode
from mrcnn.errors import InputError

# IoU of the annotated box with the extent of the mask, which is what training takes. Above it a
# detection of the extent matches the annotated box at every threshold of COCO.
SAME_BOX = 0.96
# IoU of boxes from which on a detection is one of an object, at the lowest threshold of COCO.
FOUND = 0.5


@dataclass(frozen=True)
class Truth:
    """The objects of some images.

    Attributes:
        images: Entries with the ids that the evaluator takes.
        categories: As in the file.
        annotations: Complete, with these image ids; masks as run-length encodings, None for an
            object without a mask, or whose mask has no pixel.
    """

    images: list[dict[str, Any]]
    categories: list[dict[str, Any]]
    annotations: list[dict[str, Any]]

    def content(self, masks: bool) -> dict[str, list[dict[str, Any]]]:
        """Return a copy as the content of a file for the evaluator.

        Args:
            masks: Objects without a mask are made crowds that cover their boxes, so that a
                detection on them costs nothing.
        """
        return {
            "images": [dict(image) for image in self.images],
            "categories": [dict(category) for category in self.categories],
            "annotations": [
                self._as_crowd(a) if masks and a["segmentation"] is None else dict(a)
                for a in self.annotations
            ],
        }

    def _as_crowd(self, annotation: dict[str, Any]) -> dict[str, Any]:
        image = self.images[annotation["image_id"] - 1]
        x, y, width, height = annotation["bbox"]
        corners = np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height]])
        runs = encode([corners], (image["height"], image["width"]))
        return {**annotation, "iscrowd": 1, "segmentation": runs}

    def with_masks(self, results: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the results without those that found an object without a mask: their boxes say so,
        and no box of an object with a mask fits as well. One without a pixel can have found
        nothing else.
        """
        boxes: dict[tuple[int, int], tuple[list[np.ndarray], list[np.ndarray]]] = {}
        for annotation in self.annotations:
            key = annotation["image_id"], annotation["category_id"]
            masked, alone = boxes.setdefault(key, ([], []))
            (alone if annotation["segmentation"] is None else masked).append(
                _corners(annotation["bbox"])
            )
        kept = []
        for result in results:
            masked, alone = boxes.get((result["image_id"], result["category_id"]), ([], []))
            if alone:
                box = _corners(result["bbox"])
                best = max(iou(box, other) for other in alone)
                rival = max((iou(box, other) for other in masked), default=0.0)
                if best >= FOUND and (best > rival or _is_empty(result.get("segmentation"))):
                    continue
            kept.append(result)
        return kept


def read_truth(content: Mapping[str, Any], numbers: Mapping[int | str, int]) -> Truth:
    """Read the objects of some images as training reads them.

    Args:
        content: Of an annotation file in COCO's instances format.
        numbers: 1, 2, ... for the ids of the chosen images.

    Raises:
        InputError: An annotation cannot be read.
    """
    for index, annotation in enumerate(content["annotations"]):
        fault = shape_fault(annotation)
        if fault:
            raise InputError(f"annotations[{index}] of the ground truth: {fault}")
    chosen = sorted(
        (image for image in content["images"] if image["id"] in numbers),
        key=lambda image: numbers[image["id"]],
    )
    categories = list(content["categories"])
    class_ids = {category["id"]: n for n, category in enumerate(categories, start=1)}
    positions = by_image(content, class_ids)
    table, faults = read_objects(content, chosen, positions, class_ids).build()
    lost = {(fault.image, fault.number) for fault in faults if fault.reason in LOST}
    annotations: list[dict[str, Any]] = []
    for index, image in enumerate(chosen):
        size = image["height"], image["width"]
        instances = table.instances(index, size)
        own = positions.get(image["id"], ())
        kept = [p for number, p in enumerate(own) if (index, number) not in lost]
        for position, box, class_id, segmentation in zip(
            kept, instances.boxes, instances.class_ids, instances.segmentations, strict=True
        ):
            annotation = content["annotations"][position]
            runs = encode(segmentation, size)
            annotations.append(
                {
                    # The evaluator takes the id 0 for "no match": the file's ids are of no use.
                    "id": len(annotations) + 1,
                    "image_id": numbers[image["id"]],
                    "category_id": annotation["category_id"],
                    "iscrowd": int(class_id < 0),
                    **_geometry(read_object(annotation), box, runs, size),
                }
            )
    return Truth([{**i, "id": numbers[i["id"]]} for i in chosen], categories, annotations)


def _geometry(
    entry: ObjectEntry, extent: np.ndarray, runs: dict[str, Any], size: tuple[int, int]
) -> dict[str, Any]:
    """Return box, area and mask of an object."""
    y1, x1, y2, x2 = (float(side) for side in extent)
    box = [x1, y1, x2 - x1, y2 - y1]
    if entry.box is not None and iou(_corners(entry.box), extent) >= SAME_BOX:
        box = entry.box
    pixels = int(rle_masks.area(runs))
    area = entry.area
    if area is None or area > size[0] * size[1]:
        area = float(pixels or box[2] * box[3])
    return {"bbox": box, "area": area, "segmentation": runs if pixels else None}


def _corners(box: Sequence[float]) -> np.ndarray:
    x, y, width, height = box
    return np.array([y, x, y + height, x + width], np.float64)


def _is_empty(segmentation: Any) -> bool:
    return isinstance(segmentation, Mapping) and not rle_masks.area(segmentation)
