"""`mrcnn demo`: the whole way from data to pictures, on generated images."""

import shutil
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from mrcnn.cli.common import (
    OUTPUT,
    SAMPLE_DATASET,
    WHOLE,
    ConfigOptions,
    DatasetFolder,
    ModelOptions,
    Switch,
    open_dataset,
    trained_config,
)
from mrcnn.errors import InputError

STANDARD_OUT = Path("runs/demo")
FAST_OUT = Path("runs/demo-fast")
FAST = 0.02
TITLES = ("image", "ground truth", "prediction")


def demo(
    *,
    fast: Switch = False,
    edge: str = "sobel",
    p: float = 2.0,
    settings: ConfigOptions = ConfigOptions(),
    out: Annotated[Path | None, Parameter(group=OUTPUT, show_default=False)] = None,
) -> int:
    """Train, evaluate and draw on generated images: no data and no GPU is needed.

    ```
    mrcnn demo          # some minutes on two CPU cores
    mrcnn demo --fast   # the same in a few steps, to see that all of it works
    ```

    It generates a small dataset in COCO's format, trains with the edge loss, prints box, mask and
    boundary AP, and draws images, ground truth and predictions side by side (sheet.png), and the
    curve of every loss (losses.png).

    Args:
        fast: A few steps only; what is learned in them is nothing to look at.
        edge: Filters of the edge loss, joined by '+', or 'none'.
        p: Exponent of the edge loss.
        out: Folder [default: runs/demo, or runs/demo-fast with --fast, made anew].
    """
    from mrcnn.cli.evaluate import evaluate
    from mrcnn.cli.train import EdgeOptions, ScheduleOptions, TrainOptions, train
    from mrcnn.data.datasets.toy_sample import generate_sample

    folder = out or (FAST_OUT if fast else STANDARD_OUT)
    if out is None:
        shutil.rmtree(folder, ignore_errors=True)
    elif out.is_dir() and any(out.iterdir()):
        raise InputError(f"{out} holds files already: choose another --out")
    options = TrainOptions(
        edge=EdgeOptions(edge=edge, p=None if edge == "none" else p),
        settings=settings,
        schedule=ScheduleOptions(steps_scale=FAST if fast else 1.0),
        logs=folder,
        no_report=True,  # what follows is the same, on all images
    )
    dataset, model = generate_sample(SAMPLE_DATASET), ModelOptions(weights=str(folder))
    return (
        train(dataset, options=options)
        or evaluate(dataset, model=model, out=folder / "evaluation")
        or sheet(dataset, model=model)
    )


def sheet(
    dataset: DatasetFolder = None,
    *,
    model: ModelOptions,
    split: str = "val",
    images: Annotated[int, WHOLE] = 6,
    log: str = "log.csv",
    out: Annotated[Path | None, Parameter(group=OUTPUT, show_default=False)] = None,
) -> int:
    """Show what a training run has learned: sheet.png and losses.png.

    sheet.png has a line per image (the image, its ground truth, the prediction); losses.png has the
    curves of the run's training log. Both go into the run folder, or into the folder of --out.

    Args:
        split: Part of the dataset.
        images: How many.
        log: Training log beside the weights.
        out: Folder [default: that of the weights].
    """
    from PIL import Image

    from mrcnn.evaluation import detect_dataset
    from mrcnn.report.run_pictures import CELL, choose_images, sheet_row
    from mrcnn.trained import find_weights, load_model
    from mrcnn.visualize import picture_sheet, plot_losses

    if images < 1:
        raise InputError(f"--images must be at least 1, got {images}")
    config = trained_config(model).update(IMAGES_PER_GPU=1, GPU_COUNT=1)
    weights = find_weights(model.weights)
    data = open_dataset(dataset, split)
    folder = out or weights.parent
    folder.mkdir(parents=True, exist_ok=True)

    detector = load_model(config, weights)
    chosen = choose_images(data, images)
    rows = [
        sheet_row(data, image_id, found)
        for image_id, found in detect_dataset(detector, data, chosen)
    ]
    Image.fromarray(picture_sheet(rows, TITLES, cell=CELL)).save(folder / "sheet.png")
    plot_losses(weights.parent / log, folder / "losses.png")
    print(f"sheet.png and losses.png are in {folder}")
    return 0
