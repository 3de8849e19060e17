"""Gradient norms of several scalars of a model, which `train_on_batch` has no place for."""

from collections.abc import Callable, Sequence

import keras
import numpy as np

from mrcnn.backend.device import jit_compile

Norms = Callable[[dict[str, np.ndarray]], tuple[np.ndarray, np.ndarray]]


def gradient_norms(
    model: keras.Model, names: Sequence[str], variables: Sequence[keras.Variable]
) -> Norms:
    """A function of a batch that returns scalars of `model` and the norms of their gradients.

    The forward pass is that of training, but it leaves no trace: random states and moving averages
    stay as they are. Backward it goes once per scalar, down to `variables` alone.

    Args:
        model: Its outputs are a dict.
        names: N outputs that are scalars.
        variables: What the gradients are taken with respect to, V of them.

    Returns:
        A function from inputs to values `(N,)` and norms `(N, V)`, float32 NumPy arrays. It sees
        which layers are frozen at its first call.
    """
    make = {"tensorflow": _tensorflow, "jax": _jax}.get(keras.backend.backend(), _torch)
    return make(model, list(names), list(variables))


def _outputs(model, names, mapping, inputs):
    """The scalars `(N,)` with other values in the place of variables."""
    with keras.StatelessScope(state_mapping=mapping):
        outputs = model(inputs, training=True)
        return [keras.ops.cast(outputs[name], "float32") for name in names]


def _tensorflow(model, names, variables) -> Norms:
    import tensorflow as tf

    @tf.function(jit_compile=jit_compile(), autograph=False)
    def run(inputs):
        tensors = [tf.convert_to_tensor(v.value) for v in variables]
        with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
            tape.watch(tensors)
            mapping = zip(variables, tensors, strict=True)
            values = _outputs(model, names, mapping, inputs)
        norms = [
            tf.stack(
                [tf.norm(g) for g in tape.gradient(value, tensors, unconnected_gradients="zero")]
            )
            for value in values
        ]
        return tf.stack(values), tf.stack(norms)

    def numpy(inputs):
        values, norms = run(inputs)
        return values.numpy(), norms.numpy()

    return numpy


def _jax(model, names, variables) -> Norms:
    import jax
    import jax.numpy as jnp

    chosen = {id(v) for v in variables}
    others = [v for v in model.variables if id(v) not in chosen]

    @jax.jit
    def run(tensors, rest, inputs):
        def values_of(tensors):
            mapping = [*zip(variables, tensors, strict=True), *zip(others, rest, strict=True)]
            return jnp.stack(_outputs(model, names, mapping, inputs))

        values, backward = jax.vjp(values_of, tensors)
        norms = []
        for direction in jnp.eye(len(names), dtype=values.dtype):
            (gradients,) = backward(direction)
            norms.append(jnp.stack([jnp.linalg.norm(jnp.ravel(g)) for g in gradients]))
        return values, jnp.stack(norms)

    def numpy(inputs):
        values, norms = run([v.value for v in variables], [v.value for v in others], inputs)
        return np.asarray(values), np.asarray(norms)

    return numpy


def _torch(model, names, variables) -> Norms:
    import torch

    def run(inputs):
        tensors = [v.value.detach().clone().requires_grad_() for v in variables]
        with torch.enable_grad():
            values = _outputs(model, names, zip(variables, tensors, strict=True), inputs)
        norms = np.zeros((len(values), len(tensors)), "float32")
        for row, value in zip(norms, values, strict=True):
            if value.requires_grad:
                gradients = torch.autograd.grad(
                    value, tensors, retain_graph=True, allow_unused=True, materialize_grads=True
                )
                row[:] = [g.norm().item() for g in gradients]
        return np.array([v.item() for v in values], "float32"), norms

    return run
