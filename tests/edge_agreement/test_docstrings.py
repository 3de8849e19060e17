"""The examples in the docstrings run and print what they say."""

import doctest
import importlib

import pytest


@pytest.mark.parametrize(
    "name", ["filters", "functional", "head", "loss", "boundary_losses", "distance"]
)
def test_examples(name):
    module = importlib.import_module(f"edge_agreement.{name}")
    outcome = doctest.testmod(module)
    assert outcome.failed == 0
    if name in {"filters", "functional", "head", "loss"}:
        assert outcome.attempted > 0
