"""Losses that are not finite: what is said of them, and what a run does then."""

import math
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from mrcnn.config import Config
from mrcnn.errors import InputError
from mrcnn.files.rows import Rows
from mrcnn.weights.loading import to_numpy

RECORD = "not_finite.csv"
COLUMNS = ("step", "losses", "images", "then")
# In the place of losses: a step may give finite losses and gradients that are not.
WEIGHTS = "weights"
# Every row of a record stays, whatever step the run goes back to.
ALL = 2**62


@dataclass(frozen=True)
class Event:
    """A step whose losses, or the weights after it, are not finite.

    Attributes:
        step: Steps that are done with it.
        losses: The names of the losses, or `WEIGHTS`.
        images: Ids and files of the images of its batch.
    """

    step: int
    losses: tuple[str, ...]
    images: tuple[str, ...] = ()

    def __str__(self) -> str:
        shown = f" (images {', '.join(self.images)})" if self.images else ""
        return f"{', '.join(self.losses)} not finite at step {self.step}{shown}"


class NotFiniteError(InputError):
    """A run cannot go on after an event.

    Attributes:
        event: It.
        checkpoint: The last one, from before; None where there is none.
    """

    def __init__(self, event: Event, checkpoint: Path | None, limit: int | None = None):
        more = f", more than ON_NAN_LIMIT ({limit}) allows" if limit is not None else ""
        kept = f"the last checkpoint is {checkpoint}" if checkpoint else "there is no checkpoint"
        hint = "" if limit is not None else "; --on-nan skip leaves such steps out"
        super().__init__(
            f"{event}{more}: lower the learning rate, and check the boxes and class ids of the "
            f"data; {kept}{hint}"
        )
        self.event, self.checkpoint = event, checkpoint

    def beyond(self, limit: int) -> "NotFiniteError":
        """The same after as many events as a limit allows."""
        return NotFiniteError(self.event, self.checkpoint, limit)


def losses_not_finite(losses: dict[str, float]) -> tuple[str, ...]:
    """The names of the losses that are NaN or infinite."""
    return tuple(name for name, value in losses.items() if not math.isfinite(value))


def weights_finite(model: keras.Model) -> bool:
    """Whether all weights are."""
    return all(np.isfinite(to_numpy(variable)).all() for variable in model.trainable_variables)


class Statistics:
    """The means and variances that layers keep of what passes through them: a step whose update is
    left out has changed them all the same.
    """

    def __init__(self, model: keras.Model):
        self._kept = [
            (variable, to_numpy(variable))
            for variable in model.non_trainable_variables
            if "moving_" in variable.path
        ]

    def restore(self) -> None:
        """Set them as they were."""
        for variable, value in self._kept:
            variable.assign(value)


def keeps_statistics(config: Config) -> bool:
    """Whether the statistics must be kept before every step: where bad steps are left out, and
    batches change them.
    """
    return config.ON_NAN == "skip" and config.TRAIN_BN is not False


def record(folder: Path, event: Event, then: str) -> None:
    """Add an event, and what the run did then, to the record of a run."""
    path = folder / RECORD
    Rows(path, COLUMNS, start=ALL if path.is_file() else 0).add(
        {
            "step": event.step,
            "losses": " ".join(event.losses),
            "images": ", ".join(event.images),
            "then": then,
        }
    )
