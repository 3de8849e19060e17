"""Where a run lies, and how much of it is done, in the names and forms of the original."""

import mrcnn.backend  # noqa: F401 (before Keras, see mrcnn.backend.quiet)

# isort: split
import datetime
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mrcnn.config import Config
from mrcnn.training.checkpoint import epochs_in_name, find_last, is_checkpoint, read_state
from mrcnn.training.epochs import EpochCount
from mrcnn.training.naming import safe_name
from mrcnn.training.schedule import Stage, before
from mrcnn.weights.file_formats import SUFFIXES


class RunFolder:
    """Attributes and methods of `mrcnn.model.MaskRCNN` about its run.

    Attributes:
        epoch: Epochs that are done.
    """

    mode: str
    config: Config
    epoch: int = 0
    _model_dir: str = ""
    _log_dir: str = ""
    # Takes away the folders that were made for the run, as far as they are empty: at the end of the
    # model, or where the run goes elsewhere.
    _remove_empty: Callable[[], object] = staticmethod(lambda: None)

    @property
    def model_dir(self) -> str:
        """Folder in which a run makes its own folder."""
        return self._model_dir

    @model_dir.setter
    def model_dir(self, folder: str | Path) -> None:
        self._model_dir = str(folder)

    @property
    def log_dir(self) -> str:
        """Folder of the run, for checkpoints and logs."""
        return self._log_dir

    @log_dir.setter
    def log_dir(self, folder: str | Path) -> None:
        self._remove_empty()
        self._log_dir = str(folder)
        if self.mode == "training":
            # At once: scripts write files of their own into it before they train.
            folders = [Path(folder), *Path(folder).parents]
            made = [path for path in folders if not path.exists()]
            Path(folder).mkdir(parents=True, exist_ok=True)
            self._remove_empty = weakref.finalize(self, _remove_empty, made)

    @property
    def checkpoint_path(self) -> str:
        """Pattern of the checkpoints at the ends of epochs; `{epoch:04d}` is the number."""
        name = safe_name(self.config.NAME or "model")
        return str(Path(self.log_dir) / f"mask_rcnn_{name}_{{epoch:04d}}.h5")

    def set_log_dir(self, model_path: str | Path | None = None) -> None:
        """Set the run's folder, and how much of the training is done.

        Args:
            model_path: A checkpoint, also one of the original in the folder of its run: `train`
                goes on after it, in its folder. A folder: a run from the start in it. None or
                another weight file: the same in a new folder in `model_dir`, named after the
                model, `config.RUN_NAME` if there is one, and the time.
        """
        self.epoch = 0
        self._beyond = 0
        self._stages: list[Stage] = []
        path = Path(model_path) if model_path else None
        if path and is_checkpoint(path):
            self._go_on_after(read_state(path))
            self.log_dir = path.parent
        elif path and (done := epochs_in_name(path)) is not None:
            self.epoch = done
            self.log_dir = path.parent
        elif path and path.suffix not in SUFFIXES and not path.is_file():
            # Made by the run: a command may refuse it yet.
            self._remove_empty()
            self._log_dir = str(path)
        else:
            self.log_dir = Path(self.model_dir) / self._new_name()

    def find_last(self) -> str:
        """Newest checkpoint below `model_dir` of a model with this `NAME`, and of the runs with
        this `RUN_NAME` if there is one.

        Raises:
            MissingFileError: There is none; it is a `FileNotFoundError` too.
        """
        run_name = getattr(self.config, "RUN_NAME", None)
        return str(find_last(self.model_dir, self.config.NAME or "model", run_name))

    def _new_name(self) -> str:
        names = [self.config.NAME or "model"]
        if run_name := getattr(self.config, "RUN_NAME", None):
            names += [str(run_name), ""]
        return "_".join(map(_safe, names)) + f"{datetime.datetime.now():%Y%m%dT%H%M%S}"

    def _go_on_after(self, state: dict[str, Any]) -> None:
        step, length = state["step"], self.config.STEPS_PER_EPOCH
        self._stages = before([Stage(*stage) for stage in state.get("stages", [])], step)
        count = EpochCount(**state.get("epochs", asdict(EpochCount(length, 0, 0, 0))))
        self.epoch, self._beyond = count.at(step)

    def _epoch_count(self, start: int) -> EpochCount:
        """How epochs are counted in a run that starts at a global step."""
        return EpochCount(self.config.STEPS_PER_EPOCH, start, self.epoch, self._beyond)


def _remove_empty(folders: Sequence[Path]) -> None:
    with suppress(OSError):
        for path in folders:
            path.rmdir()


def _safe(name: str) -> str:
    return safe_name(name) if name else ""
