"""What the objects and images of a dataset say as a whole: coordinates in another unit, boxes given
as corners, and what is there twice. It takes no image file to be opened, and is said at the start
of a training.
"""

import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from mrcnn.data.checks.files import digest
from mrcnn.data.datasets.coco_structure import is_box
from mrcnn.data.findings import Finding, Severity, errors, found, summary
from mrcnn.errors import InputError

# Pixels; what is further away is as far.
FURTHEST = 1e12
# Objects that it takes to say something about all of them.
FEW = 5
# Coordinates that are shares of the image reach no further, with their rounding.
SHARE = 1.001
# Of images with objects all over, some reach beyond this share of their image.
FAR_SIDE = 0.75
# Objects that it takes to miss them there.
MANY = 50
# Boxes that are x1, y1, x2, y2 in place of x, y, width, height: all fit their images when they are
# read so, and so many reach beyond them when they are not.
BEYOND = 0.3
TOLERANCE = 1.5
# Files of one name in two subsets of which so many are compared byte by byte.
COMPARED = 200


def extent_findings(content: dict[str, Any], subset: str) -> Iterator[Finding]:
    """Yield that coordinates are shares of the image, or of a smaller one, or that boxes are given
    as corners.

    Args:
        content: Of a COCO file that can be read.
        subset: For the findings.
    """
    sizes = {image["id"]: (image["width"], image["height"]) for image in content["images"]}
    ends, boxes, of_boxes, masked = [], [], [], False
    for annotation in content["annotations"]:
        size = sizes.get(annotation["image_id"])
        if size is None:
            continue
        box, end = annotation.get("bbox"), _end(annotation.get("segmentation"))
        masked |= bool(annotation.get("segmentation"))
        if is_box(box):
            box = [_near(side) for side in box]
            boxes.append(box)
            of_boxes.append(size)
            end = end or (box[0] + box[2], box[1] + box[3])
        if end is not None:
            ends.append((*end, *size))
    if len(ends) >= FEW:
        yield from _scale_findings(np.array(ends, np.float64), subset)
    if len(boxes) >= FEW:
        yield from _corner_findings(np.array(boxes, np.float64), np.array(of_boxes), subset, masked)


def refuse_other_units(content: dict[str, Any], what: str) -> None:
    """Refuse objects all of which are somewhere else than their numbers say; see `extent_findings`.

    Raises:
        InputError: They are.
    """
    bad = errors(extent_findings(content, ""))
    if bad:
        raise InputError(f"{what} has {summary(bad)}")


def _end(segmentation: Any) -> tuple[float, float] | None:
    """Return the largest x and y of polygons."""
    if not isinstance(segmentation, list):
        return None
    polygons = [p for p in segmentation if isinstance(p, list) and len(p) >= 2]
    if not polygons:
        return None
    return _near(max(max(p[0::2]) for p in polygons)), _near(max(max(p[1::2]) for p in polygons))


def _near(number: float) -> float:
    """Return a coordinate; of whole numbers, which may have any length, one that a float can be."""
    return min(max(number, -FURTHEST), FURTHEST)


def _scale_findings(ends: np.ndarray, subset: str) -> Iterator[Finding]:
    with np.errstate(invalid="ignore", over="ignore"):
        reach = ends[:, :2]
        if (reach <= SHARE).all() and (ends[:, 2:] > 4).all():
            message = (
                f"the coordinates of all {len(ends)} objects are at most 1: they are shares of the "
                "image, and must be pixels"
            )
            yield found("coordinates-shares", message, subset=subset)
            return
        share = (reach / ends[:, 2:]).max(axis=0)
    if len(ends) >= MANY and (share < FAR_SIDE).all():
        message = (
            f"none of the {len(ends)} objects reaches beyond {share[0]:.0%} of the width and "
            f"{share[1]:.0%} of the height of its image: were they annotated on smaller images?"
        )
        yield found("coordinates-scaled", message, subset=subset)


def _corner_findings(
    boxes: np.ndarray, sizes: np.ndarray, subset: str, masked: bool
) -> Iterator[Finding]:
    with np.errstate(invalid="ignore", over="ignore"):
        as_corners = (boxes[:, 2:] > boxes[:, :2]) & (boxes[:, 2:] <= sizes + TOLERANCE)
        beyond = (boxes[:, :2] + boxes[:, 2:] > sizes + TOLERANCE).any(axis=1)
    if as_corners.all() and beyond.mean() >= BEYOND:
        message = (
            f"{beyond.sum()} of {len(boxes)} boxes reach beyond their images, and all fit when "
            "they are read as [x1, y1, x2, y2]; 'bbox' is [x, y, width, height]"
        )
        # Where there are masks their extents are used.
        severity: Severity = "warning" if masked else "error"
        yield found("box-corners", message, severity, subset=subset)


def object_mark(annotation: dict[str, Any]) -> int | None:
    """Return a number that equal objects of a COCO file share; None of one without any shape."""
    owner = annotation.get("image_id"), annotation.get("category_id")
    mask, box = annotation.get("segmentation"), annotation.get("bbox")
    if not mask and not box:
        return None
    if isinstance(mask, list) and isinstance(box, list):
        try:
            # Polygons: a tenth of the time of their text.
            return hash((owner, tuple(map(tuple, mask)), tuple(box)))
        except TypeError:
            pass
    # Run lengths, and whatever else JSON has.
    return hash(repr((owner, mask, box)))


def repeated_objects(content: dict[str, Any], subset: str) -> Iterator[Finding]:
    """Yield how many objects are annotated twice, as one finding."""
    seen: set[int] = set()
    twice, first = 0, -1
    for index, annotation in enumerate(content["annotations"]):
        mark = object_mark(annotation)
        if mark in seen:
            twice, first = twice + 1, index if first < 0 else first
        if mark is not None:
            seen.add(mark)
    if twice:
        of = len(content["annotations"])
        message = f"{twice} of {of} objects are annotated twice, the first is annotations[{first}]"
        yield found("repeated-object", message, subset=subset)


def repeated_images(subsets: Sequence[tuple[str, Sequence[str]]]) -> Iterator[Finding]:
    """Yield image files that are listed twice in a subset, and those that two subsets share, as one
    finding each.

    Args:
        subsets: Names, and the paths of the images.
    """
    for subset, paths in subsets:
        twice = len(paths) - len(set(paths))
        if twice:
            message = f"{twice} of {len(paths)} images are the file of another one"
            yield found("repeated-file", message, subset=subset)
    for number, (subset, paths) in enumerate(subsets):
        for other, others in subsets[:number]:
            shared = _shared(paths, others)
            if shared:
                message = (
                    f"at least {shared} of {len(paths)} images are in {other} too: what is measured"
                    f" on them is too good"
                )
                yield found("in-both-subsets", message, "warning", subset=subset)


def _shared(paths: Sequence[str], others: Sequence[str]) -> int:
    """Return how many files are among others, or have the name and the bytes of one."""
    there = set(others)
    same = sum(path in there for path in paths)
    by_name = {os.path.basename(path): path for path in others}
    named = [path for path in paths if path not in there and os.path.basename(path) in by_name]
    for path in named[:COMPARED]:
        other = by_name[os.path.basename(path)]
        try:
            equal = os.path.getsize(path) == os.path.getsize(other)
            same += equal and digest(path) == digest(other)
        except OSError:
            continue  # one that is missing is a finding already
    return same
