"""COCO-format datasets: reading and checking their annotation files."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from mrcnn.data.annotation_files import read_json, refuse_missing
from mrcnn.data.datasets.coco_files import find_files
from mrcnn.data.datasets.coco_files import find_year as find_year  # where it was in 0.1.0
from mrcnn.data.datasets.coco_structure import list_fault, read_object, structure_findings
from mrcnn.data.datasets.object_table import ObjectTableBuilder, ObjectTableDataset
from mrcnn.data.image_files import find_images
from mrcnn.errors import InputError

SOURCE = "coco"


class CocoDataset(ObjectTableDataset):
    """A dataset in the format of MS COCO (instances).

    Class ids are 1, 2, ... in the order of the category ids; `get_source_class_id` gives the
    category id back. An annotation with a `bbox` but without a `segmentation` that can be used
    (none, null, an empty list, a polygon of two points) is an object with a box alone.

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
        year: str | int | None = None,
        class_ids: Sequence[int] | None = None,
        limit: int | None = None,
    ) -> None:
        """Add the images of one subset.

        Args:
            dataset_dir: The dataset, in one of the layouts of `mrcnn.data.datasets.coco_files`.
            subset: For example `"train"` or `"val"`.
            year: Part of the names; the newest that there is without it.
            class_ids: Category ids to keep, and with them only the images that show one; None keeps
                everything, images without objects too.
            limit: Add only the first so many images.

        Raises:
            InputError: A folder or file is missing, or the file is not in COCO's instances format.
        """
        self.load_file(*find_files(dataset_dir, subset, year), class_ids, limit)

    def load_file(
        self,
        annotation_file: Path,
        image_dir: Path,
        class_ids: Sequence[int] | None = None,
        limit: int | None = None,
    ) -> None:
        """Add the images of an annotation file; the other arguments are those of `load_coco`.

        Raises:
            InputError: The file is not in COCO's instances format, or an image is missing.
        """
        content = read_annotations(annotation_file)
        first = len(self.image_info)
        self.add_content(content, annotation_file, image_dir, class_ids, limit)
        refuse_missing([info["path"] for info in self.image_info[first:]], annotation_file)

    def add_content(
        self,
        content: dict[str, Any],
        annotation_file: Path,
        image_dir: Path,
        class_ids: Sequence[int] | None = None,
        limit: int | None = None,
    ) -> None:
        """Add the images of a file that was read and checked; image files are not looked for.

        Args:
            content: What `read_annotations` returns.
            annotation_file: Where it comes from.
            image_dir: The folder of the images.
            class_ids: As for `load_coco`.
            limit: As for `load_coco`.

        Raises:
            InputError: The file has no category of `class_ids`.
        """
        names = {category["id"]: category["name"] for category in content["categories"]}
        unknown = sorted(set(class_ids or ()) - set(names))
        if unknown:
            raise InputError(f"{annotation_file} has no category with the id {unknown[0]}")
        wanted = set(names if class_ids is None else class_ids)
        for category in sorted(wanted):
            self.add_class(SOURCE, category, names[category])

        annotations = by_image(content, wanted)
        entries = [i for i in content["images"] if class_ids is None or i["id"] in annotations]
        first = len(self.image_info)
        numbers = {c["id"]: n for n, c in enumerate(self.class_info) if c["source"] == SOURCE}
        paths = find_images(image_dir, [entry["file_name"] for entry in entries[:limit]])
        for entry, path in zip(entries, paths, strict=False):
            url = entry.get("coco_url") or None
            size = {"height": entry["height"], "width": entry["width"]}
            self.add_image(SOURCE, entry["id"], path, **size, url=url)
        builder = read_objects(content, entries[:limit], annotations, numbers)
        self.add_objects(first, builder)
        self.annotation_file = annotation_file

    def image_reference(self, image_id: int) -> str:
        """Return where the image can be seen on the web, or its path."""
        info = self.image_info[image_id]
        return info.get("url") or super().image_reference(image_id)


def read_annotations(path: str | Path) -> dict[str, Any]:
    """Read and check an annotation file in COCO's instances format.

    Only what would make reading the objects fail is refused here; objects that cannot be used are
    left out later.

    Args:
        path: The file.

    Raises:
        InputError: The file is not JSON, or a key is missing, has the wrong type, is not unique, or
            names an image or category that does not exist.
    """
    content = read_content(path)
    for finding in structure_findings(content):
        raise InputError(f"{path} is not in COCO's instances format: {finding.message}")
    return content


def read_content(path: str | Path) -> dict[str, Any]:
    """Read a file that has the lists of COCO's instances format, whatever is in them.

    Raises:
        InputError: The file is not JSON, or has not these lists.
    """
    content = read_json(path)
    fault = list_fault(content)
    if fault:
        raise InputError(f"{path} is not in COCO's instances format: {fault}")
    return content


def by_image(content: Mapping[str, Any], category_ids: Collection[int]) -> dict[Any, list[int]]:
    """Return the positions of the annotations of some categories, in their order, by image id."""
    positions = defaultdict(list)
    for position, annotation in enumerate(content["annotations"]):
        if annotation["category_id"] in category_ids:
            positions[annotation["image_id"]].append(position)
    return dict(positions)


def read_objects(
    content: Mapping[str, Any],
    images: Sequence[Mapping[str, Any]],
    positions: Mapping[Any, Sequence[int]],
    class_ids: Mapping[int, int],
) -> ObjectTableBuilder:
    """Return the objects of some images, which checks, training and evaluation take alike.

    Args:
        content: What `read_annotations` returns.
        images: Some of its images.
        positions: From `by_image`.
        class_ids: By category id.
    """
    builder = ObjectTableBuilder()
    for image in images:
        builder.add_image((image["height"], image["width"]))
        for position in positions.get(image["id"], ()):
            annotation = content["annotations"][position]
            entry = read_object(annotation)
            class_id = class_ids[annotation["category_id"]]
            builder.add(-class_id if entry.crowd else class_id, entry.segmentation, entry.box)
    return builder
