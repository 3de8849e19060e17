"""Every loss by numbers that were worked out by hand."""

import json
import math

import keras
import numpy as np
import pytest
from keras import ops

from mrcnn.modeling import losses

NAMES = [
    "rpn_class_loss",
    "rpn_bbox_loss",
    "mrcnn_class_loss",
    "mrcnn_bbox_loss",
    "mrcnn_mask_loss",
]


def tensor(values, dtype="float32"):
    return ops.convert_to_tensor(np.asarray(values, dtype))


def test_rpn_class_loss():
    # Softmax of (0, log 3) is (1/4, 3/4); of (0, 0) it is (1/2, 1/2). The third is not used.
    logits = tensor([[[0, math.log(3)], [0, math.log(3)], [9, -9]], [[0, 0], [0, 0], [9, -9]]])
    labels = tensor([[1, 0, 1], [1, 0, 1]], "int32")
    used = tensor([[1, 1, 0], [1, 0, 0]], bool)
    expected = (math.log(4 / 3) + math.log(4) + math.log(2)) / 3
    assert float(losses.rpn_class_loss(labels, used, logits)) == pytest.approx(expected, rel=1e-6)


def test_rpn_class_loss_of_extreme_logits_is_finite():
    loss = losses.rpn_class_loss(
        tensor([[1]], "int32"), tensor([[1]], bool), tensor([[[500, -500]]])
    )
    assert float(loss) == pytest.approx(1000)


def test_rpn_bbox_loss():
    # |d| < 1: d^2 / 2, else |d| - 1/2: 0.125, 0.5, 1.5 and 0 over four coordinates.
    targets = tensor([[[0.5, -1, 2, 0], [7, 7, 7, 7]]])
    used = tensor([[1, 0]], bool)
    loss = losses.rpn_bbox_loss(targets, used, ops.zeros((1, 2, 4)))
    assert float(loss) == pytest.approx((0.125 + 0.5 + 1.5) / 4)


def test_rpn_bbox_loss_is_a_mean_over_the_positives_of_the_batch():
    targets = tensor([[[1, 1, 1, 1], [0, 0, 0, 0]], [[2, 2, 2, 2], [9, 9, 9, 9]]])
    used = tensor([[1, 1], [1, 0]], bool)
    loss = losses.rpn_bbox_loss(targets, used, ops.zeros((2, 2, 4)))
    assert float(loss) == pytest.approx((0.5 + 0 + 1.5) / 3)


def test_mrcnn_class_loss():
    # Probabilities (1/6, 2/6, 3/6) and (2/3, 1/6, 1/6).
    logits = tensor([[np.log([1, 2, 3]), np.log([4, 1, 1])]])
    loss = losses.mrcnn_class_loss(
        tensor([[1, 0]], "int32"), tensor([[1]], bool), logits, tensor([[1, 1, 1]])
    )
    assert float(loss) == pytest.approx((math.log(3) + math.log(1.5)) / 2, rel=1e-6)


def test_mrcnn_class_loss_leaves_predictions_of_foreign_classes_out():
    logits = tensor([[np.log([1, 2, 3]), np.log([4, 1, 1])]])
    # The first RoI's prediction, class 2, is not in the image's dataset.
    loss = losses.mrcnn_class_loss(
        tensor([[1, 0]], "int32"), tensor([[1]], bool), logits, tensor([[1, 1, 0]])
    )
    assert float(loss) == pytest.approx(math.log(1.5), rel=1e-6)


def test_mrcnn_class_loss_counts_only_images_that_count():
    logits = tensor([[np.log([1, 2, 3])], [np.log([4, 1, 1])]])
    loss = losses.mrcnn_class_loss(
        tensor([[1], [0]], "int32"), tensor([[0], [1]], bool), logits, ops.ones((2, 3))
    )
    assert float(loss) == pytest.approx(math.log(1.5), rel=1e-6)


def test_mrcnn_bbox_loss():
    deltas = np.full((1, 3, 3, 4), 100.0)
    deltas[0, 0, 2] = [0, 0, 0, 0]
    deltas[0, 1, 1] = [1, 1, 1, 4]
    targets = tensor([[[0.5, -1, 2, 0], [1, 1, 1, 1], [0, 0, 0, 0]]])
    # The third slot is empty.
    loss = losses.mrcnn_bbox_loss(targets, tensor([[2, 1, 0]], "int32"), tensor(deltas))
    assert float(loss) == pytest.approx((0.125 + 0.5 + 1.5 + 2.5) / 8)


def test_mrcnn_mask_loss():
    predicted = np.full((1, 2, 1, 2, 3), 0.123)
    predicted[0, 0, 0, :, 2] = [0.25, 0.25]
    masks = tensor([[[[1, 0]], [[1, 1]]]])
    # log 4 where the mask is 1, log(4/3) where it is 0; the second slot is empty.
    loss = losses.mrcnn_mask_loss(masks, tensor([[2, 0]], "int32"), tensor(predicted))
    assert float(loss) == pytest.approx((math.log(4) + math.log(4 / 3)) / 2, rel=1e-6)


def test_mrcnn_mask_loss_of_certain_predictions_is_clipped():
    predicted = tensor(np.array([0.0, 1.0]).reshape(1, 1, 1, 2, 1).repeat(2, axis=-1))
    ids = tensor([[1]], "int32")
    wrong = losses.mrcnn_mask_loss(tensor([[[[1, 0]]]]), ids, predicted)
    # p is clipped by 1e-7 and shifted by it; in float32 that is 2**-23 on either side of 1.
    expected = -(math.log(2e-7) + math.log(2**-22)) / 2
    assert float(wrong) == pytest.approx(expected, rel=1e-5)
    right = losses.mrcnn_mask_loss(tensor([[[[0, 1]]]]), ids, predicted)
    assert float(right) == pytest.approx(0, abs=1e-6)


def test_gradient_of_a_mask_at_the_limits_is_whole(gradients):
    """JAX halves that of `ops.clip` where a value equals a limit; of saturated masks many do."""
    low, high = np.float32(losses.EPSILON), np.float32(1) - np.float32(losses.EPSILON)
    predicted = np.zeros((1, 1, 1, 4, 2), "float32")
    predicted[..., 1] = [low, high, low / 2, 1.0]
    variable = keras.Variable(predicted)
    masks, ids = tensor([[[[1, 0, 1, 0]]]]), tensor([[1]], "int32")
    _, (found,) = gradients(lambda: losses.mrcnn_mask_loss(masks, ids, variable), [variable])
    # A quarter of -1 / (p + 1e-7) and of 1 / (1 + 1e-7 - p), and nothing beyond the limits.
    second = 1 / (float(np.float32(1) + np.float32(1e-7)) - float(high))
    expected = [-1 / 2e-7 / 4, second / 4, 0, 0]
    np.testing.assert_allclose(found[0, 0, 0, :, 1], expected, rtol=1e-4)
    assert not found[..., 0].any()


@pytest.fixture
def nothing():
    """Arguments of `Losses` for a batch without objects: two images, 4 + 8 anchors, 3 of 9 RoIs."""
    rng = np.random.default_rng(0)
    used = np.zeros((2, 12), bool)
    used[:, 4:] = True
    anchors = (
        tensor(np.repeat([[1] * 4 + [0] * 8], 2, axis=0), "int32"),
        tensor(used, bool),
        ops.zeros((2, 4, 4)),
        tensor(rng.normal(size=(2, 12, 2))),
        tensor(rng.normal(size=(2, 12, 4))),
    )
    rois = [
        ops.zeros((2, 9), dtype="int32"),
        ops.zeros((2, 3, 4)),
        ops.zeros((2, 3), dtype="int32"),
        ops.zeros((2, 3, 5, 5)),
        tensor(rng.normal(size=(2, 9, 4))),
        tensor(rng.normal(size=(2, 9, 4, 4))),
        tensor(rng.uniform(0.1, 0.9, (2, 3, 5, 5, 4))),
    ]
    return anchors, rois, ops.zeros((2, 6), dtype="int32"), ops.ones((2, 4))


def test_roi_losses_of_images_without_objects_are_exactly_zero(nothing):
    layer = losses.Losses({}, {})
    values = {name: float(value) for name, value in layer(*nothing).items()}
    assert list(values) == NAMES
    assert [values[name] for name in NAMES[1:]] == [0.0] * 4
    assert values["rpn_class_loss"] > 0
    assert all(math.isfinite(value) for value in values.values())


def test_gradients_of_images_without_objects_are_zero_and_finite(nothing, gradients):
    anchors, rois, gt_class_ids, active = nothing
    variables = [keras.Variable(value) for value in (*anchors[3:], *rois[4:])]

    def total():
        logits, deltas, *predictions = (ops.convert_to_tensor(v) for v in variables)
        found = losses.Losses({}, {})(
            (*anchors[:3], logits, deltas), [*rois[:4], *predictions], gt_class_ids, active
        )
        return sum(found.values())

    _, grads = gradients(total, variables)
    assert all(np.isfinite(grad).all() for grad in grads)
    assert np.abs(grads[0]).max() > 0
    assert not any(grad.any() for grad in grads[1:])


def test_weighted_sum_is_added_to_the_model_and_values_are_unweighted(nothing):
    anchors, rois, _, active = nothing
    gt_class_ids = ops.ones((2, 6), dtype="int32")
    weights = {"rpn_class_loss": 2.0, "mrcnn_class_loss": 0.5, "extra": 3.0}
    layer = losses.Losses(weights, {"extra": lambda masks, ids, predicted: ops.mean(predicted)})
    values = {
        name: float(value) for name, value in layer(anchors, rois, gt_class_ids, active).items()
    }
    plain = losses.Losses({}, {})(anchors, rois, gt_class_ids, active)
    assert {name: values[name] for name in NAMES} == {n: float(v) for n, v in plain.items()}
    assert values["mrcnn_class_loss"] > 0
    assert values["extra"] == pytest.approx(float(ops.mean(rois[6])))
    expected = 2 * values["rpn_class_loss"] + 0.5 * values["mrcnn_class_loss"] + 3 * values["extra"]
    assert float(sum(layer.losses)) == pytest.approx(expected, rel=1e-6)


def test_an_image_without_objects_does_not_dilute_the_class_loss(nothing):
    anchors, rois, _, active = nothing
    logits = np.zeros((2, 9, 4), "float32")
    logits[1] = 5 * np.arange(4)
    rois[4] = tensor(logits)
    gt_class_ids = tensor([[1] + [0] * 5, [-1] + [0] * 5], "int32")  # the second has a crowd alone
    values = losses.Losses({}, {})(anchors, rois, gt_class_ids, active)
    assert float(values["mrcnn_class_loss"]) == pytest.approx(math.log(4), rel=1e-6)


def test_further_mask_losses_see_positive_slots_alone(nothing):
    seen = []

    def spy(masks, ids, predicted):
        seen.append((tuple(masks.shape), tuple(ids.shape), tuple(predicted.shape)))
        return ops.zeros(())

    losses.Losses({}, {"spy": spy})(*nothing)
    assert seen == [((2, 3, 5, 5), (2, 3), (2, 3, 5, 5, 4))]


def test_losses_are_those_of_the_original(parity_dir):
    expected = json.loads((parity_dir / "train_ext_resnet50.json").read_text())["losses"]
    with np.load(parity_dir / "train_ext_resnet50.npz") as bundle:
        values = {name: bundle[name] for name in bundle.files if "|" not in name}
    match = values["in_rpn_match"][..., 0]
    found = {
        "rpn_class_loss": losses.rpn_class_loss(
            tensor(match > 0, "int32"), tensor(match != 0, bool), tensor(values["rpn_class_logits"])
        )
    }
    # Targets come packed, in the order of the positive anchors.
    targets = np.zeros((*match.shape, 4))
    for image in range(2):
        positive = np.flatnonzero(match[image] > 0)
        targets[image, positive] = values["in_rpn_bbox"][image, : len(positive)]
    found["rpn_bbox_loss"] = losses.rpn_bbox_loss(
        tensor(targets), tensor(match > 0, bool), tensor(values["rpn_bbox"])
    )
    ids = tensor(values["target_class_ids"], "int32")
    found["mrcnn_class_loss"] = losses.mrcnn_class_loss(
        ids, ops.ones((2, 1), dtype="bool"), tensor(values["mrcnn_class_logits"]),
        tensor(values["in_image_meta"][:, 12:]),
    )  # fmt: skip
    found["mrcnn_bbox_loss"] = losses.mrcnn_bbox_loss(
        tensor(values["target_bbox"]), ids, tensor(values["mrcnn_bbox"])
    )
    positive = values["y_true_pos"], values["y_pred_pos"]
    masks = [tensor(value[None]) for value in positive]
    found["mrcnn_mask_loss"] = losses.mrcnn_mask_loss(
        masks[0], ops.ones((1, len(positive[0])), dtype="int32"),
        ops.stack([1 - masks[1], masks[1]], axis=-1),
    )  # fmt: skip
    for name in NAMES[:4]:
        assert float(found[name]) == pytest.approx(expected[name], rel=1e-4), name
    # The Keras that the reference ran on adds an epsilon inside the logarithm once more, which
    # shows at the 1 % of pixels that are saturated.
    name = NAMES[4]
    assert float(found[name]) == pytest.approx(expected[name], rel=2.5e-3), name


def test_mask_losses_see_only_objects_with_a_mask(nothing):
    anchors, rois, _, active = nothing
    rois[0] = tensor([[2, 1, 3] + [0] * 6, [0] * 9], "int32")
    rois[2] = tensor([[0, 1, 0], [0] * 3], "int32")
    rois[3] = ops.ones((2, 3, 5, 5))
    rois[6] = tensor(np.full((2, 3, 5, 5, 4), 0.5) * np.array([1, 0.5, 1, 1]))
    layer = losses.Losses(
        {}, {"ids": lambda masks, ids, predicted: ops.sum(ops.cast(ids, "float32"))}
    )
    values = layer(anchors, rois, ops.ones((2, 6), dtype="int32"), active)
    # Slot 1 alone: log 4, where the others would have log 2.
    assert float(values["mrcnn_mask_loss"]) == pytest.approx(math.log(4), rel=1e-6)
    assert float(values["ids"]) == 1
    # The boxes of all three count: mean smooth L1 of the deltas of their classes.
    deltas = np.asarray(rois[5])[0, [0, 1, 2], [2, 1, 3]]
    expected = np.where(abs(deltas) < 1, deltas**2 / 2, abs(deltas) - 0.5).mean()
    assert float(values["mrcnn_bbox_loss"]) == pytest.approx(expected, rel=1e-5)


def test_uncertainty_weighting_by_hand(gradients):
    # exp(-log 4) 8 + log(4) / 2 = 2 + log 2; exp(0) 3 + 0; a loss of 0 is left out.
    variances = keras.Variable(np.array([math.log(4), 0, 5], "float32"))
    values = keras.Variable(np.array([8, 3, 0], "float32"))

    def total():
        return losses.uncertainty_sum(
            ops.convert_to_tensor(values), ops.convert_to_tensor(variances)
        )

    value, (by_loss, by_variance) = gradients(total, [values, variances])
    assert value == pytest.approx(2 + math.log(2) + 3, rel=1e-6)
    # exp(-s) for the loss, 1/2 - exp(-s) L for s.
    np.testing.assert_allclose(by_loss, [0.25, 1, 0], rtol=1e-6)
    np.testing.assert_allclose(by_variance, [0.5 - 2, 0.5 - 3, 0], rtol=1e-6)


def weighted(weighting, nothing, weights=None):
    """A layer whose losses are rpn_class 0.5 (times its weight), and 7 by a further one."""
    layer = losses.Losses(
        {**dict.fromkeys(NAMES[1:], 0.0), **(weights or {})},
        {"extra": lambda masks, ids, predicted: ops.convert_to_tensor(7.0)},
        weighting,
    )
    anchors, rois, gt_class_ids, active = nothing
    # Logits (0, x) of background cost log(1 + exp(x)): 1/2 for x = log(sqrt(e) - 1).
    logits = np.zeros((2, 12, 2), "float32")
    logits[..., 1] = math.log(math.exp(0.5) - 1)
    zeros = ops.zeros((2, 12), dtype="int32")
    used = ops.ones((2, 12), dtype="bool")
    anchors = (zeros, used, anchors[2], tensor(logits), anchors[4])
    return layer, lambda: layer(anchors, rois, gt_class_ids, active)


@pytest.mark.parametrize("weighting", ["fixed", "uncertainty", "gradnorm"])
def test_every_weighting_starts_with_the_fixed_sum(nothing, weighting):
    layer, call = weighted(weighting, nothing, {"rpn_class_loss": 3.0, "extra": 0.1})
    values = call()
    assert float(sum(layer.losses)) == pytest.approx(3 * 0.5 + 0.1 * 7, rel=1e-5)
    assert float(values["extra"]) == 7  # reported as it is
    start = {"rpn_class_loss": 3.0, "extra": pytest.approx(0.1)}
    assert layer.current_weights() == ({} if weighting == "fixed" else start)
    assert len(layer.trainable_variables) == (weighting == "uncertainty")
    assert len(layer.weights) == {"fixed": 0, "uncertainty": 1, "gradnorm": 2}[weighting]


def test_uncertainty_weights_follow_their_variances(nothing):
    layer, call = weighted("uncertainty", nothing, {"rpn_class_loss": 3.0})
    layer.log_variances.assign([math.log(2), math.log(10)])
    call()
    expected = 3 * 0.5 / 2 + 7 / 10 + (math.log(2) + math.log(10)) / 2
    assert float(sum(layer.losses)) == pytest.approx(expected, rel=1e-5)
    assert layer.current_weights() == pytest.approx({"rpn_class_loss": 1.5, "extra": 0.1})


def test_gradnorm_factors_multiply_the_weights(nothing):
    layer, call = weighted("gradnorm", nothing, {"rpn_class_loss": 3.0})
    layer.factors.assign([0.5, 1.5])
    call()
    assert float(sum(layer.losses)) == pytest.approx(0.5 * 3 * 0.5 + 1.5 * 7, rel=1e-5)
    assert layer.current_weights() == pytest.approx({"rpn_class_loss": 1.5, "extra": 1.5})
