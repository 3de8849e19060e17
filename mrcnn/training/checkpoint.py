"""Checkpoints: a weight file that also holds the optimizer, the random state, the weights of the
losses and the step.

Any reader of weight files reads a checkpoint: what is needed to go on lies in a group of its own.
"""

import json
import re
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
    for index, variable in enumerate(_random_state(model)):
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
        groups = [("random", _random_state(model)), ("losses", _loss_state(model))]
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


def _random_state(model: keras.Model) -> list[keras.Variable]:
    return [v for v in model.non_trainable_variables if v.path.endswith("seed_generator_state")]


def _loss_state(model: keras.Model) -> list[keras.Variable]:
    losses = [layer for layer in model.layers if isinstance(layer, Losses)]
    # Not `layer.weights`: the mask losses are layers inside of it.
    return [v for layer in losses for v in layer.balance]
