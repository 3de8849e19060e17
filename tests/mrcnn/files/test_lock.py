"""Two processes never write into one run folder; what a killed one leaves keeps nobody out."""

import os
import signal
import subprocess
import sys

import pytest

from mrcnn.errors import InputError
from mrcnn.files.lock import LOCK, OWNER, run_lock

HOLD = """
import sys, time
from mrcnn.files.lock import run_lock
with run_lock(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "run")], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_the_second_is_told_who_is_the_first(tmp_path, holder):
    with pytest.raises(InputError) as caught, run_lock(tmp_path / "run"):
        pass
    message = str(caught.value)
    assert f"{tmp_path / 'run'} is in use by process {holder.pid} on " in message
    assert ", since 20" in message and "--force" in message


def test_a_lock_goes_with_its_process(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with run_lock(tmp_path / "run"):
        assert (tmp_path / "run" / OWNER).read_text().startswith(f"process {os.getpid()} on ")
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) in ([LOCK], [])


def test_force_takes_a_lock_that_is_held(tmp_path, holder):
    with run_lock(tmp_path / "run", force=True):
        assert (tmp_path / "run" / OWNER).read_text().startswith(f"process {os.getpid()} on ")


def test_what_a_killed_run_left_half_written_goes(tmp_path):
    left, download = tmp_path / "mask_rcnn_0000010.h5.unfinished", tmp_path / "coco.h5.part"
    for path in (left, download):
        path.write_bytes(b"half")
    with run_lock(tmp_path):
        assert not left.exists() and download.exists()
        left.write_bytes(b"being written")
        with run_lock(tmp_path):
            assert left.exists()


def test_within_a_process_it_may_be_nested(tmp_path):
    with run_lock(tmp_path), run_lock(tmp_path):
        pass
    with run_lock(tmp_path):
        assert (tmp_path / OWNER).is_file()


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(InputError, match="file/run cannot be used"),
        run_lock(tmp_path / "file/run"),
    ):
        pass
