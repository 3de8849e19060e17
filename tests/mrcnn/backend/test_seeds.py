"""Initial weights follow from a seed, and the generators of the program stay as they are."""

import random

import keras
import numpy as np

from mrcnn.model import MaskRCNN
from mrcnn.weights.loading import to_numpy


def test_the_random_numbers_of_others_go_on_as_they_were(tiny_config, tmp_path):
    """And the weights follow from the seed of the configuration alone."""
    keras.utils.set_random_seed(3)
    expected = [to_numpy(keras.random.uniform((2,))) for _ in range(2)]
    weights = []
    for number, seed in enumerate((0, 0, 1)):
        keras.utils.set_random_seed(3)
        first = to_numpy(keras.random.uniform((2,)))
        random.seed(number)
        np.random.seed(number)  # noqa: NPY002 (programs use it)
        before = random.getstate(), np.random.get_state()  # noqa: NPY002
        config = tiny_config.update(SEED=seed)
        model = MaskRCNN("training" if number else "inference", config, tmp_path)
        assert random.getstate() == before[0]
        after = np.random.get_state()  # noqa: NPY002
        for now, then in zip(after, before[1], strict=True):
            np.testing.assert_array_equal(now, then)
        np.testing.assert_array_equal([first, to_numpy(keras.random.uniform((2,)))], expected)
        weights.append({k: to_numpy(v[0]) for k, v in model.layers().items() if "conv" in k})
    assert len(weights[0]) > 5
    for name, kernel in weights[0].items():
        np.testing.assert_array_equal(weights[1][name], kernel)
    kernels = [name for name, kernel in weights[0].items() if kernel.ndim == 4]
    assert all(np.abs(weights[2][name] - weights[0][name]).max() > 0 for name in kernels)
