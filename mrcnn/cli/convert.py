"""`mrcnn convert`: a dataset to COCO's format."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from mrcnn.cli.common import FORMAT, FormatName, FormatOptions, Quiet, Switch
from mrcnn.errors import InputError

if TYPE_CHECKING:
    from mrcnn.data.datasets.dataset import Dataset

PREFIX = "instances_"


def convert(
    format: FormatName,
    source: Path,
    out: Path,
    /,
    *,
    subset: Annotated[str, Parameter(group=FORMAT)] = "train",
    options: FormatOptions = FormatOptions(),
    check: Switch = False,
    quiet: Quiet = False,
) -> int:
    """Convert a dataset to COCO's format. The images stay where they are.

    ```
    mrcnn convert via cells/train/via_region_data.json \\
        datasets/cells/annotations/instances_train.json --check
    ```

    FORMAT and SOURCE are one of

    ```
    via          a JSON file of VGG Image Annotator 1 or 2, or a project of version 2
    labelme      a folder of labelme's JSON files
    png          a folder of images; --masks has a file for each, with a value for
                 each object
    objects      a folder of images; --masks has a folder for each, with a file for
                 each object; without --masks a folder with NAME/images and NAME/masks
    voc          a folder in the layout of Pascal VOC (--subset train, val, ...)
    yolo         a data.yaml of YOLO segmentation (--subset)
    cityscapes   a folder with leftImg8bit and gtFine, pictures or polygons (--subset)
    ```

    With OUT = DIR/annotations/instances_NAME.json, `mrcnn train DIR` takes NAME as its subset; the
    file names are then relative to DIR/NAME, which is made if it is not there.

    Args:
        format: Format of SOURCE.
        source: File or folder, by format.
        out: JSON file to write.
        subset: voc, yolo, cityscapes: the part to convert.
        check: Read the result back and compare.
    """
    from tqdm import tqdm

    from mrcnn.data.datasets.formats import FORMATS, Source
    from mrcnn.data.datasets.to_coco import coco_content

    dataset = FORMATS[format](Source(path=source, subset=subset, **options.of_source()))
    layout = out.parent.name == "annotations" and out.name.startswith(PREFIX)
    if check and not layout:
        raise InputError(f"--check needs OUT to be DIR/annotations/{PREFIX}NAME.json")
    image_dir = out.parent
    if layout:
        image_dir = out.parent.parent / out.stem.removeprefix(PREFIX)
        image_dir.mkdir(parents=True, exist_ok=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    numbers = tqdm(dataset.image_ids, unit="image", disable=quiet, leave=False)
    content = coco_content(dataset, image_dir, numbers)
    out.write_text(json.dumps(content), encoding="utf-8")
    print(
        f"{out}: {len(content['images'])} images, {len(content['annotations'])} objects, "
        f"{len(content['categories'])} classes"
    )
    for reason, count in getattr(dataset, "skipped", {}).items():
        print(f"left out: {count} ({reason})")
    if check:
        compare(dataset, out)
        print("checked: classes, boxes and masks are the same when read back")
    return 0


def compare(dataset: "Dataset", file: Path) -> None:
    """Compare a dataset with what `CocoDataset` reads from its COCO file.

    Raises:
        InputError: They differ; it names the first image.
    """
    import numpy as np

    from mrcnn.data.datasets.coco import CocoDataset

    subset = file.stem.removeprefix(PREFIX)
    twin = CocoDataset.from_folder(file.parent.parent, subset, year="")
    if twin.class_names != dataset.class_names or twin.num_images != dataset.num_images:
        raise InputError(f"{file} reads back with other classes or another number of images")
    for image_id in dataset.image_ids:
        ours, theirs = dataset.load_instances(image_id), twin.load_instances(image_id)
        same = (
            np.array_equal(ours.class_ids, theirs.class_ids)
            and np.allclose(ours.boxes, theirs.boxes, atol=0.01)
            and np.array_equal(ours.masks(), theirs.masks())
        )
        if not same:
            raise InputError(
                f"{file} reads back with other objects on {dataset.image_reference(image_id)}"
            )
