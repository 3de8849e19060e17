"""A full disk; `make chaos` fills fifty."""

import random

import pytest

from tests.chaos.disks import fill, mounted

pytestmark = [pytest.mark.chaos, pytest.mark.slow]


def test_a_full_disk_loses_nothing(training, equal, whole, tmp_path):
    with mounted(tmp_path / "disk") as disk:
        if disk is None:
            pytest.skip("no right to mount a file system")
        run = training(disk / "run")
        fill(run, disk, random.Random("0 0"), whole)
        equal(run.until_done())
