"""Trainings in processes of their own, and how what they end with is compared."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import yaml

from mrcnn.data.datasets.toy_sample import generate_sample

ROOT = Path(__file__).resolve().parents[2]
SCHEDULE = [["heads", 7, 0.001], ["all", 12, 0.001]]
OWN = {"SCHEDULE": SCHEDULE, "STEPS_PER_EPOCH": 5, "VALIDATION_STEPS": 2, "IMAGES_PER_GPU": 1}
# Seconds that a process of a training may take.
LIMIT = 600
# Of a checkpoint's state: what names the run differs from one run to the other.
NAMES = ("run", "dataset", "source", "settings")


def make_data(place, settings):
    """A small dataset and a configuration of `settings` for it; returns both paths."""
    (place / "tiny.yaml").write_text(yaml.safe_dump({**settings, **OWN}))
    return generate_sample(place / "data", train=12, val=4, size=64), place / "tiny.yaml"


class Training:
    """A run in a process of its own."""

    def __init__(self, data, folder):
        self.command = [sys.executable, Path(__file__).with_name("training.py"), *data, folder]
        self.folder = folder

    def start(self, *more, options=(), **environment):
        """Start it, or go on; `more` is said to training.py, `options` to `mrcnn train`."""
        resume = ["--resume"] if list(self.folder.glob("*.h5")) else []
        environment = {
            **os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", **environment
        }  # fmt: skip
        return subprocess.Popen(
            [*map(str, self.command), *more, "--", *options, *resume],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment,
        )  # fmt: skip

    def until_done(self, **changes):
        code, out = self.ends(**changes)
        assert code == 0, out
        return self

    def ends(self, **changes):
        """Run it to its end; returns the exit code and what it printed."""
        with self.start(**changes) as process:
            out, _ = process.communicate(timeout=LIMIT)
        return process.returncode, out

    def until_logged(self, process):
        """Wait for the first row of this process, or for its end."""
        before = self._size()
        while self._size() == before and process.poll() is None:
            time.sleep(0.01)

    def _size(self):
        log = self.folder / "log.csv"
        return log.stat().st_size if log.is_file() else 0

    def killed_after(self, seconds):
        """Killed from outside, so many seconds after it was started; True if that was in time."""
        with self.start() as process:
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.kill()
        return process.returncode == -signal.SIGKILL

    def killed_at(self, place, count):
        options = ("--workers", "2") if place == "worker" else ()
        with self.start("--kill", place, str(count), options=options) as process:
            out, _ = process.communicate(timeout=LIMIT)
        assert process.returncode in (0, -signal.SIGKILL), out
        return process.returncode != 0

    def log(self):
        return (self.folder / "log.csv").read_bytes()

    def arrays(self):
        """All arrays of all weight files of the run, by file and name, and the states."""
        found = {}
        for path in sorted(self.folder.glob("*.h5")):
            with h5py.File(path) as file:
                file.visititems(
                    lambda name, node, path=path: (
                        found.update({f"{path.name} {name}": node[()]})
                        if isinstance(node, h5py.Dataset)
                        else None
                    )
                )
        for name in [name for name in found if name.endswith("/json")]:
            state = json.loads(bytes(found.pop(name)))
            found[name] = {key: value for key, value in state.items() if key not in NAMES}
        return found


def assert_equal(run, whole):
    """Assert that a run ended as another one that nothing happened to: the same log byte for byte,
    and the same files with the same values.
    """
    assert run.log() == whole.log()
    found, expected = run.arrays(), whole.arrays()
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        if isinstance(value, dict):
            assert found[name] == value, name
        else:
            np.testing.assert_array_equal(found[name], value, err_msg=name)
    assert not list(run.folder.glob("*.unfinished"))
