"""What `mrcnn train` does: a configuration from its options, a checked dataset, and the run."""

import mrcnn.backend  # noqa: F401 (before Keras, see mrcnn.backend.quiet)

# isort: split
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from tqdm import tqdm

from edge_agreement import MAP_LOSSES
from mrcnn.backend import device_name, has_accelerator, version
from mrcnn.cli.common import dataset_folder, training_config
from mrcnn.cli.train import TrainOptions
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
from mrcnn.errors import InputError
from mrcnn.model import MaskRCNN
from mrcnn.trained import LOGS, find_weights
from mrcnn.training.checkpoint import find_checkpoints, find_last, read_state
from mrcnn.training.schedule import HEADS, parse_schedule
from mrcnn.weights.loading import read_weights


def run_training(dataset: Path | None, options: TrainOptions) -> int:
    """Train as the options say.

    Args:
        dataset: Folder in COCO's layout; None for COCO in its standard place, or the sample.
        options: Of the command.

    Returns:
        The exit code: 0, or 128 and the number of the signal that stopped it.

    Raises:
        InputError: Options, dataset or weights cannot be used.
    """
    resume = find_last(options.logs or LOGS) if options.resume else None
    state = read_state(resume) if resume else {}
    if resume and not (dataset or "dataset" in state):
        raise InputError(f"{resume} does not say what it was trained on: add --dataset")
    folder = dataset_folder(dataset or (Path(state["dataset"]) if resume else None))
    config = resumed_config(options, resume) if resume else new_config(options, folder)
    has_accelerator()  # TensorFlow looks for devices here, where its messages are held back
    edge_losses(config)  # a filter that does not exist ends here, not after the data is read
    splits, record = open_splits(options, folder, resume, bool(state.get("skip_bad")))
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
    model.set_log_dir(resume.parent if resume else options.logs)
    if not resume:
        if find_checkpoints(model.log_dir):
            raise InputError(
                f"{model.log_dir} already holds a run: add --resume, or choose another --logs"
            )
        load_initial_weights(model, options.start.weights, options.start.exclude)
        # A run of its own, even if the weights are a checkpoint of another one.
        model.set_log_dir(options.logs)
        if options.skip_bad:
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
        workers=options.workers,
        quiet=options.quiet,
    )
    if outcome.signal is not None:
        checkpoint = outcome.checkpoint or resume
        print(f"stopped at step {outcome.step} of {total}, checkpoint: {checkpoint or 'none yet'}")
        if checkpoint:
            print(f"go on with: mrcnn train --resume --logs {model.log_dir}")
        return 128 + outcome.signal
    print(f"done: {outcome.step} steps, weights in {outcome.checkpoint}")
    return 0


def new_config(options: TrainOptions, folder: Path) -> Config:
    """The configuration of a new run."""
    config = training_config(options.settings, folder)
    return scaled(config.update(**chosen(options)), options.schedule.steps_scale)


def resumed_config(options: TrainOptions, checkpoint: Path) -> Config:
    """The configuration that the run was started with; arguments may repeat it, not change it.

    Raises:
        InputError: An argument asks for something else.
    """
    for option, given in (
        ("--config", options.settings.config is not None),
        ("--schedule", options.schedule.schedule is not None),
        ("--steps-scale", options.schedule.steps_scale != 1),
        ("--weights", options.start.weights != "none"),
        ("--exclude", options.start.exclude != ""),
    ):
        if given:
            raise InputError(f"--resume goes on as the run was started: leave out {option}")
    config = load_config(checkpoint.parent / "config.yaml")
    for name, value in config.update(**chosen(options)).to_dict().items():
        before = getattr(config, name)
        # The saved schedule is scaled already.
        if value != before and name != "SCHEDULE":
            raise InputError(
                f"--resume goes on as the run was started: {name} was {before}, got {value}"
            )
    return config


def chosen(options: TrainOptions) -> dict:
    """Config keys set by arguments."""
    settings, edge = parse_overrides(options.settings.set), options.edge
    if edge.edge is not None:
        settings["EDGE_LOSS_FILTERS"] = [] if edge.edge == "none" else edge.edge.split("+")
    for name, value in (
        ("EDGE_LOSS_NORM", edge.p),
        ("EDGE_LOSS_WEIGHT_FACTOR", edge.edge_weight),
        ("EDGE_LOSS_SMOOTHING_GT", edge.smooth_gt),
        ("EDGE_LOSS_SMOOTHING_PREDICTIONS", edge.smooth_pred),
        ("EDGE_LOSS_MAGNITUDE", edge.magnitude),
        ("EDGE_LOSS_PADDING", edge.padding),
        ("SEED", options.seed),
    ):
        if value is not None:
            settings[name] = value
    if edge.weight_entropy is not None:
        named = edge.weight_entropy != "none"
        settings["EDGE_LOSS_WEIGHT_ENTROPY"] = edge.weight_entropy if named else None
    if options.schedule.schedule is not None:
        settings["SCHEDULE"] = [
            (s.layers, s.steps, s.learning_rate) for s in parse_schedule(options.schedule.schedule)
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
    options: TrainOptions, folder: Path, resume: Path | None, skipped_before: bool
) -> tuple[list[CheckedSubset], Record]:
    """The training split, the validation split if there is one, and what was left out of them."""
    names = ["train", "val"]
    if folder.is_dir() and "val" not in find_splits(folder):
        print(f"no validation losses: {folder} has no split val")
        names = ["train"]
    if resume and skipped_before:
        record = load_record(resume.parent)
        return open_as_recorded(folder, names, record, resume.parent / RECORD), record
    if resume and options.skip_bad:
        raise InputError("--resume goes on as the run was started: leave out --skip-bad")
    if options.skip_bad:
        return open_without_bad(folder, names, partial(bar, quiet=options.quiet))
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
