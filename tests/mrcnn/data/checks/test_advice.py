from types import SimpleNamespace

import pytest

from mrcnn.data.checks.advice import class_advice


def subsets(*lists):
    return [(f"part{n}", SimpleNamespace(class_names=names)) for n, names in enumerate(lists)]


def test_names_that_nearly_agree_are_said_once():
    names = ["BG", "Disc", "bar", "disc"]
    (finding,) = class_advice(subsets(names, names))
    assert (finding.code, finding.severity) == ("similar-classes", "warning")
    assert finding.message == "are these one class? 'Disc' and 'disc'"


@pytest.mark.parametrize("second", [["BG", "cat", "car"], None])
def test_other_names_are_nothing_to_say(second):
    assert list(class_advice(subsets(["BG", "cat", "car"], *filter(None, [second])))) == []
