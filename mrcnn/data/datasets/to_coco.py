"""Any dataset as the content of a COCO annotation file."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from faster_coco_eval.core import mask as coco_mask

from mrcnn.data.datasets.dataset import Dataset
from mrcnn.data.masks import Segmentation, encode
from mrcnn.errors import InputError


def coco_content(
    dataset: Dataset, image_dir: str | Path | None, image_ids: Iterable[int] | None = None
) -> dict[str, Any]:
    """Return images, annotations and categories of a dataset, as COCO's instances format has them.

    Polygons stay polygons, masks become run-length encodings, and a box without a mask stays alone.
    Category ids are the dataset's class ids; ids of images and annotations start at 1.

    Args:
        dataset: A prepared dataset, with its images in files.
        image_dir: The file names of images are relative to this folder; None leaves their paths.
        image_ids: Numbers of the images; None for all.

    Raises:
        InputError: An image has no file, or something cannot be read.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image_id in dataset.image_ids if image_ids is None else image_ids:
        path = dataset.image_info[image_id]["path"]
        if path is None:
            raise InputError(f"image {dataset.image_info[image_id]['id']!r} has no file")
        instances = dataset.load_instances(image_id)
        height, width = (int(side) for side in instances.size)
        number = len(images) + 1
        name = str(path) if image_dir is None else relative_name(path, image_dir)
        images.append({"id": number, "file_name": name, "height": height, "width": width})
        for box, class_id, segmentation in zip(
            instances.boxes, instances.class_ids, instances.segmentations, strict=True
        ):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": int(abs(class_id)),
                    "iscrowd": int(class_id < 0),
                    **_geometry(box, segmentation, (height, width)),
                }
            )
    categories = [
        {"id": number, "name": name} for number, name in enumerate(dataset.class_names[1:], start=1)
    ]
    return {"images": images, "annotations": annotations, "categories": categories}


def relative_name(path: str | Path, folder: str | Path) -> str:
    """Return the name of a file relative to a folder, with slashes; its path where they share none.

    The folders are taken without symbolic links, because `..` leads out of where a link leads to;
    a link in place of the file itself stays.
    """
    own, name = os.path.split(os.path.abspath(path))
    target = os.path.join(os.path.realpath(own), name)
    try:
        return Path(os.path.relpath(target, os.path.realpath(folder))).as_posix()
    except ValueError:  # another drive of Windows
        return Path(target).as_posix()


def _geometry(box: np.ndarray, segmentation: Segmentation, size: tuple[int, int]) -> dict[str, Any]:
    """Return bbox and area of an object, and its segmentation if it has one."""
    y1, x1, y2, x2 = (float(side) for side in box)
    found: dict[str, Any] = {"bbox": [round(v, 3) for v in (x1, y1, x2 - x1, y2 - y1)]}
    if isinstance(segmentation, list):
        if not segmentation:
            return {**found, "area": round((x2 - x1) * (y2 - y1), 3)}
        polygons = [points.round(3).ravel().tolist() for points in segmentation]
        area = int(coco_mask.area(encode(segmentation, size)))
        return {**found, "area": area, "segmentation": polygons}
    runs = encode(segmentation, size)
    area = int(coco_mask.area(runs))
    encoded = {"size": list(size), "counts": runs["counts"].decode("ascii")}
    return {**found, "area": area, "segmentation": encoded}
