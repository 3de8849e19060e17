"""HDF5 files from outside: what they claim is compared with what there is before anything is read.

A file of a few bytes can claim arrays of any size, take its data from other files, or ask for a
filter that is loaded as a program. Nothing of that is followed. Files that we write ourselves have
a digest of every array, so that damage is noticed.
"""

import hashlib
import io
import math
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from mrcnn.errors import InputError
from mrcnn.files.reading import SMALL, claimable, refuse_special

# The attribute of an array with its digest, and that of a file all of whose arrays have one.
DIGEST = "sha256"
ALL_DIGESTS = "mrcnn_digests"
# Groups within each other: weight files have less than ten.
DEEPEST = 32
# deflate, shuffle, fletcher32, szip, nbit, scale-offset and LZF: those that are built into h5py.
FILTERS = frozenset((1, 2, 3, 4, 5, 6, 32000))
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
    OverflowError,
    zipfile.BadZipFile,
    zlib.error,
)


@contextmanager
def opened(path: str | Path, what: str = "a weight file (HDF5)") -> Iterator[h5py.File]:
    """Open an HDF5 file, or the one in a `.keras` archive.

    Args:
        path: The file.
        what: It should be, for the message.

    Raises:
        InputError: There is none, it is damaged or no such file, or it is refused; also of errors
            of h5py while the block runs.
    """
    path = Path(path)
    refuse_special(path)
    if not path.is_file():
        raise InputError(f"weight file {path} does not exist")
    try:
        with h5py.File(_source(path), "r") as file:
            yield file
    except InputError:
        raise
    except _UNREADABLE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path} cannot be read as {what}: {reason}") from None


class Stored:
    """An array in a file that is open: its shape and type are known, its values are not read yet.

    Attributes:
        shape: Of the array.
        dtype: Of the array.
    """

    def __init__(self, dataset: h5py.Dataset, path: Path):
        self._dataset, self._path = dataset, path
        self.shape: tuple[int, ...] = tuple(dataset.shape)
        self.dtype: np.dtype = dataset.dtype
        self.nbytes = math.prod(self.shape) * self.dtype.itemsize

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def read(self) -> np.ndarray:
        """Return the values.

        Raises:
            InputError: They are not those that were written.
        """
        values = np.asarray(self._dataset[()])
        noted = self._dataset.attrs.get(DIGEST)
        all_noted = ALL_DIGESTS in self._dataset.file.attrs
        if all_noted and (noted is None or text_of(noted) != digest(self._dataset.name, values)):
            raise InputError(
                f"{self._path} is damaged: the values of {self._dataset.name} are not those that "
                f"were written (where they were changed on purpose, delete the attribute "
                f"{ALL_DIGESTS} of the file)"
            )
        return values


class Budget:
    """Bytes that may be read of a file without knowing what they should be."""

    def __init__(self, path: Path):
        self._path = path
        self._left = claimable(path.stat().st_size)

    def take(self, array: Stored) -> np.ndarray:
        """Read an array.

        Raises:
            InputError: The arrays together claim more than a file of this size has.
        """
        self._left -= array.nbytes
        if self._left < 0:
            raise InputError(
                f"{self._path} is refused: its arrays claim far more bytes than the file has"
            )
        return array.read()


def stored(group: h5py.Group, name: str, path: Path) -> Stored:
    """Return the array `name` below a group.

    Raises:
        InputError: There is none in this very file, or it is no array of numbers.
    """
    dataset = member(group, name, path)
    if not isinstance(dataset, h5py.Dataset) or dataset.dtype.kind not in "fiu":
        raise InputError(f"{path} is refused: {name} is no array of numbers")
    if dataset.external or dataset.is_virtual:
        raise InputError(f"{path} is refused: {name} takes its data from another file")
    if dataset.shape is None:
        raise InputError(f"{path} is refused: {name} has no values")
    _check_chunks(dataset, name, path)
    return Stored(dataset, path)


def member(group: h5py.Group, name: str, path: Path) -> Any:
    """Return the object `name` below `group`, which must lie in this very file.

    Raises:
        InputError: It is not there, or a link.
    """
    current = group
    for part in name.strip("/").split("/"):
        link = current.get(part, getlink=True) if isinstance(current, h5py.Group) else None
        if link is None:
            raise InputError(f"{path} is damaged: it lists {name}, but has no such entry")
        if not isinstance(link, h5py.HardLink):
            raise InputError(
                f"{path} is refused: {name} is a link out of its place, weight files have none"
            )
        current = current[part]
    return current


def texts(group: h5py.Group, attribute: str, path: Path) -> list[str]:
    """Return the texts of an attribute.

    Raises:
        InputError: It holds something else, or more than any weight file has.
    """
    place = group.attrs.get_id(attribute)
    shape = place.shape or ()
    if not math.prod(shape):
        return []  # of any type: an empty list has none
    if place.dtype.kind not in "SO" or math.prod(shape) * place.dtype.itemsize > SMALL:
        raise InputError(f"{path} is refused: its attribute {attribute} is no list of names")
    return [text_of(value) for value in np.atleast_1d(group.attrs[attribute])]


def text_of(value: Any) -> str:
    """Return a text that may be bytes."""
    return value.decode() if isinstance(value, bytes) else str(value)


def digest(name: str, values: np.ndarray) -> str:
    """Return what is noted of an array: SHA-256 of its place, type, shape and bytes."""
    head = f"{name} {values.dtype.newbyteorder('<').str} {values.shape}"
    little = values.astype(values.dtype.newbyteorder("<"), copy=False)
    return hashlib.sha256(head.encode() + np.ascontiguousarray(little).tobytes()).hexdigest()


def write_array(group: h5py.Group, name: str, values: Any) -> None:
    """Write an array with its digest."""
    dataset = group.create_dataset(name, data=values)
    dataset.attrs[DIGEST] = digest(dataset.name, np.asarray(values)).encode()


def not_finite(values: np.ndarray) -> bool:
    """Whether an array has NaN or infinite values."""
    return values.dtype.kind == "f" and not np.isfinite(values).all()


def refuse_not_finite(arrays: dict[str, dict[str, np.ndarray]], source: str) -> None:
    """Refuse weights of which some are NaN or infinite.

    Raises:
        InputError: It names them.
    """
    bad = [
        f"{layer}/{name}".strip("/")
        for layer, found in arrays.items()
        for name, values in found.items()
        if not_finite(values)
    ]
    if bad:
        raise InputError(f"{source}: {listed(bad)} NaN or infinite values")


def listed(names: list[str]) -> str:
    """Return the first few names, and the verb that follows."""
    more = f" and {len(names) - 6} more" if len(names) > 6 else ""
    return f"{', '.join(names[:6])}{more} {'has' if len(names) == 1 else 'have'}"


def _check_chunks(dataset: h5py.Dataset, name: str, path: Path) -> None:
    properties = dataset.id.get_create_plist()
    filters = {properties.get_filter(index)[0] for index in range(properties.get_nfilters())}
    if filters - FILTERS:
        raise InputError(f"{path} is refused: {name} needs a filter that is not built in")
    if dataset.chunks is not None:
        chunk = math.prod(dataset.chunks) * dataset.dtype.itemsize
        if chunk > claimable(path.stat().st_size):
            raise InputError(f"{path} is refused: {name} claims pieces of {chunk} bytes")


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
        # Keras stores the weights as they are.
        if member.file_size > claimable(path.stat().st_size, least=0):
            raise InputError(f"{path} is refused: its {_ARCHIVED} claims {member.file_size} bytes")
        return io.BytesIO(archive.read(member))
