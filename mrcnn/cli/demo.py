"""`mrcnn demo`: the whole way from data to pictures, on generated images."""

import shutil
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Group, Parameter

from mrcnn.cli.common import (
    OUTPUT,
    PICTURES,
    SAMPLE_DATASET,
    WHOLE,
    ConfigOptions,
    DatasetFolder,
    ModelOptions,
    PictureOptions,
    Switch,
    open_dataset,
    trained_config,
)
from mrcnn.errors import InputError

STANDARD_OUT = Path("runs/demo")
FAST_OUT = Path("runs/demo-fast")
COMPARED_OUT = Path("runs/demo-compare")
FAST = 0.02
TITLES = ("image", "ground truth", "prediction")
COMPARE = Group("Compare two models", sort_key=8)


def demo(
    *,
    fast: Switch = False,
    edge: str = "sobel",
    p: float = 2.0,
    compare: Annotated[Path | None, Parameter(group=COMPARE, show_default=False)] = None,
    between: Annotated[tuple[str, str] | None, Parameter(group=COMPARE, show_default=False)] = None,
    settings: ConfigOptions = ConfigOptions(),
    out: Annotated[Path | None, Parameter(group=OUTPUT, show_default=False)] = None,
) -> int:
    """Train, evaluate and draw on generated images: no data and no GPU is needed.

    ```
    mrcnn demo                         # some minutes on two CPU cores
    mrcnn demo --fast                  # the same in a few steps, to see that all of it works
    mrcnn demo --compare compare.png   # trains with and without the edge loss, draws both
    ```

    It generates a small dataset in COCO's format, trains with the edge loss, prints box, mask and
    boundary AP, and draws images, ground truth and predictions side by side (sheet.png), and the
    curve of every loss (losses.png).

    Args:
        fast: A few steps only; what is learned in them is nothing to look at.
        edge: Filters of the edge loss, joined by '+', or 'none'.
        p: Exponent of the edge loss.
        compare: Instead train twice with one seed and schedule, without and with the edge loss, and
            draw this picture: what both find on an image, with the wrong pixels of their masks.
            The image is the one with the median difference of the mask IoU.
        between: Weight files or run folders, the baseline and then the model with the edge loss,
            that --compare takes instead of training.
        out: Folder of the runs, made anew [default: runs/demo, or runs/demo-fast with --fast, or
            runs/demo-compare].
    """
    from mrcnn.cli.evaluate import evaluate
    from mrcnn.cli.train import EdgeOptions, ScheduleOptions, TrainOptions, train
    from mrcnn.data.datasets.toy_sample import generate_sample

    if compare is not None and compare.suffix.lower() != ".png":
        raise InputError(f"--compare must be a .png file, got {compare}")
    if between is not None:
        if compare is None:
            raise InputError("--between needs --compare, the picture to draw")
        return compare_runs(between, compare)
    standard = COMPARED_OUT if compare else FAST_OUT if fast else STANDARD_OUT
    folder = out or standard
    if out is None:
        shutil.rmtree(folder, ignore_errors=True)
    elif out.is_dir() and any(out.iterdir()):
        raise InputError(f"{out} holds files already: choose another --out")
    dataset = generate_sample(SAMPLE_DATASET)

    def run(edge: str, logs: Path) -> int:
        options = TrainOptions(
            edge=EdgeOptions(edge=edge, p=None if edge == "none" else p),
            settings=settings,
            schedule=ScheduleOptions(steps_scale=FAST if fast else 1.0),
            logs=logs,
            no_report=True,  # what follows is the same, on all images
        )
        return train(dataset, options=options)

    if compare is not None:
        runs = (folder / "baseline", folder / "edge")
        code = run("none", runs[0]) or run(edge, runs[1])
        return code or compare_runs((str(runs[0]), str(runs[1])), compare)
    model = ModelOptions(weights=str(folder))
    return (
        run(edge, folder)
        or evaluate(dataset, model=model, limit=16 if fast else None, out=folder / "evaluation")
        or sheet(dataset, model=model, images=3 if fast else 6)
    )


def compare_runs(runs: tuple[str, str], out: Path) -> int:
    """Draw what two trained models find on an image of the built-in sample."""
    from mrcnn.cli.compare import compare
    from mrcnn.data.datasets.toy_sample import generate_sample
    from mrcnn.trained import find_weights, load_model

    models = []
    for weights in runs:
        config = trained_config(ModelOptions(weights=weights))
        config = config.update(IMAGES_PER_GPU=1, GPU_COUNT=1)
        models.append(load_model(config, find_weights(weights)))
    data = open_dataset(generate_sample(SAMPLE_DATASET), "val")
    out.parent.mkdir(parents=True, exist_ok=True)
    print(compare(data, models, out))
    print(f"written: {out}")
    return 0


def sheet(
    dataset: DatasetFolder = None,
    *,
    model: ModelOptions,
    split: str | None = None,
    images: Annotated[int, WHOLE] = 6,
    log: str = "log.csv",
    min_score: float = 0.0,
    color_by: Annotated[Literal["match", "class", "instance"], Parameter(group=PICTURES)] = "match",
    pictures: PictureOptions = PictureOptions(),
    out: Annotated[Path | None, Parameter(group=OUTPUT, show_default=False)] = None,
) -> int:
    """Show what a training run has learned: sheet.png and losses.png.

    sheet.png has a line per image (the image, its ground truth, the prediction), with missed and
    false objects marked; losses.png has the curves of the run's training log. Both go into the run
    folder, or into the folder of --out.

    Args:
        split: Part of the dataset [default: val].
        images: How many.
        log: Training log beside the weights.
        min_score: Leave out predictions of a lower score.
        color_by: What has a color of its own; match is an object and its prediction.
        out: Folder [default: that of the weights].
    """
    from PIL import Image

    from mrcnn.evaluation import detect_dataset
    from mrcnn.report.run_pictures import CELL, MARKS, MATCHES, choose_images, sheet_row
    from mrcnn.trained import find_weights, load_model
    from mrcnn.visualize import picture_sheet, plot_losses

    if images < 1:
        raise InputError(f"--images must be at least 1, got {images}")
    style = pictures.style(color_by, min_score)
    config = trained_config(model).update(IMAGES_PER_GPU=1, GPU_COUNT=1)
    weights = find_weights(model.weights)
    data = open_dataset(dataset, split, usual="val")
    folder = out or weights.parent
    folder.mkdir(parents=True, exist_ok=True)

    detector = load_model(config, weights)
    chosen = choose_images(data, images)
    rows = [
        sheet_row(data, image_id, found, style)
        for image_id, found in detect_dataset(detector, data, chosen)
    ]
    note = MATCHES if color_by == "match" else MARKS
    Image.fromarray(picture_sheet(rows, TITLES, cell=CELL, note=note)).save(folder / "sheet.png")
    plot_losses(weights.parent / log, folder / "losses.png")
    print(f"sheet.png and losses.png are in {folder}")
    return 0
