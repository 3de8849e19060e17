"""Checkpoints: a weight file that also holds the optimizer, the random state, the weights of the
losses and the step.

Any reader of weight files reads a checkpoint: what is needed to go on lies in a group of its own.
"""

import json
import re
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

import keras
import numpy as np

from mrcnn.config import Config
from mrcnn.errors import InputError, MissingFileError
from mrcnn.modeling.losses import Losses
from mrcnn.training.epochs import EpochCount
from mrcnn.training.naming import safe_name, set_aside
from mrcnn.training.optimizer import stored_variables
from mrcnn.weights.guard import opened
from mrcnn.weights.loading import save_weights, to_numpy, weighted_layers
from mrcnn.weights.run_state import STATE, assign_stored, read_run_state

# The weights alone, at the end of a run.
FINAL = "final.h5"
# Checkpoints that are kept beside those of the ends of stages.
KEPT = 2
# Four digits count epochs, as in the original; seven count steps.
FILE = re.compile(r"mask_rcnn_(?P<name>.*)_(?P<number>\d+)\.h5")
EPOCH_DIGITS, STEP_DIGITS = 4, 7
# Folders of runs end with the time of their start.
STARTED = r"\d{8}T\d{4}(\d{2})?(-\d+)?"


def checkpoint_path(
    folder: str | Path, name: str, step: int, epochs: dict[str, int] | None = None
) -> Path:
    """Where the checkpoint of a step lies.

    Args:
        folder: The run folder.
        name: Of the model.
        step: The step.
        epochs: The fields of an `EpochCount` where the run is counted in epochs: the name of a
            checkpoint at the end of one has its number in place of the step.
    """
    number = f"{step:0{STEP_DIGITS}d}"
    if epochs:
        done, beyond = EpochCount(**epochs).at(step)
        number = number if beyond else f"{done:0{EPOCH_DIGITS}d}"
    return Path(folder) / f"mask_rcnn_{safe_name(name)}_{number}.h5"


def checkpoint_name(path: str | Path) -> str | None:
    """The name of the model, in lower case, in that of a checkpoint; None for other files."""
    match = FILE.fullmatch(Path(path).name)
    return match["name"] if match else None


def epochs_in_name(path: str | Path) -> int | None:
    """The epochs of a checkpoint of the original, `coco20171029T2315/mask_rcnn_coco_0005.h5`; None
    for other files.
    """
    match = FILE.fullmatch(Path(path).name)
    original = match and len(match["number"]) == EPOCH_DIGITS
    if original and re.fullmatch(f".*{STARTED}", Path(path).absolute().parent.name):
        return int(match["number"])
    return None


def find_checkpoints(folder: str | Path) -> list[Path]:
    """Checkpoints and weight files of a run, those that are trained least first."""
    files = [path for path in Path(folder).glob("mask_rcnn_*.h5") if FILE.fullmatch(path.name)]
    in_epochs = any(len(FILE.fullmatch(path.name)["number"]) < STEP_DIGITS for path in files)
    return sorted(files, key=lambda path: (*_progress(path, in_epochs), path.name))


def _progress(path: Path, in_epochs: bool) -> tuple[int, int]:
    """The step of a checkpoint and 0; where others in its folder count epochs, its epochs and the
    steps of the next one.
    """
    number = FILE.fullmatch(path.name)["number"]
    if not in_epochs or len(number) < STEP_DIGITS:
        return int(number), 0
    epochs = _state(path).get("epochs")
    return EpochCount(**epochs).at(int(number)) if epochs else (0, int(number))


def run_checkpoints(folder: str | Path, name: str, run: str) -> dict[Path, int]:
    """The checkpoints in a folder that a run has written, with the steps of their states, oldest
    first. Whatever else lies there is not among them: files of other models or runs, and weights
    without a state.

    Args:
        folder: The folder.
        name: Of the model.
        run: What its checkpoints have as "run" in their states.
    """
    steps = {
        path: int(state["step"])
        for path, state in _states(folder, name).items()
        if state.get("run") == run
    }
    return dict(sorted(steps.items(), key=lambda item: item[1]))


def name_run(folder: str | Path, name: str, resume: str | Path | None, start: int) -> str:
    """What marks the checkpoints of a run: as in the one that it goes on from, which is `resume` or
    one in the folder after `start` steps; else a new text.
    """
    state = read_state(resume) if resume else {}
    if start and not resume:
        states = _states(folder, name).values()
        state = next((state for state in states if state["step"] == start), {})
    return str(state.get("run") or uuid.uuid4().hex)


def keep_foreign(path: str | Path, run: str) -> Path | None:
    """Give a file that is no checkpoint of a run another name, such as `mask_rcnn_a_0000100-1.h5`,
    where the run wants to write its own; returns that name, None where nothing was in the way.
    """
    path = Path(path)
    if not path.exists() or _state(path).get("run") == run:
        return None
    return set_aside(path)


def _states(folder: str | Path, name: str) -> dict[Path, dict[str, Any]]:
    """The states of all checkpoints of models with this name."""
    states = {
        path: _state(path)
        for path in find_checkpoints(folder)
        if checkpoint_name(path) == safe_name(name)
    }
    return {path: state for path, state in states.items() if "step" in state}


def _state(path: Path) -> dict[str, Any]:
    """The state of a checkpoint; empty for other files."""
    with suppress(InputError):
        return read_state(path)
    return {}


def find_last(folder: str | Path, name: str | None = None, run_name: str | None = None) -> Path:
    """Newest checkpoint of a run folder, or of the run in a folder of runs whose checkpoints are
    the newest.

    Args:
        folder: Of a run or of runs.
        name: Of the model whose checkpoints count; None for all.
        run_name: Of the runs that count, which is in the names of their folders; None for all.

    Raises:
        MissingFileError: There is none.
    """
    runs, of_run = [], f"{safe_name(name or '')}_{safe_name(run_name or '')}_{STARTED}"
    for run in _runs(folder):
        if run_name and not re.fullmatch(of_run, run.name):
            continue
        found = [
            path
            for path in find_checkpoints(run)
            if name is None or safe_name(checkpoint_name(path) or "") == safe_name(name)
        ]
        if found:
            runs.append((_age(found), run.name, found[-1]))
    if runs:
        return max(runs)[-1]
    pattern = f"mask_rcnn_{safe_name(name) if name else ''}*.h5"
    raise MissingFileError(f"no checkpoint ({pattern}) in {folder} or in a folder below it")


def find_trained(folder: str | Path) -> Path:
    """The weights of a run folder, or of the run in a folder of runs whose files are the newest:
    `final.h5`, which a run writes at its end, else the newest checkpoint.

    Raises:
        MissingFileError: There is neither.
    """
    runs = []
    for run in _runs(folder):
        final = [run / FINAL] if (run / FINAL).is_file() else []
        found = [*find_checkpoints(run), *final]
        if found:
            runs.append((_age(found), run.name, found[-1]))
    if runs:
        return max(runs)[-1]
    raise MissingFileError(
        f"neither {FINAL} nor a checkpoint (mask_rcnn_*.h5) in {folder} or in a folder below it"
    )


def _age(files: list[Path]) -> float:
    """When the newest file was written. Not when the folder was changed: any file in it may be."""
    return max(path.stat().st_mtime for path in files)


def _runs(folder: str | Path) -> list[Path]:
    """The folder itself, and those in it."""
    folder = Path(folder)
    if not folder.is_dir():
        raise MissingFileError(f"folder {folder} does not exist, so there are no weights in it")
    return [folder, *(path for path in folder.iterdir() if path.is_dir())]


def save_checkpoint(
    path: str | Path,
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    state: dict[str, Any],
) -> None:
    """Write weights, optimizer, random state, the weights of the losses and `state` (JSON: the step
    and what the run was started with).
    """
    extra: dict[str, Any] = {f"{STATE}/json": np.frombuffer(json.dumps(state).encode(), np.uint8)}
    for index, variable in enumerate(stored_variables(optimizer)):
        extra[f"{STATE}/optimizer/{index:05d}"] = to_numpy(variable)
    for index, variable in enumerate(random_state(model)):
        extra[f"{STATE}/random/{index:05d}"] = to_numpy(variable)
    for index, variable in enumerate(_loss_state(model)):
        extra[f"{STATE}/losses/{index:05d}"] = to_numpy(variable)
    save_weights(weighted_layers(model), path, extra)


def is_checkpoint(path: str | Path) -> bool:
    """Whether a run can go on from a file, which `load_weights` has read already."""
    with suppress(InputError), opened(path) as file:
        return STATE in file and "json" in file[STATE]
    return False


def read_state(path: str | Path) -> dict[str, Any]:
    """The `state` of a checkpoint.

    Raises:
        InputError: The file is no checkpoint of ours, or damaged.
    """
    return read_run_state(path)


def stored_config(path: str | Path) -> Config | None:
    """The settings of its run that a checkpoint holds; None where there are none, as in other
    files.

    Raises:
        InputError: They cannot be used.
    """
    settings = _state(Path(path)).get("settings")
    try:
        return None if settings is None else Config().update(**settings)
    except InputError as error:
        raise InputError(f"the settings in {path}: {error}") from None


def restore_state(
    path: str | Path,
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    with_optimizer: bool = True,
) -> None:
    """Set the optimizer, the random state and the weights of the losses from a checkpoint; the
    weights of the network are loaded as from any weight file.

    Args:
        with_optimizer: False at the start of a stage, whose optimizer is new.

    Raises:
        InputError: The checkpoint is of another configuration, or damaged.
    """
    groups = {"random": random_state(model), "losses": _loss_state(model)}
    if with_optimizer:
        groups["optimizer"] = stored_variables(optimizer)
    assign_stored(path, groups)


def random_state(model: keras.Model) -> list[keras.Variable]:
    """The states of the random generators of the layers."""
    return [v for v in model.non_trainable_variables if v.path.endswith("seed_generator_state")]


def _loss_state(model: keras.Model) -> list[keras.Variable]:
    losses = [layer for layer in model.layers if isinstance(layer, Losses)]
    # Not `layer.weights`: the mask losses are layers inside of it.
    return [v for layer in losses for v in layer.balance]
