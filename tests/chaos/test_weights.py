"""Some damaged weight files and checkpoints; `make chaos` does a thousand."""

import pytest

from tests.chaos.weights import try_out

pytestmark = [pytest.mark.chaos, pytest.mark.slow]


@pytest.mark.parametrize("checkpoint", [False, True])
def test_damaged_files_are_refused_or_equal(tmp_path, checkpoint):
    counts, faults = try_out(tmp_path, 60, 0, checkpoint)
    assert faults == []
    assert {word for _, word in counts} == {"refused", "equal"}
