"""Show what a training run has learned: sheet.png and losses.png.

    python scripts/demo_sheet.py --weights runs/demo --dataset datasets/sample --images 6

sheet.png has a line per image (the image, its ground truth, the prediction); losses.png has the
curves of the run's training log. Both go into the run folder, or into the folder of --out.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mrcnn.errors import InputError, run_cli
from mrcnn.evaluation import detect_dataset
from mrcnn.visualize import draw_instances, picture_sheet, plot_losses

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "samples" / "coco"))
from common import (
    add_data_arguments,
    add_model_arguments,
    find_weights,
    load_config,
    load_model,
    open_dataset,
)

TITLES = ("image", "ground truth", "prediction")
CELL = 360


def main(argv: list[str] | None = None) -> int:
    """Run the command; `argv` is None for the arguments of the process."""
    args = parse_arguments(argv)
    config = load_config(args).update(IMAGES_PER_GPU=1, GPU_COUNT=1)
    weights = find_weights(args.weights)
    dataset = open_dataset(args, args.split)
    out = args.out or weights.parent
    out.mkdir(parents=True, exist_ok=True)

    model = load_model(config, weights)
    chosen = choose_images(dataset, args.images)
    rows = [
        sheet_row(dataset, image_id, found)
        for image_id, found in detect_dataset(model, dataset, chosen)
    ]
    Image.fromarray(picture_sheet(rows, TITLES, cell=CELL)).save(out / "sheet.png")
    plot_losses(weights.parent / args.log, out / "losses.png")
    print(f"sheet.png and losses.png are in {out}")
    return 0


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_model_arguments(parser)
    add_data_arguments(parser)
    parser.add_argument("--split", default="val", help="part of the dataset (default: %(default)s)")
    parser.add_argument("--images", type=int, default=6, help="how many (default: %(default)s)")
    parser.add_argument("--log", default="log.csv", help="training log beside the weights")
    parser.add_argument("--out", type=Path, help="folder (default: that of the weights)")
    args = parser.parse_args(argv)
    if args.images < 1:
        raise InputError(f"--images must be at least 1, got {args.images}")
    return args


def choose_images(dataset: Any, count: int) -> list[int]:
    """Spread `count` images over the dataset, from those that show objects if there are any."""
    with_objects = [i for i in dataset.image_ids if len(dataset.load_instances(i).class_ids)]
    pool = with_objects or list(dataset.image_ids)
    places = np.linspace(0, len(pool) - 1, min(count, len(pool)))
    return [int(pool[round(place)]) for place in places]


def sheet_row(dataset: Any, image_id: int, found: dict[str, np.ndarray]) -> list[np.ndarray]:
    """The image, its ground truth and the prediction, drawn so that labels stay readable."""
    image, truth = dataset.load_image(image_id), dataset.load_instances(image_id)
    side = max(image.shape[:2])
    # Drawn no smaller than the cell that it is then shrunk into, with letters of 14 pixels there.
    scale = max(1, -(-CELL // side))
    drawn = {"scale": scale, "font_size": 14 * scale * side / CELL}
    names = dataset.class_names
    nothing = np.zeros((0, 4), np.float32)
    plain = draw_instances(image, nothing, None, [], names, **drawn)
    expected = draw_instances(image, truth.boxes, truth.masks(), truth.class_ids, names, **drawn)
    predicted = draw_instances(
        image,
        found["rois"],
        found["masks"],
        found["class_ids"],
        names,
        found["scores"],
        **drawn,
    )
    return [plain, expected, predicted]


if __name__ == "__main__":
    sys.exit(run_cli(main))
