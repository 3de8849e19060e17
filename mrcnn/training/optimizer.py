"""The optimizer of a stage."""

import mrcnn.backend  # noqa: F401 (before Keras, see mrcnn.backend.quiet)

# isort: split
from typing import Any

import keras

from mrcnn.backend import scales_losses
from mrcnn.config import Config

# Steps after which a scale grows.
_NEVER = 2**31 - 1


def make_optimizer(config: Config, learning_rate: float) -> keras.optimizers.Optimizer:
    """SGD with momentum (or AdamW), gradients clipped by their global norm as the original did
    under its Keras.

    The L2 term is part of the loss (`mrcnn.modeling.layers.SizedL2`), so the optimizer decays
    nothing but, in AdamW, all weights save those of the losses.

    With `ON_NAN` "skip" an update whose gradients are not finite changes nothing.

    In float16 it scales the loss: small gradients would be 0. Keras would do so too, but where a
    checkpoint does not see the scale.
    """
    optimizer = _unscaled(config, learning_rate)
    if scales_losses(config.PRECISION):
        return keras.optimizers.LossScaleOptimizer(optimizer)
    if config.ON_NAN == "skip":
        # It leaves out updates whose gradients are not finite. Its scale is a power of 2, which
        # changes no digit of float32.
        return keras.optimizers.LossScaleOptimizer(
            optimizer, initial_scale=1.0, dynamic_growth_steps=_NEVER
        )
    return optimizer


def stored_variables(optimizer: keras.optimizers.Optimizer) -> list[keras.Variable]:
    """The variables of an optimizer that a checkpoint keeps: the same ones for each `ON_NAN`."""
    scaled = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    if scaled and optimizer.dynamic_growth_steps == _NEVER:
        optimizer = optimizer.inner_optimizer
    return optimizer.variables


def _unscaled(config: Config, learning_rate: float) -> keras.optimizers.Optimizer:
    clip: dict[str, Any] = {"global_clipnorm": config.GRADIENT_CLIP_NORM}
    if config.ACCUMULATE > 1:
        # The mean is clipped, and what is not full yet is in checkpoints.
        clip["gradient_accumulation_steps"] = config.ACCUMULATE
    if config.OPTIMIZER == "adamw":
        adamw = keras.optimizers.AdamW(learning_rate, weight_decay=config.WEIGHT_DECAY, **clip)
        adamw.exclude_from_weight_decay(var_names=["log_variances"])
        return adamw
    return keras.optimizers.SGD(learning_rate, momentum=config.LEARNING_MOMENTUM, **clip)


def warmed_up(learning_rate: float, step: int, warmup: int) -> float:
    """Rate at `step`: a linear rise from a tenth over the first `warmup` steps of the run."""
    if step >= warmup:
        return learning_rate
    return learning_rate * (0.1 + 0.9 * step / warmup)
