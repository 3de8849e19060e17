"""COCO-format datasets: reading and checking `instances_*.json`."""

import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mrcnn.data.files import TYPE_NAMES, kind, read_json, refuse_missing
from mrcnn.data.objects import ObjectTableBuilder
from mrcnn.data.tabled import TabledDataset
from mrcnn.errors import InputError

SOURCE = "coco"


class CocoDataset(TabledDataset):
    """A dataset in the format of MS COCO (instances).

    Class ids are 1, 2, ... in the order of the category ids; `get_source_class_id` gives the
    category id back. An annotation with a `bbox` but without a `segmentation` (none, null or an
    empty list) is an object with a box alone.

    Attributes:
        annotation_file: The file that was read last.
    """

    def __init__(self) -> None:
        super().__init__()
        self.annotation_file: Path | None = None

    @classmethod
    def from_folder(cls, dataset_dir: str | Path, subset: str, **kwargs: Any) -> "CocoDataset":
        """Return a prepared dataset; the arguments are those of `load_coco`."""
        dataset = cls()
        dataset.load_coco(dataset_dir, subset, **kwargs)
        dataset.prepare()
        return dataset

    def load_coco(
        self,
        dataset_dir: str | Path,
        subset: str,
        year: str | int = "2017",
        class_ids: Sequence[int] | None = None,
        limit: int | None = None,
    ) -> None:
        """Add the images of one subset.

        Args:
            dataset_dir: Holds `annotations/instances_{subset}{year}.json` and the images in
                `{subset}{year}/`, or the same names without the year.
            subset: For example `"train"` or `"val"`.
            year: Part of the names.
            class_ids: Category ids to keep, and with them only the images that show one; None keeps
                everything, images without objects too.
            limit: Add only the first so many images.

        Raises:
            InputError: A folder or file is missing, or the file is not in COCO's instances format.
        """
        annotation_file, image_dir = find_files(dataset_dir, subset, year)
        content = read_annotations(annotation_file, boxes_alone=True)
        names = {category["id"]: category["name"] for category in content["categories"]}
        unknown = sorted(set(class_ids or ()) - set(names))
        if unknown:
            raise InputError(f"{annotation_file} has no category with the id {unknown[0]}")
        wanted = set(names if class_ids is None else class_ids)
        for category in sorted(wanted):
            self.add_class(SOURCE, category, names[category])

        annotations = defaultdict(list)
        for annotation in content["annotations"]:
            if annotation["category_id"] in wanted:
                annotations[annotation["image_id"]].append(annotation)
        entries = [i for i in content["images"] if class_ids is None or i["id"] in annotations]
        entries = entries[:limit]
        paths = [os.path.join(image_dir, entry["file_name"]) for entry in entries]
        refuse_missing(paths, annotation_file)

        first, builder = len(self.image_info), ObjectTableBuilder()
        numbers = {c["id"]: n for n, c in enumerate(self.class_info) if c["source"] == SOURCE}
        for entry, path in zip(entries, paths, strict=True):
            size = entry["height"], entry["width"]
            url = entry.get("coco_url") or None
            self.add_image(SOURCE, entry["id"], path, height=size[0], width=size[1], url=url)
            builder.add_image(size)
            for annotation in annotations[entry["id"]]:
                class_id = numbers[annotation["category_id"]]
                crowd = annotation.get("iscrowd", 0)
                builder.add(
                    -class_id if crowd else class_id,
                    annotation.get("segmentation") or [],
                    annotation.get("bbox"),
                )
        self.add_objects(first, builder)
        self.annotation_file = annotation_file

    def image_reference(self, image_id: int) -> str:
        """Return where the image can be seen on the web, or its path."""
        info = self.image_info[image_id]
        return info.get("url") or super().image_reference(image_id)


def find_files(dataset_dir: str | Path, subset: str, year: str | int = "2017") -> tuple[Path, Path]:
    """Return the annotation file and the image folder of a subset.

    Raises:
        InputError: The dataset folder, the file or the image folder is missing.
    """
    root = Path(dataset_dir)
    if not root.is_dir():
        raise InputError(f"no dataset folder {root}; {_LAYOUT.format(subset=subset, year=year)}")
    names = [f"{subset}{year}", subset]
    files = [root / "annotations" / f"instances_{name}.json" for name in names]
    for name, file in zip(names, files, strict=True):
        if file.is_file():
            folder = root / name
            if not folder.is_dir():
                raise InputError(f"{file} is there, but its image folder {folder} is missing")
            return file, folder
    raise InputError(
        f"no annotation file {files[0]} or {files[1].name}; "
        f"{_LAYOUT.format(subset=subset, year=year)}"
    )


_LAYOUT = (
    "a COCO-format dataset has annotations/instances_{subset}{year}.json and its images in "
    "{subset}{year}/ (MS COCO itself: cocodataset.org, 'Download')"
)


def read_annotations(path: str | Path, boxes_alone: bool = False) -> dict[str, Any]:
    """Read and check an annotation file in COCO's instances format.

    Only what would make reading the objects fail is refused here; objects that cannot be used are
    left out later.

    Args:
        path: The file.
        boxes_alone: Take annotations with a `bbox` and no `segmentation`. They can be trained on,
            but the evaluation of masks cannot use them.

    Raises:
        InputError: The file is not JSON, or a key is missing, has the wrong type, is not unique, or
            names an image or category that does not exist.
    """
    content = read_json(path)
    if not isinstance(content, dict):
        raise InputError(
            f"{path} is not in COCO's instances format: "
            f"it must hold an object, found {kind(content)}"
        )
    for key in ("images", "annotations", "categories"):
        if not isinstance(content.get(key), list):
            found = kind(content[key]) if key in content else "nothing"
            raise InputError(
                f"{path} is not in COCO's instances format: {key!r} must be a list, found {found}"
            )
    try:
        _check_entries(content, boxes_alone)
    except _FormatError as error:
        raise InputError(f"{path} is not in COCO's instances format: {error}") from None
    return content


class _FormatError(Exception):
    pass


def _check_entries(content: dict[str, Any], boxes_alone: bool) -> None:
    categories = content["categories"]
    _check_keys("categories", categories, {"id": (int,), "name": (str,)})
    images = content["images"]
    _check_keys(
        "images", images, {"id": (int, str), "file_name": (str,), "height": (int,), "width": (int,)}
    )
    for index, image in enumerate(images):
        if image["height"] < 1 or image["width"] < 1:
            raise _FormatError(f"images[{index}] has the size {image['width']}x{image['height']}")
    category_ids, image_ids = _unique("categories", categories), _unique("images", images)
    annotations = content["annotations"]
    _check_keys("annotations", annotations, {"image_id": (int, str), "category_id": (int,)})
    for index, annotation in enumerate(annotations):
        if annotation["category_id"] not in category_ids:
            raise _FormatError(
                f"annotations[{index}] has the category_id {annotation['category_id']}, "
                "which is not in 'categories'"
            )
        if annotation["image_id"] not in image_ids:
            raise _FormatError(
                f"annotations[{index}] has the image_id {annotation['image_id']}, "
                "which is not in 'images'"
            )
        if boxes_alone and not annotation.get("segmentation"):
            fault = _box_fault(annotation)
        else:
            fault = _segmentation_fault(annotation.get("segmentation"))
        if fault:
            raise _FormatError(f"annotations[{index}]: {fault}")


def _check_keys(name: str, entries: list[Any], keys: dict[str, tuple[type, ...]]) -> None:
    for index, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise _FormatError(f"{name}[{index}] must be an object, found {kind(entry)}")
        for key, types in keys.items():
            value = entry.get(key)
            # bool is an int in Python, but no id and no size.
            if not isinstance(value, types) or isinstance(value, bool):
                wanted = " or ".join(TYPE_NAMES[t] for t in types)
                found = kind(value) if key in entry else "nothing"
                raise _FormatError(f"{name}[{index}] needs {key!r} ({wanted}), found {found}")


def _unique(name: str, entries: list[dict[str, Any]]) -> set[Any]:
    ids: set[Any] = set()
    for index, entry in enumerate(entries):
        if entry["id"] in ids:
            raise _FormatError(f"{name}[{index}] has the id {entry['id']} of an earlier one")
        ids.add(entry["id"])
    return ids


def _box_fault(annotation: dict[str, Any]) -> str | None:
    """Return what is wrong with an annotation that has no segmentation, or None."""
    box = annotation.get("bbox")
    if isinstance(box, list) and len(box) == 4 and all(type(s) in (int, float) for s in box):
        return None
    if box is None:
        if isinstance(annotation.get("segmentation"), list):
            return None  # an empty mask and no box: an object to leave out
        return "it needs a 'segmentation', or for an object without a mask a 'bbox'"
    return f"'bbox' must be [x, y, width, height] in numbers, found {box!r}"


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
        found = kind(segmentation)
        return f"'segmentation' must hold polygons or a run-length encoding, found {found}"
    size, counts = segmentation.get("size"), segmentation.get("counts")
    if not (isinstance(size, list) and len(size) == 2 and all(type(s) is int for s in size)):
        return f"'size' of a run-length encoding must be [height, width], found {size!r}"
    if isinstance(counts, list):
        if all(type(c) is int and c >= 0 for c in counts) and sum(counts) == size[0] * size[1]:
            return None
        return f"'counts' of a run-length encoding must add up to {size[0]} x {size[1]}"
    if isinstance(counts, str) and counts.isascii():
        return None
    return f"'counts' of a run-length encoding must be a list or a string, found {kind(counts)}"
