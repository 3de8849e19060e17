"""What notebooks and scripts written for the original import from its `coco.py`, and its command.

    import coco
    config = coco.CocoConfig()

    python samples/coco/coco.py train --dataset=datasets/coco --model=coco
    python samples/coco/coco.py evaluate --dataset=datasets/coco --model=last

New work is better off with `mrcnn train` and `mrcnn evaluate`, which do more.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from pycocotools.coco import COCO

from mrcnn import model as modellib
from mrcnn import utils
from mrcnn.config import Config
from mrcnn.data.datasets import coco as coco_format
from mrcnn.data.datasets.dataset import Dataset
from mrcnn.errors import InputError, run_cli
from mrcnn.evaluation import (
    Passed,
    coco_results,
    detect_readable,
    evaluate_results,
    metrics_table,
)
from mrcnn.hub.coco import Request, download_coco

ROOT_DIR = str(Path(__file__).resolve().parents[2])
COCO_MODEL_PATH = str(Path(ROOT_DIR) / "mask_rcnn_coco.h5")
DEFAULT_LOGS_DIR = str(Path(ROOT_DIR) / "logs")
DEFAULT_DATASET_YEAR = "2014"
# The original's splits of val2014 have annotation files of their own, but lie in its folder.
PARTS_OF_VAL = ("minival", "valminusminival")
WORDS = ("coco", "last", "imagenet")
ONE_IMAGE = {"GPU_COUNT": 1, "IMAGES_PER_GPU": 1, "DETECTION_MIN_CONFIDENCE": 0.0}


class CocoConfig(Config):
    """ResNet-101 for the 80 classes of COCO."""

    NAME = "coco"
    IMAGES_PER_GPU = 2
    NUM_CLASSES = 1 + 80


class CocoDataset(coco_format.CocoDataset):
    """COCO, loaded by the arguments of the original."""

    def load_coco(
        self,
        dataset_dir: str | Path,
        subset: str,
        year: str | int = DEFAULT_DATASET_YEAR,
        class_ids: Sequence[int] | None = None,
        class_map: Any = None,
        return_coco: bool = False,
        auto_download: bool = False,
        limit: int | None = None,
    ) -> Any:
        """Add the images of a subset.

        Args:
            dataset_dir: Folder of the dataset.
            subset: "train", "val", "minival" or "valminusminival".
            year: Part of the names.
            class_ids: Category ids to keep; None keeps all.
            class_map: Has no effect, as in the original.
            return_coco: Return the annotations as `pycocotools.coco.COCO`.
            auto_download: Download what is missing first (of the parts of val, its images alone).
            limit: Add only the first so many images.

        Raises:
            InputError: A folder or file is missing or is not in COCO's instances format.
        """
        if auto_download:
            self.auto_download(dataset_dir, subset, year)
        root = Path(dataset_dir)
        file = root / "annotations" / f"instances_{subset}{year}.json"
        if subset in PARTS_OF_VAL and file.is_file():
            self.load_file(file, root / f"val{year}", class_ids, limit)
        else:
            super().load_coco(root, subset, year, class_ids, limit)
        return COCO(str(self.annotation_file)) if return_coco else None

    def auto_download(self, dataDir: str | Path, dataType: str, dataYear: str | int) -> None:
        """Download images and annotations of a subset, unless they are there."""
        subset = "val" if dataType in PARTS_OF_VAL else dataType
        download_coco(Request(Path(dataDir), str(dataYear)), [subset])


def build_coco_results(
    dataset: Dataset,
    image_ids: Sequence[int],
    rois: np.ndarray | None,
    class_ids: np.ndarray,
    scores: np.ndarray,
    masks: np.ndarray,
) -> list[dict[str, Any]]:
    """Put the detections of one image into COCO's result format.

    Args:
        dataset: The dataset of the image.
        image_ids: A list of the image's id in the annotation file.
        rois: (N, 4) pixels y1, x1, y2, x2; None for none.
        class_ids: (N,).
        scores: (N,).
        masks: (H, W, N) bool.
    """
    if rois is None:
        return []
    found = {"rois": rois, "class_ids": class_ids, "scores": scores, "masks": masks}
    results = coco_results(0, found, dataset)
    return [{**result, "image_id": image_id} for image_id in image_ids for result in results]


def evaluate_coco(
    model: modellib.MaskRCNN,
    dataset: CocoDataset,
    coco: COCO | None,
    eval_type: str = "bbox",
    limit: int = 0,
    image_ids: Sequence[int] | None = None,
) -> dict[str, Any]:
    """Detect on images of a dataset, and print average precision.

    Args:
        model: In inference mode.
        dataset: Prepared.
        coco: Its annotations, from `load_coco(..., return_coco=True)`; None reads its file again.
        eval_type: "bbox" or "segm".
        limit: Only the first images; 0 for all.
        image_ids: Ids in the dataset; None for all.

    Returns:
        The scores of `eval_type`.
    """
    chosen = list(dataset.image_ids if image_ids is None else image_ids)[: limit or None]
    results, sources, passed = [], [], Passed(len(chosen))
    for image_id, found in detect_readable(model, dataset, chosen):
        if isinstance(found, InputError):
            passed(image_id, found)
            continue
        results += coco_results(image_id, found, dataset)
        sources.append(dataset.image_info[image_id]["id"])
    truth = coco.dataset if coco is not None else dataset.annotation_file
    metrics = evaluate_results(truth, results, sources, iou_types=(eval_type,))
    print(metrics_table(metrics))
    return metrics[eval_type]


def main(argv: list[str] | None = None) -> int:
    """Run the command; `argv` is None for the arguments of the process."""
    args = parse_arguments(argv)
    training = args.command == "train"
    config = CocoConfig() if training else CocoConfig().update(**ONE_IMAGE)
    model = modellib.MaskRCNN("training" if training else "inference", config, args.logs)
    # Before the annotations, which take half a minute: the weights may not be there.
    model.load_weights(weight_file(args.model, model), by_name=training, strict=not training)
    val = CocoDataset()
    parts = ("val", "val") if args.year == "2017" else ("minival", "val")
    named = parts[0] if _has(args, parts[0]) else parts[1]
    coco = val.load_coco(
        args.dataset, named, args.year, return_coco=True, auto_download=args.download
    )
    val.prepare()
    if not training:
        evaluate_coco(model, val, coco, "bbox", args.limit)
        return 0
    train = CocoDataset()
    train.load_coco(args.dataset, "train", args.year, auto_download=args.download)
    # With minival, the rest of val2014 is trained on, as in the original.
    if named == "minival" and _has(args, "valminusminival"):
        train.load_coco(args.dataset, "valminusminival", args.year)
    train.prepare()
    rate = config.LEARNING_RATE
    for layers, epochs, factor in (("heads", 40, 1), ("4+", 120, 1), ("all", 160, 0.1)):
        outcome = model.train(train, val, rate * factor, epochs, layers)
        if outcome.signal is not None:
            return 128 + outcome.signal
    return 0


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line of the original."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=("train", "evaluate"))
    parser.add_argument("--dataset", required=True, help="folder of COCO")
    parser.add_argument("--year", default=DEFAULT_DATASET_YEAR, help="default: %(default)s")
    parser.add_argument("--model", required=True, help=f"weight file, or one of {', '.join(WORDS)}")
    parser.add_argument("--logs", default=DEFAULT_LOGS_DIR, help="default: %(default)s")
    parser.add_argument(
        "--limit", type=int, default=500, help="images to evaluate on (default: %(default)s)"
    )
    parser.add_argument(
        "--download", type=_is_true, default=False, help="true: download what is missing"
    )
    return parser.parse_args(argv)


def weight_file(name: str, model: modellib.MaskRCNN) -> str:
    """The file of `--model`, downloaded if it is a name.

    Raises:
        InputError: There is none.
    """
    if name == "last":
        return model.find_last()
    if name == "imagenet":
        return model.get_imagenet_weights()
    if name == "coco":
        utils.download_trained_weights(COCO_MODEL_PATH)
        return COCO_MODEL_PATH
    if not Path(name).is_file():
        raise InputError(f"--model {name}: there is no such file; names are {', '.join(WORDS)}")
    return name


def _has(args: argparse.Namespace, subset: str) -> bool:
    return (Path(args.dataset) / "annotations" / f"instances_{subset}{args.year}.json").is_file()


def _is_true(text: str) -> bool:
    return text.lower() in ("1", "true", "yes")


if __name__ == "__main__":
    sys.exit(run_cli(main))
