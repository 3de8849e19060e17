"""How much disk a run takes, worked out before it starts."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras

from mrcnn.config import Config
from mrcnn.errors import InputError
from mrcnn.training.checkpoint import FINAL, KEPT, checkpoint_name
from mrcnn.training.naming import safe_name
from mrcnn.training.schedule import Stage
from mrcnn.weights.loading import weighted_layers

# Logs, events and pictures, and the names and headers in weight files.
REST = 50_000_000
# Numbers that an optimizer keeps for each weight.
SLOTS = {"sgd": 1, "adamw": 2}


@dataclass(frozen=True)
class DiskUse:
    """Bytes that a run takes at most.

    Attributes:
        final: Of the weights alone.
        checkpoint: Of a checkpoint in which all layers learn.
        checkpoints: How many are kept: the ends of the stages, and the newest.
    """

    final: int
    checkpoint: int
    checkpoints: int

    @property
    def total(self) -> int:
        """While a checkpoint is written, the one that it replaces is still there."""
        return self.final + self.checkpoint * (self.checkpoints + 1) + REST

    def __str__(self) -> str:
        return (
            f"at most {in_bytes(self.total)}: up to {self.checkpoints} checkpoints of "
            f"{in_bytes(self.checkpoint)} and {FINAL} of {in_bytes(self.final)}"
        )


def disk_use(model: keras.Model, config: Config, stages: Sequence[Stage]) -> DiskUse:
    """What a run of a model with this schedule takes."""
    variables = [v for layer in weighted_layers(model).values() for v in layer]
    final = sum(_bytes(v) for v in variables)
    learning = sum(_bytes(v) for v in variables if v.trainable)
    slots = SLOTS[config.OPTIMIZER] * learning
    saves = sum(stage.steps for stage in stages) // config.STEPS_PER_EPOCH + len(stages)
    return DiskUse(final, final + slots, min(len(stages) + KEPT, saves))


def check_disk(use: DiskUse, folder: str | Path, name: str | None) -> str:
    """One line on what a run takes in `folder` and what is free there.

    Args:
        use: From `disk_use`.
        folder: The run folder, which need not exist yet.
        name: `Config.NAME`; files of other models take room that the run does not get.

    Raises:
        InputError: It does not fit.
    """
    folder = Path(folder).absolute()
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(there).free
    # A run that goes on has part of its files already.
    own = [
        path
        for path in folder.glob("*.h5")
        if path.name == FINAL or checkpoint_name(path) == safe_name(name or "model")
    ]
    present = sum(path.stat().st_size for path in own)
    if free + present < use.total:
        raise InputError(
            f"the disk of {folder} has {in_bytes(free)} free, and the run takes {use}; "
            "free some, or name a folder on another disk with --logs"
        )
    return f"disk: {use}; {in_bytes(free)} are free"


def in_bytes(count: float) -> str:
    """A number of bytes as people say it, in powers of 1000.

    >>> in_bytes(61_500_000), in_bytes(2_340_000_000)
    ('62 MB', '2.3 GB')
    """
    for unit in ("B", "kB", "MB"):
        if count < 999.5:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def _bytes(variable: keras.Variable) -> int:
    # Files hold 32-bit numbers, whatever the layers compute with.
    size = 4
    for side in variable.shape:
        size *= side
    return size
