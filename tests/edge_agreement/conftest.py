"""Gradients on whichever backend Keras runs on, and masks to compare."""

import keras
import numpy as np
import pytest


def _value_and_grad(function, x):
    """Return `function(x)`, a scalar, and its gradient with respect to `x`, as NumPy arrays."""
    x = np.asarray(x, "float32")
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        x = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = function(x)
        grad = tape.gradient(value, x)
        return value.numpy(), tf.convert_to_tensor(grad).numpy()
    if backend == "jax":
        import jax

        value, grad = jax.value_and_grad(function)(x)
        return np.asarray(value), np.asarray(grad)
    import torch

    x = torch.tensor(x, device=keras.src.backend.torch.core.get_device(), requires_grad=True)
    value = function(x)
    (grad,) = torch.autograd.grad(value, x)
    return value.detach().cpu().numpy(), grad.cpu().numpy()


@pytest.fixture(scope="session")
def value_and_grad():
    return _value_and_grad


@pytest.fixture
def mask_pair(rng):
    """Five masks with straight and ragged borders, and probabilities for them: `(5, 28, 28)`."""
    y_true = np.zeros((5, 28, 28), "float32")
    y_true[0, 8:20, 8:20] = 1
    y_true[1, :9, 15:] = 1
    y_true[2] = rng.random((28, 28)) > 0.5
    y_true[3] = 1
    y_pred = rng.uniform(0.01, 0.99, y_true.shape).astype("float32")
    return y_true, y_pred
