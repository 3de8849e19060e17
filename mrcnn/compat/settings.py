"""Names and values of settings as scripts for the original and for the authors' fork have them.

They are taken where a class or an instance in Python sets them; YAML files, the command line and
`Config.update` are strict.
"""

import difflib
import math
import re
from collections.abc import Collection, Mapping
from typing import Any

from mrcnn.compat.warn import warn
from mrcnn.config_types import Key
from mrcnn.errors import InputError

# A name of one's own that is so similar to a key is probably meant for it.
NEARLY = 0.9
# The fork's first name of two settings.
SMOOTHING = "EDGE_LOSS_SMOOTHING"
SMOOTHINGS = ("EDGE_LOSS_SMOOTHING_GT", "EDGE_LOSS_SMOOTHING_PREDICTIONS")


def accepted(key: Key, value: Any) -> Any:
    """A value that a script sets, in a form that the key takes; others are returned as they are.

    A count that is no whole number is rounded up, as the original's loop did with steps. `False`
    and, for `IMAGE_MIN_SCALE`, None are 0.
    """
    if key.type in ("int", "float") and value is False:
        return 0
    if key.name == "IMAGE_MIN_SCALE" and value is None:
        return 0
    if key.type == "int" and isinstance(value, float) and math.isfinite(value):
        whole = math.ceil(value)
        if whole != value:
            warn(f"{key.name} is a whole number: {value} is rounded up to {whole}")
        return whole
    if key.name == "OPTIMIZER" and isinstance(value, str):
        if value.lower() == "adam":
            warn("OPTIMIZER 'adam' is taken as 'adamw': Adam with WEIGHT_DECAY")
            return "adamw"
        return value.lower()
    if key.name == "EDGE_LOSS_NORM" and isinstance(value, str):
        norm = re.fullmatch(r"[lL](\d+(?:\.\d+)?)", value.strip())
        return float(norm[1]) if norm else value
    return value


def adopt_names(config: Any, known: Collection[str], derived: Mapping[str, str]) -> None:
    """Look through the attributes that subclasses of `Config` have: take old names of settings,
    and warn of those that are nearly settings or have no effect.
    """
    own = {name: cls for cls in type(config).__mro__[::-1] for name in vars(cls) if name.isupper()}
    for name, cls in own.items():
        if name in derived:
            value = getattr(cls, name)
            if not _same(value, getattr(config, name)):
                warn(f"{cls.__name__}.{name} has no effect: it follows from {derived[name]}")
        elif name == SMOOTHING:
            # Where the subclass has these too, they say more.
            unset = [key for key in SMOOTHINGS if own[key].__module__ == "mrcnn.config"]
            _smooth(config, getattr(config, name), unset)
        elif name not in known:
            _warn_of_near(f"{cls.__name__}.{name}", name, known)


def adopt_name(config: Any, name: str, known: Collection[str]) -> None:
    """The same for an attribute that is assigned to an instance."""
    if name == SMOOTHING:
        _smooth(config, getattr(config, name), SMOOTHINGS)
    elif name.isupper() and not hasattr(type(config), name):
        _warn_of_near(name, name, known)


def assign_derived(config: Any, name: str, value: Any, source: str) -> None:
    """Take a value for what follows from settings, as far as these allow it.

    Args:
        config: The configuration.
        name: Of what is assigned.
        value: The value.
        source: What it follows from, in words.

    Raises:
        InputError: They do not.
    """
    if _same(value, getattr(config, name)):
        return
    if name == "BATCH_SIZE" and value and value % config.GPU_COUNT == 0:
        config.IMAGES_PER_GPU = value // config.GPU_COUNT
        return
    raise InputError(
        f"{name} follows from {source}, which make it {_plain(getattr(config, name))}, "
        f"got {_plain(value)}: set these"
    )


def _smooth(config: Any, value: Any, keys: Collection[str]) -> None:
    if keys:
        warn(f"{SMOOTHING} sets {' and '.join(keys)}, got {value}")
    for key in keys:
        setattr(config, key, bool(value))


def _warn_of_near(shown: str, name: str, known: Collection[str]) -> None:
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=NEARLY)
    if near:
        warn(f"{shown} is no config key and has no effect here. Did you mean {near[0]!r}?")


def _same(value: Any, expected: Any) -> bool:
    return bool(_plain(value) == _plain(expected))


def _plain(value: Any) -> Any:
    value = value.tolist() if hasattr(value, "tolist") else value
    return list(value) if isinstance(value, tuple) else value
