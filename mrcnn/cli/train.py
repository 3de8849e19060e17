"""`mrcnn train`: its options. What it does with them is in `mrcnn.cli.training.run`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Group, Parameter

from mrcnn.cli.common import (
    FORMAT,
    MODEL,
    OUTPUT,
    WHOLE,
    ConfigOptions,
    DatasetFolder,
    FormatName,
    FormatOptions,
    Quiet,
    Switch,
    Workers,
    refuse_wrong_names,
)

EDGE = Group("Edge agreement loss", sort_key=5)
SCHEDULE = Group("Schedule", sort_key=15)


@Parameter(name="*", group=EDGE)
@dataclass(frozen=True, kw_only=True)
class EdgeOptions:
    """The loss on instance boundaries.

    Attributes:
        edge: 'none', or filters joined by '+', such as sobel, laplace or sobel+laplace; or another
            loss in their place: boundary-dice-bce, boundary-weighted-bce, contour or
            signed-distance.
        p: Exponent of the L^p distance, at least 1 [default: 2].
        edge_weight: Factor of the loss [default: 1].
        smooth_gt: Smooth the true masks with a 3x3 Gaussian.
        smooth_pred: Smooth the predicted masks likewise.
        magnitude: Compare the magnitudes of gradients.
        padding: 'zero' [default], as published, or 'edge': no response at the border of a RoI.
        weight_entropy: Weight the cross entropy of the masks with the edge error instead:
            'product', 'exp4', 'exp16' (the authors'), or 'none' [default].
    """

    edge: str | None = None
    p: float | None = None
    edge_weight: float | None = None
    smooth_gt: bool | None = None
    smooth_pred: bool | None = None
    magnitude: bool | None = None
    padding: str | None = None
    weight_entropy: str | None = None


@Parameter(name="*", group=MODEL)
@dataclass(frozen=True, kw_only=True)
class StartOptions:
    """What a training starts from.

    Attributes:
        weights: A weight file or run folder, of a whole model or a backbone; 'imagenet' for the
            backbone; 'torchvision', 'torchvision-v2' or 'matterport' (or 'coco') for a model of
            COCO; 'last' for the newest run; or 'none' [default: BACKBONE_WEIGHTS of the config].
        backbone: 'mobilenet' (small and fast), 'resnet50', 'resnet101', or any network of
            keras.applications [default: that of the config].
        exclude: Layers, joined by commas, that --weights must not fill.
    """

    weights: str | None = None
    backbone: str | None = None
    exclude: Annotated[str, Parameter(show_default=False)] = ""


@Parameter(name="*", group=SCHEDULE)
@dataclass(frozen=True, kw_only=True)
class ScheduleOptions:
    """How long a training takes.

    Attributes:
        epochs: Passes over the training images; the stages of the schedule keep their shares, and
            with fewer epochs than stages only the longest stages are trained.
        schedule: paper, 120k, 320k or 640k [default: that of the config].
        steps_scale: Factor of all numbers of steps.
    """

    epochs: Annotated[int | None, WHOLE, Parameter(metavar="N")] = None
    schedule: str | None = None
    steps_scale: float = 1.0


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """All options of a training but its dataset.

    Attributes:
        format: Format of the annotations.
        val_fraction: Share of the images for validation, of data without a split for it [default:
            0.15]; 0 trains on all images.
        skip_bad: Leave out images and objects that would be refused; decodes all images first.
        seed: Seed of everything random, the images for validation included [default: 0].
        on_nan: When a loss is NaN or infinite: 'stop', 'skip' the step, or 'rewind' to the last
            checkpoint, with another order of the images and half the rate [default: stop].
        logs: Run folder [default: a new one in runs].
        resume: Go on with the run in --logs, or the newest.
        force: Take a run folder that is locked, where the process that locked it is gone.
        no_report: At the end write final.h5 alone, without scores, curves and pictures.
    """

    edge: EdgeOptions = field(default_factory=EdgeOptions)
    start: StartOptions = field(default_factory=StartOptions)
    schedule: ScheduleOptions = field(default_factory=ScheduleOptions)
    settings: ConfigOptions = field(default_factory=ConfigOptions)
    format: Annotated[FormatName, Parameter(group=FORMAT)] = "auto"
    format_options: FormatOptions = field(default_factory=FormatOptions)
    val_fraction: float | None = None
    skip_bad: Switch = False
    seed: Annotated[int | None, WHOLE] = None
    workers: Workers = 0
    on_nan: Literal["stop", "skip", "rewind"] | None = None
    logs: Annotated[Path | None, Parameter(group=OUTPUT)] = None
    resume: Annotated[bool, Parameter(negative=(), show_default=False, group=OUTPUT)] = False
    force: Annotated[bool, Parameter(negative=(), show_default=False, group=OUTPUT)] = False
    no_report: Annotated[bool, Parameter(negative=(), show_default=False, group=OUTPUT)] = False
    quiet: Quiet = False


def train(dataset: DatasetFolder = None, *, options: TrainOptions = TrainOptions()) -> int:
    """Train Mask R-CNN with the Edge Agreement Head.

    ```
    mrcnn train photos --epochs 20 --backbone resnet50
    mrcnn train --edge sobel --p 2
    ```

    Own data are trained on with the configuration finetune: a MobileNet trained on ImageNet, some
    tens of passes over the images, augmentation. With COCO 2017 in datasets/coco the second line
    runs the schedule of the paper (arXiv 1809.07069, section 4.1): ResNet-101, batch 2, 40k steps
    of the heads, 80k from ResNet stage 4 up, 40k of all layers. Without COCO it trains a small
    network on the built-in sample. Ctrl-C saves a checkpoint; --resume goes on from it.

    What a folder of data is, is found out: COCO's layout or Roboflow's, VIA, labelme, Pascal VOC,
    YOLO, masks, Cityscapes; `mrcnn convert --help` describes them. Data of another format than
    COCO's are written in it into the run folder, as annotations alone. Where they have no split for
    validation, 15 % of the images become one.

    The run folder is named after that of the dataset. At the end it holds final.h5 (the weights
    alone), curves.png (the losses), and for the validation split metrics.json (box, mask and
    boundary AP) and validation.png (images, what is true, and what was found).

    Images are mirrored, as in the paper; the AUGMENT_ keys of the configuration do more, for
    example `--set AUGMENT_ROTATE_90=true "AUGMENT_SCALE=[0.5, 2]"`. `mrcnn browse` shows the
    outcome.

    Before anything is built, the dataset is looked at: every annotation, whether every image file
    is there, and the headers of the image files (of more than 2,000, those of 500). What would end
    the training later, or teach what is not true, is refused: unknown images and categories, ids
    that are not unique, images that are missing, do not open or have another size than annotated,
    coordinates that are odd in number, NaN or far away, objects outside their image, outlines of
    fewer than three points, run-length encodings that do not fit. `mrcnn check` lists all of it,
    and more.

    --skip-bad leaves these images and objects out instead, and decodes all images first, because
    that alone shows the ones that are cut off. What was left out is listed in skipped.json in the
    run folder, and --resume leaves out the same. Parts without an area, and outlines of fewer than
    three points beside good ones, are always left out, and counted.
    """
    from mrcnn.hub.words import WORDS

    if not options.resume:
        refuse_wrong_names(
            dataset,
            options.format,
            options.format_options,
            options.settings,
            options.start.weights,
            WORDS,
        )
    from mrcnn.cli.training.run import run_training

    return run_training(dataset, options)
