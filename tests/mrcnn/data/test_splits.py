import pytest

from mrcnn.data.splits import choose_split, in_order, split_of
from mrcnn.errors import InputError


def test_what_tools_call_the_splits():
    names = ("train", "Valid", "validation", "testing", "photos", "train2017")
    assert [split_of(name) for name in names] == ["train", "val", "val", "test", None, None]
    assert in_order(["test", "extra", "val", "train"]) == ["train", "val", "test", "extra"]


def test_a_split_is_chosen_by_any_of_its_names():
    known = ["train", "val", "test", "extra"]
    assert [choose_split(name, known, "d") for name in ("val", "valid", "extra")] == [
        "val",
        "val",
        "extra",
    ]
    assert choose_split("valid", ["val", "valid"], "d") == "valid"


def test_a_wrong_split_names_those_that_exist():
    message = r"^cells has no split 'vall'; it has train, val\. Did you mean 'val'\?$"
    with pytest.raises(InputError, match=message):
        choose_split("vall", ["val", "train"], "cells")
    with pytest.raises(InputError, match="not divided into splits, so there is no 'val'"):
        choose_split("val", [""], "cells")
