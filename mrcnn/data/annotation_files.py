"""Annotation files: reading JSON, naming what was found in it, and images that are missing."""

import json
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mrcnn.data.image_files import Folders, composed
from mrcnn.errors import InputError
from mrcnn.files.reading import refuse_special

TYPE_NAMES = {
    int: "a whole number",
    float: "a number",
    str: "text",
    dict: "an object",
    list: "a list",
}

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")


def read_json(path: str | Path) -> Any:
    """Return the content of a JSON file, with or without a byte order mark.

    Raises:
        InputError: The file does not open, or is not JSON.
    """
    refuse_special(path)
    try:
        with open(path, encoding="utf-8-sig") as file:
            return json.load(file, object_pairs_hook=_unique)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON: {error}") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON; of a key that occurs twice the last value would win unseen."""
    content = dict(pairs)
    if len(content) != len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"an object in it has the key {twice[:80]!r} twice")
    return content


def kind(value: Any) -> str:
    """Return what a JSON value is, in words."""
    if value is None:
        return "null"
    return TYPE_NAMES.get(type(value), type(value).__name__)


def missing_files(paths: Sequence[str]) -> list[str]:
    """Return those of `paths` that do not exist; each folder is read once, whatever it holds."""
    folders = Folders()
    return [path for path in paths if not folders.has(path)]


def refuse_missing(paths: Sequence[str], listed_in: str | Path) -> None:
    """Refuse images that do not exist.

    Args:
        paths: The image files.
        listed_in: The annotation file or folder that names them.

    Raises:
        InputError: Some are missing; it says how many and names the first.
    """
    missing = missing_files(paths)
    if missing:
        raise InputError(
            f"{len(missing)} of {len(paths)} images of {listed_in} are missing, "
            f"the first is {missing[0]}"
        )


def files_by_stem(folder: str | Path, suffixes: Sequence[str], ending: str = "") -> dict[str, str]:
    """Return the files of a folder, sorted, by their names without `ending` and suffix, composed.

    Args:
        folder: Where they are; folders in it are not looked into.
        suffixes: The suffixes that count, in small letters.
        ending: Only files whose names end so, before the suffix.

    Raises:
        InputError: There is no such folder, it has no such file, or two that differ only in their
            suffix.
    """
    if not os.path.isdir(folder):
        raise InputError(f"no folder {folder}")
    found: dict[str, str] = {}
    for name in sorted(os.listdir(folder)):
        stem, suffix = os.path.splitext(name)
        if suffix.lower() not in suffixes or not stem.endswith(ending):
            continue
        stem = composed(stem.removesuffix(ending))
        if stem in found:
            raise InputError(f"{folder} has both {os.path.basename(found[stem])} and {name}")
        found[stem] = os.path.join(folder, name)
    if not found:
        raise InputError(f"{folder} has no files *{ending}{'|'.join(suffixes)}")
    return found


def refuse_unpaired(names: Sequence[str], partners: Sequence[str], what: str, folder: Any) -> None:
    """Refuse names that are not among `partners`.

    Raises:
        InputError: It says how many have no `what` in `folder`, and names the first.
    """
    known = set(partners)
    alone = [name for name in names if name not in known]
    if alone:
        raise InputError(
            f"{len(alone)} of {len(names)} have no {what} in {folder}, the first is {alone[0]!r}"
        )
