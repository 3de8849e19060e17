"""State dicts of PyTorch from files: .npz, .safetensors, and what torch.save wrote."""

import math
import zipfile
import zlib
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, deserialize

from mrcnn.errors import InputError
from mrcnn.files.reading import claimable
from mrcnn.weights.torch_files import load_torch

TORCH_SUFFIXES = (".pth", ".pt")
SUFFIXES = (".npz", ".safetensors", *TORCH_SUFFIXES)
# BF16 is read as 16 bits and widened below.
_DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2",
    "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U8": "u1",
}  # fmt: skip


def read_state_dict(path: str | Path) -> dict[str, np.ndarray]:
    """Arrays by name.

    Raises:
        InputError: No such file, another suffix, or damaged.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"weight file {path} does not exist")
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"a state dict is a file {', '.join(SUFFIXES)}, got {path.name}")
    if suffix in TORCH_SUFFIXES:
        return load_torch(path)
    try:
        return _read_npz(path) if suffix == ".npz" else _read_safetensors(path)
    except InputError:
        raise
    except (
        OSError, EOFError, MemoryError, ValueError, KeyError, TypeError, zipfile.BadZipFile,
        zlib.error, NotImplementedError, RuntimeError, SafetensorError,
    ) as error:  # fmt: skip
        raise InputError(f"{path} cannot be read as {path.suffix}: {error}") from None


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    # NumPy leaves a file open that it opened itself and cannot read.
    with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
        if archive.zip is not None:
            # NumPy makes room for what a header claims, whatever follows it.
            for member in archive.zip.infolist():
                with archive.zip.open(member) as entry:
                    version = np.lib.format.read_magic(entry)
                    read = np.lib.format.read_array_header_1_0
                    read = read if version == (1, 0) else np.lib.format.read_array_header_2_0
                    shape, _, dtype = read(entry)
                claimed = math.prod(shape) * dtype.itemsize
                if claimed > min(member.file_size, claimable(member.compress_size)):
                    raise InputError(
                        f"{path} is refused: {member.filename} claims {claimed} bytes of values"
                    )
        return {name: archive[name] for name in archive.files}


def _read_safetensors(path: Path) -> dict[str, np.ndarray]:
    arrays = {}
    # Not `safetensors.numpy`, which knows no BF16.
    for name, entry in deserialize(path.read_bytes()):
        if entry["dtype"] not in _DTYPES:
            raise InputError(f"{path}: {name} has the type {entry['dtype']}, which is not read")
        array = np.frombuffer(entry["data"], _DTYPES[entry["dtype"]]).reshape(entry["shape"])
        if entry["dtype"] == "BF16":
            array = (array.astype("<u4") << 16).view("<f4")
        arrays[name] = array
    return arrays
