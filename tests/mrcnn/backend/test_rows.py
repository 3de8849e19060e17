"""Rows of features, and the sums of their gradients."""

import keras
import numpy as np
import pytest
from keras import ops

from mrcnn.backend import gather_rows, weighted_rows
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
