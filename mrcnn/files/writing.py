"""The one way in which files are written: beside their place, down to the disk, then renamed.

Whatever ends the program in between, a file is there as it was before or as it was meant to be.
"""

import errno
import io
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from mrcnn.errors import InputError

# Downloads that go on later; what `replaced` has not ended is never used again.
PART, UNFINISHED = ".part", ".unfinished"
# Python and libraries raise them where a disk or a share of it is full.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class WriteError(InputError):
    """A file cannot be written; the message names it, the reason, and the room that it needs."""


def write_bytes(path: str | Path, content: bytes | memoryview) -> Path:
    """Write a file.

    Args:
        path: The file; its folder must exist.
        content: All of it.

    Returns:
        The path.

    Raises:
        WriteError: The disk is full, the folder is gone or must not be written into.
    """
    with replaced(path, size=len(content)) as file:
        file.write(content)
    return Path(path)


def write_text(path: str | Path, text: str) -> Path:
    """Write a text file in UTF-8 with the line ends that the text has; as `write_bytes`."""
    return write_bytes(path, text.encode("utf-8"))


def write_json(path: str | Path, content: Any, indent: int | None = None) -> Path:
    """Write a JSON file; as `write_bytes`."""
    with replaced(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8")
        json.dump(content, text, indent=indent)
        text.detach()
    return Path(path)


def write_with(path: str | Path, write: Callable[[IO[bytes]], Any]) -> Path:
    """Write a file by a function that takes an open one, built in memory first: libraries such as
    HDF5 do not survive a disk that is full.

    Args:
        path: The file.
        write: Writes into what it is given.

    Raises:
        WriteError: As `write_bytes`.
    """
    memory = io.BytesIO()
    write(memory)
    return write_bytes(path, memory.getbuffer())


@contextmanager
def replaced(path: str | Path, size: int | None = None) -> Iterator[IO[bytes]]:
    """Open a file that takes the place of `path` when the block ends without an error.

    Args:
        path: The file.
        size: Bytes that it will have, for the message, where that is known.

    Raises:
        WriteError: As `write_bytes`.
    """
    path = Path(path)
    part = path.with_name(path.name + UNFINISHED)
    try:
        with open(part, "wb") as file:
            yield file
        settle(part, path)
    except BaseException as error:
        with suppress(OSError):
            part.unlink()
        if isinstance(error, OSError):
            raise WriteError(_reason(path, error, size)) from None
        raise


def clear_unfinished(folder: Path) -> None:
    """Delete what killed processes left half written in a folder, for which `replaced` did not come
    to an end; the folder must be this process's alone.

    Args:
        folder: Files in it are looked at, not those in folders below.
    """
    with suppress(OSError):
        for part in folder.glob("*" + UNFINISHED):
            if part.is_file():
                part.unlink()


def settle(part: Path, path: Path) -> None:
    """Give a file that is complete its name: first its content must be on the disk, then the name.

    Raises:
        OSError: It cannot be.
    """
    with open(part, "rb") as file:
        os.fsync(file.fileno())
    os.replace(part, path)
    with suppress(OSError):  # Not every system lets a folder be opened.
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _reason(path: Path, error: OSError, size: int | None) -> str:
    words = f"{path} cannot be written: {error.strerror or error}"
    if error.errno in _FULL:
        needed = "" if size is None else f"; it takes {size / 1e6:,.1f} MB"
        free = shutil.disk_usage(path.parent).free
        words += f"{needed}; {free / 1e6:,.1f} MB are free in {path.parent}"
    return words
