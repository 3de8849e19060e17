"""Whether a dataset has anything to learn from, or to be judged by."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from mrcnn.data.datasets.dataset import Dataset
from mrcnn.data.datasets.object_table import BOX_KEPT, LOST, ObjectTableDataset
from mrcnn.data.findings import Finding, found
from mrcnn.errors import InputError

# Of all objects. More of them were hardly meant.
MOST_CROWDS = 0.5


class Tally(NamedTuple):
    """Numbers of objects.

    Attributes:
        crowds: Those that stand for many objects.
        masked: Objects, not crowds, that have a mask.
        alone: Objects, not crowds, that have a box alone.
    """

    crowds: int
    masked: int
    alone: int


def tally(dataset: Dataset, images: Iterable[int] | None = None) -> Tally:
    """Count the objects on some images of a dataset, None for all.

    Raises:
        InputError: Something cannot be read.
    """
    if images is None and isinstance(dataset, ObjectTableDataset):
        pairs = [(table.class_ids, table.has_mask) for table in dataset.tables]
    else:
        chosen = range(len(dataset.image_info)) if images is None else images
        every = [dataset.load_instances(image) for image in chosen]
        pairs = [(instances.class_ids, instances.has_mask) for instances in every]
    class_ids = np.concatenate([np.zeros(0, np.int32), *(ids for ids, _ in pairs)])
    masked = np.concatenate([np.zeros(0, bool), *(masks for _, masks in pairs)])
    crowd = class_ids < 0
    return Tally(int(crowd.sum()), int((~crowd & masked).sum()), int((~crowd & ~masked).sum()))


def nothing_to_learn(dataset: Dataset, counted: Tally, images: int | None = None) -> str | None:
    """Return why there is no object to learn from or to be judged by, or None.

    Args:
        dataset: It knows what its reader left out.
        counted: Its objects.
        images: How many images they are on; None for all.
    """
    number = len(dataset.image_info) if images is None else images
    faults = dataset.faults if isinstance(dataset, ObjectTableDataset) else []
    reasons = [fault.reason for fault in faults]
    lost = sum(reason in LOST for reason in reasons)
    crowds, masked, alone = counted
    if len(dataset.class_info) == 1:
        return "there are no categories"
    if not number:
        return "there are no images"
    if not any(counted):
        if lost and images is None:
            words = ", ".join(f"{reasons.count(r)} x {r}" for r in LOST if r in reasons)
            return f"all {lost} objects are left out ({words})"
        return f"no object is annotated on any of the {number} images"
    if not masked and not alone:
        return f"all {crowds} objects are crowds ('iscrowd': 1)"
    if not masked and BOX_KEPT in reasons:
        return f"all {alone} masks are empty or cannot be used"
    return None


def refuse_nothing(
    dataset: Dataset, what: str, purpose: str, images: Sequence[int] | None = None
) -> None:
    """Refuse a dataset without an object to learn from or to be judged by.

    One whose masks would have to be read one by one is taken without a look.

    Args:
        dataset: Prepared.
        what: Names it.
        purpose: What the objects are for, as in "to learn from".
        images: Their numbers; None for all.

    Raises:
        InputError: It says why.
    """
    if not isinstance(dataset, ObjectTableDataset):
        return
    counted = tally(dataset, images)
    nothing = nothing_to_learn(dataset, counted, None if images is None else len(images))
    if nothing:
        raise InputError(f"{what} has no object {purpose}: {nothing}")


def learning_findings(dataset: Dataset, subset: str, counted: Tally) -> Iterator[Finding]:
    """Yield that there is nothing to learn from, no mask, or hardly anything but crowds."""
    nothing, total = nothing_to_learn(dataset, counted), sum(counted)
    if nothing:
        yield found("nothing-to-learn", nothing, subset=subset)
    elif not counted.masked:
        message = f"none of the {counted.alone} objects has a mask"
        yield found("no-masks", message, subset=subset)
    if not nothing and counted.crowds > MOST_CROWDS * total:
        share = counted.crowds / total
        message = f"{counted.crowds} of {total} objects ({share:.0%}) are crowds ('iscrowd': 1)"
        yield found("many-crowds", message, subset=subset)
