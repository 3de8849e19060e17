"""Files from outside, read without trust."""

import os
import stat
from pathlib import Path
from typing import Any

import yaml

from mrcnn.errors import InputError

# PyYAML raises others than its own for odd tags, numbers of thousands of digits, dates that do not
# exist and brackets without end.
_UNREADABLE = (yaml.YAMLError, ValueError, KeyError, AttributeError, TypeError, RecursionError)

# Numbers take at most so many times the bytes of their file, since they do not shrink further: what
# claims more is made to fill the memory.
MOST_SHRINKING = 100
# Bytes that a file of any size may claim, for small ones that are mostly zeros.
SMALL = 1 << 24

_SPECIAL = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
    stat.S_IFDIR: "a folder",
}


def claimable(size: int, least: int = SMALL) -> int:
    """Return the bytes of numbers that a file of `size` bytes may claim to hold."""
    return max(least, MOST_SHRINKING * size)


def refuse_special(path: str | Path) -> None:
    """Refuse what is there but no file: to read a pipe or a device may take forever.

    Raises:
        InputError: It is a folder, a named pipe, a device or a socket.
    """
    try:
        kind = stat.S_IFMT(os.stat(path).st_mode)
    except (OSError, ValueError, TypeError):
        return  # not there, no path, or open already: to read it says why
    if kind in _SPECIAL:
        raise InputError(f"cannot read {path}: it is {_SPECIAL[kind]}, not a file")


def read_yaml(path: str | Path) -> Any:
    """Return the content of a YAML file; see `parse_yaml`.

    Raises:
        InputError: The file cannot be read, or is none.
    """
    return parse_yaml(read_text(path), str(path))


def read_text(path: str | Path) -> str:
    """Return the text of a file in UTF-8, with or without a byte order mark.

    Raises:
        InputError: The file cannot be read, or is no text.
    """
    refuse_special(path)
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no text in UTF-8: {error}") from None


def parse_yaml(text: str, what: str) -> Any:
    """Return the content of YAML: plain values, lists and objects alone.

    Args:
        text: The YAML.
        what: The file or option that it is of, for the message.

    Raises:
        InputError: It is none.
    """
    try:
        return yaml.safe_load(text)
    except _UNREADABLE as error:
        raise InputError(f"{what} is no valid YAML: {' '.join(str(error).split())}") from None
