"""The heads and the pyramid: shapes, layer names, and the fast transposed convolution."""

import keras
import numpy as np
from keras import ops

from mrcnn.modeling.fpn import build_fpn, flatten_levels, shapes_of, take_rows
from mrcnn.modeling.heads import Deconv2x2, build_classifier, build_mask_head
from mrcnn.modeling.layers import Builder


def test_deconv_equals_keras_transposed_convolution(rng, gradients):
    x = keras.Variable(rng.normal(size=(3, 5, 4, 6)).astype("float32"))
    ours, reference = Deconv2x2(7), keras.layers.Conv2DTranspose(7, 2, 2, activation="relu")
    for layer in (ours, reference):
        layer.build((None, 5, 4, 6))
    kernel, bias = rng.normal(size=(2, 2, 7, 6)), rng.normal(size=7)
    weights = rng.normal(size=(3, 10, 8, 7)).astype("float32")
    results = []
    for layer in (ours, reference):
        layer.kernel.assign(kernel)
        layer.bias.assign(bias)
        result = gradients(
            lambda layer=layer: ops.sum(layer(ops.convert_to_tensor(x)) * weights),
            [x, layer.kernel, layer.bias],
        )
        results.append((ops.convert_to_numpy(layer(ops.convert_to_tensor(x))), result))
    np.testing.assert_allclose(results[0][0], results[1][0], atol=1e-4)
    for grad, expected in zip(results[0][1][1], results[1][1][1], strict=True):
        np.testing.assert_allclose(grad, expected, atol=1e-4)


def test_deconv_regularises_its_weights():
    layer = Deconv2x2(3, decay=0.5)
    layer.build((None, 4, 4, 2))
    layer.kernel.assign(np.ones((2, 2, 3, 2)))
    layer.bias.assign(np.full(3, 2.0))
    np.testing.assert_allclose(float(sum(layer.losses)), 0.5 + 2.0)


def test_classifier():
    builder = Builder(False, 0.0)
    pooled = ops.ones((2, 5, 7, 7, 3))
    logits, probabilities, deltas = build_classifier(builder, pooled, 4, 8)
    assert (logits.shape, probabilities.shape, deltas.shape) == ((2, 5, 4), (2, 5, 4), (2, 5, 4, 4))
    found = ops.convert_to_numpy(logits)
    expected = np.exp(found) / np.exp(found).sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(ops.convert_to_numpy(probabilities), expected, rtol=1e-5)


def test_box_deltas_are_grouped_by_class():
    builder = Builder(False, 0.0)
    pooled = ops.ones((1, 1, 7, 7, 3))
    build_classifier(builder, pooled, 3, 8)
    builder.layers["mrcnn_bbox_fc"].kernel.assign(np.zeros((8, 12)))
    builder.layers["mrcnn_bbox_fc"].bias.assign(np.arange(12.0))
    *_, deltas = build_classifier(builder, pooled, 3, 8)
    assert ops.convert_to_numpy(deltas)[0, 0].tolist() == [
        [0, 1, 2, 3],
        [4, 5, 6, 7],
        [8, 9, 10, 11],
    ]


def test_mask_head():
    builder = Builder(False, 0.0)
    masks = build_mask_head(builder, ops.ones((2, 5, 14, 14, 3)), 4, 8)
    assert masks.shape == (2, 5, 28, 28, 4)
    found = ops.convert_to_numpy(masks)
    assert 0 < found.min() <= found.max() < 1
    assert [name for name in builder.layers if "relu" not in name] == [
        *(f"mrcnn_mask_{kind}{n}" for n in range(1, 5) for kind in ("bn", "conv")),
        "mrcnn_mask_deconv",
        "mrcnn_mask",
    ]


def test_heads_treat_rois_apart(rng):
    builder = Builder(False, 0.0)
    pooled = rng.normal(size=(2, 3, 14, 14, 2)).astype("float32")
    every = ops.convert_to_numpy(build_mask_head(builder, ops.convert_to_tensor(pooled), 2, 8))
    alone = build_mask_head(builder, ops.convert_to_tensor(pooled[1:, 2:]), 2, 8)
    np.testing.assert_allclose(every[1:, 2:], ops.convert_to_numpy(alone), atol=1e-5)


def test_fpn_shapes_round_p6_up():
    builder = Builder(False, 0.0)
    # C2 to C5 of an 800 x 1024 image are too large for a test: a quarter, with C5 odd.
    stages = [ops.ones((1, 200 // s, 256 // s, 4 * s)) for s in (1, 2, 4, 8)]
    levels = build_fpn(builder, stages, 6)
    assert shapes_of(levels) == [(200, 256), (100, 128), (50, 64), (25, 32), (13, 16)]
    assert all(level.shape[-1] == 6 for level in levels)


def test_fpn_adds_the_upsampled_level_above(rng):
    builder = Builder(False, 0.0)
    stages = [rng.normal(size=(1, s, s, 2)).astype("float32") for s in (16, 8, 4, 2)]
    build_fpn(builder, [ops.convert_to_tensor(s) for s in stages], 2)
    eye = np.eye(2)[None, None]
    for name, layer in builder.layers.items():
        if layer.weights:
            # Side connections pass the stage on, output convolutions their centre.
            kernel = np.zeros(layer.kernel.shape)
            kernel[kernel.shape[0] // 2, kernel.shape[1] // 2] = eye
            layer.kernel.assign(kernel)
            assert name.startswith("fpn_")
    levels = build_fpn(builder, [ops.convert_to_tensor(s) for s in stages], 2)
    expected = stages[3]
    for level, stage in zip(levels[3::-1], stages[::-1], strict=True):
        if stage is not stages[3]:
            expected = stage + expected.repeat(2, axis=1).repeat(2, axis=2)
        np.testing.assert_allclose(ops.convert_to_numpy(level), expected, atol=1e-5)
    np.testing.assert_allclose(ops.convert_to_numpy(levels[4]), stages[3][:, :1, :1], atol=1e-5)


def test_bank_is_levels_rows_columns():
    levels = [ops.reshape(ops.arange(12), (2, 2, 3, 1)), ops.reshape(ops.arange(2), (2, 1, 1, 1))]
    flat_features = ops.convert_to_numpy(flatten_levels(levels))[..., 0]
    assert flat_features.tolist() == [[0, 1, 2, 3, 4, 5, 0], [6, 7, 8, 9, 10, 11, 1]]


def test_take_rows():
    flat_features = np.arange(12.0).reshape(2, 3, 2)
    indices = np.array([[[2, 0]], [[1, 1]]], "int32")
    found = ops.convert_to_numpy(take_rows(ops.convert_to_tensor(flat_features), indices))
    assert found.tolist() == [[[[4, 5], [0, 1]]], [[[8, 9], [8, 9]]]]
