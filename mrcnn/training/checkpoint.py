"""Checkpoints: a weight file that also holds the optimizer, the random state, the weights of the
losses and the step.

Any reader of weight files reads a checkpoint: what is needed to go on lies in a group of its own.
"""

import itertools
import json
import re
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np

from mrcnn.errors import InputError
from mrcnn.modeling.losses import Losses
from mrcnn.training.naming import safe_name
from mrcnn.weights.loading import save_weights, to_numpy, weighted_layers

STATE = "training_state"
# The weights alone, at the end of a run.
FINAL = "final.h5"
# Checkpoints that are kept beside those of the ends of stages.
KEPT = 2
FILE = re.compile(r"mask_rcnn_(?P<name>.*)_(?P<step>\d+)\.h5")


def checkpoint_path(folder: str | Path, name: str, step: int) -> Path:
    """Where the checkpoint of a step lies."""
    return Path(folder) / f"mask_rcnn_{safe_name(name)}_{step:07d}.h5"


def checkpoint_name(path: str | Path) -> str | None:
    """The name of the model, in lower case, in that of a checkpoint; None for other files."""
    match = FILE.fullmatch(Path(path).name)
    return match["name"] if match else None


def find_checkpoints(folder: str | Path) -> list[Path]:
    """Checkpoints and weight files of a run, oldest step first."""
    files = [(FILE.fullmatch(path.name), path) for path in Path(folder).glob("mask_rcnn_*.h5")]
    return [
        path
        for match, path in sorted(files, key=lambda f: int(f[0]["step"]) if f[0] else -1)
        if match
    ]


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
    names = (path.with_name(f"{path.stem}-{n}{path.suffix}") for n in itertools.count(1))
    free = next(name for name in names if not name.exists())
    return path.rename(free)


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
        state = read_state(path)
        return state if isinstance(state, dict) else {}
    return {}


def find_last(folder: str | Path) -> Path:
    """Newest checkpoint of a run folder, or of the newest run in a folder of runs.

    Raises:
        InputError: There is none.
    """
    for run in _runs(folder):
        found = find_checkpoints(run)
        if found:
            return found[-1]
    raise InputError(f"no checkpoint (mask_rcnn_*.h5) in {folder} or in a folder below it")


def find_trained(folder: str | Path) -> Path:
    """The weights of a run folder, or of the newest run in a folder of runs: `final.h5`, which a
    run writes at its end, else the newest checkpoint.

    Raises:
        InputError: There is neither.
    """
    for run in _runs(folder):
        if (run / FINAL).is_file():
            return run / FINAL
        found = find_checkpoints(run)
        if found:
            return found[-1]
    raise InputError(
        f"neither {FINAL} nor a checkpoint (mask_rcnn_*.h5) in {folder} or in a folder below it"
    )


def _runs(folder: str | Path) -> list[Path]:
    """The folder itself, then those in it, newest first."""
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"folder {folder} does not exist, so there are no weights in it")
    below = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
    return [folder, *(path for path in below if path.is_dir())]


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
    for index, variable in enumerate(optimizer.variables):
        extra[f"{STATE}/optimizer/{index:05d}"] = to_numpy(variable)
    for index, variable in enumerate(random_state(model)):
        extra[f"{STATE}/random/{index:05d}"] = to_numpy(variable)
    for index, variable in enumerate(_loss_state(model)):
        extra[f"{STATE}/losses/{index:05d}"] = to_numpy(variable)
    save_weights(weighted_layers(model), path, extra)


def is_checkpoint(path: str | Path) -> bool:
    """Whether a run can go on from a file, which `load_weights` has read already."""
    with suppress(OSError), h5py.File(path, "r") as file:
        return f"{STATE}/json" in file
    return False


def read_state(path: str | Path) -> dict[str, Any]:
    """The `state` of a checkpoint.

    Raises:
        InputError: The file is no checkpoint of ours.
    """
    try:
        with h5py.File(path, "r") as file:
            return json.loads(bytes(file[f"{STATE}/json"][()]))
    except (OSError, KeyError, ValueError) as error:
        raise InputError(
            f"{path} is no checkpoint that a run can be resumed from: {error}"
        ) from None


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
    """
    with h5py.File(path, "r") as file:
        groups = [("random", random_state(model)), ("losses", _loss_state(model))]
        if with_optimizer:
            groups.append(("optimizer", optimizer.variables))
        for name, variables in groups:
            stored = file.get(f"{STATE}/{name}", {})
            if len(stored) != len(variables):
                raise InputError(
                    f"{path} has {len(stored)} {name} variables, this run has {len(variables)}: "
                    "it was made with another configuration"
                )
            for key, variable in zip(sorted(stored), variables, strict=True):
                variable.assign(stored[key][()])


def random_state(model: keras.Model) -> list[keras.Variable]:
    """The states of the random generators of the layers."""
    return [v for v in model.non_trainable_variables if v.path.endswith("seed_generator_state")]


def _loss_state(model: keras.Model) -> list[keras.Variable]:
    losses = [layer for layer in model.layers if isinstance(layer, Losses)]
    # Not `layer.weights`: the mask losses are layers inside of it.
    return [v for layer in losses for v in layer.balance]
