"""Reading ahead: the order, the bound, errors, and the end; processes are in test_loader.py."""

import threading
import time

import pytest

from mrcnn.data.pipeline.read_ahead import read_ahead


def threads() -> int:
    return sum(thread.name.startswith("mrcnn-loader") for thread in threading.enumerate())


def test_results_keep_the_order_of_the_steps():
    def build(step):
        time.sleep(0.02 if step % 2 else 0)  # the later one of two is ready first
        return {"step": step}

    with read_ahead(build, range(3, 15), 0, lambda batch: {**batch, "then": True}) as batches:
        found = list(batches)
    assert found == [{"step": step, "then": True} for step in range(3, 15)]
    assert threads() == 0


def test_only_a_few_are_made_ahead():
    made = []
    with read_ahead(lambda step: made.append(step) or {}, range(2**40), 0) as batches:
        for taken in range(1, 4):
            next(batches)
            time.sleep(0.1)
            assert taken <= len(made) <= taken + 6
    with pytest.raises(StopIteration):
        next(batches)


def test_an_error_comes_in_its_place_and_ends_the_threads():
    def build(step):
        if step == 2:
            raise KeyError("two")
        return {"step": step}

    batches = read_ahead(build, range(100), 0)
    assert [next(batches)["step"], next(batches)["step"]] == [0, 1]
    with pytest.raises(KeyError, match="two"):
        next(batches)
    assert threads() == 0
    assert list(batches) == []


def test_dropping_the_iterator_ends_the_threads():
    batches = read_ahead(lambda step: {}, range(2**40), 0)
    next(batches)
    assert threads() > 0
    del batches
    assert threads() == 0
