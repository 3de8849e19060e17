"""What changes between the end of a training and its resume."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.chaos.runs import Training

pytestmark = [pytest.mark.chaos, pytest.mark.slow]
WORKERS = ("--workers", "2")


@pytest.fixture(scope="module")
def killed(data, tmp_path_factory):
    """The folder of a run that was killed before its 13th step."""
    run = Training(data, tmp_path_factory.mktemp("killed") / "run")
    assert run.killed_at("batch", 13)
    return run.folder


@pytest.fixture
def copy(killed, training, tmp_path):
    """The same run in another folder."""
    return training(shutil.copytree(killed, tmp_path / "run"))


def test_a_folder_moved_a_clock_set_back_and_more_workers(copy, equal):
    """By the age of its file the first checkpoint is the last."""
    for place, path in enumerate(sorted(copy.folder.glob("*.h5"))):
        os.utime(path, (2e9 - 1000 * place,) * 2)
    equal(copy.until_done(options=WORKERS))


def test_another_backend_goes_on(copy, whole):
    """It rounds and draws in another way; the rows before are as they were, those that come are
    of the same steps.
    """
    before = copy.log()
    copy.until_done(KERAS_BACKEND="jax", JAX_PLATFORMS="cpu")
    assert copy.log().startswith(before[: before.rfind(b"\n") + 1])
    rows = [log.decode().splitlines() for log in (copy.log(), whole.log())]
    steps = [[row.split(",")[:3] for row in lines] for lines in rows]
    assert steps[0] == steps[1]
    assert (copy.folder / "final.h5").is_file()


def test_workers_end_with_a_killed_training(copy):
    with copy.start(options=WORKERS) as process:
        copy.until_logged(process)
        workers = children(process.pid)
        process.kill()
    assert len(workers) >= 2
    until = time.monotonic() + 30
    while any(map(running, workers)) and time.monotonic() < until:
        time.sleep(0.1)
    assert not [pid for pid in workers if running(pid)]


def test_a_folder_that_cannot_be_written(copy, tmp_path):
    mount, place = ["mount", "--bind", str(copy.folder)], str(tmp_path / "mounted")
    Path(place).mkdir()
    if not shutil.which("mount") or subprocess.run([*mount, place], capture_output=True).returncode:
        pytest.skip("no right to mount")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", place], check=True)
        code, out = Training(copy.command[2:4], Path(place)).ends()
    finally:
        subprocess.run(["umount", place], check=True)
    assert code == 2
    assert out == f"error: {place} cannot be used: Read-only file system\n"


def test_data_that_are_not_there_any_more(copy, tmp_path):
    copy.command[2] = tmp_path / "gone"
    code, out = copy.ends()
    assert code == 2
    assert out.startswith(f"error: no dataset folder {tmp_path / 'gone'}") and out[-1] == "\n"
    assert out.count("\n") == 1


def children(pid):
    """The processes that a process has started."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(fields(stat)[1])
        except OSError:
            continue
    return [child for child, parent in parents.items() if parent == pid]


def running(pid):
    """Whether a process is there and has not ended."""
    try:
        return fields(Path(f"/proc/{pid}/stat"))[0] not in ("Z", "X")
    except OSError:
        return False


def fields(stat):
    """What /proc says of a process after its name: its state, its parent, ..."""
    return stat.read_text().rpartition(")")[2].split()
