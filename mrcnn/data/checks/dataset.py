"""A dataset with everything that is wrong with it, whatever format it comes from."""

import os
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mrcnn.data.checks.files import Progress, file_findings
from mrcnn.data.checks.learnable import Tally, learning_findings, tally
from mrcnn.data.checks.objects import (
    fault_findings,
    kept_objects,
    mask_findings,
    outline_findings,
    outlines,
)
from mrcnn.data.checks.pixels import deep_files, pixel_findings, pixel_words
from mrcnn.data.datasets.dataset import Dataset
from mrcnn.data.findings import Finding, errors, found
from mrcnn.errors import InputError


@dataclass
class CheckedDataset:
    """A dataset, or a subset of one.

    Attributes:
        name: Of the subset.
        dataset: The images and objects that could be read.
        findings: What is wrong, so far.
        looked_at: What was looked at, in words.
    """

    name: str
    dataset: Dataset
    findings: list[Finding] = field(default_factory=list)
    looked_at: str = ""

    def image_place(self, image: int) -> dict[str, Any]:
        """Return what `found` says of an image, by its number."""
        info = self.dataset.image_info[image]
        name = None if info["path"] is None else os.path.basename(info["path"])
        return {"image": info["id"], "file_name": name}

    def place(self, image: int, number: int) -> dict[str, Any]:
        """Return what `found` says of an object, by its image and its number on it."""
        return {**self.image_place(image), "annotation": number}

    def path_of(self, finding: Finding) -> str | None:
        """Return the image file that a finding is about, if it is about one."""
        image = self._numbers().get(finding.image)
        return None if image is None else self.dataset.image_info[image]["path"]

    def outlines_of(self, finding: Finding) -> list[np.ndarray]:
        """Return the outlines (K, 2), x, y in pixels, of the object that a finding is about."""
        image = self._numbers().get(finding.image)
        for number, kept, instances in kept_objects(self.dataset, [] if image is None else [image]):
            if number == image and finding.annotation in kept:
                index = kept.index(finding.annotation)
                return outlines(instances.segmentations[index], instances.boxes[index])
        return []

    def all_outlines(self, finding: Finding) -> list[np.ndarray]:
        """Return the outlines of all objects on the image that a finding is about."""
        image = self._numbers().get(finding.image)
        return [
            points
            for _, _, instances in kept_objects(self.dataset, [] if image is None else [image])
            for shape, box in zip(instances.segmentations, instances.boxes, strict=True)
            for points in outlines(shape, box)
        ]

    def _numbers(self) -> dict[Any, int]:
        return {info["id"]: number for number, info in enumerate(self.dataset.image_info)}


def decode_images(checked: CheckedDataset, progress: Progress) -> None:
    """Decode all image files; adds to the findings."""
    checked.looked_at = f"{len(checked.dataset.image_info):,} images, all decoded"
    checked.findings += file_findings(
        checked.dataset, checked.name, checked.image_place, decode=True, progress=progress
    )
    files = deep_files(checked.dataset)
    checked.looked_at += f"; {pixel_words(files, len(checked.dataset.image_info))}"
    checked.findings += pixel_findings(files, checked.name, checked.image_place)


def check_dataset(name: str, dataset: Dataset, progress: Progress) -> CheckedDataset:
    """Return a dataset that its reader took, with what is wrong with its images and objects."""
    checked = CheckedDataset(name, dataset)
    decode_images(checked, progress)
    # Objects of an image that does not open are no fault of their own.
    bad = {finding.image for finding in errors(checked.findings)}
    counted = [Tally(0, 0, 0)]
    for image, info in enumerate(dataset.image_info):
        try:
            counted.append(tally(dataset, [image]))
        except InputError as error:
            if info["id"] not in bad:
                where = {"subset": name, **checked.image_place(image)}
                checked.findings.append(found("objects-unreadable", str(error), **where))
    total = Tally(*(sum(numbers) for numbers in zip(*counted, strict=True)))
    checked.findings += learning_findings(dataset, name, total)
    checked.findings += mask_findings(dataset, name, checked.image_place)
    checked.findings += fault_findings(dataset, name, checked.place)
    checked.findings += outline_findings(dataset, name, checked.place)
    return checked
