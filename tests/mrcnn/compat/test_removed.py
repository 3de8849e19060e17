"""What is not kept says what to use instead."""

import importlib

import pytest

from mrcnn import model as modellib
from mrcnn.compat.removed import NAMES


@pytest.mark.parametrize("name", NAMES["mrcnn.model"])
def test_a_name_that_is_not_kept(name):
    said = rf"mrcnn.model.{name} is not kept; instead: \w.*Coming from matterport"
    with pytest.raises(AttributeError, match=said):
        getattr(modellib, name)
    with pytest.raises(ImportError, match=said):
        import_from(name)
    assert not hasattr(modellib, name)


def import_from(name):
    """`from mrcnn.model import name`."""
    source = compile(f"from mrcnn.model import {name}", "script", "exec")
    runner = type(import_from)(source, {"__builtins__": __builtins__})
    runner()


@pytest.mark.parametrize("name", NAMES["mrcnn.model"])
def test_what_is_named_instead_is_there(name):
    place = NAMES["mrcnn.model"][name].split()[0].rstrip(",;")
    if place.startswith(("mrcnn.", "edge_agreement.", "keras.")):
        owner, _, attribute = place.rpartition(".")
        try:
            importlib.import_module(place)
        except ImportError:
            assert hasattr(importlib.import_module(owner), attribute)


def test_a_module_that_is_not_kept():
    for how in ("import mrcnn.parallel_model", "from mrcnn.parallel_model import ParallelModel"):
        runner = type(import_from)(compile(how, "script", "exec"), {"__builtins__": __builtins__})
        with pytest.raises(ImportError, match="parallel_model is not kept: one device computes"):
            runner()


def test_other_names_are_missing_as_ever():
    with pytest.raises(AttributeError, match="module 'mrcnn.model' has no attribute 'nothing'"):
        getattr(modellib, "nothing")  # noqa: B009
