"""A COCO-format subset, read as far as it can be, with everything that is wrong with it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mrcnn.data.checks.advice import annotation_advice, box_advice, category_advice
from mrcnn.data.checks.dataset import CheckedDataset, decode_images
from mrcnn.data.checks.files import Progress, file_findings, missing_findings
from mrcnn.data.checks.learnable import learning_findings, tally
from mrcnn.data.checks.objects import fault_findings, outline_findings, outlines
from mrcnn.data.checks.whole import extent_findings
from mrcnn.data.datasets.coco import CocoDataset, by_image, read_content
from mrcnn.data.datasets.coco_files import find_files
from mrcnn.data.datasets.coco_structure import ID, about, is_box, key_fault, structure_findings
from mrcnn.data.findings import Finding, errors
from mrcnn.data.image_files import find_images

# Headers of so many images are read in a moment, even over a network. Of more images than
# `ALL_HEADERS`, `SOME_HEADERS` are looked at, evenly spread.
ALL_HEADERS = 2000
SOME_HEADERS = 500


@dataclass
class CheckedSubset(CheckedDataset):
    """A subset as it was read.

    Attributes:
        file: The annotation file.
        folder: Of the images.
        content: All of the file.
        image_positions: For each image of the dataset its position in the file.
        positions: For each image of the dataset the positions of its objects in the file.
    """

    dataset: CocoDataset
    file: Path = Path()
    folder: Path = Path()
    content: dict[str, Any] = field(default_factory=dict)
    image_positions: list[int] = field(default_factory=list)
    positions: list[list[int]] = field(default_factory=list)

    def image_place(self, image: int) -> dict[str, Any]:
        """Return what `found` says of an image, by its number."""
        position = self.image_positions[image]
        entry = self.content["images"][position]
        return {
            "part": "images",
            "position": position,
            "image": entry["id"],
            "file_name": entry["file_name"],
        }

    def place(self, image: int, number: int) -> dict[str, Any]:
        """Return what `found` says of an object, by its image and its number on it."""
        where = self.image_place(image)
        if number >= len(self.positions[image]):
            return where
        position = self.positions[image][number]
        annotation = self.content["annotations"][position]
        names = {where["image"]: where["file_name"]}
        return {"part": "annotations", "position": position, **about(annotation, names)}

    def path_of(self, finding: Finding) -> str | None:
        """Return the image file that a finding is about, if it is about one."""
        if finding.file_name is None:
            return None
        return find_images(self.folder, [finding.file_name])[0]

    def outlines_of(self, finding: Finding) -> list[np.ndarray]:
        """Return the outlines (K, 2), x, y in pixels, of the object that a finding is about, as far
        as they can be drawn.
        """
        if finding.part != "annotations" or finding.position is None:
            return []
        annotation = self.content["annotations"][finding.position]
        try:
            shape, box = annotation.get("segmentation") or [], annotation.get("bbox")
            if isinstance(shape, dict):
                return outlines(shape, np.zeros(4))
            found = [_points(polygon) for polygon in shape]
            if is_box(box) and (not found or finding.code.startswith("box")):
                x, y, width, height = (float(side) for side in box)
                found += outlines([], np.array([y, x, y + height, x + width]))
            return [points for points in found if len(points)]
        except Exception:  # what cannot be read cannot be drawn: it is a finding for that
            return []


def read_subset(dataset_dir: str | Path, subset: str) -> CheckedSubset:
    """Read a subset and judge its annotations as far as training depends on them.

    Raises:
        InputError: A folder or file is missing, or is not in COCO's instances format at all.
    """
    file, folder = find_files(dataset_dir, subset)
    return judge(subset, file, folder, read_content(file))


def judge(subset: str, file: Path, folder: Path, content: dict[str, Any]) -> CheckedSubset:
    """Judge the content of an annotation file likewise."""
    findings = list(structure_findings(content))
    images, annotations = left_out(content, findings)
    kept = without(content, images, annotations)
    # Of two categories of one id the first is taken; the objects of one that cannot be read go too.
    bad = {f.position for f in findings if f.part == "categories"}
    kept["categories"] = [c for n, c in enumerate(content["categories"]) if n not in bad]
    dataset = CocoDataset()
    dataset.add_content(kept, file, folder)
    dataset.prepare()
    ids = {category["id"] for category in kept["categories"]}
    numbers = [n for n in range(len(content["annotations"])) if n not in annotations]
    mapped = by_image(kept, ids)
    checked = CheckedSubset(
        subset,
        dataset,
        [_in_subset(finding, subset) for finding in findings],
        f"{len(dataset.image_info):,} images",
        file,
        folder,
        content,
        [n for n in range(len(content["images"])) if n not in images],
        [[numbers[p] for p in mapped.get(image["id"], ())] for image in kept["images"]],
    )
    checked.findings += fault_findings(dataset, subset, checked.place)
    checked.findings += learning_findings(dataset, subset, tally(dataset))
    checked.findings += extent_findings(kept, subset)
    return checked


def quick_check(checked: CheckedSubset) -> None:
    """Look for all image files, and at the headers of some; adds to the findings."""
    count = len(checked.dataset.image_info)
    missing = list(missing_findings(checked.dataset, checked.name, checked.image_place))
    gone = {finding.position for finding in missing}
    there = [n for n, position in enumerate(checked.image_positions) if position not in gone]
    headers = there
    if len(there) > ALL_HEADERS:
        headers = [there[n * len(there) // SOME_HEADERS] for n in range(SOME_HEADERS)]
    checked.looked_at = (
        f"{count:,} images, {len(checked.content['annotations']):,} annotations, the headers of "
        f"{'all' if headers is there else f'{len(headers):,}'} image files"
    )
    checked.findings += missing
    checked.findings += file_findings(
        checked.dataset, checked.name, checked.image_place, numbers=headers
    )


def full_check(checked: CheckedSubset, progress: Progress) -> None:
    """Judge everything about one subset; adds to the findings."""
    decode_images(checked, progress)
    advice = [
        *category_advice(checked.content),
        *annotation_advice(checked.content),
        *box_advice(checked.dataset, checked.content, checked.positions, checked.place),
    ]
    checked.findings += [_in_subset(finding, checked.name) for finding in advice]
    checked.findings += outline_findings(checked.dataset, checked.name, checked.place)


def left_out(content: dict[str, Any], findings: Iterable[Finding]) -> tuple[set[int], set[int]]:
    """Return the positions of the images and of the annotations that have an error.

    Of images that share an id all go, because it is not known whose the objects are; with an image
    go its objects.
    """
    bad = errors(findings)
    images: set[Any] = {f.position for f in bad if f.part == "images"}
    annotations: set[Any] = {f.position for f in bad if f.part == "annotations"}
    shared = {f.image for f in bad if f.code == "repeated-image-id"}
    # Where the id of an image cannot be read, no annotation can have it.
    ids = [i["id"] if key_fault(i, ID) is None else None for i in content["images"]]
    images |= {n for n, own in enumerate(ids) if own in shared}
    gone = {ids[n] for n in images}
    annotations |= {
        n
        for n, annotation in enumerate(content["annotations"])
        if n not in annotations and annotation["image_id"] in gone
    }
    return images, annotations


def without(
    content: dict[str, Any], images: Iterable[int], annotations: Iterable[int]
) -> dict[str, Any]:
    """Return a file's content without the entries at some positions."""
    images, annotations = set(images), set(annotations)
    return {
        **content,
        "images": [i for n, i in enumerate(content["images"]) if n not in images],
        "annotations": [a for n, a in enumerate(content["annotations"]) if n not in annotations],
    }


def _points(polygon: list[float]) -> np.ndarray:
    """Return the points (K, 2) of a polygon that are numbers."""
    coordinates = np.array([float(c) for c in polygon[: len(polygon) // 2 * 2]]).reshape(-1, 2)
    return coordinates[np.isfinite(coordinates).all(axis=1)]


def _in_subset(finding: Finding, subset: str) -> Finding:
    return Finding(**{**vars(finding), "subset": subset})
