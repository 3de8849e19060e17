"""The data of a training: found out, written in COCO's format where need be, and checked."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mrcnn.cli.common import progress_bar
from mrcnn.cli.train import TrainOptions
from mrcnn.data.checks.coco import CheckedSubset
from mrcnn.data.checks.training import (
    RECORD,
    Record,
    load_record,
    open_as_recorded,
    open_checked,
    open_without_bad,
)
from mrcnn.data.conversion.convert import VAL_FRACTION, training_folder
from mrcnn.data.datasets.coco_files import find_splits
from mrcnn.errors import InputError

# In the run folder, for data of another format and for those that are divided here.
WRITTEN = "dataset"


def training_data(source: Path, run: Path, options: TrainOptions, seed: int) -> Path:
    """Return a folder of COCO's format for the data of a new run, and print what was written.

    Args:
        source: The data, of any format.
        run: The run folder.
        options: Of the command.
        seed: Draws the images for validation.

    Raises:
        InputError: The data are of no format, cannot be read or cannot be divided.
    """
    folder, written = training_folder(
        source,
        run / WRITTEN,
        progress_bar("reading", options.quiet),
        options.format,
        options.format_options.of_format(),
        options.val_fraction,
        seed,
    )
    if written is None:
        return folder
    print(f"{written.source}\n{written.table()}")
    for note in written.notes:
        print(note)
    if written.divided:
        share = VAL_FRACTION if options.val_fraction is None else options.val_fraction
        print(
            f"{share:.0%} of the images are for validation, drawn by --seed {seed}; "
            "--val-fraction sets another share, 0 trains on all images"
        )
    print(f"annotations for this run: {folder} (the images stay where they are)")
    return folder


@contextmanager
def written_for(source: Path, folder: Path, run: Path) -> Iterator[None]:
    """Where annotations that were written for a new run are refused, remove them, and name in the
    error the data that they were written from.

    Args:
        source: The data, of any format.
        folder: From `training_data`.
        run: The run folder.
    """
    try:
        yield
    except InputError as error:
        if folder != run / WRITTEN:
            raise
        shutil.rmtree(folder)
        with suppress(OSError):  # It may have been there, with other files in it.
            run.rmdir()
        raise InputError(str(error).replace(str(folder), str(source))) from None


def resumed_data(dataset: Path | None, checkpoint: Path, state: dict[str, Any]) -> Path:
    """Return the folder of the data of a run that goes on.

    Args:
        dataset: What the command line names; None for what the run was started on.
        checkpoint: That it goes on from.
        state: Of this.

    Raises:
        InputError: Neither says what the run was trained on, or `dataset` is a run folder.
    """
    if dataset is not None and (dataset / "config.yaml").is_file():
        raise InputError(
            f"{dataset} is a run folder, not a dataset: mrcnn train --resume --logs {dataset}"
        )
    started_on = state.get("source", state.get("dataset"))
    if dataset is None and started_on is None:
        raise InputError(f"{checkpoint} does not say what it was trained on: add --dataset")
    written = checkpoint.parent / WRITTEN
    if dataset is None or str(dataset.resolve()) == started_on:
        return written if written.is_dir() else Path(state["dataset"])
    return dataset


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
        return open_without_bad(folder, names, progress_bar("decoding", options.quiet))
    return open_checked(folder, names), {}
