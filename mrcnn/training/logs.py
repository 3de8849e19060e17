"""What a run tells: a progress bar, a CSV file, and TensorBoard events."""

import csv
import time
from collections.abc import Sequence
from pathlib import Path

from tensorboardX import SummaryWriter
from tqdm import tqdm

from mrcnn.constants import LOSS_NAMES

COLUMNS = ("step", "stage", "split", "loss", *LOSS_NAMES, "learning_rate", "images_per_second")
SHORT = dict(
    zip(
        ("loss", *LOSS_NAMES),
        ["loss", "rpn_cls", "rpn_box", "cls", "box", "mask", "edge"],
        strict=True,
    )
)


class RunLog:
    """Collects the losses of steps and writes their means.

    Args:
        folder: Run folder; `log.csv` there is continued, not overwritten.
        total: Steps of the whole run.
        start: Steps that are already done.
        interval: Steps per row.
        batch_size: Images per step.
        quiet: No progress bar.
        more: Names of further columns.
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
    ):
        path = folder / "log.csv"
        columns = (*COLUMNS, *more)
        rows = _rows_before(path, start, columns)
        self._file = open(path, "w", newline="", encoding="utf-8")  # noqa: SIM115 (closed in close)
        self._csv = csv.DictWriter(self._file, columns)
        self._csv.writeheader()
        self._csv.writerows(rows)
        self._events = SummaryWriter(str(folder / "events"), write_to_disk=True)
        self._bar = tqdm(total=total, initial=start, unit="step", dynamic_ncols=True, disable=quiet)
        self._interval = interval
        self._batch_size = batch_size
        self._last = (start, "", 0.0)
        self.restart()

    def step(self, step: int, stage: str, losses: dict[str, float], learning_rate: float) -> None:
        """Take the losses of the step that made `step` steps done."""
        for name, value in losses.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        self._steps += 1
        self._bar.update()
        means = self._means()
        shown = {SHORT[name]: f"{means[name]:.3f}" for name in SHORT if name in means}
        self._bar.set_postfix({**shown, "img_s": f"{self._rate():.1f}"}, refresh=False)
        self._last = (step, stage, learning_rate)
        if self._steps >= self._interval:
            self.flush()

    def flush(self) -> None:
        """Write the means of the steps since the last row, and begin a new interval."""
        if self._steps:
            step, stage, rate = self._last
            more = {"learning_rate": rate, "images_per_second": self._rate()}
            self.write(step, stage, "train", self._means(), **more)
        self.restart()

    def restart(self) -> None:
        """Begin a new interval: what happened since the last step is not training time."""
        self._sums: dict[str, float] = {}
        self._steps = 0
        self._since = time.perf_counter()

    def _means(self) -> dict[str, float]:
        return {name: value / self._steps for name, value in self._sums.items()}

    def _rate(self) -> float:
        """Images per second since the interval began."""
        return self._steps * self._batch_size / (time.perf_counter() - self._since)

    def write(
        self, step: int, stage: str, split: str, losses: dict[str, float], **more: float
    ) -> None:
        """Write one row, and the same to TensorBoard."""
        row = {key: f"{value:.6g}" for key, value in {**losses, **more}.items()}
        self._csv.writerow({"step": step, "stage": stage, "split": split, **row})
        self._file.flush()
        for name, value in {**losses, **more}.items():
            self._events.add_scalar(f"{split}/{name}", value, step)

    def message(self, text: str) -> None:
        """Print a line above the bar."""
        if not self._bar.disable:
            self._bar.write(text)

    def close(self) -> None:
        """Write what is buffered."""
        self._bar.close()
        self._file.close()
        self._events.close()


def _rows_before(path: Path, step: int, columns: Sequence[str]) -> list[dict[str, str]]:
    """Rows of an earlier part of the run; those after `step` will come again."""
    if not path.is_file() or step == 0:
        return []
    with open(path, newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row.get("step", "").isdigit()]
    return [{key: row.get(key, "") for key in columns} for row in rows if int(row["step"]) <= step]
