"""The RPN at sampled anchors is the RPN everywhere, read at these anchors."""

import keras
import numpy as np
import pytest
from keras import ops

from mrcnn.modeling import losses
from mrcnn.modeling.fpn import flatten_levels
from mrcnn.modeling.layers import Builder
from mrcnn.modeling.rpn import SampledRPN, build_rpn

# Odd and even sides, down to a single row, as P6 of small images has them.
SHAPES = ((10, 13), (5, 7), (3, 4), (2, 2), (1, 1))
CHANNELS, ANCHORS = 6, 3


def to_numpy(variable):
    return ops.convert_to_numpy(ops.copy(variable))


class Both:
    """The RPN with random weights on random levels: everywhere and at some anchors."""

    def __init__(self, stride):
        rng = np.random.default_rng(stride)
        self.stride = stride
        self.levels = [
            keras.Variable(rng.normal(size=(2, *shape, CHANNELS)).astype("float32"))
            for shape in SHAPES
        ]
        self.builder = Builder(False, 0.0)
        self.dense()
        self.variables = []
        for name in ("rpn_conv_shared", "rpn_class_raw", "rpn_bbox_pred"):
            layer = self.builder.layers[name]
            for variable in layer.weights:
                variable.assign(rng.normal(size=variable.shape) * 0.3)
                self.variables.append(variable)
        self.layer = SampledRPN(self.builder, ANCHORS, stride)

    def tensors(self):
        return [ops.convert_to_tensor(level) for level in self.levels]

    def dense(self):
        logits, probabilities, deltas = build_rpn(
            self.builder, self.tensors(), 8, ANCHORS, self.stride
        )
        return logits, deltas, probabilities

    def sampled(self, indices):
        tensors = self.tensors()
        return self.layer(flatten_levels(tensors), ops.convert_to_tensor(indices), tensors)


@pytest.fixture(scope="module", params=[1, 2])
def both(request):
    return Both(request.param)


def number_of_anchors(stride):
    return ANCHORS * sum(-(-h // stride) * -(-w // stride) for h, w in SHAPES)


def test_number_of_outputs(both):
    logits, deltas, probabilities = both.dense()
    count = number_of_anchors(both.stride)
    assert logits.shape == (2, count, 2)
    assert deltas.shape == (2, count, 4)
    np.testing.assert_allclose(ops.convert_to_numpy(probabilities).sum(axis=-1), 1, rtol=1e-5)


def test_order_is_level_row_column_anchor():
    """A change at one position reaches the anchors of that position and its neighbours alone."""
    both = Both(1)
    before = ops.convert_to_numpy(both.dense()[0])[0]
    changed = to_numpy(both.levels[1]).copy()
    changed[0, 3, 5] += 1
    both.levels[1].assign(changed)
    after = ops.convert_to_numpy(both.dense()[0])[0]
    touched = {int(i) // ANCHORS for i in np.flatnonzero(np.abs(after - before).max(axis=1))}
    window = {10 * 13 + y * 7 + x for y in (2, 3, 4) for x in (4, 5, 6)}
    assert touched <= window
    assert 10 * 13 + 3 * 7 + 5 in touched


def test_sampled_outputs_of_all_anchors_equal_the_dense_ones(both):
    """All positions: the first and last rows and columns of every level among them."""
    count = number_of_anchors(both.stride)
    indices = np.stack([np.arange(count), np.arange(count)[::-1]]).astype("int32")
    logits, deltas = (ops.convert_to_numpy(value) for value in both.sampled(indices))
    dense_logits, dense_deltas, _ = (ops.convert_to_numpy(value) for value in both.dense())
    for image in range(2):
        np.testing.assert_allclose(logits[image], dense_logits[image][indices[image]], atol=1e-4)
        np.testing.assert_allclose(deltas[image], dense_deltas[image][indices[image]], atol=1e-4)


def test_gradients_of_the_losses_equal_the_dense_ones(both, gradients, rng):
    count = number_of_anchors(both.stride)
    indices = np.stack([rng.permutation(count)[:24] for _ in range(2)]).astype("int32")
    indices[:, 1] = indices[:, 0]  # the same anchor twice, as empty slots have it
    labels = (np.arange(24)[None] < 8).repeat(2, axis=0).astype("int32")
    used = rng.random((2, 24)) > 0.2
    targets = rng.normal(size=(2, 8, 4)).astype("float32")

    def total(logits, deltas):
        return losses.rpn_class_loss(labels, used, logits) + losses.rpn_bbox_loss(
            targets, ops.convert_to_tensor(used[:, :8]), deltas[:, :8]
        )

    def dense():
        logits, deltas, _ = both.dense()
        at = ops.convert_to_tensor(indices[..., None])
        return total(
            ops.take_along_axis(logits, at, axis=1), ops.take_along_axis(deltas, at, axis=1)
        )

    variables = both.variables + both.levels
    value, grads = gradients(lambda: total(*both.sampled(indices)), variables)
    dense_value, dense_grads = gradients(dense, variables)
    np.testing.assert_allclose(value, dense_value, rtol=1e-5)
    for grad, expected in zip(grads, dense_grads, strict=True):
        np.testing.assert_allclose(grad, expected, atol=1e-5)
    assert all(np.abs(grad).max() > 1e-4 for grad in dense_grads[:6])


def test_sampled_rpn_has_no_weights_of_its_own(both):
    assert both.layer.weights == []
