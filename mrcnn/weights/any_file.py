"""Weights from a file of any kind that models load: HDF5, or a state dict of torchvision."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mrcnn.weights.file_formats import Arrays, Found, open_weights
from mrcnn.weights.state_dict import SUFFIXES, read_state_dict
from mrcnn.weights.torchvision import from_torchvision, version_of


def is_state_dict(path: str | Path) -> bool:
    """Whether a file is a state dict by its name."""
    return Path(path).suffix in SUFFIXES


@contextmanager
def open_any(
    path: str | Path, known: Iterable[str] = (), gaps: bool = False
) -> Iterator[Arrays | Found]:
    """Open a weight file: the arrays by layer and weight name, as `open_weights`; those of a state
    dict are read and converted at once.

    Args:
        path: The file.
        known: Names of the model's layers.
        gaps: Of a state dict, keep all of COCO's 91 classes, see `from_torchvision`.

    Raises:
        InputError: No such file, of no known kind, or damaged.
    """
    if is_state_dict(path):
        yield from_torchvision(read_state_dict(path), gaps=gaps)
        return
    with open_weights(path, known) as found:
        yield found


def configuration_for(path: str | Path) -> str:
    """Name of the configuration that the state dict of a whole model was trained with; "" where it
    is none.
    """
    return version_of(read_state_dict(path)).configuration
