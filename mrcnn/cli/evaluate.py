"""Evaluate weights on a COCO-format dataset: box, mask and boundary AP.

    python samples/coco/evaluate.py --weights runs/coco --dataset datasets/coco --split val

prints the scores and writes results.json (COCO's result format) and metrics.json (the scores, and
under "run" what was evaluated) into the folder of --out. Without --dataset it takes the built-in
sample.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from common import (
    add_data_arguments,
    add_model_arguments,
    add_workers_argument,
    find_weights,
    load_config,
    load_model,
    open_dataset,
)

from mrcnn.config import Config
from mrcnn.data.datasets.coco import CocoDataset
from mrcnn.errors import InputError, run_cli
from mrcnn.evaluation import coco_results, detect_dataset, evaluate_results, metrics_table


def main(argv: list[str] | None = None) -> int:
    """Run the command; `argv` is None for the arguments of the process."""
    args = parse_arguments(argv)
    config = load_config(args).update(
        IMAGES_PER_GPU=1, GPU_COUNT=1, DETECTION_MIN_CONFIDENCE=args.min_score
    )
    weights = find_weights(args.weights)
    dataset = open_dataset(args, args.split)
    check_classes(config, dataset)
    image_ids = dataset.image_ids[: args.limit]
    if not len(image_ids):
        raise InputError(f"{dataset.annotation_file} has no images")
    args.out.mkdir(parents=True, exist_ok=True)
    model = load_model(config, weights)

    start = time.perf_counter()
    results: list[dict[str, Any]] = []
    for image_id, found in detect_dataset(model, dataset, image_ids, workers=args.workers):
        results += coco_results(image_id, found, dataset)
    seconds = time.perf_counter() - start
    # Before the scores: an hour of detection must not be lost to a ground truth that is broken.
    write_json(args.out / "results.json", results)

    sources = [dataset.image_info[image_id]["id"] for image_id in image_ids]
    metrics = evaluate_results(dataset.annotation_file, results, sources)
    print(f"{len(image_ids)} images of {dataset.annotation_file}, {len(results)} detections\n")
    print(metrics_table(metrics))
    run = {
        "weights": str(weights),
        "annotations": str(dataset.annotation_file),
        "images": len(image_ids),
        "detections": len(results),
        "seconds_per_image": seconds / len(image_ids),
    }
    write_json(args.out / "metrics.json", {**metrics, "run": run})
    print(f"\nresults.json and metrics.json are in {args.out}")
    return 0


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_model_arguments(parser)
    add_data_arguments(parser)
    add_workers_argument(parser)
    parser.add_argument("--split", default="val", help="part of the dataset (default: %(default)s)")
    parser.add_argument("--limit", type=int, help="evaluate only the first N images")
    parser.add_argument(
        "--min-score",
        type=float,
        default=0.0,
        help="leave out detections of a lower score (default: 0; AP counts the unsure ones too)",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("results/evaluate"), help="folder (default: %(default)s)"
    )
    args = parser.parse_args(argv)
    if args.limit is not None and args.limit < 1:
        raise InputError(f"--limit must be at least 1, got {args.limit}")
    return args


def check_classes(config: Config, dataset: CocoDataset) -> None:
    """Refuse a dataset whose classes are not those of the weights: every name would be wrong.

    Raises:
        InputError: Number or names of the classes differ.
    """
    if dataset.num_classes != config.NUM_CLASSES:
        raise InputError(
            f"the dataset has {dataset.num_classes} classes with the background, "
            f"but NUM_CLASSES of the weights is {config.NUM_CLASSES}"
        )
    names = config.CLASS_NAMES or dataset.class_names
    for number, (ours, theirs) in enumerate(zip(names, dataset.class_names, strict=True)):
        if ours != theirs:
            raise InputError(
                f"class {number} is {ours!r} in the weights, but {theirs!r} in the dataset"
            )


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file."""
    path.write_text(json.dumps(content, indent=None if isinstance(content, list) else 2))


if __name__ == "__main__":
    sys.exit(run_cli(main))
