"""The configuration of a training, from the options of `mrcnn train`."""

import mrcnn.backend  # noqa: F401 (before Keras, see mrcnn.backend.quiet)

# isort: split
from pathlib import Path
from typing import Any

from edge_agreement import MAP_LOSSES
from mrcnn.cli.common import backbone_settings, default_config
from mrcnn.cli.train import TrainOptions
from mrcnn.cli.training.start import start_settings
from mrcnn.config import Config
from mrcnn.config_effects import refuse_idle_for_training
from mrcnn.config_io import load_config, parse_overrides, plain_settings, with_rate
from mrcnn.errors import InputError
from mrcnn.training.checkpoint import stored_config
from mrcnn.training.epochs import in_steps, with_epochs
from mrcnn.training.naming import dataset_name
from mrcnn.training.schedule import parse_schedule

# Settings of a run that --resume may change: what is done when it goes wrong, not what it computes.
MAY_CHANGE = ("ON_NAN", "ON_NAN_LIMIT")


def new_config(options: TrainOptions, folder: Path) -> Config:
    """The configuration of a new run on the dataset in `folder`, as far as it does not depend on
    the number of images.

    Raises:
        InputError: An option cannot be used, or would have no effect.
    """
    config = load_config(options.settings.config or default_config(folder))
    settings = chosen(options)
    needed = start_settings(options.start.weights, config.update(**settings))
    if needed:
        print(f"--weights {options.start.weights} sets {', '.join(needed)}")
    config = config.update(**settings, **{k: v for k, v in needed.items() if k not in settings})
    refuse_idle_for_training(settings, config)
    if "LEARNING_RATE" in settings:
        config = with_rate(config, config.LEARNING_RATE)
    elif "SCHEDULE" in settings and "LEARNING_RATE_BATCH" not in settings:
        config = config.update(LEARNING_RATE_BATCH=None)
    if options.schedule.epochs is not None:
        stages = len(config.SCHEDULE)
        config = with_epochs(config, options.schedule.epochs)
        if len(config.SCHEDULE) < stages:
            kept = ", ".join(f"{layers} at {rate:g}" for layers, _, rate in config.SCHEDULE)
            print(
                f"--epochs {options.schedule.epochs} is less than the {stages} stages of the "
                f"schedule: only the longest, {kept}"
            )
    return config if config.NAME else config.update(NAME=dataset_name(folder))


def for_images(config: Config, images: int, scale: float = 1.0) -> Config:
    """The configuration for so many training images, with all numbers of steps times `scale`."""
    config = in_steps(config, images)
    config = config.update(LEARNING_RATE=config.SCHEDULE[0][2])
    if scale == 1:
        return config
    stages = parse_schedule(config.SCHEDULE, scale)
    return config.update(
        SCHEDULE=[(stage.layers, stage.steps, stage.learning_rate) for stage in stages],
        STEPS_PER_EPOCH=max(10, round(config.STEPS_PER_EPOCH * scale)),
        VALIDATION_STEPS=max(1, round(config.VALIDATION_STEPS * scale)),
        WARMUP_STEPS=round(config.WARMUP_STEPS * scale),
    )


def resumed_config(options: TrainOptions, checkpoint: Path) -> Config:
    """The configuration that the run was started with; arguments may repeat it, not change it.

    Raises:
        InputError: An argument asks for something else.
    """
    told = options.format_options
    for option, given in (
        ("--config", options.settings.config is not None),
        ("--format", options.format != "auto"),
        ("--val-fraction", options.val_fraction is not None),
        *((f"--{n.replace('_', '-')}", v is not None) for n, v in vars(told).items()),
        ("--backbone", options.start.backbone is not None),
        ("--schedule", options.schedule.schedule is not None),
        ("--epochs", options.schedule.epochs is not None),
        ("--steps-scale", options.schedule.steps_scale != 1),
        ("--weights", options.start.weights is not None),
        ("--exclude", options.start.exclude != ""),
    ):
        if given:
            raise InputError(f"--resume goes on as the run was started: leave out {option}")
    config = _run_config(checkpoint)
    started, settings = config.to_dict(), chosen(options)
    for name, value in config.update(**settings).to_dict().items():
        before = started[name]
        # The saved schedule is worked out and scaled already.
        if value != before and name not in ("SCHEDULE", *MAY_CHANGE):
            raise InputError(
                f"--resume goes on as the run was started: {name} was {before}, got {value}"
            )
    # What it started from is in the checkpoint.
    changed = {name: settings[name] for name in MAY_CHANGE if name in settings}
    return config.update(BACKBONE_WEIGHTS=None, **changed)


def _run_config(checkpoint: Path) -> Config:
    """The settings of a run: those of config.yaml in its folder, which must be those of the
    checkpoint; of the checkpoint alone, where the file is gone.

    Raises:
        InputError: They differ, or there are none.
    """
    file, stored = checkpoint.parent / "config.yaml", stored_config(checkpoint)
    if stored is not None and not file.exists():
        print(f"{file} is not there any more; its settings are in {checkpoint}")
        return stored
    config = load_config(file)
    if stored is not None:
        before, now = plain_settings(stored), plain_settings(config)
        changed = [key for key in now if now[key] != before[key] and key not in MAY_CHANGE]
        if changed:
            raise InputError(
                f"{file} was changed since the run was started: {changed[0]} was "
                f"{before[changed[0]]}, found {now[changed[0]]}; put it back, or delete the file, "
                "and the settings come from the checkpoint"
            )
    return config


def chosen(options: TrainOptions) -> dict[str, Any]:
    """Config keys set by arguments.

    Raises:
        InputError: Two arguments set the same.
    """
    settings, edge = parse_overrides(options.settings.set), options.edge
    named_stages = parse_schedule(options.schedule.schedule) if options.schedule.schedule else []
    for key, other in (
        ("SCHEDULE", options.schedule.schedule and "--schedule"),
        ("BACKBONE", options.start.backbone and "--backbone"),
        ("BACKBONE_WEIGHTS", options.start.weights and "--weights"),
        ("SCHEDULE", "LEARNING_RATE" in settings and "LEARNING_RATE: the rates are in SCHEDULE"),
    ):
        if key in settings and other:
            raise InputError(f"{key} cannot be set together with {other}")
    if options.start.backbone is not None:
        settings = {**backbone_settings(options.start.backbone), **settings}
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
        ("ON_NAN", options.on_nan),
    ):
        if value is not None:
            settings[name] = value
    if edge.weight_entropy is not None:
        named = edge.weight_entropy != "none"
        settings["EDGE_LOSS_WEIGHT_ENTROPY"] = edge.weight_entropy if named else None
    if named_stages:
        settings["SCHEDULE"] = [(s.layers, s.steps, s.learning_rate) for s in named_stages]
        settings["SCHEDULE_UNIT"] = "steps"
    return settings


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
