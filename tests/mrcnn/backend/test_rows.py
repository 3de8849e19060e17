"""Rows of features, and the sums of their gradients."""

import keras
import numpy as np
import pytest
from keras import ops

from mrcnn.backend import conv_at_rows, gather_rows, weighted_rows
from mrcnn.weights.loading import to_numpy

ROWS, COUNT = 3, 1000


class Rows(keras.layers.Layer):
    """Reads the first row of its features many times."""

    def __init__(self, weighted: bool, dtype: str):
        super().__init__(dtype=keras.DTypePolicy(dtype))
        self.weighted = weighted
        self.features = self.add_weight(shape=(1, ROWS, 4), initializer="ones", name="features")

    def call(self, inputs):
        features = ops.cast(self.features, self.compute_dtype)
        places = ops.zeros((1, COUNT, 1), "int32")
        if self.weighted:
            found = weighted_rows(features, places, ops.ones((1, COUNT, 1)))
        else:
            found = gather_rows(features[0], places[..., 0])
        return ops.mean(ops.cast(found, "float32") * ops.cast(inputs, "float32"))


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("weighted", [False, True], ids=["rows", "weighted"])
def test_no_addend_of_a_gradient_is_lost(weighted, dtype, eager):
    """A sum of 1000 equal addends in bfloat16 stops growing at the 256th."""
    layer = Rows(weighted, dtype)
    model = keras.Sequential([keras.Input((1, 1)), layer])
    model.compile(optimizer=keras.optimizers.SGD(1.0), loss=lambda _, y: ops.mean(y))
    before = to_numpy(layer.features)
    model.train_on_batch(np.ones((1, 1, 1), "float32"), np.zeros((1, 1), "float32"))
    moved = (before - to_numpy(layer.features))[0]
    np.testing.assert_allclose(moved[0], 0.25, rtol=0.02)
    np.testing.assert_array_equal(moved[1:], 0)


class Convolution(keras.layers.Layer):
    """A convolution with random inputs and kernel, which losses look at by a mask."""

    def __init__(self, convolve, side, seen):
        super().__init__()
        rng = np.random.default_rng(3)
        self.convolve, self.seen = convolve, seen
        normal = keras.initializers.RandomNormal(seed=1)
        self.features = self.add_weight(shape=(*seen.shape[:3], 5), initializer=normal, name="x")
        self.kernel = self.add_weight(shape=(side, side, 5, 4), initializer=normal, name="kernel")
        self.wanted = rng.standard_normal((*seen.shape[:3], 4)).astype("float32")

    def call(self, inputs):
        found = self.convolve(
            ops.convert_to_tensor(self.features), ops.convert_to_tensor(self.kernel)
        )
        return ops.mean(found * self.wanted * self.seen) * 1000 * ops.mean(inputs)


@pytest.mark.parametrize("side", [1, 3, 5])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.15, 0.9])
def test_a_convolution_with_few_rows_has_the_gradient_of_any(share, side, eager):
    """Also where the rows are those of corners and borders, and where there are many."""
    seen = (np.random.default_rng(7).random((2, 9, 12, 1)) < share).astype("float32")
    if share:
        seen[0, 0, 0] = seen[1, -1, -1] = seen[1, 0, 5] = seen[0, 4, -1] = 1
    moves = []
    for convolve in (conv_at_rows, lambda x, kernel: ops.conv(x, kernel, padding="same")):
        layer = Convolution(convolve, side, seen)
        model = keras.Sequential([keras.Input((1, 1)), layer])
        model.compile(optimizer=keras.optimizers.SGD(1.0), loss=lambda _, y: ops.mean(y))
        before = [to_numpy(v) for v in layer.variables]
        loss = model.train_on_batch(np.ones((1, 1, 1), "float32"), np.zeros((1, 1), "float32"))
        moves.append(
            [loss, *(b - to_numpy(v) for b, v in zip(before, layer.variables, strict=True))]
        )
    for one, other in zip(*moves, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5)
    assert bool(share) == bool(np.abs(moves[0][2]).max() > 0.01)


def test_few_rows_are_computed_apart(monkeypatch, eager):
    """On TensorFlow: the numbers above are the same either way."""
    if keras.backend.backend() != "tensorflow":
        pytest.skip("of TensorFlow's kernels")
    from mrcnn.backend import tensorflow as native

    calls = []
    monkeypatch.setattr(
        native, "_gradients_at", lambda places, upstream, x, k: calls.append(len(places)) or (x, k)
    )
    for share, expected in ((0.1, 1), (0.6, 0)):
        calls.clear()
        seen = (np.arange(200) < 200 * share).astype("float32").reshape(2, 10, 10, 1)
        layer = Convolution(conv_at_rows, 3, seen)
        model = keras.Sequential([keras.Input((1, 1)), layer])
        model.compile(optimizer=keras.optimizers.SGD(1.0), loss=lambda _, y: ops.mean(y))
        model.train_on_batch(np.ones((1, 1, 1), "float32"), np.zeros((1, 1), "float32"))
        assert calls == [20] * expected
