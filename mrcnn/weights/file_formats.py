"""Weight files as others and we write them, read and written as arrays by layer and weight name.

Read are HDF5 files in the original's layout (Keras 1 and 2, `model.save("x.h5")` of Keras 3, our
checkpoints) and those of Keras 3 (`.weights.h5`, and a `.keras` archive, which has one inside).
A file cannot name another file to read from, and nothing in it is run.

The original's layout: the root (or the group `model_weights`) has an attribute `layer_names`, each
group `weight_names` such as "conv1/kernel:0", in order, and a dataset of that path. Suffixes of
layer names vary in files written by a process that had built a model before, so the group counts.
Keras 3 has groups by class ("layers/conv2d_3/vars/0") with the layer's name as an attribute.
"""

import io
import re
import zipfile
import zlib
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import h5py
import numpy as np

from mrcnn.errors import InputError
from mrcnn.files.writing import write_with
from mrcnn.weights.names import WEIGHTS, our_name, weight_name

Arrays = dict[str, dict[str, np.ndarray]]

# How the names of these files end.
SUFFIXES = (".h5", ".hdf5", ".keras")

# Attributes of HDF5 hold 64 KiB at most; Keras splits longer lists of names.
_HEADER_LIMIT = 64512
# No weight is as large; a compressed file of a few bytes may claim more.
_LARGEST = 1 << 32
_ARCHIVED = "model.weights.h5"
# What h5py and zipfile raise about files that are damaged or no such files.
_UNREADABLE = (
    OSError,
    EOFError,
    MemoryError,
    KeyError,
    RuntimeError,
    AttributeError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)


def read_weights(path: str | Path, known: Iterable[str] = ()) -> Arrays:
    """Read a weight file: arrays by layer and weight name, in the order of the file.

    Args:
        path: The weight file.
        known: Names of the model's layers, by which nested groups and the names of
            `keras.applications` are resolved.

    Raises:
        InputError: No such file, not HDF5, damaged, not a weight file, or with links or objects
            inside.
    """
    path, known = Path(path), set(known)
    if not path.is_file():
        raise InputError(f"weight file {path} does not exist")
    try:
        with h5py.File(_source(path), "r") as file:
            if "layers" in file or "_layer_checkpoint_dependencies" in file:
                stored = _read_keras(file, path)
            else:
                stored = _read_original(file, path, known)
    except InputError:
        raise
    except _UNREADABLE as error:
        raise InputError(f"{path} cannot be read as a weight file (HDF5): {error}") from None
    return {our_name(layer, known): arrays for layer, arrays in stored.items()}


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
            for name, entries in groups.items():
                group = file.create_group(name)
                _write_names(group, "weight_names", [weight for weight, _ in entries])
                for weight, array in entries:
                    group.create_dataset(weight, data=array)
            for name, value in (extra or {}).items():
                if value is None:
                    _write_names(file.create_group(name), "weight_names", [])
                else:
                    file.create_dataset(name, data=value)

    write_with(path, write)


def match_names(found: dict[str, np.ndarray], names: list[str]) -> dict[str, np.ndarray | None]:
    """The arrays of a layer by the names that a model has for them; None for one that is missing.

    Names that are not understood, such as numbers, count by their order.
    """
    understood = set(found) & {*names, *WEIGHTS}
    if understood or len(found) != len(names):
        return {name: found.get(name) for name in names}
    return dict(zip(names, found.values(), strict=True))


def _source(path: Path) -> Path | io.BytesIO:
    """What h5py opens: the file, or the weights inside of a `.keras` archive, in memory."""
    if not zipfile.is_zipfile(path):
        return path
    with zipfile.ZipFile(path) as archive:
        if _ARCHIVED not in archive.namelist():
            raise InputError(
                f"{path} is no weight file: it is a zip archive without {_ARCHIVED}, "
                "which a .keras file of Keras 3 has"
            )
        member = archive.getinfo(_ARCHIVED)
        # Keras stores the weights as they are: random numbers do not shrink to a hundredth.
        if member.file_size > _LARGEST or member.file_size > 100 * member.compress_size:
            raise InputError(f"{path} is refused: its {_ARCHIVED} claims {member.file_size} bytes")
        return io.BytesIO(archive.read(member))


def _read_original(file: h5py.File, path: Path, known: Collection[str]) -> Arrays:
    root = _member(file, "model_weights", path) if "model_weights" in file else file
    layer_names = _names(root, "layer_names")
    if layer_names is None:
        raise InputError(
            f"{path} is no weight file in the layout of Mask R-CNN: it has no attribute layer_names"
        )
    result: Arrays = {}
    for group_name in layer_names:
        group = _member(root, group_name, path)
        for name in _names(group, "weight_names") or []:
            owner, leaf = _owner(group_name, name, known)
            arrays = result.setdefault(owner, {})
            # Layers of a group may have weights of the same name.
            arrays[name if leaf in arrays else leaf] = _array(group, name, path)
    return result


def _read_keras(file: h5py.File, path: Path) -> Arrays:
    result: Arrays = {}
    for place, group in _with_variables(file, "", path):
        layer = group.attrs.get("name")
        if layer is None:
            raise InputError(
                f"{path} does not tell the names of its layers (there is none at {place}): write "
                "it anew with Keras 3.15 or later"
            )
        name = _text(layer)
        if name in result:
            raise InputError(f"{path} is refused: it has two layers of the name {name}")
        arrays = [_array(group, str(index), path) for index in range(len(group))]
        result[name] = dict(zip(_numbered_names(arrays), arrays, strict=True))
    return result


def _with_variables(group: h5py.Group, place: str, path: Path) -> Iterator[tuple[str, h5py.Group]]:
    """Every group `vars` with variables of a layer, and where it lies."""
    for name in group:
        child = _member(group, name, path)
        # The optimizer and metrics belong to a run, generators of random numbers to no weight.
        at_root = not place and name in ("optimizer", "metrics")
        if at_root or name.startswith("seed_generator") or not isinstance(child, h5py.Group):
            continue
        if name == "vars":
            if len(child):
                yield place, child
        else:
            yield from _with_variables(child, f"{place}/{name}".lstrip("/"), path)


def _numbered_names(arrays: list[np.ndarray]) -> tuple[str, ...]:
    """Names of the variables of a layer, which Keras only numbers: by their numbers of axes, where
    these belong to one kind of layer, else "0", "1", ...
    """
    ranks = tuple(array.ndim for array in arrays)
    if ranks in ((4, 1), (2, 1)):
        return WEIGHTS[:2]
    if ranks == (1, 1, 1, 1):
        return WEIGHTS[2:]
    return tuple(str(index) for index in range(len(arrays)))


def _names(group: h5py.Group, attribute: str) -> list[str] | None:
    """A list of names, which lies in `attribute` or in pieces in `attribute`0, 1, ..."""
    if attribute in group.attrs:
        return [_text(name) for name in group.attrs[attribute]]
    if f"{attribute}0" not in group.attrs:
        return None
    names: list[str] = []
    piece = 0
    while f"{attribute}{piece}" in group.attrs:
        names += map(_text, group.attrs[f"{attribute}{piece}"])
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


def _member(group: h5py.Group, name: str, path: Path):
    """The object `name` below `group`, which must lie in this very file."""
    current = group
    for part in name.strip("/").split("/"):
        link = current.get(part, getlink=True)
        if link is None:
            raise InputError(f"{path} is damaged: it lists {name}, but has no such entry")
        if not isinstance(link, h5py.HardLink):
            raise InputError(
                f"{path} is refused: {name} is a link out of its place, weight files have none"
            )
        current = current[part]
    return current


def _array(group: h5py.Group, name: str, path: Path) -> np.ndarray:
    dataset = _member(group, name, path)
    if not isinstance(dataset, h5py.Dataset) or dataset.dtype.kind not in "fiu":
        raise InputError(f"{path} is refused: {name} is no array of numbers")
    if dataset.external or dataset.is_virtual:
        raise InputError(f"{path} is refused: {name} takes its data from another file")
    if dataset.nbytes > _LARGEST:
        raise InputError(f"{path} is refused: {name} claims {dataset.nbytes} bytes")
    return dataset[()]


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
