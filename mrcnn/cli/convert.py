"""Convert a dataset to COCO's format. The images stay where they are.

    python scripts/convert_dataset.py via cells/train/via_region_data.json \\
        datasets/cells/annotations/instances_train.json --check

FORMAT and IN are one of

    via          a JSON file of VGG Image Annotator 1 or 2, or a project of version 2
    labelme      a folder of labelme's JSON files
    png          a folder of images; --masks has a file for each, with a value for each object
    objects      a folder of images; --masks has a folder for each, with a file for each object;
                 without --masks a folder with NAME/images and NAME/masks
    voc          a folder in the layout of Pascal VOC (--subset train, val, ...)
    yolo         a data.yaml of YOLO segmentation (--subset)
    cityscapes   a folder with leftImg8bit and gtFine, pictures or polygons (--subset)

With OUT = DIR/annotations/instances_NAME.json, samples/coco/train.py --dataset DIR takes NAME as
its subset; the file names are then relative to DIR/NAME, which is made if it is not there.
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from tqdm import tqdm

from mrcnn.data.datasets.cityscapes import CityscapesDataset
from mrcnn.data.datasets.coco import CocoDataset
from mrcnn.data.datasets.dataset import Dataset
from mrcnn.data.datasets.labelme import LabelmeDataset
from mrcnn.data.datasets.mask_files import InstancePngDataset, ObjectPngDataset
from mrcnn.data.datasets.to_coco import coco_content
from mrcnn.data.datasets.via import ViaDataset
from mrcnn.data.datasets.voc import VocDataset
from mrcnn.data.datasets.yolo import YoloDataset
from mrcnn.errors import InputError, run_cli

PREFIX = "instances_"


def main(argv: list[str] | None = None) -> int:
    """Run the command; `argv` is None for the arguments of the process."""
    args = parse_arguments(argv)
    dataset = FORMATS[args.format](args)
    layout = args.out.parent.name == "annotations" and args.out.name.startswith(PREFIX)
    if args.check and not layout:
        raise InputError(f"--check needs OUT to be DIR/annotations/{PREFIX}NAME.json")
    image_dir = args.out.parent
    if layout:
        image_dir = args.out.parent.parent / args.out.stem.removeprefix(PREFIX)
        image_dir.mkdir(parents=True, exist_ok=True)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    numbers = tqdm(dataset.image_ids, unit="image", disable=args.quiet, leave=False)
    content = coco_content(dataset, image_dir, numbers)
    args.out.write_text(json.dumps(content), encoding="utf-8")
    print(
        f"{args.out}: {len(content['images'])} images, {len(content['annotations'])} objects, "
        f"{len(content['categories'])} classes"
    )
    for reason, count in getattr(dataset, "skipped", {}).items():
        print(f"left out: {count} ({reason})")
    if args.check:
        check(dataset, args.out)
        print("checked: classes, boxes and masks are the same when read back")
    return 0


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("format", choices=FORMATS)
    parser.add_argument("input", type=Path, metavar="IN")
    parser.add_argument("out", type=Path, metavar="OUT.json")
    parser.add_argument("--subset", default="train", help="voc, yolo, cityscapes (%(default)s)")
    add_format_arguments(parser)
    parser.add_argument("--check", action="store_true", help="read the result back and compare")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    return parser.parse_args(argv)


def add_format_arguments(parser: argparse.ArgumentParser) -> None:
    """What some of the formats need to be told."""
    parser.add_argument("--masks", type=Path, help="png, objects: folder of the masks")
    parser.add_argument("--images", type=Path, help="via: folder of the images (that of IN)")
    parser.add_argument("--attribute", help="via: the attribute of regions that is the class")
    parser.add_argument("--class-name", help="via, png, objects: the one class")
    parser.add_argument(
        "--classes", type=_names, help="via, labelme: classes in order, joined by commas"
    )


def check(dataset: Dataset, file: Path) -> None:
    """Compare a dataset with what `CocoDataset` reads from its COCO file.

    Raises:
        InputError: They differ; it names the first image.
    """
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


def _via(args: argparse.Namespace) -> Dataset:
    return ViaDataset.from_file(
        args.input,
        image_dir=args.images,
        attribute=args.attribute,
        class_name=args.class_name,
        classes=args.classes,
    )


def _png(args: argparse.Namespace) -> Dataset:
    if args.masks is None:
        raise InputError("the format png needs --masks, the folder of the masks")
    return InstancePngDataset.from_folders(args.input, args.masks, **_one_class(args))


def _objects(args: argparse.Namespace) -> Dataset:
    if args.masks is None:
        return ObjectPngDataset.from_tree(args.input, **_one_class(args))
    return ObjectPngDataset.from_folders(args.input, args.masks, **_one_class(args))


def _one_class(args: argparse.Namespace) -> dict[str, str]:
    return {"class_name": args.class_name} if args.class_name else {}


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]


FORMATS: dict[str, Callable[[argparse.Namespace], Dataset]] = {
    "via": _via,
    "labelme": lambda args: LabelmeDataset.from_folder(args.input, classes=args.classes),
    "png": _png,
    "objects": _objects,
    "voc": lambda args: VocDataset.from_folder(args.input, args.subset),
    "yolo": lambda args: YoloDataset.from_file(args.input, args.subset),
    "cityscapes": lambda args: CityscapesDataset.from_folder(args.input, args.subset),
}

if __name__ == "__main__":
    sys.exit(run_cli(main))
