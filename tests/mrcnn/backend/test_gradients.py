"""Gradient norms of a model whose derivatives are known."""

import keras
import numpy as np
import pytest
from keras import ops

from mrcnn.backend import gradient_norms


class Scalars(keras.layers.Layer):
    """Scalars of two kernels k `(2, 1)` and m `(1,)` and a mean input x, and a count of calls."""

    def build(self, shape):
        self.k = self.add_weight(shape=(2, 1), initializer="ones", name="k")
        self.m = self.add_weight(shape=(1,), initializer="ones", name="m")
        self.other = self.add_weight(shape=(), initializer="ones", name="other")
        self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False, name="calls")
        self.seed = keras.random.SeedGenerator(0)

    def call(self, x, training=False):
        self.calls.assign_add(1.0)
        noise = keras.random.uniform((), seed=self.seed)
        return {
            "linear": ops.sum(ops.matmul(x, self.k)) + noise,
            "both": 3.0 * ops.sum(self.k) + 4.0 * ops.sum(ops.square(self.m)) * self.other,
            "none": ops.sum(x) * self.other,
            "mode": ops.sum(self.k) * (3.0 if training else 1.0),
        }


@pytest.fixture
def model():
    inputs = keras.Input((2,), name="x")
    return keras.Model({"x": inputs}, Scalars()(inputs))


@pytest.mark.parametrize("frozen", [False, True])
def test_norms_by_hand(model, frozen):
    layer = model.layers[-1]
    layer.trainable = not frozen
    layer.k.assign([[2.0], [5.0]])
    layer.m.assign([0.5])
    layer.other.assign(2.0)
    norms = gradient_norms(model, ["both", "linear", "none"], [layer.k, layer.m])
    for factor in (1.0, 2.0):  # the second time from the cache
        x = factor * np.array([[3.0, 0.0], [0.0, 4.0]], "float32")
        values, found = norms({"x": x})
        assert values[0] == pytest.approx(3 * 7 + 4 * 0.25 * 2)
        assert factor * (6 + 20) <= values[1] <= factor * (6 + 20) + 1
        assert values[2] == pytest.approx(14 * factor)
        # (3, 3) by k and 8 * 0.5 * 2 by m; the column sums of x by k; nothing.
        wanted = [[np.sqrt(18), 8], [5 * factor, 0], [0, 0]]
        np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_the_forward_pass_is_that_of_training(model):
    norms = gradient_norms(model, ["mode"], [model.layers[-1].k])
    values, found = norms({"x": np.ones((1, 2), "float32")})
    np.testing.assert_allclose(values, [6])
    np.testing.assert_allclose(found, [[3 * np.sqrt(2)]], rtol=1e-6)


def test_a_measurement_leaves_no_trace(model):
    layer = model.layers[-1]
    norms = gradient_norms(model, ["linear"], [layer.k])
    before = [np.array(ops.convert_to_numpy(ops.copy(v))) for v in model.variables]
    first, second = (norms({"x": np.ones((1, 2), "float32")})[0] for _ in range(2))
    assert first == second  # the same random number
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(ops.copy(variable)), value)
    layer.k.assign([[2.0], [2.0]])
    assert norms({"x": np.ones((1, 2), "float32")})[0] == pytest.approx(first + 2)
