"""Some damaged weight files, checkpoints and datasets; `make chaos` does a thousand of each."""

import pytest

from tests.chaos import datasets, weights

pytestmark = [pytest.mark.chaos, pytest.mark.slow]


@pytest.mark.parametrize("checkpoint", [False, True])
def test_damaged_weight_files_are_refused_or_equal(tmp_path, checkpoint):
    counts, faults = weights.try_out(tmp_path, 60, 0, checkpoint)
    assert faults == []
    assert {word for _, word in counts} == {"refused", "equal"}


def test_damaged_datasets_are_refused_or_sound(tmp_path):
    counts, faults = datasets.try_out(tmp_path, 100, 0)
    assert faults == []
    assert {word for _, word in counts} == set(datasets.GOOD)
