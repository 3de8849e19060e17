"""Updates of GradNorm by numbers that were worked out by hand."""

import numpy as np
import pytest

from mrcnn.training.gradnorm import GradNorm, gradnorm_step
from mrcnn.weights.loading import to_numpy

ONES = np.ones(3, "float32")


def step(factors, values, norms, first=None, alpha=1.5, rate=0.1):
    arrays = [np.array(a, "float32") for a in (factors, values, norms, first or values)]
    return gradnorm_step(*arrays, alpha, rate)


def test_the_larger_gradient_loses_weight():
    # G = (2 * 1, 1 * 6), mean 4: steps of exp(+0.1 * 2 / 4) and exp(-0.1 * 6 / 4).
    moved = np.array([2 * np.exp(0.05), np.exp(-0.15)])
    np.testing.assert_allclose(step([2, 1], [5, 5], [1, 6]), 3 * moved / moved.sum(), rtol=1e-6)


def test_a_loss_that_trains_slower_is_allowed_a_larger_gradient():
    # Ratios to the first values 0.5 and 1.5, mean 1; alpha 2: targets 0.25 * 4 and 2.25 * 4.
    # With alpha 1 they would be 2 and 6, on the other side of both gradients.
    moved = np.array([np.exp(-0.1 * 1.5 / 4), np.exp(0.1 * 6.5 / 4)])
    found = step([1, 1], [1, 3], [1.5, 6.5], first=[2, 2], alpha=2)
    np.testing.assert_allclose(found, 2 * moved / moved.sum(), rtol=1e-6)


def test_progress_that_all_losses_share_changes_nothing():
    found = step([2, 1], [0.5, 0.5], [1, 6], first=[5, 5])
    np.testing.assert_allclose(found, step([2, 1], [5, 5], [1, 6]), rtol=1e-6)


def test_balanced_gradients_keep_their_weights():
    np.testing.assert_allclose(step([0.5, 1.5], [4, 9], [6, 2]), [0.5, 1.5], rtol=1e-6)


def test_losses_of_zero_keep_their_weights_and_do_not_count():
    found = step([2, 1.7, 1], [5, 0, 5], [1, 0, 6], first=[5, 9, 5])
    assert found[1] == np.float32(1.7)
    np.testing.assert_allclose(found[[0, 2]], step([2, 1], [5, 5], [1, 6]), rtol=1e-6)


@pytest.mark.parametrize(
    ("values", "norms"),
    [
        ([0, 0, 0], [0, 0, 0]),
        ([1, 1, 1], [0, 0, 0]),
        ([1, np.nan, 1], ONES),
        ([1] * 3, [np.inf] * 3),
    ],
)
def test_nothing_to_go_by_changes_nothing(values, norms):
    np.testing.assert_array_equal(step(ONES, values, norms, first=[1, 1, 1]), ONES)


def test_repeated_steps_make_gradients_equal():
    factors, norms = np.ones(4, "float32"), np.array([100, 1, 5, 0.2], "float32")
    for _ in range(2000):
        factors = step(factors, [1] * 4, norms, rate=0.025)
    wanted = 4 / norms / (1 / norms).sum()
    np.testing.assert_allclose(factors, wanted, rtol=0.1)
    assert factors.sum() == pytest.approx(4, abs=1e-3)  # rounding adds up


def test_measured_gradients_reach_the_layer(tiny_config, shared_network, monkeypatch):
    config = tiny_config.update(
        LOSS_WEIGHTING="gradnorm",
        LOSS_WEIGHTS={"rpn_bbox_loss": 0.0, "mrcnn_class_loss": 2.0},
        GRADNORM_LEARNING_RATE=0.1,
        GRADNORM_ALPHA=2.0,
    )
    network = shared_network(config)
    model = network.training((64, 64))
    layer = network.builder.layers["losses"]
    measured = [
        (np.float32([1, 3, 0, 4, 0]), np.float32([[1, 0], [3, 0], [0, 0], [0, 2], [0, 0]])),
        (np.float32([2, 3, 0, 4, 5]), np.float32([[0, 1], [3, 0], [0, 0], [2, 0], [1, 0]])),
    ]
    asked = []

    def fake(model, names, variables):
        asked.append((names, [v.path.split("/")[0] for v in variables]))
        return lambda batch: measured[batch]

    monkeypatch.setattr("mrcnn.training.gradnorm.gradient_norms", fake)
    balance = GradNorm(network, config)
    balance.update(model, 0)
    names = [n for n in layer.loss_weights if n != "rpn_bbox_loss"]
    assert asked == [(names, ["fpn_p2", "fpn_p3", "fpn_p4", "fpn_p5"])]
    np.testing.assert_array_equal(to_numpy(layer.first_values), [1, 6, 0, 4, 0])
    # The fixed weight 2 belongs to the loss: G = (1, 6, 2).
    once = step([1] * 5, [1, 6, 0, 4, 0], [1, 6, 0, 2, 0], first=[1, 6, 9, 4, 9], alpha=2)
    np.testing.assert_allclose(to_numpy(layer.factors), once, rtol=1e-6)
    balance.update(model, 1)
    np.testing.assert_array_equal(to_numpy(layer.first_values), [1, 6, 0, 4, 5])
    twice = step(once, [2, 6, 0, 4, 5], [1, 6, 0, 2, 1], first=[1, 6, 9, 4, 5], alpha=2)
    np.testing.assert_allclose(to_numpy(layer.factors), twice, rtol=1e-6)
    assert len(asked) == 1
