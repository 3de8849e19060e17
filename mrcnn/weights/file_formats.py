"""Weight files as others and we write them, read and written as arrays by layer and weight name.

Read are HDF5 files in the original's layout (Keras 1 and 2, `model.save("x.h5")` of Keras 3, our
checkpoints) and those of Keras 3 (`.weights.h5`, and a `.keras` archive, which has one inside).
A file cannot name another file to read from, and nothing in it is run.

The original's layout: the root (or the group `model_weights`) has an attribute `layer_names`, each
group `weight_names` such as "conv1/kernel:0", in order, and a dataset of that path. Suffixes of
layer names vary in files written by a process that had built a model before, so the group counts.
Keras 3 has groups by class ("layers/conv2d_3/vars/0") with the layer's name as an attribute.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TypeVar

import h5py
import numpy as np

from mrcnn.constants import RPN_LAYERS
from mrcnn.errors import InputError
from mrcnn.files.writing import write_with
from mrcnn.weights.guard import (
    ALL_DIGESTS,
    DEEPEST,
    DIGEST,
    Budget,
    Stored,
    member,
    opened,
    stored,
    texts,
    write_array,
)
from mrcnn.weights.names import WEIGHTS, our_name, weight_name

Arrays = dict[str, dict[str, np.ndarray]]
Found = dict[str, dict[str, Stored]]
Array = TypeVar("Array", np.ndarray, Stored)

# How the names of these files end.
SUFFIXES = (".h5", ".hdf5", ".keras")

# Attributes of HDF5 hold 64 KiB at most; Keras splits longer lists of names.
_HEADER_LIMIT = 64512


@contextmanager
def open_weights(
    path: str | Path, known: Iterable[str] = ()
) -> Iterator[dict[str, dict[str, Stored]]]:
    """Open a weight file: the arrays by layer and weight name, in the order of the file, none of
    them read yet; they can be read while the block runs.

    Args:
        path: The weight file.
        known: Names of the model's layers, by which nested groups and the names of
            `keras.applications` are resolved.

    Raises:
        InputError: No such file, not HDF5, damaged, not a weight file, or with links or objects
            inside.
    """
    path, known = Path(path), set(known)
    with opened(path) as file:
        if "layers" in file or "_layer_checkpoint_dependencies" in file:
            found = _read_keras(file, path)
        else:
            found = _read_original(file, path, known)
        yield {our_name(layer, known): arrays for layer, arrays in found.items()}


def read_weights(path: str | Path, known: Iterable[str] = ()) -> Arrays:
    """Read a whole weight file; see `open_weights`.

    Raises:
        InputError: As there, or its arrays claim far more bytes than the file has.
    """
    with open_weights(path, known) as found:
        budget = Budget(Path(path))
        return {
            layer: {name: budget.take(array) for name, array in arrays.items()}
            for layer, arrays in found.items()
        }


def write_layers(path: str | Path, arrays: Arrays, extra: dict[str, Any] | None = None) -> None:
    """Write all arrays in the original's layout, each layer a group, as models of this package read
    it; see `write_groups`.

    Args:
        path: The file.
        arrays: By layer and weight name.
        extra: Further datasets by path.
    """
    groups: dict[str, list[tuple[str, np.ndarray]]] = {}
    for layer, found in arrays.items():
        # In files the RPN's layers are nested in one group.
        entries = groups.setdefault("rpn_model" if layer in RPN_LAYERS else layer, [])
        entries += [(f"{layer}/{name}:0", array) for name, array in found.items()]
    write_groups(path, groups, {"backend": "tensorflow", "keras_version": "3"}, extra)


def write_groups(
    path: str | Path,
    groups: dict[str, list[tuple[str, np.ndarray]]],
    attributes: dict[str, str],
    extra: dict[str, Any] | None = None,
) -> None:
    """Write a file in the original's layout; it appears whole or not at all.

    Args:
        path: The file.
        groups: `(weight path, array)` by group, in order.
        attributes: `backend` and `keras_version`.
        extra: Further datasets by path, which readers of the layout pass over; None is an empty
            group.
    """

    def write(memory: IO[bytes]) -> None:
        with h5py.File(memory, "w") as file:
            _write_names(file, "layer_names", groups)
            for name, value in attributes.items():
                file.attrs[name] = value.encode()
            file.attrs[ALL_DIGESTS] = DIGEST.encode()
            for name, entries in groups.items():
                group = file.create_group(name)
                _write_names(group, "weight_names", [weight for weight, _ in entries])
                for weight, array in entries:
                    write_array(group, weight, array)
            for name, value in (extra or {}).items():
                if value is None:
                    _write_names(file.create_group(name), "weight_names", [])
                else:
                    write_array(file, name, value)

    write_with(path, write)


def match_names(found: dict[str, Array], names: list[str]) -> dict[str, Array | None]:
    """The arrays of a layer by the names that a model has for them; None for one that is missing.

    Names that are not understood, such as numbers, count by their order.
    """
    understood = set(found) & {*names, *WEIGHTS}
    if understood or len(found) != len(names):
        return {name: found.get(name) for name in names}
    return dict(zip(names, found.values(), strict=True))


def _read_original(file: h5py.File, path: Path, known: Collection[str]) -> Found:
    root = member(file, "model_weights", path) if "model_weights" in file else file
    layer_names = _names(root, "layer_names", path)
    if layer_names is None:
        raise InputError(
            f"{path} is no weight file in the layout of Mask R-CNN: it has no attribute layer_names"
        )
    result: Found = {}
    for group_name in layer_names:
        group = member(root, group_name, path)
        for name in _names(group, "weight_names", path) or []:
            owner, leaf = _owner(group_name, name, known)
            arrays = result.setdefault(owner, {})
            # Layers of a group may have weights of the same name.
            arrays[name if leaf in arrays else leaf] = stored(group, name, path)
    return result


def _read_keras(file: h5py.File, path: Path) -> Found:
    result: Found = {}
    for place, group in _with_variables(file, "", path):
        if "name" not in group.attrs:
            raise InputError(
                f"{path} does not tell the names of its layers (there is none at {place}): write "
                "it anew with Keras 3.15 or later"
            )
        name = texts(group, "name", path)[0]
        if name in result:
            raise InputError(f"{path} is refused: it has two layers of the name {name}")
        arrays = [stored(group, str(index), path) for index in range(len(group))]
        result[name] = dict(zip(_numbered_names(arrays), arrays, strict=True))
    return result


def _with_variables(
    group: h5py.Group, place: str, path: Path, depth: int = 0
) -> Iterator[tuple[str, h5py.Group]]:
    """Every group `vars` with variables of a layer, and where it lies."""
    if depth > DEEPEST:
        raise InputError(f"{path} is refused: its groups lie more than {DEEPEST} deep")
    for name in group:
        child = member(group, name, path)
        # The optimizer and metrics belong to a run, generators of random numbers to no weight.
        at_root = not place and name in ("optimizer", "metrics")
        if at_root or name.startswith("seed_generator") or not isinstance(child, h5py.Group):
            continue
        if name == "vars":
            if len(child):
                yield place, child
        else:
            yield from _with_variables(child, f"{place}/{name}".lstrip("/"), path, depth + 1)


def _numbered_names(arrays: list[Stored]) -> tuple[str, ...]:
    """Names of the variables of a layer, which Keras only numbers: by their numbers of axes, where
    these belong to one kind of layer, else "0", "1", ...
    """
    ranks = tuple(array.ndim for array in arrays)
    if ranks in ((4, 1), (2, 1)):
        return WEIGHTS[:2]
    if ranks == (1, 1, 1, 1):
        return WEIGHTS[2:]
    return tuple(str(index) for index in range(len(arrays)))


def _names(group: h5py.Group, attribute: str, path: Path) -> list[str] | None:
    """A list of names, which lies in `attribute` or in pieces in `attribute`0, 1, ..."""
    if attribute in group.attrs:
        return texts(group, attribute, path)
    if f"{attribute}0" not in group.attrs:
        return None
    names: list[str] = []
    piece = 0
    while f"{attribute}{piece}" in group.attrs:
        names += texts(group, f"{attribute}{piece}", path)
        piece += 1
    return names


def _write_names(group: h5py.Group, attribute: str, names: Iterable[str]) -> None:
    # Fixed-length bytes, as Keras 2 wrote and reads them.
    array = np.array(list(names), "S")
    pieces = -(-array.nbytes // _HEADER_LIMIT)
    if pieces <= 1:
        group.attrs[attribute] = array
        return
    for index, piece in enumerate(np.array_split(array, pieces + 1)):
        group.attrs[f"{attribute}{index}"] = piece


def _owner(group: str, name: str, known: Collection[str]) -> tuple[str, str]:
    """Layer and weight name of the dataset `name` in `group`."""
    *parents, leaf = name.split("/")
    if group in known or our_name(group, known) in known or not parents:
        return group, weight_name(group, leaf)
    parent = parents[-1]
    stripped = re.sub(r"_\d+$", "", parent)
    if our_name(parent, known) not in known and our_name(stripped, known) in known:
        parent = stripped
    owner = parent if our_name(parent, known) in known else group
    return owner, weight_name(owner, leaf)
