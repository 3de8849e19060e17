"""Initial weights that follow from a seed, without touching the random numbers of others."""

import random
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def seeded_weights(seed: int) -> Iterator[None]:
    """Within this context the initial weights of layers follow from `seed`.

    Keras draws the seed of an initializer that has none from Python's `random`, and nothing else
    is random in the making of a layer. `keras.utils.set_random_seed` would set the generators of
    Python, NumPy and the backend for the whole program; here that of Python goes on afterwards as
    if nothing had been drawn.
    """
    before = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(before)
