"""Killed at any moment and resumed until it is done, a run ends as if nothing had happened: the
same log, byte for byte, and the same weights, bit for bit.

MRCNN_CHAOS_SEED (0) draws the kills, and MRCNN_CHAOS_ROUNDS (6) says how many there are.
"""

import os
import random
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

pytestmark = [pytest.mark.chaos, pytest.mark.slow]
ROOT = Path(__file__).resolve().parents[2]
SEED = int(os.environ.get("MRCNN_CHAOS_SEED", "0"))
ROUNDS = int(os.environ.get("MRCNN_CHAOS_ROUNDS", "6"))
SCHEDULE = [["heads", 7, 0.001], ["all", 12, 0.001]]
OWN = {"SCHEDULE": SCHEDULE, "STEPS_PER_EPOCH": 5, "VALIDATION_STEPS": 2, "IMAGES_PER_GPU": 1}
# A kill at the count that is drawn, up to a number that a run may reach.
PLACES = {"write": 7, "written": 7, "row": 8, "validate": 6, "stage": 2}


@pytest.fixture(scope="module")
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


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    return Training(data, tmp_path_factory.mktemp("whole") / "run").until_done()


def equal(run, whole):
    assert run.log() == whole.log()
    found, expected = run.weights(), whole.weights()
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)
    assert not list(run.folder.glob("*.part"))


@pytest.mark.parametrize("turn", range(-(-ROUNDS // 3)))
def test_a_killed_run_ends_as_one_that_was_not(data, whole, tmp_path, turn):
    draw = random.Random(f"{SEED} {turn}")
    run, tried = Training(data, tmp_path / "run"), []
    for _ in range(3):
        if draw.random() < 0.3:
            seconds = draw.uniform(0, 3)
            hit = run.killed_after(seconds)
            tried.append(f"{seconds:.2f} s {'killed' if hit else 'done before'}")
        else:
            place = draw.choice(list(PLACES))
            count = draw.randint(1, PLACES[place])
            hit = run.killed_at(place, count)
            tried.append(f"{place} {count} {'killed' if hit else 'done before'}")
        if not hit:
            break
    print(f"round {turn}: {', '.join(tried)}")
    equal(run.until_done(), whole)
