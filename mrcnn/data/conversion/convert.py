"""Converting a dataset to COCO's format: into one file, or into a folder with all its splits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from mrcnn.data.checks.files import Progress, refuse_other_sizes
from mrcnn.data.conversion.classes import class_notes, count_table
from mrcnn.data.conversion.content import (
    SplitContent,
    divided,
    join,
    name_found,
    read_splits,
    sorted_classes,
)
from mrcnn.data.conversion.dividing import check_fraction
from mrcnn.data.conversion.placing import place, refer
from mrcnn.data.datasets.coco import read_content
from mrcnn.data.datasets.coco_files import PREFIX
from mrcnn.data.recognition.formats import AUTO, Options
from mrcnn.data.recognition.recognise import Recognised, is_coco, recognise
from mrcnn.data.splits import ALL, TRAIN, VAL, choose_split
from mrcnn.errors import InputError
from mrcnn.files.writing import write_json

VAL_FRACTION = 0.15


@dataclass
class Outcome:
    """A dataset that was written.

    Attributes:
        folder: Where it is.
        counts: For each split the number of objects of each class.
        images: For each split the number of images.
        classes: The names of all classes.
        ways: How the images were put there; none where they stay elsewhere.
        notes: What is worth saying, a line each.
        divided: Images were divided into splits.
        source: What was read, in words.
    """

    folder: Path
    counts: dict[str, dict[str, int]]
    images: dict[str, int]
    classes: list[str]
    ways: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    divided: bool = False
    source: str = ""

    def table(self) -> str:
        """Return the numbers of objects and images as text."""
        return count_table(self.classes, self.counts, self.images)


def convert_folder(
    dataset: Recognised,
    out: Path,
    progress: Progress,
    options: Options | None = None,
    shares: Mapping[str, float] | None = None,
    seed: int = 0,
    copy: bool = False,
) -> Outcome:
    """Write all splits of a dataset into a folder of COCO's layout, images included.

    Args:
        dataset: From `recognise`.
        out: The folder; it may exist, but not hold a dataset.
        progress: Wraps what takes a while.
        options: What the format is told.
        shares: Divides the data that are not divided, or those of training.
        seed: Of the division.
        copy: Copy the images in place of linking them.

    Raises:
        InputError: The dataset cannot be read or not be divided so, an image has another size than
            its annotation or masks, or `out` holds a dataset already.
    """
    if any((out / "annotations").glob(f"{PREFIX}*.json")):
        raise InputError(f"{out} holds a dataset already: choose another folder")
    splits, notes = _joined(dataset, options or Options(), progress)
    refuse_other_sizes([fault for split in splits.values() for fault in split.size_faults])
    splits = _divide(dataset, splits, shares, seed)
    ways = place(splits, out, copy, progress)
    return _written(splits, out, notes, ways)


def training_folder(
    path: Path,
    out: Path,
    progress: Progress,
    format_name: str = AUTO,
    options: Options | None = None,
    val_fraction: float | None = None,
    seed: int = 0,
) -> tuple[Path, Outcome | None]:
    """Return a folder of COCO's layout to train on, with a split for validation.

    COCO data that have a split for validation are taken as they are. Others are written into `out`;
    their images stay where they are.

    Args:
        path: A dataset of any format.
        out: The folder for what is written.
        progress: Wraps what takes a while.
        format_name: The format of the dataset.
        options: What it is told.
        val_fraction: The share of the images for validation where the data are not divided, 0.15
            without it. 0 trains on all of them.
        seed: Of the division.

    Returns:
        The folder, and what was written, if anything was.

    Raises:
        InputError: The data are of no format, cannot be read or have nothing to train on, or they
            are divided already and `val_fraction` is given.
    """
    options = options or Options()
    dataset = recognise(path, format_name, options)
    fraction = VAL_FRACTION if val_fraction is None else check_fraction(val_fraction)
    if dataset.splits and TRAIN not in dataset.parts:
        raise InputError(f"{dataset.path} has no split train; it has {', '.join(dataset.splits)}")
    if VAL in dataset.parts and val_fraction:
        raise InputError(
            f"{dataset.path} has a split for validation already: leave out --val-fraction"
        )
    dividing = VAL not in dataset.parts and fraction > 0
    if is_coco(dataset) and not dividing and options.images is None:
        return dataset.path, None
    used = {name: part for name, part in dataset.parts.items() if name in (TRAIN, VAL, "")}
    dataset = replace(dataset, parts=used)
    notes: list[str] = []
    if dataset.format == "coco" and len(used) == 1:
        splits = _as_it_is(dataset, options)
    else:
        splits, notes = _joined(dataset, options, progress)
        if not any(split.content["annotations"] for split in splits.values()):
            count = sum(len(split.content["images"]) for split in splits.values())
            raise InputError(f"no object is drawn on any of the {count} images of {dataset.path}")
    shares = {TRAIN: 1 - fraction, VAL: fraction} if dividing else None
    splits = _divide(dataset, splits, shares, seed)
    refer(splits, out)
    outcome = _written(splits, out, notes, [])
    outcome.divided, outcome.source = dividing, str(dataset)
    return out, outcome


def split_folder(
    dataset: Recognised,
    split: str,
    out: Path,
    progress: Progress,
    options: Options | None = None,
    classes: Sequence[str] = (),
) -> str:
    """Write one split of a dataset of any format into `out`; its images stay where they are.

    Args:
        dataset: From `recognise`.
        split: Its name; `"all"` is all of the data that are not divided.
        out: The folder, in COCO's layout.
        progress: Wraps what takes a while.
        options: What the format is told.
        classes: Those that the list begins with, in their order: the classes of a model.

    Returns:
        The name of the split in `out`.

    Raises:
        InputError: There is no such split, or it cannot be read.
    """
    if not dataset.splits and split != ALL:
        raise InputError(
            f"{dataset.path} is not divided into splits, so there is no {split!r}; "
            f"{ALL!r} takes every image"
        )
    name = choose_split(split, dataset.parts, dataset.path) if dataset.splits else ""
    options = options or Options()
    splits = read_splits(dataset, options, progress, only=name)
    join(splits, sorted_classes(dataset, options), classes)
    splits = {name or ALL: content for name, content in splits.items()}
    refer(splits, out)
    _written(splits, out, [], [])
    return name or ALL


def _as_it_is(dataset: Recognised, options: Options) -> dict[str, SplitContent]:
    """Return the one file of a COCO dataset, with whatever is wrong in it."""
    ((name, part),) = dataset.parts.items()
    folder = options.images or part.images or part.path.parent
    content = read_content(part.path)
    name_found(content, folder)
    return {name: SplitContent(content, folder, {})}


def _joined(
    dataset: Recognised, options: Options, progress: Progress
) -> tuple[dict[str, SplitContent], list[str]]:
    splits = read_splits(dataset, options, progress)
    notes = join(splits, sorted_classes(dataset, options))
    for name, split in splits.items():
        of = f" of {name}" if name else ""
        notes += [f"left out{of}: {count} ({reason})" for reason, count in split.skipped.items()]
        notes += [f"look at{of}: {count} ({what})" for what, count in split.remarks.items()]
    return splits, notes


def _divide(
    dataset: Recognised,
    splits: dict[str, SplitContent],
    shares: Mapping[str, float] | None,
    seed: int,
) -> dict[str, SplitContent]:
    """Return the splits, with that of training divided."""
    whole = TRAIN if TRAIN in splits else ""
    if shares is None:
        return {name or TRAIN: split for name, split in splits.items()}
    there = [name for name in shares if name in splits and name != TRAIN]
    if there or whole not in splits:
        raise InputError(
            f"{dataset.path} is divided into {', '.join(dataset.splits)} already: leave out --split"
        )
    rest = {name: split for name, split in splits.items() if name != whole}
    return {**divided(splits[whole], shares, seed), **rest}


def _written(
    splits: Mapping[str, SplitContent], out: Path, notes: list[str], ways: list[str]
) -> Outcome:
    """Write the annotation files, last: with them the dataset is complete."""
    (out / "annotations").mkdir(parents=True, exist_ok=True)
    for name, split in splits.items():
        write_json(out / "annotations" / f"{PREFIX}{name}.json", split.content)
    counts = {name: split.counts() for name, split in splits.items()}
    images = {name: len(split.content["images"]) for name, split in splits.items()}
    classes = next(iter(splits.values())).names
    notes = notes + class_notes(classes, counts)
    return Outcome(out, counts, images, classes, ways, notes)
