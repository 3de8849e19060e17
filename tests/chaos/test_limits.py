"""The limits that damaged files are tried under hold."""

import os
import signal
import time

import pytest

from tests.chaos.limits import run_limited

pytestmark = pytest.mark.chaos
MIB = 1 << 20


def test_what_a_function_returns_or_raises_comes_back():
    assert run_limited(lambda: {"a": [1, "b"]}, 5, 50 * MIB).value == {"a": [1, "b"]}

    def fails():
        raise ValueError("no such thing")

    outcome = run_limited(fails, 5, 50 * MIB)
    assert (outcome.error, outcome.message, outcome.ended) == ("ValueError", "no such thing", "")
    assert "in fails" in outcome.traceback


def test_a_function_that_hangs_is_ended():
    outcome = run_limited(lambda: time.sleep(60), 0.2, 50 * MIB)
    assert outcome.ended == "time" and outcome.seconds < 30


@pytest.mark.parametrize("held", [False, True])
def test_memory_is_counted_also_when_it_is_given_back(held):
    def grows():
        block = b"x" * (200 * MIB)
        return len(block) if held else None

    outcome = run_limited(grows, 20, 100 * MIB)
    assert outcome.ended == "memory" and outcome.memory > 100 * MIB
    assert run_limited(lambda: len(b"x" * (20 * MIB)), 20, 100 * MIB).ended == ""


def test_a_death_is_told():
    assert run_limited(lambda: os.kill(os.getpid(), signal.SIGSEGV), 5, 50 * MIB).ended == (
        f"signal {int(signal.SIGSEGV)}"
    )
    assert run_limited(lambda: os._exit(7), 5, 50 * MIB).ended == "exit 7"
    assert run_limited(lambda: object(), 5, 50 * MIB).ended == "exit 1"
