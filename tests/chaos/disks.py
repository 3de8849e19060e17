"""Fill the disk of trainings at any moment, make room, resume them, and compare each with one that
nothing happened to.

    python -m tests.chaos.disks --rounds 50 --seed 0

A training on a full disk ends with one line, or goes on where only its log cannot be written; its
last checkpoint loads, and its log is whole. A small file system is mounted, which takes the right
to do so.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from mrcnn.training.checkpoint import find_checkpoints, read_state
from tests.chaos.runs import LIMIT, Training, assert_equal, make_data
from tests.conftest import TINY

# Full disks of a run before it may end.
TIMES = 4


@contextmanager
def mounted(place):
    """A file system of 120 MB; yields None where there is no right to mount one."""
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=120m", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        yield None
        return
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def fill(run, disk, draw, whole):
    """Start a run, fill its disk, and look at what is left; returns the exit code and its words."""
    seconds, left = draw.uniform(0, 2.5), draw.choice([0, draw.randint(0, 4_000_000)])
    ballast = disk / "ballast"
    with run.start() as process:
        run.until_logged(process)
        time.sleep(seconds)
        free = shutil.disk_usage(disk).free
        with open(ballast, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, free - left))
        out, _ = process.communicate(timeout=LIMIT)
    lines = out.splitlines()
    assert process.returncode in (0, 2) and "Traceback" not in out, out
    if process.returncode == 2:
        assert lines[-1].startswith("error: ") and "No space left on device" in lines[-1], out
        assert "MB are free" in lines[-1], out
    assert not list(run.folder.glob("*.unfinished"))
    log = run.log()
    assert whole.log().startswith(log[: log.rfind(b"\n") + 1]), "rows of the log differ"
    for path in find_checkpoints(run.folder)[-1:]:
        read_state(path)
    ballast.unlink()
    return process.returncode


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=50, help="full disks")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    ended, went_on, runs, faults = 0, 0, 0, 0
    print(f"{options.rounds} full disks, seed {options.seed}")
    with tempfile.TemporaryDirectory() as place, mounted(Path(place) / "disk") as disk:
        if disk is None:
            print("no right to mount a file system, so nothing was tried")
            return 2
        data = make_data(Path(place), TINY)
        whole = Training(data, Path(place) / "whole").until_done()
        while ended + went_on < options.rounds:
            runs += 1
            draw = random.Random(f"{options.seed} {runs}")
            run, codes = Training(data, disk / "run"), []
            try:
                for _ in range(min(TIMES, options.rounds - ended - went_on)):
                    codes.append(fill(run, disk, draw, whole))
                    if codes[-1] == 0:
                        break
                assert_equal(run.until_done(), whole)
                verdict = "equal"
            except AssertionError as error:
                verdict, faults = f"FAULT: {' '.join(str(error).split())[:300]}", faults + 1
                codes = codes or [2]
            ended, went_on = ended + codes.count(2), went_on + codes.count(0)
            words = ", ".join("ended in one line" if code else "went on" for code in codes)
            print(f"run {runs}: {words}: {verdict}", flush=True)
            (disk / "ballast").unlink(missing_ok=True)
            shutil.rmtree(run.folder)
    print(
        f"{ended + went_on} full disks in {runs} runs: {ended} trainings ended in one line, "
        f"{went_on} went on without their log; once there was room again "
        f"{runs - faults} of {runs} runs ended as the one that nothing happened to"
    )
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
