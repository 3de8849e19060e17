"""What a run tells: a progress bar or lines, a CSV file, and TensorBoard events."""

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.summary import scalar
from tqdm import tqdm

from mrcnn.constants import LOSS_NAMES
from mrcnn.files.rows import Rows
from mrcnn.training.naming import set_aside
from mrcnn.training.progress import Clock, in_words

COLUMNS = ("step", "stage", "split", "loss", *LOSS_NAMES, "learning_rate")
SPEED = ("step", "images_per_second")
SHORT = dict(
    zip(
        ("loss", *LOSS_NAMES),
        ["loss", "rpn_cls", "rpn_box", "cls", "box", "mask", "edge"],
        strict=True,
    )
)


# After so many measured steps a run says how long it will take.
SAID_AFTER = 10
# Without tqdm's own estimate, which counts the compilation of the first step.
BAR = "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}{postfix}]"


class RunLog:
    """Collects the losses of steps and writes their means.

    On a terminal a progress bar shows them; elsewhere (a file, a pipe, a notebook) there is a line
    an interval.

    Args:
        folder: Run folder. `log.csv` there is continued, and so is `speed.csv`, which holds what
            differs from one run of a training to the next. Where `start` is 0 a log that is there
            is that of another run, and kept as `log-1.csv`.
        total: Steps of the whole run.
        start: Steps that are already done.
        interval: Steps per row.
        batch_size: Images per step.
        quiet: Neither bar nor lines.
        more: Names of further columns.
        bar: Show a bar rather than lines; None does so on a terminal.
        clock: Measures the steps.
        interval_state: From `interval_state` of the log that this one goes on from.
    """

    def __init__(
        self,
        folder: Path,
        total: int,
        start: int,
        interval: int,
        batch_size: int,
        quiet: bool = False,
        more: Sequence[str] = (),
        bar: bool | None = None,
        clock: Clock | None = None,
        interval_state: dict[str, Any] | None = None,
    ):
        path = folder / "log.csv"
        aside = None
        if start == 0 and path.is_file() and len(path.read_bytes().splitlines()) > 1:
            aside = set_aside(path)
        self._rows = Rows(path, (*COLUMNS, *more), start)
        self._speed = Rows(folder / "speed.csv", SPEED, start)
        self._events = Events(folder / "events")
        self._failed = False
        self._start, self._total = start, total
        self._quiet = quiet
        self._lines = not (sys.stderr.isatty() if bar is None else bar)
        # It appears after the first step, whose compilation is no measure of the others.
        self._bar: tqdm | None = None
        self._clock = clock or Clock()
        self._said = False
        self._interval = interval
        self._batch_size = batch_size
        self._last = (start, "", 0.0)
        self.restart()
        if interval_state:
            self._steps = self._earlier = interval_state["steps"]
            self._sums = dict(interval_state["sums"])
        if aside:
            self.message(f"{path} is of another run, it is kept as {aside.name}")

    def step(
        self,
        step: int,
        stage: str,
        losses: dict[str, float],
        learning_rate: float,
        compiles: bool = False,
    ) -> None:
        """Take the losses of the step that made `step` steps done.

        Args:
            step: The step.
            stage: Its stage.
            losses: By name.
            learning_rate: The rate in use.
            compiles: The step also compiled the model: it does not count for the time left.
        """
        for name, value in losses.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        self._steps += 1
        self._clock.step(compiles)
        self._last = (step, stage, learning_rate)
        self._show(step)
        if self._steps >= self._interval:
            self.flush()

    def step_left_out(self, step: int) -> None:
        """Take note of a step that changed nothing: it is in no mean."""
        self._last = (step, *self._last[1:])
        self._show(step)

    def _show(self, step: int) -> None:
        if self._clock.measured >= SAID_AFTER and not self._said and step < self._total:
            self._said = True
            steps = self._total - self._start
            seconds = self._clock.seconds(steps) or 0.0
            self.message(
                f"about {in_words(seconds)} for {steps:,} steps ({seconds / steps:.2g} s a step)"
            )
        if self._quiet or self._lines:
            return
        if self._bar is None:
            self._bar = tqdm(
                total=self._total, initial=step, unit="step", dynamic_ncols=True, bar_format=BAR
            )
        else:
            self._bar.update()
        means = self._means() if self._steps else {}
        shown = [f"{name}={value}" for name, value in self._shown(means).items()]
        left = [f"{self._left()} left"] if self._left() else []
        parts = [*left, *shown, f"img_s={self._rate():.1f}"]
        self._bar.set_postfix_str(", ".join(parts), refresh=False)

    def _left(self) -> str:
        """The time that is left, in words; empty while it is not known or nothing is left."""
        rest = self._total - self._last[0]
        seconds = self._clock.seconds(rest)
        return in_words(seconds) if seconds and rest else ""

    def _shown(self, means: dict[str, float]) -> dict[str, str]:
        return {SHORT[name]: f"{means[name]:.3f}" for name in SHORT if name in means}

    def _line(self, step: int, what: str, losses: dict[str, float], *more: str) -> None:
        """Print the losses on a line of their own, where there is no bar."""
        if self._lines:
            shown = [f"{name} {value}" for name, value in self._shown(losses).items()]
            parts = [" ".join(shown), *filter(None, more)]
            self.message(f"step {step:,}/{self._total:,} {what}: {', '.join(parts)}")

    def flush(self) -> None:
        """Write the means of the steps since the last row, and begin a new interval."""
        if self._steps:
            step, stage, rate = self._last
            speed = f"{self._rate():.6g}"
            self._keep(lambda: self._speed.add({"step": step, "images_per_second": speed}))
            self.write(step, stage, "train", self._means(), learning_rate=rate)
            left = f"{self._left()} left" if self._left() else ""
            self._line(step, "train", self._means(), f"{self._rate():.1f} images/s", left)
        self.restart()

    def restart(self) -> None:
        """Begin a new interval: what happened since the last step is not training time."""
        self._clock.pause()
        self._sums: dict[str, float] = {}
        self._steps = self._earlier = 0
        self._since = time.perf_counter()

    def _means(self) -> dict[str, float]:
        return {name: value / self._steps for name, value in self._sums.items()}

    def _rate(self) -> float:
        """Images per second since the interval began."""
        steps = self._steps - self._earlier
        return steps * self._batch_size / (time.perf_counter() - self._since)

    def write(
        self, step: int, stage: str, split: str, losses: dict[str, float], **more: float
    ) -> None:
        """Write one row, and the same to TensorBoard."""
        if split == "val":
            self._line(step, "validation", losses)
        values = {**losses, **more}
        row = {key: f"{value:.6g}" for key, value in values.items()}
        self._keep(lambda: self._rows.add({"step": step, "stage": stage, "split": split, **row}))
        tags = {f"{split}/{name}": value for name, value in values.items()}
        self._keep(lambda: self._events.add(step, tags))

    def _keep(self, write: Callable[[], None]) -> None:
        """Write a part of the log; where that fails, the training goes on."""
        try:
            write()
        except OSError as error:
            if not self._failed:
                self._failed = True
                self.message(
                    f"the log cannot be written ({error.strerror or error}); the training goes on, "
                    "and rows that are missing now are written when there is room again"
                )

    def interval_state(self) -> dict[str, Any]:
        """What an unfinished interval has added up, as JSON values, for a checkpoint."""
        return {"steps": self._steps, "sums": dict(self._sums)}

    def message(self, text: str) -> None:
        """Print a line, above the bar if there is one."""
        if self._quiet:
            return
        if self._lines:
            print(text, flush=True)
        else:
            tqdm.write(text, file=sys.stderr)

    def close(self) -> None:
        """Write what is buffered."""
        if self._bar is not None:
            self._bar.close()
        for end in (self._rows.flush, self._speed.flush, self._events.close):
            self._keep(end)


class Events:
    """Writes scalars in the thread that has them: what goes wrong with the file is an error here.

    tensorboardX's own SummaryWriter has a thread for this. Where the disk is full that thread ends,
    and the program waits for it forever.

    Args:
        folder: Of the event files; each run that goes on adds one.
    """

    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        self._writer = EventsWriter(str(folder / "events"))

    def add(self, step: int, values: dict[str, float]) -> None:
        """Write values by their tags, and flush them.

        Raises:
            OSError: The file cannot be written.
        """
        for tag, value in values.items():
            event = Event(step=step, wall_time=time.time(), summary=scalar(tag, value))
            self._writer.write_event(event)
        self._writer.flush()

    def close(self) -> None:
        """Close the file."""
        self._writer.close()
