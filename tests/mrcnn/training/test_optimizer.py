import keras
import numpy as np
import pytest

from mrcnn.training.optimizer import make_optimizer, warmed_up
from mrcnn.weights.loading import to_numpy


def test_gradients_are_clipped_by_their_global_norm(tiny_config):
    # Two gradients of norm 30 and 40 have the global norm 50: both shrink by 5 / 50.
    a, b = keras.Variable([0.0]), keras.Variable([0.0])
    optimizer = make_optimizer(tiny_config.update(LEARNING_MOMENTUM=0.0), 1.0)
    optimizer.apply([keras.ops.array([30.0]), keras.ops.array([40.0])], [a, b])
    np.testing.assert_allclose([float(a[0]), float(b[0])], [-3.0, -4.0], rtol=1e-6)


def test_momentum_adds_up(tiny_config):
    # Steps of 1 and then 0.9 + 1.
    a = keras.Variable([0.0])
    optimizer = make_optimizer(tiny_config, 1.0)
    for _ in range(2):
        optimizer.apply([keras.ops.array([1.0])], [a])
    np.testing.assert_allclose(float(a[0]), -2.9, rtol=1e-6)


def test_adamw_is_a_choice(tiny_config):
    assert isinstance(
        make_optimizer(tiny_config.update(OPTIMIZER="adamw"), 1.0), keras.optimizers.AdamW
    )


def test_adamw_does_not_decay_the_weights_of_the_losses(tiny_config):
    kernel = keras.Variable([1.0], name="kernel")
    variances = keras.Variable([1.0], name="log_variances")
    optimizer = make_optimizer(tiny_config.update(OPTIMIZER="adamw", WEIGHT_DECAY=0.5), 0.1)
    optimizer.apply([keras.ops.array([0.0])] * 2, [kernel, variances])
    np.testing.assert_allclose([float(kernel[0]), float(variances[0])], [0.95, 1.0], rtol=1e-6)


@pytest.mark.parametrize(("step", "rate"), [(0, 0.1), (5, 0.55), (10, 1.0), (11, 1.0)])
def test_warm_up_rises_from_a_tenth(step, rate):
    assert warmed_up(1.0, step, 10) == pytest.approx(rate)
    assert warmed_up(1.0, step, 0) == 1.0


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("size", [0.1, 100.0], ids=["small", "clipped"])
def test_accumulated_gradients_are_those_of_one_batch(tiny_config, optimizer, size, rng):
    """Batches whose gradients are averaged, and one batch of all of their images."""
    gradients = (size * rng.standard_normal((6, 5))).astype("float32")
    config = tiny_config.update(OPTIMIZER=optimizer, WEIGHT_DECAY=0.01)
    moves = []
    for count in (1, 3):
        kernel = keras.Variable(np.ones(5, "float32"))
        made = make_optimizer(config.update(ACCUMULATE=count), 0.1)
        for part in gradients if count == 3 else gradients.reshape(2, 3, 5).mean(axis=1):
            made.apply([keras.ops.convert_to_tensor(part)], [kernel])
        moves.append(to_numpy(kernel))
    np.testing.assert_allclose(moves[1], moves[0], rtol=1e-6)
    assert np.abs(moves[0] - 1).max() > 0.01


def test_weights_stand_still_until_enough_steps_are_done(tiny_config):
    kernel = keras.Variable([0.0])
    optimizer = make_optimizer(tiny_config.update(ACCUMULATE=2, LEARNING_MOMENTUM=0.0), 1.0)
    seen = []
    for gradient in (1.0, 2.0, 4.0, 0.0):
        optimizer.apply([keras.ops.array([gradient])], [kernel])
        seen.append(float(to_numpy(kernel)[0]))
    assert seen == [0.0, -1.5, -1.5, -3.5]
