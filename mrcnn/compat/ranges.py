"""The tables of keys and ranges of release 0.1.0, now in the annotations of `Config`."""

from mrcnn.config import SETTINGS, range_words


def _keys(words: str) -> tuple[str, ...]:
    return tuple(name for name in SETTINGS if range_words(name) == words)


POSITIVE = _keys("be positive")
NOT_NEGATIVE = _keys("not be negative")
FRACTIONS = _keys("lie within 0 and 1")
