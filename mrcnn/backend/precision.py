"""The precision that a network is built in."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras

FLOAT32, FLOAT16 = "float32", "float16"


@contextmanager
def built_in(precision: str) -> Iterator[None]:
    """Let layers that are made in the block compute in `precision`, with weights in float32.

    float32 leaves the policy of Keras as it is, so that one that a script has set holds.
    """
    before = keras.config.dtype_policy()
    if precision != FLOAT32:
        keras.config.set_dtype_policy(f"mixed_{precision}")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def scales_losses(precision: str) -> bool:
    """Whether losses are scaled up for the gradients' sake: in float16 small ones would be 0."""
    return precision == FLOAT16 or keras.config.dtype_policy().name == "mixed_float16"
