"""Finding the image files that annotation files name.

Tools write backslashes, drives, folders of another machine or the dataset's own folder in front of
a name, and some systems write an accent as a letter of its own. A name that is there as it is
written comes first; else its longest end that is a file below the folder of the images.
"""

import os
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path


class Folders:
    """The names in folders; each folder is read once, whatever it holds."""

    def __init__(self) -> None:
        self._names: dict[str, dict[str, str]] = {}

    def names(self, folder: str) -> dict[str, str]:
        """Return the names in a folder, each under itself and under its composed form."""
        folder = folder or "."
        if folder not in self._names:
            try:
                written = os.listdir(folder)
            except (OSError, ValueError):  # not there, or no name of a folder
                written = []
            self._names[folder] = {composed(name): name for name in written} | {
                name: name for name in written
            }
        return self._names[folder]

    def has(self, path: str) -> bool:
        """Return whether there is a file or folder of exactly this path."""
        folder, name = os.path.split(path)
        return self.names(folder).get(name) == name

    def within(self, folder: str, parts: Sequence[str]) -> str | None:
        """Return the path of folders and a file, each in the one before, with the names that they
        have on the disk; None where one is not there.
        """
        for part in parts:
            names = self.names(folder)
            name = names.get(part) or names.get(composed(part))
            if name is None:
                return None
            folder = os.path.join(folder, name)
        return folder


def composed(name: str) -> str:
    """Return a name with an accent and its letter as one character (NFC)."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def parts_of(name: str) -> list[str]:
    """Return the folders and the file that a name has, without those that lead elsewhere."""
    return [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]


def find_images(
    folder: str | Path, names: Sequence[str], folders: Folders | None = None
) -> list[str]:
    """Return where images are that an annotation file names.

    A file that is found by the end of its name alone must be the only one that fits: where two
    names end in the same file, neither is found.

    Args:
        folder: What the names are relative to.
        names: With slashes or backslashes.
        folders: Knows folders that were read before.

    Returns:
        A path for each name; the one that is written where no file is found.
    """
    folders = folders or Folders()
    written = [os.path.join(folder, name) for name in names]
    found = [_find(str(folder), name, folders) for name in dict.fromkeys(names)]
    times = Counter(path for path, _ in found)
    known = {
        name: path
        for name, (path, whole) in zip(dict.fromkeys(names), found, strict=True)
        if path is not None and (whole or times[path] == 1)
    }
    return [known.get(name, path) for name, path in zip(names, written, strict=True)]


def find_beside(path: str, folders: Folders) -> str:
    """Return a path with the name that the file has on the disk, composed or not."""
    folder, name = os.path.split(path)
    return folders.within(folder, [name]) or path


def _find(folder: str, name: str, folders: Folders) -> tuple[str | None, bool]:
    """Return the path of an image, and whether all of its name was found."""
    path = os.path.join(folder, name)
    if folders.has(path):
        return path, True
    parts = parts_of(name)
    for first in range(len(parts)):
        found = folders.within(folder, parts[first:])
        if found is not None and not os.path.isdir(found):
            return found, first == 0
    return None, False
