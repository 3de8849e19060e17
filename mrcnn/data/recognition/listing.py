"""What is in a folder, without opening more than a few files of it."""

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from mrcnn.data.annotation_files import IMAGE_SUFFIXES
from mrcnn.data.json_kinds import JsonKind, json_kind
from mrcnn.errors import InputError

# A million names are listed in about a second; what a folder is, is seen long before.
MOST_LISTED = 200_000
# JSON files that are opened: those without an image of their name can be of a whole dataset.
LONE_OPENED, PAIRED_OPENED = 8, 4
# Written by systems and tools, not by people.
_IGNORED = ("__MACOSX", "Thumbs.db", "desktop.ini")


@dataclass(frozen=True)
class Listing:
    """The names of the files and folders in a folder, sorted, hidden ones left out."""

    path: Path
    files: tuple[str, ...]
    folders: tuple[str, ...]
    _inside: dict[str, "Listing"] = field(default_factory=dict)

    @cached_property
    def images(self) -> list[str]:
        """The files that are images by their suffix."""
        return [name for name in self.files if name.lower().endswith(IMAGE_SUFFIXES)]

    @cached_property
    def json_kinds(self) -> dict[str, JsonKind]:
        """What some of the JSON files are: first those that have no image of their name."""
        files = [name for name in self.files if name.lower().endswith(".json")]
        if not files:
            return {}
        stems = {name.rpartition(".")[0] for name in self.images}
        lone = [name for name in files if name.rpartition(".")[0] not in stems]
        paired = [name for name in files if name.rpartition(".")[0] in stems]
        opened = lone[:LONE_OPENED] + paired[:PAIRED_OPENED]
        return {name: json_kind(self.path / name) for name in opened}

    def json_of(self, format_name: str) -> list[str]:
        """Return those of the JSON files looked at that are of a format."""
        return [name for name, kind in self.json_kinds.items() if kind.format == format_name]

    def inside(self, folder: str) -> "Listing":
        """Return what is in a folder in this one; nothing where it is not there."""
        if folder not in self._inside:
            there = folder in self.folders
            empty = Listing(self.path / folder, (), ())
            self._inside[folder] = list_folder(self.path / folder) if there else empty
        return self._inside[folder]

    def suffixes(self) -> str:
        """Return how many files there are of each suffix, in words, the most frequent first."""
        found = Counter(name.rpartition(".")[2].lower() for name in self.files if "." in name)
        parts = [f"{count} .{suffix}" for suffix, count in found.most_common(5)]
        rest = len(self.files) - sum(count for _, count in found.most_common(5))
        return ", ".join(parts + ([f"{rest} others"] if rest else []))


def list_folder(path: str | Path, most: int = MOST_LISTED) -> Listing:
    """Return what is in a folder, at most so many names.

    Raises:
        InputError: It cannot be read.
    """
    files: list[str] = []
    folders: list[str] = []
    try:
        with os.scandir(path) as entries:
            for entry, _ in zip(entries, range(most), strict=False):
                if not entry.name.startswith(".") and entry.name not in _IGNORED:
                    (folders if entry.is_dir() else files).append(entry.name)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    return Listing(Path(path), tuple(sorted(files)), tuple(sorted(folders)))


def shortened(names: Iterable[str], most: int = 5) -> str:
    """Return names joined by commas, the first ones alone where there are many."""
    every = list(names)
    return ", ".join(every[:most]) + (f" and {len(every) - most} more" if every[most:] else "")
