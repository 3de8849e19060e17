"""Opening a dataset for training: refused when something is wrong with it, or without what is."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mrcnn.data.annotation_files import read_json
from mrcnn.data.checks.coco import (
    CheckedSubset,
    judge,
    left_out,
    quick_check,
    read_subset,
    without,
)
from mrcnn.data.checks.dataset import decode_images
from mrcnn.data.checks.files import Progress, digest
from mrcnn.data.checks.whole import repeated_images, repeated_objects
from mrcnn.data.datasets.object_table import LOST
from mrcnn.data.findings import errors, grouped, summary
from mrcnn.errors import InputError
from mrcnn.files.writing import write_json

RECORD = "skipped.json"
# The finding that there is nothing to learn from. Of data for validation it is no error.
IDLE = "nothing-to-learn"
# Findings about all objects that a training says, with the words before them.
SAID = {
    IDLE: "it gives no scores: ",
    "many-crowds": "",
    "no-masks": "",
    "coordinates-scaled": "",
    "box-corners": "",
    "repeated-object": "",
    "repeated-file": "",
    "in-both-subsets": "",
}
# Errors that are of all objects together: nothing can be left out.
OF_ALL = ("coordinates-shares", "box-corners")
Record = dict[str, dict[str, Any]]


def open_checked(dataset_dir: str | Path, subsets: Sequence[str]) -> list[CheckedSubset]:
    """Read subsets and look at them quickly.

    Raises:
        InputError: They have errors; it counts them and names the first ones.
    """
    opened = [read_subset(dataset_dir, subset) for subset in subsets]
    _refuse(opened, dataset_dir, "--skip-bad leaves them out")
    return opened


def open_without_bad(
    dataset_dir: str | Path, subsets: Sequence[str], progress: Progress
) -> tuple[list[CheckedSubset], Record]:
    """Read subsets, decode all of their images, and leave out what has an error.

    Returns:
        The subsets, and what was left out of them, for `save_record`.

    Raises:
        InputError: A category has an error, or a subset has no image left.
    """
    opened, record = [], {}
    for subset in subsets:
        checked = read_subset(dataset_dir, subset)
        decode_images(checked, progress)
        bad = errors(checked.findings)
        if any(finding.part == "categories" for finding in bad):
            raise InputError(f"{checked.file} has {summary(bad)}; categories cannot be left out")
        of_all = [finding for finding in bad if finding.code in OF_ALL]
        if of_all:
            raise InputError(f"{checked.file} has {summary(of_all)}")
        images, annotations = left_out(checked.content, bad)
        record[subset] = {
            "file": checked.file.name,
            "sha256": digest(checked.file),
            "images": sorted(images),
            "annotations": sorted(annotations),
            "findings": [finding.to_dict() for finding in bad],
            "summary": {code: len(members) for _, code, members in grouped(bad)},
        }
        opened.append(_rest(checked, images, annotations))
    _refuse_idle(opened)
    return opened, record


def open_as_recorded(
    dataset_dir: str | Path, subsets: Sequence[str], record: Record, file: Path
) -> list[CheckedSubset]:
    """Read subsets without what was left out of them before.

    Args:
        dataset_dir: As before.
        subsets: As before.
        record: From `load_record`.
        file: Where it comes from.

    Raises:
        InputError: An annotation file has changed since, or there are new errors.
    """
    opened = []
    for subset in subsets:
        checked = read_subset(dataset_dir, subset)
        entry = record.get(subset, {})
        if entry.get("sha256") != digest(checked.file):
            raise InputError(
                f"{checked.file} is not what {file} was written for: what was left out of the "
                "training cannot be found in it again; start a new run"
            )
        opened.append(_rest(checked, entry["images"], entry["annotations"]))
    _refuse(opened, dataset_dir, f"they were not there when {file} was written; start a new run")
    return opened


def save_record(record: Record, folder: Path) -> Path:
    """Write what was left out into a run folder."""
    file = folder / RECORD
    return write_json(file, record, indent=1)


def load_record(folder: Path) -> Record:
    """Read what `save_record` wrote.

    Raises:
        InputError: It is missing or something else.
    """
    file = folder / RECORD
    record = read_json(file)
    if not isinstance(record, dict) or not all(_is_entry(entry) for entry in record.values()):
        raise InputError(f"{file} does not say which images and annotations were left out")
    return record


def describe(record: Record) -> list[str]:
    """Return what was left out in words, a line a subset."""
    lines = []
    for subset, entry in record.items():
        reasons = ", ".join(f"{count} x {code}" for code, count in entry["summary"].items())
        lines.append(
            f"left out of {subset} by --skip-bad: {len(entry['images'])} images and "
            f"{len(entry['annotations'])} annotations{f' ({reasons})' if reasons else ''}"
        )
    return lines


def _is_entry(entry: Any) -> bool:
    if not isinstance(entry, dict) or not isinstance(entry.get("summary"), dict):
        return False
    lists = [entry.get(key) for key in ("images", "annotations")]
    return all(isinstance(numbers, list) and set(map(type, numbers)) <= {int} for numbers in lists)


def _rest(checked: CheckedSubset, images: Any, annotations: Any) -> CheckedSubset:
    """Return a subset without some entries."""
    if not images and not annotations:
        return checked
    content = without(checked.content, images, annotations)
    rest = judge(checked.name, checked.file, checked.folder, content)
    rest.looked_at = checked.looked_at
    if not rest.dataset.image_info:
        raise InputError(f"{checked.file} has no image that can be used")
    return rest


def _refuse(opened: Sequence[CheckedSubset], dataset_dir: str | Path, advice: str) -> None:
    for checked in opened:
        quick_check(checked)
    found = [finding for checked in opened for finding in checked.findings]
    bad = errors(finding for finding in found if finding.code != IDLE)
    if bad:
        if any(finding.code in OF_ALL for finding in bad):
            advice = "these are of all objects together and must be mended in the file"
        count = f"{len(bad):,} errors" if len(bad) > 1 else "an error"
        raise InputError(
            f"{dataset_dir} has {count}: {summary(bad)}. "
            f"`mrcnn check {dataset_dir}` shows them all; {advice}"
        )
    _refuse_idle(opened)


def _refuse_idle(opened: Sequence[CheckedSubset]) -> None:
    """Refuse training data without an object to learn from, which no other part makes up for; say
    what else is odd about the objects as a whole.
    """
    for finding in opened[0].findings:
        if finding.code == IDLE:
            raise InputError(f"{opened[0].file} has no object to learn from: {finding.message}")
    paths = [(c.name, [info["path"] for info in c.dataset.image_info]) for c in opened]
    shared = list(repeated_images(paths))
    for checked in opened:
        findings = [
            *checked.findings,
            *repeated_objects(checked.content, checked.name),
            *(finding for finding in shared if finding.subset == checked.name),
        ]
        words = [f"{SAID[f.code]}{f.message}" for f in findings if f.code in SAID]
        checked.looked_at += "".join(f"; {word}" for word in [*words, *_lost(checked)])


def _lost(checked: CheckedSubset) -> list[str]:
    """How many objects the reader has left out, and why, in words."""
    reasons = Counter(fault.reason for fault in checked.dataset.faults if fault.reason in LOST)
    if not reasons:
        return []
    lost, number = sum(reasons.values()), sum(map(len, checked.positions))
    why = ", ".join(f"{count} x {reason}" for reason, count in reasons.items())
    return [f"{lost:,} of {number:,} objects ({lost / number:.0%}) are left out ({why})"]
