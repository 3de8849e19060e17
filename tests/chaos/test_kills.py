"""Killed at any moment and resumed until it is done, a run ends as if nothing had happened: the
same log, byte for byte, and the same weights, bit for bit.

MRCNN_CHAOS_SEED (0) draws the kills, and MRCNN_CHAOS_ROUNDS (3) says how many there are.
"""

import os
import random

import pytest

pytestmark = [pytest.mark.chaos, pytest.mark.slow]
SEED = int(os.environ.get("MRCNN_CHAOS_SEED", "0"))
ROUNDS = int(os.environ.get("MRCNN_CHAOS_ROUNDS", "3"))
# A kill at the count that is drawn, up to a number that a run may reach.
PLACES = {"write": 7, "written": 7, "row": 8, "validate": 6, "stage": 2}


@pytest.mark.parametrize("turn", range(-(-ROUNDS // 3)))
def test_a_killed_run_ends_as_one_that_was_not(training, equal, tmp_path, turn):
    draw = random.Random(f"{SEED} {turn}")
    run, tried = training(tmp_path / "run"), []
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
    equal(run.until_done())
