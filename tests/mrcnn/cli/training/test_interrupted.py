"""train.py with worker processes: what stays behind when it or a worker is stopped."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

TRAIN = Path(__file__).resolve().parents[4] / "samples" / "coco" / "train.py"
pytestmark = pytest.mark.slow


def descendants(pid):
    """Processes below a process, on Linux."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += [int(child), *descendants(int(child))]
    return found


def gone(pid):
    """Whether a process ends within 15 seconds; one that waits to be reaped has ended."""
    limit = time.monotonic() + 15
    while time.monotonic() < limit:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.1)
    return False


def workers_of(pid):
    """The worker processes of a run, once there is one."""
    limit = time.monotonic() + 60
    while time.monotonic() < limit:
        for child in descendants(pid):
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                return [child]
        time.sleep(0.1)
    raise AssertionError("no worker was started")


@pytest.mark.parametrize("stopped", ["run", "worker"])
def test_nothing_stays_and_the_reason_is_clear(shapes, tiny_yaml, tmp_path, stopped):
    command = [
        sys.executable, str(TRAIN), "--dataset", str(shapes), "--config", str(tiny_yaml),
        "--logs", str(tmp_path / "run"), "--workers", "1", "--weights", "none", "--quiet",
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    ) as process:
        try:
            while "run folder" not in (line := process.stdout.readline()):
                assert line, process.stderr.read()
            (worker,) = workers_of(process.pid)
            time.sleep(random.uniform(0, 6))  # before, while and after the first step is compiled
            everything = descendants(process.pid)
            assert worker in everything
            if stopped == "run":
                os.killpg(process.pid, signal.SIGINT)  # as a terminal does at Ctrl-C
            else:
                os.kill(worker, signal.SIGKILL)
            output, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    assert all(gone(pid) for pid in everything)
    assert "Traceback (most recent call last)" not in errors or stopped == "worker"
    if stopped == "run":
        assert process.returncode == 128 + signal.SIGINT
        assert "stopped at step" in output
    else:
        assert process.returncode != 0
        assert "a worker process of the loader died (exit code -9)" in errors
