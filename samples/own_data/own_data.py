"""Train Mask R-CNN on images of your own, and cut their objects out in colour.

    python samples/own_data/own_data.py train datasets/own --weights mask_rcnn_coco.h5
    python samples/own_data/own_data.py detect photo.jpg
    python samples/own_data/own_data.py splash datasets/own/val/*.jpg --out results/splash

README.md in this folder goes through it, and says which lines to change for your data.
"""

import argparse
import os
import sys
from pathlib import Path

import numpy as np
from PIL import Image

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from mrcnn.config import Config
from mrcnn.config_io import load_config
from mrcnn.data.datasets.dataset import Dataset, Instances
from mrcnn.data.datasets.via import read_via
from mrcnn.data.image import load
from mrcnn.data.masks import segmentation_box
from mrcnn.errors import InputError, run_cli
from mrcnn.model import MaskRCNN
from mrcnn.trained import config_of, find_weights, load_model
from mrcnn.visualize import draw_instances

ATTRIBUTE = "shape"  # the attribute of the regions that says what an object is
CLASSES = ("disc", "square", "star", "triangle")  # and its values
# Layers whose size depends on the number of classes: they learn anew.
CLASS_LAYERS = ("mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_bbox", "mrcnn_mask")


class OwnConfig(Config):
    """What differs from the defaults, a ResNet-101 on 1024 x 1024 pixels."""

    NAME = "own"
    NUM_CLASSES = 1 + len(CLASSES)  # and the background
    STEPS_PER_EPOCH = 100
    DETECTION_MIN_CONFIDENCE = 0.9
    EDGE_LOSS_FILTERS = ["sobel"]


class OwnDataset(Dataset):
    """The images of a folder, and the regions that a VIA file in it draws on them."""

    def load_own(self, folder: Path) -> None:
        """Add the classes, and the images of `folder` with their objects."""
        for name in CLASSES:
            self.add_class("own", name, name)
        for image in read_via(folder / "via_region_data.json").images:
            if not (folder / image.name).is_file():
                raise InputError(f"image {folder / image.name} does not exist")
            regions = [r for r in image.regions if r.polygon is not None and len(r.polygon) > 2]
            for region in regions:
                found = region.label(ATTRIBUTE)
                if found not in CLASSES:
                    raise InputError(f"{region.place}: {found!r} is none of {', '.join(CLASSES)}")
            self.add_image("own", image.name, str(folder / image.name), regions=regions)

    def load_instances(self, image_id: int) -> Instances:
        """Return boxes, class ids and outlines of the objects on an image."""
        regions, size = self.image_info[image_id]["regions"], self.image_size(image_id)
        outlines = [[region.polygon] for region in regions]
        boxes = [segmentation_box(outline, size) for outline in outlines]
        ids = [self.map_source_class_id(f"own.{region.label(ATTRIBUTE)}") for region in regions]
        return Instances(np.float32(boxes).reshape(-1, 4), np.int32(ids), outlines, size)


def open_dataset(folder: Path) -> OwnDataset:
    """Return the dataset of a folder, ready for use."""
    dataset = OwnDataset()
    dataset.load_own(folder)
    dataset.prepare()
    return dataset


def train(args: argparse.Namespace) -> int:
    """Train on `train/`, and watch the losses on `val/`."""
    train_set, val_set = open_dataset(args.dataset / "train"), open_dataset(args.dataset / "val")
    config = load_config(args.config, OwnConfig()) if args.config else OwnConfig()
    model = MaskRCNN("training", config, "runs")
    if args.weights:
        model.load_weights(find_weights(args.weights), exclude=CLASS_LAYERS)
    model.set_log_dir(args.logs)
    # In the last fourth, small steps settle boxes and borders.
    first = max(args.epochs * 3 // 4, 1)
    outcome = model.train(train_set, val_set, 0.001, first, args.layers)
    if outcome.signal is None and args.epochs > first:
        outcome = model.train(train_set, val_set, 0.0002, args.epochs, args.layers)
    print(f"{outcome.step} steps done, weights in {outcome.checkpoint}")
    return 0 if outcome.signal is None else 128 + outcome.signal


def detect(args: argparse.Namespace) -> int:
    """Draw what is found on images: boxes and names, or the objects alone in colour."""
    weights = find_weights(args.weights)
    model = load_model(config_of(weights), weights)
    args.out.mkdir(parents=True, exist_ok=True)
    for path in args.images:
        image = load(path, image_range=model.config.IMAGE_RANGE)  # as the training read them
        names = model.config.CLASS_NAMES
        rois, ids, scores, masks = model.detect([image])[0].values()
        print(f"{path}: {', '.join(sorted(names[number] for number in ids)) or 'nothing'}")
        picture = colour_splash(image, masks)
        if args.command == "detect":
            picture = draw_instances(image, rois, masks, ids, names, scores, scale=2)
        Image.fromarray(picture).save(args.out / f"{path.stem}_{args.command}.png")
    print(f"{len(args.images)} pictures in {args.out}")
    return 0


def colour_splash(image: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Return an image (H, W, 3), uint8, that is grey outside of all masks (H, W, N)."""
    grey = np.array(Image.fromarray(image).convert("L"))[:, :, None]
    return np.where(masks.any(axis=2)[:, :, None], image, grey)


def main(argv: list[str] | None = None) -> int:
    """Run a command; `argv` is None for the arguments of the process."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("train", help="train, with weights and losses in runs/own...")
    command.add_argument("dataset", type=Path, help="has train/ and val/, with VIA files in them")
    command.add_argument("--weights", help="start from these; the classes start anew")
    command.add_argument("--config", type=Path, help="YAML file of settings, over those in here")
    command.add_argument("--layers", default="all", help="that learn: heads, 3+, 4+, 5+ or all")
    command.add_argument("--epochs", type=int, default=4, help="(%(default)s)")
    command.add_argument("--logs", type=Path, help="folder of the run (a new one in runs/)")
    for name, words in (("detect", "draw boxes, names and masks"), ("splash", "colour objects")):
        command = commands.add_parser(name, help=words)
        command.add_argument("images", type=Path, nargs="+", help="image files")
        command.add_argument("--weights", default="last", help="file or folder (the newest run)")
        command.add_argument("--out", type=Path, default=Path("results/own"), help="(%(default)s)")
    args = parser.parse_args(argv)
    return train(args) if args.command == "train" else detect(args)


if __name__ == "__main__":
    sys.exit(run_cli(main))
