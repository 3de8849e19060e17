"""A few kills; `make chaos` does a hundred."""

import random

import pytest

from tests.chaos.kills import round_of

pytestmark = [pytest.mark.chaos, pytest.mark.slow]


def test_a_killed_run_ends_as_one_that_was_not(training, equal, tmp_path):
    run = training(tmp_path / "run")
    places = round_of(run, random.Random("0 0"), kills=3)
    assert places
    equal(run)
