"""The training loop."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras

from mrcnn.backend import expect_retracing, jit_compile, seeded_weights
from mrcnn.config import Config
from mrcnn.errors import InputError
from mrcnn.files.lock import run_lock
from mrcnn.modeling.network import Network
from mrcnn.training.callbacks import Callbacks
from mrcnn.training.checkpoint import (
    KEPT,
    checkpoint_path,
    keep_foreign,
    name_run,
    random_state,
    read_state,
    restore_state,
    run_checkpoints,
    save_checkpoint,
)
from mrcnn.training.gradnorm import GradNorm
from mrcnn.training.logs import RunLog
from mrcnn.training.not_finite import (
    WEIGHTS,
    Event,
    NotFiniteError,
    Statistics,
    keeps_statistics,
    losses_not_finite,
    record,
    weights_finite,
)
from mrcnn.training.optimizer import make_optimizer, warmed_up
from mrcnn.training.schedule import Stage, locate, set_trainable
from mrcnn.training.signals import stopping_signals
from mrcnn.weights.loading import load_weights, to_numpy, weighted_layers

LOG_EVERY = 50


@dataclass(frozen=True)
class Outcome:
    """How a run ended: steps done, the last checkpoint, and whether a signal stopped it."""

    step: int
    checkpoint: Path | None
    signal: int | None


class Trainer:
    """Runs a schedule on a network.

    Batches of different sizes (landscape, portrait) go through models of their own, over the same
    layers and the same optimizer. A stage starts with a new optimizer, as in the original.

    Args:
        network: The network.
        config: The configuration.
        stages: The schedule.
        folder: Run folder for checkpoints and logs.
        quiet: No progress bar.
        callbacks: Called as in `fit`; one that sets `model.stop_training` ends the run.
    """

    def __init__(
        self,
        network: Network,
        config: Config,
        stages: list[Stage],
        folder: str | Path,
        quiet: bool = False,
        callbacks: Sequence[keras.callbacks.Callback] = (),
    ):
        self.network = network
        self.config = config
        self.stages = stages
        self.folder = Path(folder)
        self.total = sum(stage.steps for stage in stages)
        self._quiet = quiet
        self._name = config.NAME or "model"
        self._run = ""
        self._callbacks = Callbacks(callbacks, config.STEPS_PER_EPOCH, self.total)
        self._optimizer: keras.optimizers.Optimizer | None = None
        self._current: keras.Model | None = None
        self._compiled: set[int] = set()
        # Models that have done a step in this stage, and whether the last step was the first of
        # its model, which compiles.
        self._traced: set[int] = set()
        self._first_step = True
        self._gradnorm: GradNorm | None = None
        # Rewinds of this run, and steps left out one after another, see `ON_NAN`.
        self._rewinds = self._left_out = 0
        expect_retracing()

    def run(
        self,
        loader,
        validation=None,
        start: int = 0,
        resume: str | Path | None = None,
        state: dict | None = None,
    ) -> Outcome:
        """Train from the start or from a checkpoint to the end of the schedule, or until a signal
        (see `signals.STOPPING`) or a callback stops it.

        Args:
            loader: `batches(start_step, num_steps)` yields the batches from a global step on.
            validation: The same for validation losses, or None.
            start: Steps that the network has done already; the next one begins a stage.
            resume: Checkpoint to go on from.
            state: JSON values to keep in every checkpoint.

        Raises:
            InputError: The checkpoint does not fit, or a loss is not finite (see `ON_NAN`).
        """
        before = read_state(resume) if resume else {}
        step = before["step"] if resume else start
        if resume and step > self.total:
            raise InputError(
                f"{resume} is of step {step}, but the schedule has {self.total} steps: it is of "
                "another run, or damaged"
            )
        if step >= self.total:
            return Outcome(step, Path(resume) if resume else None, None)
        self._rewinds = before.get("rewinds", 0)
        with run_lock(self.folder):
            while True:
                batches = loader.reordered(self._rewinds) if self._rewinds else loader
                try:
                    return self._run_on(batches, validation, step, resume, before, state)
                except NotFiniteError as error:
                    if self.config.ON_NAN != "rewind" or error.checkpoint is None:
                        raise
                    resume, before = error.checkpoint, read_state(error.checkpoint)
                    step = before["step"]
                    self._rewind(error, step)

    def _rewind(self, error: NotFiniteError, step: int) -> None:
        """Go back to a step after an error, with another order and half the rate."""
        if self._rewinds >= self.config.ON_NAN_LIMIT:
            raise error.beyond(self.config.ON_NAN_LIMIT) from None
        self._rewinds += 1
        self._optimizer = self._current = None
        then = f"back to step {step}, with another order of the images and half the learning rate"
        record(self.folder, error.event, then)
        if not self._quiet:
            print(f"{error.event}: {then} ({self._rewinds} of {self.config.ON_NAN_LIMIT} rewinds)")

    def _run_on(self, loader, validation, step: int, resume, before: dict, state) -> Outcome:
        """Train from `step` on; `before` is the state of the checkpoint `resume`."""
        # It makes the layers, whose names choose what learns; `MaskRCNN` has made this one already.
        with seeded_weights(self.config.SEED):
            self.network.training(self.config.IMAGE_SHAPE)
        self._run = name_run(self.folder, self._name, resume, step)
        log = RunLog(
            self.folder,
            self.total,
            step,
            min(LOG_EVERY, self.config.STEPS_PER_EPOCH),
            self.config.BATCH_SIZE,
            self._quiet,
            more=list(self._loss_weights()),
            interval_state=before.get("interval"),
        )
        saved, saved_at, epoch = None, None, self.config.STEPS_PER_EPOCH
        last = Path(resume) if resume else None
        callbacks, complete = self._callbacks, True
        if "epoch" in before:
            callbacks.restore(before["epoch"])
        try:
            with stopping_signals() as received, loader.batches(step, self.total - step) as batches:
                while step < self.total and not (received or callbacks.stop):
                    try:
                        batch = next(batches)
                    except (InputError, RuntimeError):
                        # Bad data ends a run, but not what it has learnt; and a signal to the whole
                        # process group takes the loader's workers along.
                        if received:
                            break
                        if self._current is not None and saved_at != step:
                            self._save(step, state, log)
                        raise
                    index, inner = locate(self.stages, step)
                    stage = self.stages[index]
                    if self._optimizer is None or inner == 0:
                        self._begin(stage, batch, resume, inner, log)
                        resume = None
                        callbacks.begin(self._model(batch))
                    if before.pop("validate", False):
                        complete = self._end_epoch(step, validation, received, log, state)
                        if not complete:
                            break
                    callbacks.step_begins(step)
                    rate = self._set_rate(stage, step)
                    if self._gradnorm and step % self.config.GRADNORM_EVERY == 0:
                        self._gradnorm.update(self._model(batch), batch)
                    losses = {**self._train_step(batch), **self._loss_weights()}
                    step += 1
                    if bad := losses_not_finite(losses):
                        event = Event(step, bad, tuple(loader.names(batch)))
                        self._leave_out(event, saved or last, log)
                        callbacks.step_left_out(step)
                    else:
                        self._left_out = 0
                        log.step(step, self._stage_name(step), losses, rate, self._first_step)
                        callbacks.step_ends(step, losses)
                    at_epoch = step % epoch == 0
                    at_end = inner + 1 == stage.steps or callbacks.stop
                    # What a checkpoint would keep, and what a stop would.
                    if (at_epoch or at_end or received) and not weights_finite(self._current):
                        event = Event(step, (WEIGHTS,), tuple(loader.names(batch)))
                        raise NotFiniteError(event, saved or last)
                    if at_epoch or at_end:
                        log.flush()
                    if at_epoch or step == self.total or callbacks.stop:
                        complete = self._end_epoch(step, validation, received, log, state)
                    if at_epoch or at_end:
                        with received.saving():
                            saved, saved_at = self._save(step, state, log, complete), step
                        log.restart()
                if received and self._current is not None and saved_at != step:
                    with received.saving():
                        saved = self._save(step, state, log, complete)
            callbacks.end()
        finally:
            log.close()
        stopped = received and step < self.total
        return Outcome(step, saved, received[0] if stopped else None)

    def _leave_out(self, event: Event, checkpoint: Path | None, log: RunLog) -> None:
        """Go on after a step whose update was left out, or raise."""
        if self.config.ON_NAN != "skip":
            raise NotFiniteError(event, checkpoint)
        self._left_out += 1
        if self._left_out > self.config.ON_NAN_LIMIT:
            raise NotFiniteError(event, checkpoint).beyond(self.config.ON_NAN_LIMIT)
        record(self.folder, event, "left out")
        log.message(f"{event}: the step is left out")
        log.step_left_out(event.step)

    def _begin(self, stage: Stage, batch, resume, inner: int, log: RunLog) -> None:
        count = set_trainable(self.network, stage.layers)
        log.message(
            f"stage {stage.layers}: {stage.steps} steps at {stage.learning_rate:g}, "
            f"{count} weights learn; the first step compiles the network and takes longer"
        )
        self._optimizer = make_optimizer(self.config, stage.learning_rate * self._slower())
        self._compiled, self._traced = set(), set()
        if self.config.LOSS_WEIGHTING == "gradnorm":
            self._gradnorm = GradNorm(self.network, self.config)
        self._current = model = self._model(batch)
        if resume:
            load_weights(weighted_layers(model), resume)
            restore_state(resume, model, self._optimizer, with_optimizer=inner > 0)
            # Of a state from before a rewind: it has the rate from before, too.
            rewinds = self._rewinds - read_state(resume).get("rewinds", 0)
            if inner and rewinds:
                rate = float(to_numpy(self._optimizer.learning_rate))
                self._optimizer.learning_rate = rate * 0.5**rewinds

    def _model(self, batch) -> keras.Model:
        model = self.network.training(batch["input_image"].shape[1:3])
        if id(model) not in self._compiled:
            model.compile(optimizer=self._optimizer, jit_compile=jit_compile())
            # The models of several canvases share it; one that scales the loss is built only once.
            if not self._optimizer.built:
                self._optimizer.build(model.trainable_variables)
            self._compiled.add(id(model))
        return model

    def _set_rate(self, stage: Stage, step: int) -> float:
        warmup = self.config.WARMUP_STEPS
        if warmup and step <= warmup:
            rate = stage.learning_rate * self._slower()
            self._optimizer.learning_rate = warmed_up(rate, step, warmup)
        # Not the stage's rate: a callback may have changed it.
        return float(to_numpy(self._optimizer.learning_rate))

    def _slower(self) -> float:
        """Factor of the learning rates after the rewinds so far."""
        return 0.5**self._rewinds

    def _train_step(self, batch) -> dict[str, float]:
        self._current = model = self._model(batch)
        self._first_step = id(model) not in self._traced
        self._traced.add(id(model))
        model.reset_metrics()
        statistics = Statistics(model) if keeps_statistics(self.config) else None
        values = model.train_on_batch(batch, return_dict=True)
        losses = {name: float(value) for name, value in values.items()}
        if statistics and losses_not_finite(losses):
            statistics.restore()
        return losses

    def _loss_weights(self) -> dict[str, float]:
        """The weights of the losses as columns of the log; empty where they are fixed."""
        layer = self.network.builder.layers["losses"]
        return {f"weight_{name}": weight for name, weight in layer.current_weights().items()}

    def _stage_name(self, step: int) -> str:
        """The stage of the step that made `step` steps done, as the log has it."""
        index, _ = locate(self.stages, step - 1)
        return f"{index + 1}-{self.stages[index].layers}"

    def _end_epoch(
        self, step: int, validation, received: list[int], log: RunLog, state: dict | None
    ) -> bool:
        """Validate, and tell the callbacks, which find the checkpoint of the epoch written.

        What they change is in the one that follows.

        Returns:
            False where a signal broke it off: it is due when the run goes on. At the end of the
            schedule it is not broken off, because nothing goes on.
        """
        random = [(variable, to_numpy(variable)) for variable in random_state(self._current)]
        means = self._validate(validation, received if step < self.total else [])
        if means is None:
            for variable, value in random:
                variable.assign(value)
            return False
        if means:
            log.write(step, self._stage_name(step), "val", means)
        logs = self._callbacks.close_epoch(step, means)
        if self._callbacks:
            self._save(step, state, log)
        self._callbacks.epoch_ends(step, logs)
        return True

    def _validate(self, validation, received: list[int]) -> dict[str, float] | None:
        """Mean losses over the first `VALIDATION_STEPS` batches; None after a signal."""
        if validation is None or self.config.VALIDATION_STEPS < 1:
            return {}
        count = min(self.config.VALIDATION_STEPS, len(validation))
        sums: dict[str, float] = {}
        with validation.batches(0, count) as batches:
            for batch in batches:
                if received:
                    return None
                model = self._model(batch)
                model.reset_metrics()
                for name, value in model.test_on_batch(batch, return_dict=True).items():
                    sums[name] = sums.get(name, 0.0) + float(value) / count
        return sums

    def _save(self, step: int, state: dict | None, log: RunLog, complete: bool = True) -> Path:
        """Write a checkpoint, and delete those that are not needed any more.

        Args:
            step: Steps that are done.
            state: JSON values to keep.
            log: Whose unfinished interval is kept.
            complete: The validation of an epoch that ends here was done.
        """
        path = checkpoint_path(self.folder, self._name, step, (state or {}).get("epochs"))
        if aside := keep_foreign(path, self._run):
            log.message(f"{path} is of another run, it is kept as {aside.name}")
        state = {**(state or {}), "run": self._run, "step": step, "rewinds": self._rewinds}
        state |= {
            "interval": log.interval_state(),
            "epoch": self._callbacks.epoch_state(),
            "validate": not complete,
        }
        save_checkpoint(path, self._current, self._optimizer, state)
        ends = list(itertools.accumulate(stage.steps for stage in self.stages))
        own = run_checkpoints(self.folder, self._name, self._run)
        others = [other for other, its_step in own.items() if its_step not in ends]
        for old in others[:-KEPT]:
            if old != path:
                old.unlink()
        return path
