"""Keras callbacks in the training loop."""

import importlib.util
import math
from collections.abc import Sequence
from typing import Any

import keras

from mrcnn.errors import InputError


class Callbacks:
    """Calls `keras.callbacks.Callback`s as `fit` does.

    Epochs are counted from 0, over all steps that the network has done. A step's logs are its own
    losses; those of an epoch are the means over its steps and, with "val_" in front, over the
    validation.

    Args:
        callbacks: What to call.
        epoch: Steps in an epoch.
        total: Steps in the whole run.

    Raises:
        InputError: Something else is among the callbacks, or one whose package is missing.
    """

    def __init__(self, callbacks: Sequence[keras.callbacks.Callback], epoch: int, total: int):
        for callback in callbacks:
            if not isinstance(callback, keras.callbacks.Callback):
                raise InputError(
                    "custom_callbacks must be instances of keras.callbacks.Callback, "
                    f"got {callback!r}"
                )
            if isinstance(callback, keras.callbacks.TensorBoard) and not _has("tensorboard"):
                raise InputError(
                    "keras.callbacks.TensorBoard needs the package tensorboard: pip install "
                    "tensorboard, or leave it out: the run folder has the losses as events already"
                )
        self._epoch = epoch
        self._list = keras.callbacks.CallbackList(
            list(callbacks), epochs=math.ceil(total / epoch), steps=epoch, verbose=0
        )
        self._model: keras.Model | None = None
        # Of the steps of this epoch.
        self._sums: dict[str, float] = {}
        self._steps = 0
        self._begun = False

    def epoch_state(self) -> dict[str, Any]:
        """What an epoch that has not ended has added up, as JSON values, for a checkpoint."""
        return {"steps": self._steps, "sums": self._sums}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on within the epoch of an `epoch_state`."""
        self._steps, self._sums = state["steps"], dict(state["sums"])

    @property
    def stop(self) -> bool:
        """Whether one of them has set `model.stop_training`."""
        return self._model is not None and self._model.stop_training

    def begin(self, model: keras.Model) -> None:
        """Begin a stage: the optimizer of `model` is the one in use from now on."""
        first, self._model = self._model is None, model
        model.stop_training = False
        self._list.set_model(model)
        if first:
            self._list.on_train_begin()

    def step_begins(self, step: int) -> None:
        """Take note that the step after `step` steps begins."""
        self._begin_epoch(step // self._epoch)
        self._list.on_train_batch_begin(step % self._epoch)

    def step_ends(self, step: int, losses: dict[str, float]) -> None:
        """Take the losses of the step that made `step` steps done."""
        for name, value in losses.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        self._steps += 1
        self._list.on_train_batch_end((step - 1) % self._epoch, losses)

    def step_left_out(self, step: int) -> None:
        """Take note that the step that made `step` steps done changed nothing."""
        self._list.on_train_batch_end((step - 1) % self._epoch, {})

    def __bool__(self) -> bool:
        """Whether there is one."""
        return bool(self._list.callbacks)

    def close_epoch(self, step: int, validation: dict[str, float]) -> dict[str, float]:
        """End the sums of the epoch of the last step, so that the next one starts with none.

        Args:
            step: Steps that are done.
            validation: The mean losses of the validation.

        Returns:
            The logs of the epoch, for `epoch_ends`.
        """
        self._begin_epoch((step - 1) // self._epoch)
        # None where every step of it was left out.
        logs = {name: total / self._steps for name, total in self._sums.items()}
        logs.update({f"val_{name}": value for name, value in validation.items()})
        self._sums, self._steps, self._begun = {}, 0, False
        return logs

    def epoch_ends(self, step: int, logs: dict[str, float]) -> None:
        """Tell that the epoch of the last step has ended."""
        self._list.on_epoch_end((step - 1) // self._epoch, logs)

    def _begin_epoch(self, number: int) -> None:
        if not self._begun:
            self._begun = True
            self._list.on_epoch_begin(number)

    def end(self) -> None:
        """End the run."""
        if self._model is not None:
            self._list.on_train_end()


def _has(package: str) -> bool:
    return importlib.util.find_spec(package) is not None
