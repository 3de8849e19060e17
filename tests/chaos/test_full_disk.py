"""A disk that fills up at any moment: the training ends in one line or goes on, the last checkpoint
loads, and once there is room again the run ends as if nothing had happened.

It needs the right to mount a small file system. MRCNN_CHAOS_SEED (0) draws the room that is left,
and MRCNN_CHAOS_ROUNDS (3) says how often, in halves.
"""

import os
import random
import shutil
import subprocess
import time

import pytest

pytestmark = [pytest.mark.chaos, pytest.mark.slow]
SEED = int(os.environ.get("MRCNN_CHAOS_SEED", "0"))
ROUNDS = int(os.environ.get("MRCNN_CHAOS_ROUNDS", "3"))


@pytest.fixture
def disk(tmp_path):
    """A file system of 120 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=120m", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no right to mount a file system")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("turn", range(ROUNDS // 2))
def test_a_full_disk_loses_nothing(training, equal, disk, turn):
    draw = random.Random(f"{SEED} {turn}")
    seconds, left = draw.uniform(0, 2.5), draw.choice([0, draw.randint(0, 9_000_000)])
    run, ballast = training(disk / "run"), disk / "ballast"
    with run.start() as process:
        while not (run.folder / "log.csv").is_file() and process.poll() is None:
            time.sleep(0.01)
        time.sleep(seconds)
        free = shutil.disk_usage(disk).free
        with open(ballast, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, free - left))
        out, _ = process.communicate(timeout=600)
    lines = out.splitlines()
    print(f"turn {turn}: {left:,} bytes after {seconds:.1f} s: {process.returncode}, {lines[-1:]}")
    assert process.returncode in (0, 2) and "Traceback" not in out, out
    if process.returncode == 2:
        assert lines[-1].startswith("error: ") and "No space left on device" in lines[-1]
        assert "MB are free" in lines[-1]
    assert not list(run.folder.glob("*.part"))
    ballast.unlink()
    equal(run.until_done())
