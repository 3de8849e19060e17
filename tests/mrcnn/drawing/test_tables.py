import math

import numpy as np
import pytest

from mrcnn.drawing.tables import (
    display_weight_stats,
    plot_weight_histograms,
    weight_arrays,
    weight_stats,
)
from mrcnn.errors import InputError


class Variable:
    """What a Keras variable has that is looked at."""

    def __init__(self, path, values, dtype=np.float32):
        self.path = path
        self.values = np.array(values, dtype)

    def __array__(self, dtype=None, copy=None):
        return self.values


class Model:
    """A stand-in for `MaskRCNN`: layers by name."""

    def layers(self):
        return {
            "conv": [Variable("conv/kernel", [[1, 2], [3, -2]]), Variable("conv/bias", [0, 0])],
            "bn": [Variable("bn/gamma", [5000, 1]), Variable("bn/moving_mean", [0, 0])],
            "fc": [Variable("fc/kernel", [math.nan, 2, 4]), Variable("fc/bias", [math.inf])],
            "rng": [Variable("rng/seed", [1, 2], np.uint32), Variable("rng/one", [3])],
        }


def test_numbers_and_alerts_of_weights():
    stats = {entry.name: entry for entry in weight_stats(Model())}
    kernel = stats["conv/kernel"]
    assert kernel.shape == (2, 2)
    # Mean 1; squared distances 0, 1, 4, 9.
    assert (kernel.min, kernel.max, kernel.mean, kernel.std) == (-2, 3, 1, math.sqrt(3.5))
    alerts = {name: entry.alert for name, entry in stats.items()}
    assert alerts == {
        "conv/kernel": "",
        "conv/bias": "dead?",
        "bn/gamma": "overflow?",
        "bn/moving_mean": "",
        "fc/kernel": "not finite",
        "fc/bias": "not finite",
        "rng/one": "",  # a single number is not dead
    }
    assert (stats["fc/kernel"].min, stats["fc/kernel"].max) == (2, 4)
    assert math.isnan(stats["fc/bias"].mean)


def test_the_table_shows_alerts_in_red():
    text = display_weight_stats(Model())
    assert text.count("<tr>") == 1 + 7
    assert text.count('<span style="color:red">') == 4
    assert "<td>conv/kernel</td><td>(2, 2)</td><td>  -2.0000</td><td>  +3.0000</td>" in text


def test_a_keras_model_by_path():
    import keras

    inner = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="a")], name="inner")
    model = keras.Sequential([keras.Input((3,)), inner, keras.layers.Dense(4, name="b")])
    arrays = weight_arrays(model)
    assert [array.shape for array in arrays.values()] == [(3, 2), (2,), (2, 4), (4,)]
    endings = ("a/kernel", "a/bias", "b/kernel", "b/bias")
    assert all(map(str.endswith, arrays, endings))


def test_histograms():
    figure = plot_weight_histograms(Model(), ["conv/kernel", "fc/kernel"], bins=4)
    assert [ax.get_title() for ax in figure.axes] == ["conv/kernel", "fc/kernel"]
    heights = [[bar.get_height() for bar in ax.patches] for ax in figure.axes]
    assert heights == [[1, 0, 1, 2], [1, 0, 0, 1]]  # without the NaN
    with pytest.raises(InputError, match="no weight 'fc/nothing'"):
        plot_weight_histograms(Model(), ["fc/nothing"])
