"""Trainings in processes of their own, and how what they end with is compared."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml

from mrcnn.data.datasets.toy_sample import generate_sample

ROOT = Path(__file__).resolve().parents[2]
SCHEDULE = [["heads", 7, 0.001], ["all", 12, 0.001]]
OWN = {"SCHEDULE": SCHEDULE, "STEPS_PER_EPOCH": 5, "VALIDATION_STEPS": 2, "IMAGES_PER_GPU": 1}


@pytest.fixture(scope="session")
def data(tmp_path_factory, tiny_settings):
    place = tmp_path_factory.mktemp("chaos")
    (place / "tiny.yaml").write_text(yaml.safe_dump({**tiny_settings, **OWN}))
    return generate_sample(place / "data", train=12, val=4, size=64), place / "tiny.yaml"


class Training:
    """A run in a process of its own."""

    def __init__(self, data, folder):
        self.command = [sys.executable, Path(__file__).with_name("training.py"), *data, folder]
        self.folder = folder

    def start(self, *more):
        resume = ["--", "--resume"] if list(self.folder.glob("*.h5")) else []
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
        return subprocess.Popen(
            [*map(str, self.command), *more, *resume],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment,
        )  # fmt: skip

    def until_done(self):
        with self.start() as process:
            out, _ = process.communicate(timeout=600)
        assert process.returncode == 0, out
        return self

    def killed_after(self, seconds):
        """Killed from outside, so many seconds after the log began; True if that was in time."""
        with self.start() as process:
            while not (self.folder / "log.csv").is_file() and process.poll() is None:
                time.sleep(0.01)
            time.sleep(seconds)
            process.kill()
        return process.returncode == -signal.SIGKILL

    def killed_at(self, place, count):
        with self.start("--kill", place, str(count)) as process:
            out, _ = process.communicate(timeout=600)
        assert process.returncode in (0, -signal.SIGKILL), out
        return process.returncode != 0

    def log(self):
        return (self.folder / "log.csv").read_bytes()

    def weights(self):
        found = {}
        with h5py.File(self.folder / "final.h5") as file:
            file.visititems(
                lambda name, node: (
                    found.update({name: node[()]}) if isinstance(node, h5py.Dataset) else None
                )
            )
        return found


@pytest.fixture(scope="session")
def whole(data, tmp_path_factory):
    return Training(data, tmp_path_factory.mktemp("whole") / "run").until_done()


@pytest.fixture
def training(data):
    """`training(folder)`: a run that was not started yet."""
    return lambda folder: Training(data, folder)


@pytest.fixture(scope="session")
def equal(whole):
    """Assert that a run ended as the whole one."""
    return lambda run: _equal(run, whole)


def _equal(run, whole):
    assert run.log() == whole.log()
    found, expected = run.weights(), whole.weights()
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)
    assert not list(run.folder.glob("*.part"))
