"""The splits of a dataset: their names, and the one that was asked for."""

from collections.abc import Collection, Iterable
from pathlib import Path

from mrcnn.errors import InputError, nearest

TRAIN, VAL, TEST = "train", "val", "test"
SPLITS = (TRAIN, VAL, TEST)
# Data that are not divided.
ALL = "all"
# Images that are in other splits too.
OVERLAPPING = ("trainval",)
# What annotation tools and exports call them.
ALIASES = {
    "training": TRAIN,
    "valid": VAL,
    "validation": VAL,
    "eval": VAL,
    "testing": TEST,
}


def split_of(name: str) -> str | None:
    """Return the split that a folder or a file of this name is of: "val" for "valid"."""
    word = name.lower()
    word = ALIASES.get(word, word)
    return word if word in SPLITS else None


def in_order(names: Iterable[str]) -> list[str]:
    """Return names of splits with those of training and validation first."""
    return sorted(names, key=lambda n: (SPLITS.index(n) if n in SPLITS else len(SPLITS), n))


def choose_split(wanted: str, known: Collection[str], where: str | Path) -> str:
    """Return that of the `known` splits which `wanted` means.

    Args:
        wanted: What the user wrote; "valid" stands for "val" where there is no "valid".
        known: The splits that exist.
        where: Names the dataset in the error.

    Raises:
        InputError: There is no such split; it names those that there are.
    """
    for name in (wanted, split_of(wanted)):
        if name in known:
            return str(name)
    named = [name for name in in_order(known) if name]
    if not named:
        raise InputError(f"{where} is not divided into splits, so there is no {wanted!r}")
    raise InputError(
        f"{where} has no split {wanted!r}; it has {', '.join(named)}.{nearest(wanted, named)}"
    )
