"""Weights from a file of any kind that models load: HDF5, or a state dict of torchvision."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mrcnn.errors import InputError
from mrcnn.weights.file_formats import Arrays, Found, open_weights
from mrcnn.weights.state_dict import SUFFIXES, read_state_dict
from mrcnn.weights.torchvision import backbone_settings, from_torchvision, version_of


def is_state_dict(path: str | Path) -> bool:
    """Whether a file is a state dict by its name."""
    return Path(path).suffix.lower() in SUFFIXES


@contextmanager
def open_any(
    path: str | Path,
    known: Iterable[str] = (),
    gaps: bool = False,
    norm_epsilon: float | None = None,
) -> Iterator[Arrays | Found]:
    """Open a weight file: the arrays by layer and weight name, as `open_weights`; those of a state
    dict are read and converted at once.

    Args:
        path: The file.
        known: Names of the model's layers.
        gaps: Of a state dict, keep all of COCO's 91 classes, see `from_torchvision`.
        norm_epsilon: `Config.NORM_EPSILON` of the model that takes a state dict.

    Raises:
        InputError: No such file, of no known kind, or damaged.
    """
    if is_state_dict(path):
        with _named(path):
            arrays = from_torchvision(read_state_dict(path), gaps=gaps, ours=norm_epsilon)
        yield arrays
        return
    with open_weights(path, known) as found:
        yield found


def settings_of(path: str | Path) -> tuple[str, dict[str, Any]]:
    """What a state dict needs: the name of a configuration, "" for a backbone alone, and settings
    over it.

    Raises:
        InputError: It cannot be read, or is of another network.
    """
    with _named(path):
        state = read_state_dict(path)
        return version_of(state).configuration, backbone_settings(state)


@contextmanager
def _named(path: str | Path) -> Iterator[None]:
    """Let errors name the file."""
    try:
        yield
    except InputError as error:
        if str(path) in str(error):
            raise
        raise InputError(f"{path}: {error}") from None
