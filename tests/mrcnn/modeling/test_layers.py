"""Convolutions that contain their frozen normalisation, and the regulariser."""

import keras
import numpy as np
import pytest
from keras import ops

from mrcnn.modeling.layers import BatchNorm, Builder, Conv2D, SizedL2


def to_numpy(variable):
    return ops.convert_to_numpy(ops.copy(variable))


def test_sized_l2():
    weight = ops.convert_to_tensor(np.array([[1.0, 2.0], [3.0, 4.0]], "float32"))
    # (1 + 4 + 9 + 16) / 4
    np.testing.assert_allclose(float(SizedL2(0.1)(weight)), 0.75, rtol=1e-6)


def test_sized_l2_survives_serialisation():
    regularizer = SizedL2.from_config(SizedL2(0.25).get_config())
    np.testing.assert_allclose(float(regularizer(ops.ones((3,)))), 0.25)


def test_sized_l2_of_a_convolution_covers_kernel_and_bias():
    layer = Conv2D(2, (3, 3), decay=0.5)
    layer.build((None, 8, 8, 4))
    layer.kernel.assign(np.full(layer.kernel.shape, 2.0))
    layer.bias.assign([1.0, 3.0])
    # 0.5 * 4 for the kernel and 0.5 * (1 + 9) / 2 for the bias.
    np.testing.assert_allclose(float(sum(layer.losses)), 2 + 2.5, rtol=1e-6)


def randomized(builder, rng):
    for layer in builder.layers.values():
        for variable in layer.weights:
            values = rng.normal(size=variable.shape)
            if variable.name in ("gamma", "moving_variance"):
                values = 0.5 + np.abs(values)
            variable.assign(values)


@pytest.mark.parametrize(
    ("side", "kernel", "strides", "padding"),
    [
        (9, (3, 3), 1, "same"),
        (9, (1, 1), 2, "valid"),
        (8, (7, 7), 2, "valid"),
        (7, (7, 7), 1, "valid"),  # covers its input: a matrix product
        (1, (1, 1), 1, "valid"),
    ],
)
def test_folded_norm_equals_convolution_then_norm(gradients, rng, side, kernel, strides, padding):
    builder = Builder(False, 0.0)
    x = keras.Variable(rng.normal(size=(2, side, side, 3)).astype("float32"))

    def folded():
        return builder.conv_norm(
            ops.convert_to_tensor(x), 5, kernel, "c", "n", "r", strides=strides, padding=padding
        )

    folded()
    randomized(builder, rng)
    conv, norm = builder.layers["c"], builder.layers["n"]

    def apart():
        y = ops.conv(ops.convert_to_tensor(x), conv.kernel, strides, padding) + conv.bias
        y = (y - norm.moving_mean) / ops.sqrt(norm.moving_variance + 1e-3)
        return ops.relu(norm.gamma * y + norm.beta)

    expected = ops.convert_to_numpy(apart())
    weights = rng.normal(size=expected.shape).astype("float32")
    np.testing.assert_allclose(ops.convert_to_numpy(folded()), expected, atol=1e-4)
    variables = [x, conv.kernel, conv.bias, norm.gamma, norm.beta]
    value, grads = gradients(lambda: ops.sum(folded() * weights), variables)
    reference, expected = gradients(lambda: ops.sum(apart() * weights), variables)
    np.testing.assert_allclose(value, reference, rtol=1e-3, atol=1e-3)
    for variable, grad, wanted in zip(variables, grads, expected, strict=True):
        scale = np.abs(wanted).max()
        assert scale > 0
        np.testing.assert_allclose(grad, wanted, atol=2e-5 * scale, err_msg=variable.name)


def test_norm_is_built_with_the_convolution_and_owns_its_weights():
    builder = Builder(False, 0.0)
    builder.conv_norm(ops.ones((1, 4, 4, 3)), 2, (3, 3), "c", "n")
    assert [w.name for w in builder.layers["c"].weights] == ["kernel", "bias"]
    assert [w.name for w in builder.layers["n"].weights] == [
        "gamma",
        "beta",
        "moving_mean",
        "moving_variance",
    ]


def test_frozen_norm_stays_as_it_is_in_training():
    norm = BatchNorm(False, name="n")
    x = ops.convert_to_tensor(np.arange(8, dtype="float32").reshape(2, 2, 2, 1))
    norm.build((None, 2, 2, 1))
    assert norm.frozen
    np.testing.assert_allclose(
        ops.convert_to_numpy(norm(x, training=True)), ops.convert_to_numpy(x)
    )
    assert to_numpy(norm.moving_mean).tolist() == [0]


@pytest.mark.parametrize(
    ("train", "training", "uses_batch"),
    [(True, False, False), (True, True, True), (None, True, True), (None, False, False)],
)
def test_trained_norm_normalises_by_the_batch(train, training, uses_batch):
    norm = BatchNorm(train, name="n")
    values = np.array([1.0, 3.0, 5.0, 7.0], "float32").reshape(4, 1, 1, 1)
    found = ops.convert_to_numpy(norm(values, training=training)).ravel()
    batch = (values.ravel() - 4) / np.sqrt(5 + 1e-3)  # mean 4, variance 5
    moving = values.ravel() / np.sqrt(1 + 1e-3)  # mean 0, variance 1
    np.testing.assert_allclose(found, batch if uses_batch else moving, rtol=1e-5)
    mean = 0.01 * 4 if uses_batch else 0.0
    np.testing.assert_allclose(to_numpy(norm.moving_mean), [mean], rtol=1e-5)


def test_convolution_before_a_trained_norm_is_left_alone(rng):
    builder = Builder(True, 0.0)
    x = ops.convert_to_tensor(rng.normal(size=(2, 5, 5, 3)).astype("float32"))
    builder.conv_norm(x, 4, (3, 3), "c", "n", padding="same")
    randomized(builder, rng)
    conv = builder.layers["c"]
    expected = ops.conv(x, conv.kernel, 1, "same") + conv.bias
    np.testing.assert_allclose(
        ops.convert_to_numpy(conv(x)), ops.convert_to_numpy(expected), atol=1e-5
    )


def test_builder_makes_each_layer_once():
    builder = Builder(False, 0.0)
    x = ops.ones((1, 4, 4, 3))
    one = builder.conv(x, 2, (1, 1), "c")
    two = builder.conv(x, 2, (1, 1), "c")
    assert list(builder.layers) == ["c"]
    np.testing.assert_array_equal(ops.convert_to_numpy(one), ops.convert_to_numpy(two))
