"""Opening the splits of a dataset, whatever its format is."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mrcnn.data.datasets.dataset import Dataset
from mrcnn.data.recognition.formats import AUTO, FORMATS, Options
from mrcnn.data.recognition.recognise import Recognised, recognise
from mrcnn.data.splits import choose_split


def open_splits(
    dataset: Recognised, names: Sequence[str] | None = None, options: Options | None = None
) -> dict[str, Dataset]:
    """Read splits, with one list of classes where each of them names its own.

    Args:
        dataset: From `recognise`.
        names: Of the splits; None for all. Data that are not divided have one, `""`.
        options: What the format is told.

    Raises:
        InputError: There is no such split, or it cannot be read.
    """
    options = options or Options()
    entry = FORMATS[dataset.format]
    if names is None:
        chosen = dataset.splits or [n for n, part in dataset.parts.items() if not part.extra]
    else:
        chosen = [choose_split(name, dataset.parts, dataset.path) for name in names]
    opened = {name: entry.open(dataset.parts[name], options) for name in chosen}
    lists = [found.class_names[1:] for found in opened.values()]
    apart = entry.listed and any(names != lists[0] for names in lists)
    if apart and "classes" in entry.options and options.classes is None:
        ids = {info["id"] for found in opened.values() for info in found.class_info[1:]}
        together = replace(options, classes=tuple(sorted(ids)))
        opened = {name: entry.open(dataset.parts[name], together) for name in chosen}
    return opened


def open_split(dataset: Recognised, split: str, options: Options | None = None) -> Dataset:
    """Read one split of a dataset, or all of one that is not divided.

    Raises:
        InputError: There is no such split, or it cannot be read.
    """
    if not dataset.splits and split not in dataset.parts:
        return open_splits(dataset, None, options)[""]
    name = choose_split(split, dataset.parts, dataset.path)
    # Where each split names its classes, all of them are read to know the list.
    return open_splits(dataset, None if FORMATS[dataset.format].listed else [name], options)[name]


def open_dataset(
    path: str | Path, split: str, format_name: str = AUTO, options: Options | None = None
) -> Dataset:
    """Find out what a dataset is, and read one split of it as `open_split` does.

    Raises:
        InputError: The path is no dataset, or has no such split.
    """
    return open_split(recognise(path, format_name, options), split, options)
