"""What can be read of a COCO annotation file, but was hardly meant: ids, names, boxes."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from mrcnn.data.checks.findings import Finding, found, printable
from mrcnn.data.checks.objects import TOLERANCE, Place, kept_objects
from mrcnn.data.checks.structure import CATEGORY_KEYS, IMAGE_KEYS, about, is_box, readable
from mrcnn.data.dataset import Dataset
from mrcnn.data.tabled import TabledDataset

# IoU of an annotated box with the extent of the mask, below which they are not the same thing.
LEAST_BOX_IOU = 0.5


def category_remarks(content: dict[str, Any]) -> Iterator[Finding]:
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


def class_remarks(subsets: Sequence[tuple[str, Dataset]]) -> Iterator[Finding]:
    """Yield subsets whose classes are not those of the first one."""
    for subset, dataset in subsets[1:]:
        first, names = subsets[0][1].class_names, dataset.class_names
        if names != first:
            alone = ", ".join(printable(name) for name in sorted(set(first) ^ set(names)))
            message = f"in {subset} or {subsets[0][0]} alone: {alone or 'none, the order differs'}"
            yield found("categories-differ", message, subset=subset)


def annotation_remarks(content: dict[str, Any]) -> Iterator[Finding]:
    """Yield annotation ids that are not unique, and objects that are annotated twice."""
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
        shape = [annotation.get(key) for key in ("image_id", "category_id", "segmentation", "bbox")]
        if any(shape[2:]):
            other = shapes.setdefault(hash(repr(shape)), index)
            if other != index:
                yield found("repeated-object", f"annotations[{other}] is the same", **where)


def box_remarks(
    dataset: TabledDataset,
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
        masked = instances.has_mask
        for index, number in enumerate(numbers):
            box = content["annotations"][positions[image][number]].get("bbox")
            if box is None:
                continue
            where = place(image, number)
            if not is_box(box):
                message = "'bbox' must be [x, y, width, height] in numbers"
                yield found("box-unlike-mask", message, **where)
                continue
            x, y, width, height = (float(np.clip(float(v), -1e9, 1e9)) for v in box)
            if not (width > 0 and height > 0):  # NaN too
                message = f"'bbox' is {printable(box)}; it is [x, y, width, height]"
                yield found("box-size", message, "warning", **where)
                continue
            annotated = np.array([y, x, y + height, x + width])
            outside = max(*-annotated[:2], *(annotated[2:] - instances.size))
            if not masked[index] and outside > TOLERANCE:
                sides = f"{instances.size[1]}x{instances.size[0]}"
                message = f"'bbox' reaches {outside:.1f} pixels beyond its image of {sides}"
                yield found("beyond-image", message, **where)
            if masked[index] and _apart(annotated, instances.boxes[index], instances.size):
                y1, x1, y2, x2 = instances.boxes[index]
                extent = ", ".join(f"{side:.1f}" for side in (x1, y1, x2 - x1, y2 - y1))
                message = f"'bbox' is {printable(box)}, the mask's extent [{extent}]"
                yield found("box-unlike-mask", message, **where)


def _apart(box: np.ndarray, extent: np.ndarray, size: tuple[int, int]) -> bool:
    """Return whether a box inside its image overlaps an extent badly, and not for being tiny."""
    box = np.minimum(np.maximum(box, 0), size * 2)
    common = np.minimum(box[2:], extent[2:]) - np.maximum(box[:2], extent[:2])
    shared = float(np.prod(common.clip(0)))
    areas = np.prod(box[2:] - box[:2]) + np.prod(extent[2:] - extent[:2])
    apart = shared / max(areas - shared, 1e-9) < LEAST_BOX_IOU
    return bool(apart and np.abs(box - extent).max() > 2 * TOLERANCE)


def _hashable_category(annotation: Any) -> bool:
    return isinstance(annotation, dict) and isinstance(annotation.get("category_id"), int)
