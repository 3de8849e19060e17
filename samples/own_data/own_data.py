"""Train Mask R-CNN on images of your own, and cut their objects out in colour.

    python samples/own_data/own_data.py make-sample datasets/own
    python samples/own_data/own_data.py train datasets/own
    python samples/own_data/own_data.py splash datasets/own/val/*.jpg --out results/splash
    python samples/own_data/own_data.py detect photo.jpg --weights runs/own20260101T120000

README.md in this folder says what each of them does, and which lines to change for your data.
"""

import argparse
import os
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from via_sample import FILE_NAME, write_via_sample

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from mrcnn.config import Config, load_config, parse_overrides
from mrcnn.data.dataset import Dataset, Instances
from mrcnn.data.image import load
from mrcnn.data.masks import segmentation_box
from mrcnn.data.via import read_via
from mrcnn.errors import InputError, run_cli
from mrcnn.model import MaskRCNN
from mrcnn.training.checkpoint import find_last
from mrcnn.visualize import draw_instances

ATTRIBUTE = "shape"  # the attribute of the regions that says what an object is
CLASSES = ("disc", "square", "star", "triangle")  # and its values
# Layers whose size depends on the number of classes.
CLASS_LAYERS = ("mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_mask")
LOGS = Path("runs")


class OwnConfig(Config):
    """A network that learns the sample from nothing, on two CPU cores, in minutes."""

    NAME = "own"
    NUM_CLASSES = 1 + len(CLASSES)  # and the background
    CLASS_NAMES = ["BG", *CLASSES]
    BACKBONE = "small"
    TOP_DOWN_PYRAMID_SIZE = 64
    RPN_CHANNELS = 64
    FPN_CLASSIF_FC_LAYERS_SIZE = 256
    MASK_HEAD_CHANNELS = 64
    IMAGE_MIN_DIM = IMAGE_MAX_DIM = 192
    RPN_ANCHOR_SCALES = (12, 24, 48, 72, 96)  # pixels: about the sizes of the objects
    PRE_NMS_LIMIT = 1000
    POST_NMS_ROIS_TRAINING = 300
    POST_NMS_ROIS_INFERENCE = 200
    TRAIN_ROIS_PER_IMAGE = 64
    MAX_GT_INSTANCES = 16
    DETECTION_MAX_INSTANCES = 30
    IMAGES_PER_GPU = 4
    OPTIMIZER = "adamw"
    WARMUP_STEPS = 50
    STEPS_PER_EPOCH = 100
    VALIDATION_STEPS = 6
    EDGE_LOSS_FILTERS = ["sobel"]


class OwnDataset(Dataset):
    """The images of a folder, and the regions that a VIA file in it draws on them."""

    def load_own(self, folder: Path) -> None:
        """Add the classes, and the images of `folder` with their objects."""
        for name in CLASSES:
            self.add_class("own", name, name)
        file = folder / FILE_NAME
        for image in read_via(file).images:
            path = folder / image.name
            if not path.is_file():
                raise InputError(f"image {path} of {file} does not exist")
            regions = [r for r in image.regions if r.polygon is not None and len(r.polygon) > 2]
            for region in regions:
                if region.label(ATTRIBUTE) not in CLASSES:
                    raise InputError(
                        f"{region.place}: {ATTRIBUTE} is {region.label(ATTRIBUTE)!r}, "
                        f"not one of {', '.join(CLASSES)}"
                    )
            self.add_image("own", image.name, str(path), regions=regions)

    def load_instances(self, image_id: int) -> Instances:
        """Return boxes, class ids and outlines of the objects on an image."""
        regions = self.image_info[image_id]["regions"]
        size = self.image_size(image_id)
        boxes = np.zeros((len(regions), 4), np.float32)
        class_ids = np.zeros(len(regions), np.int32)
        for i, region in enumerate(regions):
            boxes[i] = segmentation_box([region.polygon], size)
            class_ids[i] = self.map_source_class_id(f"own.{region.label(ATTRIBUTE)}")
        return Instances(boxes, class_ids, [[region.polygon] for region in regions], size)


def open_dataset(folder: Path) -> OwnDataset:
    """Return the dataset of a folder, ready for use."""
    dataset = OwnDataset()
    dataset.load_own(folder)
    dataset.prepare()
    return dataset


def train(args: argparse.Namespace) -> int:
    """Train on `train/`, and watch the losses on `val/`."""
    train_set, val_set = open_dataset(args.dataset / "train"), open_dataset(args.dataset / "val")
    config = OwnConfig().update(**parse_overrides(args.set))
    model = MaskRCNN("training", config, LOGS if args.logs is None else args.logs.parent)
    model.set_log_dir(args.logs)
    if args.weights:
        model.load_weights(weight_file(args.weights), exclude=CLASS_LAYERS)
    # Large steps first; in the last epoch small ones, which settle boxes and borders.
    outcome = model.train(train_set, val_set, args.rate, max(args.epochs - 1, 1), args.layers)
    if outcome.signal is None and args.epochs > 1:
        outcome = model.train(train_set, val_set, args.rate / 5, args.epochs, args.layers)
    print(f"{outcome.step} steps done, weights in {outcome.checkpoint}")
    return 0 if outcome.signal is None else 128 + outcome.signal


def detect(args: argparse.Namespace) -> int:
    """Draw what is found on images: boxes and names, or the objects alone in colour."""
    weights = weight_file(args.weights)
    config = load_config(weights.parent / "config.yaml")
    config = config.update(DETECTION_MIN_CONFIDENCE=args.min_score)
    model = MaskRCNN("inference", config, weights.parent)
    model.load_weights(weights, verbose=False)
    args.out.mkdir(parents=True, exist_ok=True)
    for path in args.images:
        image = load(path)
        found = model.detect([image])[0]
        names = [config.CLASS_NAMES[class_id] for class_id in found["class_ids"]]
        print(f"{path}: {', '.join(sorted(names)) or 'nothing'}")
        if args.command == "splash":
            picture = colour_splash(image, found["masks"])
        else:
            picture = draw_instances(
                image, found["rois"], found["masks"], found["class_ids"],
                config.CLASS_NAMES, found["scores"], scale=2,
            )  # fmt: skip
        Image.fromarray(picture).save(args.out / f"{path.stem}_{args.command}.png")
    print(f"{len(args.images)} pictures in {args.out}")
    return 0


def weight_file(path: Path) -> Path:
    """Return a file itself, or the newest weights in a folder of a run or of runs."""
    return find_last(path) if path.is_dir() else path


def colour_splash(image: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Return an image (H, W, 3), uint8, that is grey outside of all masks (H, W, N)."""
    grey = np.array(Image.fromarray(image).convert("L"))[:, :, None]
    return np.where(masks.any(axis=2)[:, :, None], image, grey)


def main(argv: list[str] | None = None) -> int:
    """Run a command; `argv` is None for the arguments of the process."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    sample = commands.add_parser("make-sample", help="write a small dataset to try this on")
    sample.add_argument("folder", type=Path)
    sample.add_argument(
        "--images",
        type=int,
        default=200,
        help="to train on; an eighth more to validate (%(default)s)",
    )

    training = commands.add_parser("train", help="train, with weights and losses in runs/own...")
    training.add_argument("dataset", type=Path, help=f"has train/{FILE_NAME} and val/{FILE_NAME}")
    training.add_argument("--weights", type=Path, help="start from these; the classes start anew")
    training.add_argument("--layers", default="all", help="that learn: heads, 3+, 4+, 5+ or all")
    training.add_argument("--epochs", type=int, default=4, help="(%(default)s)")
    training.add_argument("--rate", type=float, default=0.001, help="of learning (%(default)s)")
    training.add_argument("--logs", type=Path, help="folder of the run (a new one in runs/)")
    training.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="settings")

    for name, words in (("detect", "draw boxes, names and masks"), ("splash", "colour objects")):
        command = commands.add_parser(name, help=words)
        command.add_argument("images", type=Path, nargs="+", help="image files")
        command.add_argument("--weights", type=Path, default=LOGS, help="file, run or %(default)s")
        command.add_argument("--min-score", type=float, default=0.7, help="(%(default)s)")
        command.add_argument("--out", type=Path, default=Path("results/own"), help="(%(default)s)")
    args = parser.parse_args(argv)
    if args.command == "make-sample":
        print(f"dataset in {write_via_sample(args.folder, args.images, args.images // 8)}")
        return 0
    return train(args) if args.command == "train" else detect(args)


if __name__ == "__main__":
    sys.exit(run_cli(main))
