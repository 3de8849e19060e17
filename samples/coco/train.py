"""Train Mask R-CNN with the Edge Agreement Head on a COCO-format dataset.

    python samples/coco/train.py --edge sobel --p 2

With COCO 2017 in datasets/coco this is the schedule of the paper (arXiv 1809.07069, section 4.1):
ResNet-101, batch 2, 40k steps of the heads, 80k from ResNet stage 4 up, 40k of all layers. Without
COCO it trains a small network on the built-in sample. Ctrl-C saves a checkpoint; --resume goes on
from it.

Images are mirrored, as in the paper; the AUGMENT_ keys of the configuration do more, for example
--set AUGMENT_ROTATE_90=true "AUGMENT_SCALE=[0.5, 2]". scripts/browse_data.py shows the outcome.

Before anything is built, the dataset is looked at: every annotation, whether every image file is
there, and the headers of the image files (of more than 2,000, those of 500). What would end the
training later, or teach what is not true, is refused: unknown images and categories, ids that are
not unique, images that are missing, do not open or have another size than annotated, coordinates
that are odd in number, NaN or far away, objects outside their image, outlines of fewer than three
points, run-length encodings that do not fit. scripts/check_data.py lists all of it, and more.

--skip-bad leaves these images and objects out instead, and decodes all images first, because that
alone shows the ones that are cut off. What was left out is listed in skipped.json in the run
folder, and --resume leaves out the same. Parts without an area, and outlines of fewer than three
points beside good ones, are always left out, and counted.
"""

import argparse
import signal
import sys
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from common import (
    LOGS,
    add_config_arguments,
    add_data_arguments,
    add_workers_argument,
    dataset_folder,
    device_name,
    find_last,
    find_weights,
    training_config,
    version,
)
from tqdm import tqdm

from edge_agreement import MAP_LOSSES
from mrcnn.config import Config
from mrcnn.config_io import load_config, parse_overrides
from mrcnn.data.checks.coco import CheckedSubset
from mrcnn.data.checks.training import (
    RECORD,
    Record,
    describe,
    load_record,
    open_as_recorded,
    open_checked,
    open_without_bad,
    save_record,
)
from mrcnn.data.datasets.coco_files import find_splits
from mrcnn.edge import edge_losses
from mrcnn.errors import InputError, run_cli
from mrcnn.model import MaskRCNN
from mrcnn.training.checkpoint import find_checkpoints, read_state
from mrcnn.training.schedule import HEADS, SCHEDULES, parse_schedule
from mrcnn.weights.loading import read_weights


def main(argv: list[str] | None = None) -> int:
    """Run the command; `argv` is None for the arguments of the process."""
    args = parse_arguments(argv)
    resume = find_last(args.logs or LOGS) if args.resume else None
    state = read_state(resume) if resume else {}
    if resume and not (args.dataset or "dataset" in state):
        raise InputError(f"{resume} does not say what it was trained on: add --dataset")
    folder = dataset_folder(args.dataset or (Path(state["dataset"]) if resume else None))
    config = resumed_config(args, resume) if resume else new_config(args, folder)
    edge_losses(config)  # a filter that does not exist ends here, not after the data is read
    splits, record = open_splits(args, folder, resume, bool(state.get("skip_bad")))
    train, val = splits[0].dataset, splits[1].dataset if len(splits) > 1 else None
    for split in splits:
        print(f"checked {split.name}: {split.looked_at}")
    for line in describe(record):
        print(line)
    if val is not None and val.class_names != train.class_names:
        only = sorted(set(train.class_names) ^ set(val.class_names))
        raise InputError(
            f"{train.annotation_file} and {val.annotation_file} must have the same categories; "
            f"in one of them alone: {', '.join(only) or 'none, but their order differs'}"
        )
    for reason, count in train.skipped.items():
        print(f"left out of the training data: {count} ({reason})")
    if train.boxes_alone:
        print(f"objects without a mask: {train.boxes_alone}, which the mask and edge losses ignore")
    if not resume:
        config = config.update(NUM_CLASSES=train.num_classes, CLASS_NAMES=list(train.class_names))
    elif list(train.class_names) != config.CLASS_NAMES:
        raise InputError(
            f"the run in {resume.parent} was started on other classes than those of {folder}"
        )

    model = MaskRCNN("training", config, LOGS)
    model.set_log_dir(resume.parent if resume else args.logs)
    if not resume:
        if find_checkpoints(model.log_dir):
            raise InputError(
                f"{model.log_dir} already holds a run: add --resume, or choose another --logs"
            )
        load_initial_weights(model, args.weights, args.exclude)
        # A run of its own, even if the weights are a checkpoint of another one.
        model.set_log_dir(args.logs)
        if args.skip_bad:
            model.log_dir.mkdir(parents=True, exist_ok=True)
            print(f"listed in {save_record(record, model.log_dir)}")
    stages = parse_schedule(state.get("stages", config.SCHEDULE))
    total = sum(stage.steps for stage in stages)
    print(
        f"{version()} on {device_name()}\n"
        f"{config.NAME}: {config.BACKBONE}, {len(train.image_ids)} images, "
        f"{total} steps of {config.BATCH_SIZE}, edge loss: {describe_edge(config)}\n"
        f"run folder: {model.log_dir}"
    )
    outcome = model.run(
        train,
        val,
        stages,
        resume=resume,
        state={"dataset": str(folder.resolve()), "skip_bad": bool(record)},
        workers=args.workers,
        quiet=args.quiet,
    )
    if outcome.signal is not None:
        checkpoint = outcome.checkpoint or resume
        print(f"stopped at step {outcome.step} of {total}, checkpoint: {checkpoint or 'none yet'}")
        if checkpoint:
            print(f"go on with: python samples/coco/train.py --resume --logs {model.log_dir}")
        return 128 + outcome.signal
    print(f"done: {outcome.step} steps, weights in {outcome.checkpoint}")
    return 0


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_data_arguments(parser)
    edge = parser.add_argument_group("edge agreement loss")
    edge.add_argument(
        "--edge",
        help="'none', or filters joined by '+', such as sobel, laplace or sobel+laplace; or "
        f"another loss in their place: {', '.join(MAP_LOSSES)}",
    )
    edge.add_argument(
        "--p", type=float, help="exponent of the L^p distance, at least 1 (default: 2)"
    )
    edge.add_argument("--edge-weight", type=float, help="factor of the loss (default: 1)")
    for name, words in (
        ("--smooth-gt", "smooth the true masks with a 3x3 Gaussian"),
        ("--smooth-pred", "smooth the predicted masks likewise"),
        ("--magnitude", "compare the magnitudes of gradients"),
    ):
        edge.add_argument(name, action=argparse.BooleanOptionalAction, help=words)
    edge.add_argument(
        "--padding",
        help="'zero' (default, as published), or 'edge': no response at the border of a RoI",
    )
    edge.add_argument(
        "--weight-entropy",
        help="weight the cross entropy of the masks with the edge error instead: 'product', "
        "'exp4', 'exp16' (the authors'), or 'none' (default)",
    )
    parser.add_argument(
        "--weights",
        default="none",
        help="start from 'none', a weight file, or 'last' (default: %(default)s)",
    )
    parser.add_argument(
        "--exclude", default="", help="layers, joined by commas, that --weights must not fill"
    )
    add_config_arguments(parser)
    parser.add_argument(
        "--schedule", help=f"one of {', '.join(SCHEDULES)} (default: that of the config)"
    )
    parser.add_argument(
        "--steps-scale", type=float, default=1.0, help="factor of all numbers of steps"
    )
    parser.add_argument("--logs", type=Path, help=f"run folder (default: a new one in {LOGS})")
    parser.add_argument(
        "--resume", action="store_true", help="go on with the run in --logs, or the newest"
    )
    parser.add_argument(
        "--skip-bad",
        action="store_true",
        help="leave out images and objects that would be refused; decodes all images first",
    )
    parser.add_argument("--seed", type=int, help="seed of everything random (default: 0)")
    add_workers_argument(parser)
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    return parser.parse_args(argv)


def new_config(args: argparse.Namespace, folder: Path) -> Config:
    """The configuration of a new run."""
    config = training_config(args.config, folder)
    return scaled(config.update(**chosen(args)), args.steps_scale)


def resumed_config(args: argparse.Namespace, checkpoint: Path) -> Config:
    """The configuration that the run was started with; arguments may repeat it, not change it.

    Raises:
        InputError: An argument asks for something else.
    """
    for option, given in (
        ("--config", args.config is not None),
        ("--schedule", args.schedule is not None),
        ("--steps-scale", args.steps_scale != 1),
        ("--weights", args.weights != "none"),
        ("--exclude", args.exclude != ""),
    ):
        if given:
            raise InputError(f"--resume goes on as the run was started: leave out {option}")
    config = load_config(checkpoint.parent / "config.yaml")
    for name, value in config.update(**chosen(args)).to_dict().items():
        before = getattr(config, name)
        # The saved schedule is scaled already.
        if value != before and name != "SCHEDULE":
            raise InputError(
                f"--resume goes on as the run was started: {name} was {before}, got {value}"
            )
    return config


def chosen(args: argparse.Namespace) -> dict:
    """Config keys set by arguments."""
    settings = parse_overrides(args.set)
    if args.edge is not None:
        settings["EDGE_LOSS_FILTERS"] = [] if args.edge == "none" else args.edge.split("+")
    for name, value in (
        ("EDGE_LOSS_NORM", args.p),
        ("EDGE_LOSS_WEIGHT_FACTOR", args.edge_weight),
        ("EDGE_LOSS_SMOOTHING_GT", args.smooth_gt),
        ("EDGE_LOSS_SMOOTHING_PREDICTIONS", args.smooth_pred),
        ("EDGE_LOSS_MAGNITUDE", args.magnitude),
        ("EDGE_LOSS_PADDING", args.padding),
        ("SEED", args.seed),
    ):
        if value is not None:
            settings[name] = value
    if args.weight_entropy is not None:
        named = args.weight_entropy != "none"
        settings["EDGE_LOSS_WEIGHT_ENTROPY"] = args.weight_entropy if named else None
    if args.schedule is not None:
        settings["SCHEDULE"] = [
            (s.layers, s.steps, s.learning_rate) for s in parse_schedule(args.schedule)
        ]
    return settings


def scaled(config: Config, factor: float) -> Config:
    """All numbers of steps times `factor`."""
    if factor == 1:
        return config
    stages = parse_schedule(config.SCHEDULE, factor)
    return config.update(
        SCHEDULE=[(stage.layers, stage.steps, stage.learning_rate) for stage in stages],
        STEPS_PER_EPOCH=max(10, round(config.STEPS_PER_EPOCH * factor)),
        VALIDATION_STEPS=max(1, round(config.VALIDATION_STEPS * factor)),
        WARMUP_STEPS=round(config.WARMUP_STEPS * factor),
    )


def open_splits(
    args: argparse.Namespace, folder: Path, resume: Path | None, skipped_before: bool
) -> tuple[list[CheckedSubset], Record]:
    """The training split, the validation split if there is one, and what was left out of them."""
    names = ["train", "val"]
    if folder.is_dir() and "val" not in find_splits(folder):
        print(f"no validation losses: {folder} has no split val")
        names = ["train"]
    if resume and skipped_before:
        record = load_record(resume.parent)
        return open_as_recorded(folder, names, record, resume.parent / RECORD), record
    if resume and args.skip_bad:
        raise InputError("--resume goes on as the run was started: leave out --skip-bad")
    if args.skip_bad:
        return open_without_bad(folder, names, partial(bar, quiet=args.quiet))
    return open_checked(folder, names), {}


def bar(images: Iterable, total: int, quiet: bool) -> Iterable:
    """A progress bar over images that are decoded."""
    return tqdm(images, "decoding", total, unit="image", disable=quiet, leave=False)


def load_initial_weights(model: MaskRCNN, weights: str, exclude: str) -> None:
    """Load `--weights`: a whole model, or a file of a backbone alone."""
    if weights == "none":
        if exclude:
            raise InputError("--exclude needs --weights: without these nothing is loaded")
        return
    path = find_weights(weights)
    if any(HEADS.fullmatch(name) for name in read_weights(path, model.layers())):
        model.load_weights(path, exclude=[name for name in exclude.split(",") if name])
    else:
        print(f"{path} holds a backbone alone; the heads start anew\n{model.load_backbone(path)}")


def describe_edge(config: Config) -> str:
    """The edge loss in words."""
    if not config.EDGE_LOSS_FILTERS:
        return "none (the baseline; --edge sobel turns it on)"
    smoothed = [
        name
        for name, on in (
            ("true masks", config.EDGE_LOSS_SMOOTHING_GT),
            ("predictions", config.EDGE_LOSS_SMOOTHING_PREDICTIONS),
        )
        if on
    ]
    filters = "+".join(config.EDGE_LOSS_FILTERS)
    weight = f"weight {config.EDGE_LOSS_WEIGHT_FACTOR:g}"
    if filters in MAP_LOSSES:
        return f"{filters}, {weight}"
    parts = [filters, f"p = {config.EDGE_LOSS_NORM:g}", weight]
    parts += [f"smoothed {' and '.join(smoothed)}"] if smoothed else []
    parts += ["magnitudes"] if config.EDGE_LOSS_MAGNITUDE else []
    parts += ["normalised kernels"] if config.EDGE_LOSS_NORMALIZE else []
    parts += ["edge padding"] if config.EDGE_LOSS_PADDING == "edge" else []
    if config.EDGE_LOSS_WEIGHT_ENTROPY:
        parts.append(f"as weight of the cross entropy ({config.EDGE_LOSS_WEIGHT_ENTROPY})")
    return ", ".join(parts)


if __name__ == "__main__":
    # A second Ctrl-C during a save ends the run at once.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(run_cli(main))
