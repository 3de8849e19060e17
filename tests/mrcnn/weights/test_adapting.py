"""Weights for other classes and other channels."""

import keras
import numpy as np
import pytest

from mrcnn.constants import CLASS_LAYERS
from mrcnn.weights.adapting import fitted, is_inflatable, other_classes
from mrcnn.weights.loading import assign_weights, to_numpy


def layers(classes, width=4, channels=3):
    """Variables as a model has them."""
    shapes = {
        "conv1": {"kernel": (7, 7, channels, 8), "bias": (8,)},
        "mrcnn_class_logits": {"kernel": (width, classes), "bias": (classes,)},
        "mrcnn_bbox_fc": {"kernel": (width, 4 * classes), "bias": (4 * classes,)},
        "mrcnn_mask": {"kernel": (1, 1, width, classes), "bias": (classes,)},
    }
    return {
        layer: [keras.Variable(np.zeros(shape, "float32"), name=name) for name, shape in of.items()]
        for layer, of in shapes.items()
    }


def arrays(classes, rng, **sizes):
    return {
        layer: {v.name: rng.standard_normal(v.shape, "float32") for v in variables}
        for layer, variables in layers(classes, **sizes).items()
    }


def test_layers_of_other_classes_are_left(rng):
    model = layers(3)
    assert other_classes(model, arrays(3, rng)) == set()
    assert other_classes(model, arrays(81, rng)) == set(CLASS_LAYERS)
    # Another network, not other classes.
    assert other_classes(model, arrays(81, rng, width=5)) == set()
    report = assign_weights(model, arrays(81, rng), "file", adapt=True)
    assert report.loaded == ["conv1/kernel", "conv1/bias"] and len(report.excluded) == 6
    with pytest.raises(ValueError, match="6 mismatched"):
        assign_weights(model, arrays(81, rng), "file")
    with pytest.raises(ValueError, match="mismatched"):
        assign_weights(model, arrays(81, rng, width=5), "file", adapt=True)


@pytest.mark.parametrize("channels", [1, 2, 4, 7])
def test_the_first_convolution_is_spread_over_other_channels(rng, channels):
    model, found = layers(3, channels=channels), arrays(3, rng)
    report = assign_weights(model, found, "file", adapt=True)
    shape = (7, 7, channels, 8)
    assert report.inflated == [f"conv1/kernel: file (7, 7, 3, 8), model {shape}"]
    assert "inflated" in str(report) and report.mismatched == []
    kernel = to_numpy(model["conv1"][0])
    expected = found["conv1"]["kernel"].sum(axis=2) / channels
    for channel in range(channels):
        np.testing.assert_allclose(kernel[:, :, channel], expected, atol=1e-6)
    # A grey image gives what it gave.
    grey = rng.standard_normal((7, 7))
    np.testing.assert_allclose(
        np.einsum("yx,yxco->o", grey, kernel),
        np.einsum("yx,yxco->o", grey, found["conv1"]["kernel"]),
        atol=1e-4,
    )
    with pytest.raises(ValueError, match="1 mismatched"):
        assign_weights(model, found, "file")


def test_no_other_kernel_is_spread():
    assert is_inflatable("conv1", (7, 7, 3, 64), (7, 7, 4, 64))
    assert is_inflatable("small_conv1", (3, 3, 3, 32), (3, 3, 1, 32))
    assert not is_inflatable("conv1", (7, 7, 3, 64), (7, 7, 3, 64))
    assert not is_inflatable("conv1", (7, 7, 3, 64), (7, 7, 4, 32))
    assert not is_inflatable("conv1", (3, 3, 3, 64), (7, 7, 4, 64))
    assert not is_inflatable("conv1", (64,), (32,))
    assert not is_inflatable("res2a_branch2a", (1, 1, 3, 64), (1, 1, 4, 64))
    kernel = np.ones((1, 1, 2, 2), "float32")
    assert fitted(kernel, (1, 1, 2, 2)) is kernel
