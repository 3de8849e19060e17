"""The object that carries the options of the functions, the head and the loss."""

import dataclasses

import numpy as np
import pytest

from edge_agreement.filters import parse_filters
from edge_agreement.options import EdgeOptions


def test_values_come_back_as_plain_ones():
    options = EdgeOptions(["sobel", np.array([[1, -1]])], np.float32(3), 2, np.bool_(True), 0)
    config = options.get_config()
    assert config["filters"] == ["sobel", [[1, -1]]]
    assert (config["p"], config["weight"]) == (3.0, 2.0)
    assert config["smooth_gt"] is True and config["smooth_pred"] is False
    again = EdgeOptions(**config)
    assert again.get_config() == config
    np.testing.assert_array_equal(again.bank.kernels, options.bank.kernels)


def test_nothing_changes_it_afterwards():
    names = ["sobel"]
    options = EdgeOptions(names)
    names.append("laplace")
    assert options.get_config()["filters"] == ["sobel"]
    with pytest.raises(dataclasses.FrozenInstanceError):
        options.p = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("filters", "smoothing", "reach"),
    [("sobel", {}, 1), ("sobel", {"smooth_gt": True}, 2), (np.eye(5), {"smooth_pred": True}, 3)],
)
def test_reach_is_that_of_kernel_and_smoothing(filters, smoothing, reach):
    assert EdgeOptions(filters, **smoothing).reach == reach


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"p": True}, "p must be a finite number of at least 1, not True"),
        ({"weight": -1}, "weight must be"),
        ({"padding": "same"}, "padding must be one of"),
        ({"filters": "laplace", "magnitude": True}, "magnitude=True needs both components"),
        ({"filters": parse_filters("sobel"), "normalize": True}, "give it to parse_filters"),
    ],
)
def test_bad_options_say_what_is_wrong(options, message):
    with pytest.raises(ValueError, match=message):
        EdgeOptions(**options)


def test_a_ready_bank_is_used_but_not_saved():
    bank = parse_filters("sobel")
    options = EdgeOptions(bank)
    assert options.bank is bank
    with pytest.raises(TypeError, match="FilterBank cannot be saved"):
        options.get_config()
