"""Inference functions, compiled once and kept on the device."""

from collections.abc import Callable

import keras

from mrcnn.backend.device import expect_retracing, jit_compile


def compiled(model: keras.Model) -> Callable:
    """A function that runs `model` in inference mode on arrays and returns backend tensors.

    Unlike `predict_on_batch` it leaves results where they are, so that feature maps can go from one
    model to the next.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        expect_retracing()

        @tf.function(jit_compile=jit_compile(), autograph=False)
        def run(inputs):
            return model(inputs, training=False)

        return run
    if backend == "jax":
        import jax

        step = jax.jit(
            lambda trainable, rest, inputs: model.stateless_call(
                trainable, rest, inputs, training=False
            )[0]
        )

        def run(inputs):
            trainable = [v.value for v in model.trainable_variables]
            return step(trainable, [v.value for v in model.non_trainable_variables], inputs)

        return run
    import torch

    def run(inputs):
        with torch.no_grad():
            return model(inputs, training=False)

    return run
