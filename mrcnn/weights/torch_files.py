"""Tensors of files that `torch.save` wrote, without PyTorch: of both of its formats, a zip archive
(since 1.6) and pickles with the numbers behind them.

Nothing in the file is run, see `mrcnn.weights.inert_pickle`.
"""

import io
import math
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from mrcnn.errors import InputError
from mrcnn.files.reading import claimable
from mrcnn.weights import inert_pickle
from mrcnn.weights.inert_pickle import Call, Name, Reference

# By which the older format begins, as the number that is pickled first.
MAGIC = 0x1950A86A20F9469CFC6C
# Of storages, by the end of their name. BFloat16 is read as 16 bits and widened.
_TYPES = {
    "Float": "<f4", "Double": "<f8", "Half": "<f2", "BFloat16": "<u2", "Long": "<i8", "Int": "<i4",
    "Short": "<i2", "Char": "i1", "Byte": "u1", "Bool": "?",
}  # fmt: skip
_TENSORS = ("torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor")
_PARAMETERS = ("torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state")
# Keys under which training scripts keep the state dict.
_PLACES = ("model", "state_dict")

# Gives the bytes of a storage.
Bytes = Callable[["_Storage"], bytes]


class _Storage(NamedTuple):
    """What a file says of a row of numbers."""

    key: Any
    type: np.dtype
    widened: bool
    count: int

    @property
    def size(self) -> int:
        return self.count * self.type.itemsize


def load_torch(path: str | Path) -> dict[str, np.ndarray]:
    """The tensors of a file of `torch.save`, by name; what else is in it is passed over.

    A state dict may lie under a key "model" or "state_dict", as training scripts write it. Numbers
    of 16 bits are widened to 32.

    Raises:
        InputError: The file is not of that kind, damaged, holds no state dict, or tensors that are
            not dense.
    """
    path = Path(path)
    try:
        with open(path, "rb") as file:
            if zipfile.is_zipfile(file):
                with zipfile.ZipFile(file) as archive:
                    return _read_archive(archive, path)
            file.seek(0)
            return _read_stream(file, path)
    except InputError:
        raise
    except (
        ValueError, EOFError, OSError, MemoryError, RecursionError, OverflowError, struct.error,
        zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, KeyError,
    ) as error:  # fmt: skip
        raise InputError(f"{path} cannot be read as a file of tensors: {error}") from None


def _read_archive(archive: zipfile.ZipFile, path: Path) -> dict[str, np.ndarray]:
    members = {name.partition("/")[2]: archive.getinfo(name) for name in archive.namelist()}
    pickled, room = members.get("data.pkl"), claimable(path.stat().st_size)
    if pickled is None:
        raise InputError(f"{path} is a zip file without data.pkl: not one of torch.save")
    for member in members.values():
        if member.file_size > room:
            raise InputError(f"{path} is refused: {member.filename} claims more than the file has")
    if "byteorder" in members and archive.read(members["byteorder"]) != b"little":
        raise InputError(f"{path} has big-endian numbers, which are not read")
    with archive.open(pickled) as file:
        state = _state(inert_pickle.read(io.BytesIO(file.read())), path)

    def numbers(storage: _Storage) -> bytes:
        member = members.get(f"data/{storage.key}")
        return b"" if member is None else archive.read(member)

    return _arrays(state, numbers, path)


def _read_stream(file: BinaryIO, path: Path) -> dict[str, np.ndarray]:
    if inert_pickle.read(file) != MAGIC:
        raise InputError(f"{path} is no file of torch.save")
    inert_pickle.read(file)  # the version of the format
    system = inert_pickle.read(file)
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise InputError(f"{path} has big-endian numbers, which are not read")
    references: list[Reference] = []
    state = _state(inert_pickle.read(file, references), path)
    known = {found.key: found for found in (_storage(r, str(path)) for r in references)}
    keys, places = inert_pickle.read(file), {}
    for key in keys if isinstance(keys, list) else ():
        count = struct.unpack("<q", file.read(8))[0]
        if key not in known or known[key].count != count:
            raise InputError(f"{path}: storage {key} has another number of values than is said")
        places[key] = file.tell()
        file.seek(known[key].size, 1)

    def numbers(storage: _Storage) -> bytes:
        if storage.key not in places:
            return b""
        file.seek(places[storage.key])
        return file.read(storage.size)

    return _arrays(state, numbers, path)


def _state(content: Any, path: Path) -> dict[str, Call]:
    """Return the tensors of a state dict, as they are described."""
    for key in _PLACES:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not all(
        isinstance(name, str) and isinstance(value, Call) for name, value in content.items()
    ):
        raise InputError(f"{path} holds no state dict: names with tensors are expected")
    return content


def _arrays(state: Mapping[str, Call], numbers: Bytes, path: Path) -> dict[str, np.ndarray]:
    room, rows, arrays = claimable(path.stat().st_size), {}, {}
    for name, call in state.items():
        what = f"{path}: {name}"
        storage, offset, shape, strides = _described(call, what)
        room -= math.prod(shape) * storage.type.itemsize
        if room < 0:
            # A view may repeat one number without end.
            raise InputError(f"{what} claims {math.prod(shape)} numbers, more than the file has")
        last = offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
        if math.prod(shape) and last >= storage.count:
            raise InputError(f"{what} lies outside of its storage")
        if storage.key not in rows:
            stored = numbers(storage)
            if len(stored) != storage.size:
                raise InputError(f"{what}: the numbers of storage {storage.key} are missing")
            rows[storage.key] = np.frombuffer(stored, storage.type)
        row = rows[storage.key]
        if len(row) != storage.count or row.dtype != storage.type:
            raise InputError(f"{what}: storage {storage.key} is of two types")
        steps = [step * row.itemsize for step in strides]
        empty = not math.prod(shape)
        array = np.empty(shape, row.dtype) if empty else as_strided(row[offset:], shape, steps)
        if storage.widened:
            array = (array.astype("<u4") << 16).view("<f4")
        arrays[name] = array.astype(np.float32 if array.dtype.kind == "f" else array.dtype)
    return arrays


def _described(call: Call, what: str) -> tuple[_Storage, int, tuple[int, ...], tuple[int, ...]]:
    """Return where the numbers of a tensor are, and how: storage, offset, shape and strides."""
    while call.name in _PARAMETERS and isinstance(call.arguments, tuple) and call.arguments:
        call = call.arguments[0]
        if not isinstance(call, Call):
            break
    if not isinstance(call, Call) or call.name not in _TENSORS:
        name = call.name if isinstance(call, Call) else type(call).__name__
        raise InputError(f"{what} is no dense tensor: {name or 'something else'}")
    try:
        reference, offset, shape, strides = call.arguments[:4]
    except (TypeError, ValueError):
        raise InputError(f"{what} is not described as a tensor") from None
    shape, strides = _sizes(shape), _sizes(strides)
    if shape is None or strides is None or len(shape) != len(strides) or not _is_count(offset):
        raise InputError(f"{what} is not described as a tensor")
    return _storage(reference, what), offset, shape, strides


def _storage(reference: Any, what: str) -> _Storage:
    identity = reference.identity if isinstance(reference, Reference) else None
    if not isinstance(identity, tuple) or len(identity) < 5 or identity[0] != "storage":
        raise InputError(f"{what}: a tensor without numbers of its own")
    _, kind, key, _, count, *view = identity
    name = kind.name if isinstance(kind, Name) else ""
    letter = name.removeprefix("torch.").removesuffix("Storage")
    if letter not in _TYPES or not _is_count(count) or not isinstance(key, str):
        raise InputError(f"{what}: numbers of the type {name or kind!r:.60} are not read")
    if view and view != [None]:
        raise InputError(f"{what}: a file of a PyTorch that is too old: save it anew")
    return _Storage(key, np.dtype(_TYPES[letter]), letter == "BFloat16", count)


def _sizes(value: Any) -> tuple[int, ...] | None:
    if isinstance(value, Call) and value.name == "torch.Size":
        value = value.arguments[0] if value.arguments else ()
    if not isinstance(value, tuple | list) or not all(map(_is_count, value)):
        return None
    return tuple(value)


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 48
