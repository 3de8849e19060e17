"""Show what the network will see: images as training gets them, with their objects.

    python scripts/browse_data.py --dataset datasets/coco --set AUGMENT_ROTATE_90=true \\
        "AUGMENT_SCALE=[0.5, 2]" --count 4 --augmentations 5 --out sheet.png

Each line of the sheet is an image: as it is without augmentation, then in the first epochs of a
training with this configuration. Boxes, masks (mini masks, as large as their boxes), names and the
padding are those of the batches. `--set SEED=1` shows other images and other augmentations.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from mrcnn.config import Config
from mrcnn.config_io import parse_overrides
from mrcnn.data.datasets.dataset import Dataset
from mrcnn.data.image import unmold_image
from mrcnn.data.masks import unmold_mask
from mrcnn.data.pipeline.batch import Batch
from mrcnn.data.pipeline.loader import Loader
from mrcnn.data.transforms.random_augmentation import RandomAugmentation
from mrcnn.errors import InputError, run_cli
from mrcnn.visualize import draw_instances, picture_sheet

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "samples" / "coco"))
from common import (
    add_config_arguments,
    add_data_arguments,
    dataset_folder,
    open_dataset,
    training_config,
)

CELL = 420


def main(argv: list[str] | None = None) -> int:
    """Run the command; `argv` is None for the arguments of the process."""
    args = parse_arguments(argv)
    args.dataset = dataset_folder(args.dataset)
    config = training_config(args.config, args.dataset).update(**parse_overrides(args.set))
    dataset = open_dataset(args, args.split)
    config = config.update(NUM_CLASSES=dataset.num_classes, CLASS_NAMES=list(dataset.class_names))
    plain = Loader(dataset, config, flip=False)
    loader = Loader(
        dataset, config, flip=config.FLIP, random_augmentation=RandomAugmentation.of(config)
    )
    rows = []
    for image_id in choose_images(dataset, args.count, config.SEED):
        epochs = [loader.example(image_id, epoch) for epoch in range(args.augmentations)]
        examples = [plain.example(image_id), *epochs]
        rows.append([picture(example, config) for example in examples])
    titles = ["not augmented", *(f"epoch {epoch + 1}" for epoch in range(args.augmentations))]
    args.out.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture_sheet(rows, titles, cell=CELL)).save(args.out)
    print(f"{args.out}: {len(rows)} images, augmented by {describe(config)}")
    return 0


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_data_arguments(parser)
    add_config_arguments(parser)
    parser.add_argument(
        "--split", default="train", help="part of the dataset (default: %(default)s)"
    )
    parser.add_argument("--count", type=int, default=6, help="images (default: %(default)s)")
    parser.add_argument(
        "--augmentations", type=int, default=4, help="epochs of each (default: %(default)s)"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("sheet.png"), help="picture (default: %(default)s)"
    )
    args = parser.parse_args(argv)
    for name in ("count", "augmentations"):
        if getattr(args, name) < 1:
            raise InputError(f"--{name} must be at least 1, got {getattr(args, name)}")
    if args.out.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise InputError(f"--out must be a .png or .jpg file, got {args.out}")
    return args


def choose_images(dataset: Dataset, count: int, seed: int) -> list[int]:
    """Draw `count` images, those without objects only where there are not enough others."""
    chosen: list[int] = []
    empty: list[int] = []
    for image_id in np.random.default_rng(seed).permutation(dataset.image_ids):
        if len(chosen) == count:
            break
        (chosen if len(dataset.load_instances(image_id)) else empty).append(int(image_id))
    return chosen + empty[: count - len(chosen)]


def picture(batch: Batch, config: Config) -> np.ndarray:
    """The only image of a batch, with its objects."""
    image = unmold_image(batch["input_image"][0], config)
    size = (image.shape[0], image.shape[1])
    used = np.flatnonzero(batch["input_gt_class_ids"][0])
    boxes, class_ids = batch["input_gt_boxes"][0][used], batch["input_gt_class_ids"][0][used]
    masks = batch["input_gt_masks"][0][:, :, used].astype(bool)
    if config.USE_MINI_MASK:
        full = [unmold_mask(masks[:, :, i], box, size) for i, box in enumerate(boxes)]
        masks = np.stack(full, axis=2) if full else np.zeros((*size, 0), bool)
    captions = [
        config.CLASS_NAMES[abs(class_id)]
        + (" (crowd)" if class_id < 0 else "")
        + ("" if has_mask else " (box alone)")
        for class_id, has_mask in zip(class_ids, batch["input_gt_has_mask"][0][used], strict=True)
    ]
    # Drawn no smaller than the cell that it is then shrunk into, with letters of 13 pixels there.
    side = max(size)
    scale = max(1, -(-CELL // side))
    drawn = {"scale": scale, "font_size": 13 * scale * side / CELL, "captions": captions}
    return draw_instances(image, boxes, masks, class_ids, config.CLASS_NAMES, **drawn)


def describe(config: Config) -> str:
    """The settings of the augmentation that are on."""
    names = [name for name in config.to_dict() if name == "FLIP" or name.startswith("AUGMENT_")]
    on = [f"{name} {getattr(config, name)}" for name in names if getattr(config, name)]
    return ", ".join(on) or "nothing"


if __name__ == "__main__":
    sys.exit(run_cli(main))
