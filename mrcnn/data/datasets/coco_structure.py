"""The entries of a COCO annotation file: keys, types, ids, and the shape of segmentations.

What is found here keeps the reader of the file from understanding it. Whether it can then use the
polygons and run-length encodings is for `mrcnn.data.datasets.object_table` to say. `read_object` is
the one reading of an object: checks, training and evaluation take what it gives.
"""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from mrcnn.data.annotation_files import TYPE_NAMES, kind
from mrcnn.data.datasets.object_table import MAX_COORDINATE
from mrcnn.data.findings import Finding, found, printable
from mrcnn.data.reading.header import allowed_pixels

CATEGORY_KEYS: dict[str, tuple[type, ...]] = {"id": (int,), "name": (str,)}
IMAGE_KEYS: dict[str, tuple[type, ...]] = {
    "id": (int, str),
    "file_name": (str,),
    "height": (int,),
    "width": (int,),
}
ID: dict[str, tuple[type, ...]] = {"id": (int, str)}
ANNOTATION_KEYS: dict[str, tuple[type, ...]] = {"image_id": (int, str), "category_id": (int,)}


# What tools write for 'iscrowd' in place of 0 and 1.
_CROWD = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False, "": False}


class ObjectEntry(NamedTuple):
    """What an annotation says of its object.

    Attributes:
        crowd: It stands for many objects.
        segmentation: Polygons as flat lists x, y, x, y, ..., or a run-length encoding; an empty
            list where there is no mask.
        box: x, y, width, height in pixels; not finite where something else stands in the file. None
            where nothing does.
        area: Square pixels; None where there is no positive number.
    """

    crowd: bool
    segmentation: list[list[float]] | dict[str, Any]
    box: list[float] | None
    area: float | None


def list_fault(content: Any) -> str | None:
    """Return why a file is not in COCO's instances format at all, or None."""
    if not isinstance(content, dict):
        return f"it must hold an object, found {kind(content)}"
    for key in ("images", "annotations", "categories"):
        if not isinstance(content.get(key), list):
            there = kind(content[key]) if key in content else "nothing"
            return f"{key!r} must be a list, found {there}"
    return None


def structure_findings(content: dict[str, Any]) -> Iterator[Finding]:
    """Yield what cannot be read of a file that `list_fault` has nothing against."""
    categories, images = content["categories"], content["images"]
    yield from _entry_faults("categories", categories, CATEGORY_KEYS, "malformed-category")
    yield from _entry_faults("images", images, IMAGE_KEYS, "malformed-image")
    for index, image in enumerate(images):
        if key_fault(image, IMAGE_KEYS) is None:
            height, width = image["height"], image["width"]
            if not (1 <= height <= MAX_COORDINATE and 1 <= width <= MAX_COORDINATE):
                message = f"images[{index}] has the size {width}x{height} (width x height)"
                yield _about_image("malformed-image", message, image, index)
            elif height * width > allowed_pixels():
                # Before anything of this size is made: a few bytes can claim it.
                message = (
                    f"images[{index}] has the size {width}x{height} (width x height), more pixels "
                    f"than IMAGE_MAX_PIXELS {allowed_pixels():,}"
                )
                yield _about_image("malformed-image", message, image, index)
    yield from _repeated("categories", categories, CATEGORY_KEYS, "repeated-category-id")
    yield from _repeated("images", images, IMAGE_KEYS, "repeated-image-id")
    yield from _annotation_faults(content)


def key_fault(entry: Any, keys: dict[str, tuple[type, ...]]) -> str | None:
    """Return which of the keys an entry lacks, or has with a value of another type; or None."""
    if not isinstance(entry, dict):
        return f"must be an object, found {kind(entry)}"
    for key, types in keys.items():
        value = entry.get(key)
        # bool is an int in Python, but no id and no size.
        if not isinstance(value, types) or isinstance(value, bool):
            wanted = " or ".join(TYPE_NAMES[t] for t in types)
            there = kind(value) if key in entry else "nothing"
            return f"needs {key!r} ({wanted}), found {there}"
    return None


def readable(entries: list[Any], keys: dict[str, tuple[type, ...]]) -> Iterator[Any]:
    """Yield the entries that have all keys."""
    return (entry for entry in entries if key_fault(entry, keys) is None)


def _entry_faults(
    name: str, entries: list[Any], keys: dict[str, tuple[type, ...]], code: str
) -> Iterator[Finding]:
    for index, entry in enumerate(entries):
        fault = key_fault(entry, keys)
        if fault:
            where: dict[str, Any] = {"part": name, "position": index}
            if name == "images" and isinstance(entry, dict):
                names = entry.get("file_name"), entry.get("id")
                where["file_name"] = names[0] if isinstance(names[0], str) else None
                where["image"] = names[1] if type(names[1]) in (int, str) else None
            yield found(code, f"{name}[{index}] {fault}", **where)


def _repeated(
    name: str, entries: list[Any], keys: dict[str, tuple[type, ...]], code: str
) -> Iterator[Finding]:
    ids: set[Any] = set()
    for index, entry in enumerate(entries):
        if key_fault(entry, keys) is not None:
            continue
        if entry["id"] in ids:
            message = f"{name}[{index}] has the id {printable(entry['id'])} of an earlier one"
            if name == "images":
                yield _about_image(code, message, entry, index)
            else:
                yield found(code, message, part=name, position=index)
        ids.add(entry["id"])


def _about_image(code: str, message: str, image: dict[str, Any], index: int) -> Finding:
    return found(
        code,
        message,
        part="images",
        position=index,
        image=image["id"],
        file_name=image["file_name"],
    )


def _annotation_faults(content: dict[str, Any]) -> Iterator[Finding]:
    categories = {c["id"] for c in readable(content["categories"], {"id": (int,)})}
    # An image that cannot be read for another reason is a fault of its own.
    images = {i["id"] for i in readable(content["images"], ID)}
    names = {i["id"]: i["file_name"] for i in readable(content["images"], IMAGE_KEYS)}
    for index, annotation in enumerate(content["annotations"]):
        code, fault = "malformed-annotation", key_fault(annotation, ANNOTATION_KEYS)
        message = f"annotations[{index}] {fault}"
        if not fault:
            image, category = annotation["image_id"], annotation["category_id"]
            if category not in categories:
                code, fault = "unknown-category", "unknown"
                message = (
                    f"annotations[{index}] has the category_id {category}, "
                    "which is not in 'categories'"
                )
            elif image not in images:
                code, fault = "unknown-image", "unknown"
                message = (
                    f"annotations[{index}] has the image_id {printable(image)}, "
                    "which is not in 'images'"
                )
            else:
                fault = shape_fault(annotation)
                message = f"annotations[{index}]: {fault}"
        if fault:
            yield found(
                code, message, part="annotations", position=index, **about(annotation, names)
            )


def about(annotation: Any, names: dict[Any, str]) -> dict[str, Any]:
    """Return what a finding says of an annotation's place, whatever it is.

    Args:
        annotation: An entry of the list.
        names: File names by image id.
    """
    if not isinstance(annotation, dict):
        return {}
    image, own = annotation.get("image_id"), annotation.get("id")
    image = image if type(image) in (int, str) else None
    return {
        "image": image,
        "file_name": None if image is None else names.get(image),
        "annotation": own if type(own) in (int, str) else None,
    }


def read_object(annotation: dict[str, Any]) -> ObjectEntry:
    """Return what an annotation that `shape_fault` has nothing against says of its object.

    What is null, empty or no number where one is expected counts as left out.
    """
    segmentation = annotation.get("segmentation") or []
    if isinstance(segmentation, list):
        segmentation = [polygon for polygon in segmentation if polygon]
    area = _number(annotation.get("area"))
    return ObjectEntry(
        bool(_crowd(annotation.get("iscrowd"))),
        segmentation,
        _box(annotation.get("bbox")),
        area if area is not None and 0 < area < math.inf else None,
    )


def shape_fault(annotation: dict[str, Any]) -> str | None:
    """Return what is wrong with the types of an annotation's segmentation or 'iscrowd', or None."""
    if _crowd(annotation.get("iscrowd")) is None:
        return f"'iscrowd' must be 0 or 1, found {printable(repr(annotation['iscrowd']))}"
    segmentation = annotation.get("segmentation")
    return _segmentation_fault(segmentation) if segmentation else None


def _crowd(value: Any) -> bool | None:
    """Return what 'iscrowd' says, or None where it says nothing that can be understood."""
    if isinstance(value, str):
        return _CROWD.get(value.strip().lower())
    if not value:
        return False
    return True if value == 1 else None


def _box(value: Any) -> list[float] | None:
    if not value:
        return None
    sides = [_number(side) for side in value] if isinstance(value, list) else []
    found = [side for side in sides if side is not None]
    return found if len(found) == len(sides) == 4 else [math.nan] * 4


def _number(value: Any) -> float | None:
    """Return a number, written as one or as text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf
    except ValueError:
        return None


def is_box(box: Any) -> bool:
    """Return whether it is a list of four numbers."""
    return isinstance(box, list) and len(box) == 4 and all(type(s) in (int, float) for s in box)


def _segmentation_fault(segmentation: Any) -> str | None:
    """Return what is wrong with the type of a segmentation, or None."""
    if isinstance(segmentation, list):
        for polygon in segmentation:
            if not isinstance(polygon, list):
                return f"'segmentation' must hold lists of coordinates, found {kind(polygon)}"
            wrong = [c for c in polygon if type(c) not in (int, float)]
            if wrong:
                return f"a coordinate in 'segmentation' must be a number, found {kind(wrong[0])}"
        return None
    if not isinstance(segmentation, dict):
        there = kind(segmentation)
        return f"'segmentation' must hold polygons or a run-length encoding, found {there}"
    size, counts = segmentation.get("size"), segmentation.get("counts")
    if not (isinstance(size, list) and len(size) == 2 and all(type(s) is int for s in size)):
        there = printable(repr(size))
        return f"'size' of a run-length encoding must be [height, width], found {there}"
    if isinstance(counts, list):
        if all(type(c) is int and c >= 0 for c in counts) and sum(counts) == size[0] * size[1]:
            return None
        return f"'counts' of a run-length encoding must add up to {size[0]} x {size[1]}"
    if isinstance(counts, str) and counts.isascii():
        return None
    return f"'counts' of a run-length encoding must be a list or a string, found {kind(counts)}"
