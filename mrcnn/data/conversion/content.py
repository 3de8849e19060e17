"""The splits of a dataset as the contents of COCO files: read, joined, divided."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mrcnn.data.checks.files import Progress, digests, file_fault, size_faults
from mrcnn.data.conversion.classes import one_line, one_list
from mrcnn.data.conversion.dividing import divide
from mrcnn.data.datasets.coco import read_annotations
from mrcnn.data.datasets.dataset import Dataset
from mrcnn.data.datasets.to_coco import coco_content
from mrcnn.data.image_files import find_images
from mrcnn.data.recognition.formats import FORMATS, Options
from mrcnn.data.recognition.opening import open_splits
from mrcnn.data.recognition.recognise import Recognised
from mrcnn.errors import InputError


@dataclass
class SplitContent:
    """The images, objects and classes of a split.

    Attributes:
        content: As a COCO file has it; the file names are relative to `folder`.
        folder: That all images are in.
        skipped: How many objects its reader left out, by reason.
        remarks: How many masks it took that were hardly meant, by what they are.
        size_faults: Which images have another size than their annotations or masks, in words.
    """

    content: dict[str, Any]
    folder: Path
    skipped: Mapping[str, int]
    remarks: Mapping[str, int] = field(default_factory=dict)
    size_faults: list[str] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """The names of the classes in the order of their ids, as they were written."""
        return list(self._names().values())

    def counts(self) -> dict[str, int]:
        """Return the number of objects of each class that has any."""
        names = self._names()
        found = Counter(_key(a, "category_id") for a in self.content["annotations"])
        return {names[number]: count for number, count in found.items() if number in names}

    def _names(self) -> dict[int, str]:
        """Return the names by the ids, in their order; categories that cannot be read left out."""
        readable = [c for c in self.content["categories"] if type(_key(c, "id")) is int]
        ordered = sorted(readable, key=lambda c: c["id"])
        return {c["id"]: str(c.get("name")) for c in ordered}


def read_splits(
    dataset: Recognised, options: Options, progress: Progress, only: str | None = None
) -> dict[str, SplitContent]:
    """Read the splits of a dataset, or one of them.

    Raises:
        InputError: One cannot be read, an image is missing, or there is no split `only`.
    """
    if dataset.format == "coco":
        # Its file is taken as it is, with what no reader of objects keeps.
        names = dataset.parts if only is None else [only]
        opened = {}
        for name in names:
            part = dataset.parts[name]
            folder = options.images or part.images or part.path.parent
            content = read_annotations(part.path)
            name_found(content, folder)
            for entry in content["images"]:
                entry["file_name"] = os.path.join(folder, entry["file_name"])
            split = _with_folder(content, {})
            opened[name] = replace(split, size_faults=_size_faults(split))
        return opened
    datasets = open_splits(dataset, None if only is None else [only], options)
    return {name: _of_dataset(each, progress) for name, each in datasets.items()}


def name_found(content: dict[str, Any], folder: Path) -> None:
    """Let the file names of images be those that the files have, relative to their folder; what
    cannot be read of an entry stays.
    """
    named = [image for image in content["images"] if isinstance(_key(image, "file_name"), str)]
    paths = find_images(folder, [image["file_name"] for image in named])
    for image, path in zip(named, paths, strict=True):
        image["file_name"] = Path(os.path.relpath(path, folder)).as_posix()


def _of_dataset(dataset: Dataset, progress: Progress) -> SplitContent:
    numbers = progress(dataset.image_ids, dataset.num_images)
    content = coco_content(dataset, None, numbers)
    for category, info in zip(content["categories"], dataset.class_info[1:], strict=True):
        category["name"] = str(info["name"])
    found = _with_folder(content, getattr(dataset, "skipped", {}))
    return replace(found, remarks=getattr(dataset, "remarks", {}), size_faults=size_faults(dataset))


def _size_faults(split: SplitContent) -> list[str]:
    """Return which images of a COCO file have another size than it says."""
    faults = []
    for entry in split.content["images"]:
        path = os.path.join(split.folder, entry["file_name"])
        fault = file_fault(path, (entry["height"], entry["width"]), decode=False)
        if fault and fault[0] == "size-differs":
            faults.append(f"{path}: {fault[1]}")
    return faults


def _with_folder(content: dict[str, Any], skipped: Mapping[str, int]) -> SplitContent:
    """Return a content whose file names are paths, with them relative to their common folder."""
    paths = [os.path.abspath(image["file_name"]) for image in content["images"]]
    folder = os.path.commonpath([os.path.dirname(path) for path in paths]) if paths else "."
    for image, path in zip(content["images"], paths, strict=True):
        image["file_name"] = Path(os.path.relpath(path, folder)).as_posix()
    return SplitContent(content, Path(folder), skipped)


def join(splits: Mapping[str, SplitContent], sort: bool, first: Sequence[str] = ()) -> list[str]:
    """Give splits one list of classes, and ids of images and objects that none shares.

    Ids stay as they are where they fit together already.

    Args:
        splits: They are changed.
        sort: Sort the classes; otherwise they have the order of the splits.
        first: Classes that the list begins with, in their order.

    Returns:
        What is worth saying, a line each.
    """
    written = [split.names for split in splits.values()]
    names = one_list([first, one_list(written, in_order=not sort)], in_order=True)
    notes = _respelled(written)
    ids = [{c["id"]: one_line(c["name"]) for c in s.content["categories"]} for s in splits.values()]
    unlike = any(each != ids[0] for each in ids)
    if first or unlike or len(set(ids[0].values())) < len(ids[0]):
        numbers = {name: number for number, name in enumerate(names, start=1)}
    else:
        numbers = {name: number for number, name in ids[0].items()}
    for split, before in zip(splits.values(), ids, strict=True):
        for annotation in split.content["annotations"]:
            annotation["category_id"] = numbers[before[annotation["category_id"]]]
        extra = {one_line(c["name"]): c for c in split.content["categories"]}
        split.content["categories"] = [
            {**extra.get(name, {}), "id": number, "name": name} for name, number in numbers.items()
        ]
    _renumber(splits, "images")
    _renumber(splits, "annotations")
    return notes


def _respelled(written: list[list[str]]) -> list[str]:
    """Return which names are taken for one although they differ in spaces."""
    spellings: dict[str, set[str]] = {}
    for name in (name for names in written for name in names):
        spellings.setdefault(one_line(name), set()).add(name)
    return [
        f"taken for one class, {name!r}: {', '.join(map(repr, sorted(forms)))}"
        for name, forms in spellings.items()
        if len(forms) > 1
    ]


def _renumber(splits: Mapping[str, SplitContent], part: str) -> None:
    """Number images or annotations 1, 2, ... over all splits, unless their ids are unique."""
    entries = [entry for split in splits.values() for entry in split.content[part]]
    numbers = [entry.get("id") for entry in entries]
    if all(type(n) is int for n in numbers) and len(set(numbers)) == len(numbers):
        return
    first = 1
    for split in splits.values():
        own = split.content[part]
        new = {entry.get("id"): first + index for index, entry in enumerate(own)}
        if part == "images":
            for annotation in split.content["annotations"]:
                annotation["image_id"] = new[annotation["image_id"]]
        for index, entry in enumerate(own):
            entry["id"] = first + index
        first += len(own)


def divided(split: SplitContent, shares: Mapping[str, float], seed: int) -> dict[str, SplitContent]:
    """Return a split divided into several, by image; see `divide`.

    Nothing is asked of the content but its lists: what is wrong with an entry stays in it, for the
    checks to find. Images of the same bytes stay together, and so do the copies that Roboflow makes
    of an image, which are named NAME.rf.HASH.

    Raises:
        InputError: There are fewer images than splits.
    """
    images = [i for i in split.content["images"] if _has_name(i)]
    ids = {image["id"]: number for number, image in enumerate(images)}
    if len(ids) < len(shares):
        raise InputError(
            f"{len(ids)} images in {split.folder} cannot be divided into {', '.join(shares)}"
        )
    classes: list[set[int]] = [set() for _ in images]
    for annotation in split.content["annotations"]:
        number = ids.get(_key(annotation, "image_id"))
        category = _key(annotation, "category_id")
        if number is not None and type(category) is int:
            classes[number].add(category)
    names = [image["file_name"] for image in images]
    groups = _together(split.folder, names)
    chosen = divide(names, classes, list(shares.values()), seed, groups)
    rank = {image_id: chosen[number] for image_id, number in ids.items()}
    return {
        name: SplitContent(_part(split.content, rank, number), split.folder, split.skipped)
        for number, name in enumerate(shares)
    }


def _part(content: dict[str, Any], rank: Mapping[Any, int], number: int) -> dict[str, Any]:
    """Return the entries of one split; those of no image are in the first."""
    images = [i for i in content["images"] if rank.get(_key(i, "id"), 0) == number]
    objects = [a for a in content["annotations"] if rank.get(_key(a, "image_id"), 0) == number]
    return {**content, "images": images, "annotations": objects}


def _together(folder: Path, names: list[str]) -> list[str]:
    """Return a name for each image that those have in common which must stay together."""
    groups = [name.rpartition(".rf.")[0] or name for name in names]
    same: dict[str, str] = {}
    for number, digest in digests([os.path.join(folder, name) for name in names]):
        groups[number] = same.setdefault(digest, groups[number])
    return groups


def _has_name(image: Any) -> bool:
    return type(_key(image, "id")) is int and isinstance(image.get("file_name"), str)


def _key(entry: Any, key: str) -> Any:
    """Return what an entry has under a key, if it can be looked up."""
    value = entry.get(key) if isinstance(entry, dict) else None
    return value if isinstance(value, int | str) else None


def sorted_classes(dataset: Recognised, options: Options) -> bool:
    """Return whether the classes are those that occur, so that they have no order of their own."""
    return FORMATS[dataset.format].listed and options.classes is None
