"""What can be read of a COCO annotation file, but was hardly meant: ids, names, boxes."""

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from mrcnn.data.boxes import iou
from mrcnn.data.checks.objects import TOLERANCE, Place, kept_objects
from mrcnn.data.checks.whole import object_mark
from mrcnn.data.class_names import nearly_equal
from mrcnn.data.datasets.coco_structure import (
    CATEGORY_KEYS,
    IMAGE_KEYS,
    about,
    is_box,
    read_object,
    readable,
)
from mrcnn.data.datasets.dataset import Dataset
from mrcnn.data.datasets.object_table import ObjectTableDataset
from mrcnn.data.findings import Finding, found, printable

# IoU of an annotated box with the extent of the mask, below which they are not the same thing.
LEAST_BOX_IOU = 0.5


def category_advice(content: dict[str, Any]) -> Iterator[Finding]:
    """Yield names that two categories share, ids with gaps, and categories without an object."""
    categories = list(readable(content["categories"], CATEGORY_KEYS))
    ids = [category["id"] for category in categories]
    names: dict[str, int] = {}
    for category in categories:
        name, other = category["name"], names.setdefault(category["name"], category["id"])
        if other != category["id"]:
            message = f"the categories {other} and {category['id']} are both {printable(name)!r}"
            yield found("repeated-category-name", message)
    if sorted(set(ids)) != list(range(1, len(set(ids)) + 1)):
        message = (
            f"{len(set(ids))} categories with ids from {min(ids)} to {max(ids)}: "
            f"class ids are 1 to {len(set(ids))} in their order"
        )
        yield found("category-ids", message)
    used = {a.get("category_id") for a in content["annotations"] if _hashable_category(a)}
    for category in categories:
        if category["id"] not in used:
            message = f"no object of the category {printable(category['name'])!r}"
            yield found("unused-category", f"{message} (id {category['id']})")


def class_advice(subsets: Sequence[tuple[str, Dataset]]) -> Iterator[Finding]:
    """Yield names that are nearly equal, and subsets whose classes are not those of the first."""
    every = dict.fromkeys(name for _, dataset in subsets for name in dataset.class_names)
    for one, other in combinations(every, 2):
        if nearly_equal(one, other):
            message = f"are these one class? {printable(one)!r} and {printable(other)!r}"
            yield found("similar-classes", message)
    for subset, dataset in subsets[1:]:
        first, names = subsets[0][1].class_names, dataset.class_names
        if names != first:
            alone = ", ".join(printable(name) for name in sorted(set(first) ^ set(names)))
            message = f"in {subset} or {subsets[0][0]} alone: {alone or 'none, the order differs'}"
            yield found("categories-differ", message, subset=subset)


def annotation_advice(content: dict[str, Any]) -> Iterator[Finding]:
    """Yield ids that are not unique, objects annotated twice, and objects without a mask."""
    names = {i["id"]: i["file_name"] for i in readable(content["images"], IMAGE_KEYS)}
    ids: dict[Any, int] = {}
    shapes: dict[int, int] = {}
    for index, annotation in enumerate(content["annotations"]):
        if not isinstance(annotation, dict):
            continue
        where = {"part": "annotations", "position": index, **about(annotation, names)}
        own = where.get("annotation")
        if own is not None:
            other = ids.setdefault(own, index)
            if other != index:
                message = f"annotations[{other}] has the same id"
                yield found("repeated-annotation-id", message, **where)
        entry = read_object(annotation)
        if not entry.segmentation and entry.box is not None:
            yield found("no-mask", "'segmentation' is empty or missing", **where)
        mark = object_mark(annotation)
        if mark is not None:
            other = shapes.setdefault(mark, index)
            if other != index:
                yield found("repeated-object", f"annotations[{other}] is the same", **where)


def box_advice(
    dataset: ObjectTableDataset,
    content: dict[str, Any],
    positions: Sequence[Sequence[int]],
    place: Place,
) -> Iterator[Finding]:
    """Yield boxes that are not where the mask of their object is, or beyond the image.

    Args:
        dataset: What was read.
        content: The file that it was read from.
        positions: For each image the positions of its objects in the file's annotations.
        place: Names an object.
    """
    for image, numbers, instances in kept_objects(dataset):
        kept = {number: index for index, number in enumerate(numbers)}
        for number, position in enumerate(positions[image]):
            annotation = content["annotations"][position]
            entry, box = read_object(annotation), annotation.get("bbox")
            index, masked = kept.get(number), bool(entry.segmentation)
            # A box alone that cannot be used is a finding already.
            if entry.box is None or (index is None and not masked):
                continue
            extent = None if index is None else instances.boxes[index]
            fault = _box_fault(box, extent, instances.size, masked)
            if fault:
                code, message = fault
                yield found(code, message, "warning", **place(image, number))


def _box_fault(
    box: Any, extent: np.ndarray | None, size: tuple[int, int], masked: bool
) -> tuple[str, str] | None:
    """Return what is wrong with the box of an object, or None.

    Args:
        box: What is annotated.
        extent: y1, x1, y2, x2 of the object as it is used; None where it is not.
        size: Height and width of the image.
        masked: The object has a mask.
    """
    if not is_box(box):
        return "box-unlike-mask", "'bbox' must be [x, y, width, height] in numbers"
    x, y, width, height = (min(max(side, -1e9), 1e9) for side in box)
    if not (width > 0 and height > 0 and x == x and y == y):  # none of them NaN
        return "box-size", f"'bbox' is {printable(box)}; it is [x, y, width, height]"
    annotated = np.array([y, x, y + height, x + width], np.float64)
    outside = max(*-annotated[:2], *(annotated[2:] - size))
    if not masked and outside > TOLERANCE:
        sides = f"{size[1]}x{size[0]}"
        return "beyond-image", f"'bbox' reaches {outside:.1f} pixels beyond its image of {sides}"
    if masked and extent is not None and _apart(annotated, extent, size):
        y1, x1, y2, x2 = extent
        words = ", ".join(f"{side:.1f}" for side in (x1, y1, x2 - x1, y2 - y1))
        return "box-unlike-mask", f"'bbox' is {printable(box)}, the mask's extent [{words}]"
    return None


def _apart(box: np.ndarray, extent: np.ndarray, size: tuple[int, int]) -> bool:
    """Return whether a box inside its image overlaps an extent badly, and not for being tiny."""
    box = np.minimum(np.maximum(box, 0), size * 2)
    apart = iou(box, extent) < LEAST_BOX_IOU
    return bool(apart and np.abs(box - extent).max() > 2 * TOLERANCE)


def _hashable_category(annotation: Any) -> bool:
    return isinstance(annotation, dict) and isinstance(annotation.get("category_id"), int)
