"""What `mrcnn train` does: a configuration from its options, a checked dataset, and the run."""

import mrcnn.backend  # noqa: F401 (before Keras, see mrcnn.backend.quiet)

# isort: split
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mrcnn.backend import device_name, version
from mrcnn.cli.common import dataset_folder
from mrcnn.cli.train import TrainOptions
from mrcnn.cli.training.config import describe_edge, for_images, new_config, resumed_config
from mrcnn.cli.training.data import open_splits, resumed_data, training_data, written_for
from mrcnn.cli.training.start import load_start
from mrcnn.config import Config
from mrcnn.data.checks.training import describe, save_record
from mrcnn.data.reading.header import allow_pixels
from mrcnn.edge import edge_losses
from mrcnn.errors import InputError
from mrcnn.files.lock import run_lock
from mrcnn.finish import RunEnd, Validation, save_final, write_report
from mrcnn.hub.words import NONE
from mrcnn.model import MaskRCNN
from mrcnn.trained import LOGS
from mrcnn.training.checkpoint import find_checkpoints, find_last, read_state
from mrcnn.training.disk import check_disk, disk_use
from mrcnn.training.frozen import refuse_frozen
from mrcnn.training.naming import new_run_folder
from mrcnn.training.schedule import Stage, parse_schedule


def run_training(dataset: Path | None, options: TrainOptions) -> int:
    """Train as the options say.

    Args:
        dataset: Of any format; None for COCO in its standard place, or the sample.
        options: Of the command.

    Returns:
        The exit code: 0, or 128 and the number of the signal that stopped it.

    Raises:
        InputError: Options, dataset or weights cannot be used.
    """
    resume = find_last(options.logs or LOGS) if options.resume else None
    state = read_state(resume) if resume else {}
    source = resumed_data(dataset, resume, state) if resume else dataset_folder(dataset)
    config = resumed_config(options, resume) if resume else new_config(options, source)
    allow_pixels(config.IMAGE_MAX_PIXELS)
    edge_losses(config)  # a filter that does not exist ends here, not after the data is read
    run = resume.parent if resume else new_folder(options.logs, config)
    with run_lock(run, options.force):
        return _run_in(run, source, config, options, resume, state)


def _run_in(
    run: Path,
    source: Path,
    config: Config,
    options: TrainOptions,
    resume: Path | None,
    state: dict[str, Any],
) -> int:
    """Train in a run folder that no other process uses; `state` is that of the checkpoint
    `resume`.
    """
    folder = source if resume else training_data(source, run, options, config.SEED)
    with written_for(source, folder, run):
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
        config = for_images(config, len(train.image_ids), options.schedule.steps_scale)
    elif list(train.class_names) != config.CLASS_NAMES:
        raise InputError(
            f"the run in {resume.parent} was started on other classes than those of {folder}"
        )

    stages = parse_schedule(state.get("stages", config.SCHEDULE))
    model = resumed_model(config, resume) if resume else new_model(options, config, stages, run)
    disk = check_disk(disk_use(model.keras_model, config, stages), model.log_dir, config.NAME)
    if options.skip_bad and not resume:
        Path(model.log_dir).mkdir(parents=True, exist_ok=True)
        print(f"listed in {save_record(record, Path(model.log_dir))}")
    random = state.get("backbone_random", bool(not resume and model.random_start.layers()))
    end = RunEnd(sum(stage.steps for stage in stages), stages, len(train.image_ids), random)
    print(
        f"{version()} on {device_name()}\n"
        f"{config.NAME}: {config.BACKBONE}, {end.images} images, "
        f"{end.steps} steps of {config.BATCH_SIZE}, edge loss: {describe_edge(config)}\n"
        f"run folder: {model.log_dir}\n{disk}"
    )
    outcome = model.run(
        train,
        val,
        stages,
        resume=resume,
        state={
            "dataset": str(folder.resolve()),
            "source": state.get("source", str(source.resolve())),
            "skip_bad": bool(record),
            "backbone_random": random,
        },
        workers=options.workers,
        quiet=options.quiet,
    )
    if outcome.signal is not None:
        checkpoint = outcome.checkpoint or resume
        print(
            f"stopped at step {outcome.step} of {end.steps}, checkpoint: {checkpoint or 'none yet'}"
        )
        if checkpoint:
            print(f"go on with: mrcnn train --resume --logs {model.log_dir}")
        return 128 + outcome.signal
    if resume and outcome.checkpoint == resume:
        model.load_weights(resume, verbose=False)  # there was nothing left to do
    final = save_final(model)
    print(f"done: {outcome.step} steps, weights in {final}")
    if not options.no_report:
        validation = Validation(val, splits[1].content) if val is not None else None
        write_report(final, model.config, end, validation, options.quiet)
    return 0


def new_model(
    options: TrainOptions, config: Config, stages: Sequence[Stage], folder: Path
) -> MaskRCNN:
    """A model with what it starts from, in the folder of a new run.

    Raises:
        InputError: The weights cannot be had or do not fit, or a stage would freeze a backbone
            that is random.
    """
    # Loaded with a report, and not once more by a run that goes on.
    start = options.start.weights or config.BACKBONE_WEIGHTS
    model = MaskRCNN("training", config.update(BACKBONE_WEIGHTS=None), LOGS)
    load_start(model, start, [name for name in options.start.exclude.split(",") if name])
    if options.start.weights != NONE:
        refuse_frozen(model.random_start, stages)
    # A run of its own, even if the weights are a checkpoint of another one.
    model.set_log_dir(folder)
    return model


def new_folder(chosen: Path | None, config: Config) -> Path:
    """The folder of a new run: the one that was chosen, or one named after the dataset.

    Raises:
        InputError: It has a run already.
    """
    folder = chosen or new_run_folder(LOGS, config.NAME)
    if find_checkpoints(folder):
        raise InputError(f"{folder} already holds a run: add --resume, or choose another --logs")
    return folder


def resumed_model(config: Config, checkpoint: Path) -> MaskRCNN:
    """A model in the folder of the run that goes on; the run loads the checkpoint."""
    model = MaskRCNN("training", config, LOGS)
    model.set_log_dir(checkpoint.parent)
    return model
