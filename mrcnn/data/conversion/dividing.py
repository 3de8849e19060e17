"""Dividing images into splits, so that each has its share of every class."""

import hashlib
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from mrcnn.data.splits import SPLITS
from mrcnn.errors import InputError

# The class of images without objects.
NONE = -1


def parse_shares(text: str) -> dict[str, float]:
    """Return the shares of the splits: "0.85/0.15" or "85/15" for train and val, a third for test.

    Raises:
        InputError: They are no two or three positive numbers that add up to 1 or 100.
    """
    try:
        numbers = [float(word) for word in text.split("/")]
    except ValueError:
        numbers = []
    total = sum(numbers)
    whole = next((w for w in (1, 100) if math.isclose(total, w, rel_tol=1e-3)), None)
    if len(numbers) not in (2, 3) or whole is None or min(numbers) <= 0:
        raise InputError(
            "a split is written as the shares of train, val and, if wanted, test, which add up to "
            f"1, such as 0.85/0.15 or 0.7/0.15/0.15; got {text!r}"
        )
    return {name: number / total for name, number in zip(SPLITS, numbers, strict=False)}


def check_fraction(value: float) -> float:
    """Return the share of images for validation.

    Raises:
        InputError: It is not at least 0 and below 1.
    """
    if not 0 <= value < 1:
        raise InputError(f"--val-fraction must be at least 0 and below 1, got {value:g}")
    return value


@dataclass
class _Unit:
    """Images that must not be parted: mostly one."""

    order: str
    images: list[int] = field(default_factory=list)
    classes: set[int] = field(default_factory=set)


def divide(
    names: Sequence[str],
    classes: Sequence[Collection[int]],
    shares: Sequence[float],
    seed: int = 0,
    groups: Sequence[str] | None = None,
) -> list[int]:
    """Return the number of the split of each image; the first split is that of training.

    The class on the fewest images comes first: its images, in an order drawn by `seed` and their
    names, go one by one to the split that lacks most of this class; the first one to training. An
    image with the last object of a class that training lacks goes there too. So a new image does
    not move the others about, and training has every class.

    This is the iterative stratification of Sechidis, Tsoumakas and Vlahavas, "On the
    Stratification of Multi-Label Data" (2011), with fixed numbers of images.

    Args:
        names: Of the N images, unlike each other.
        classes: Of each image the classes on it.
        shares: Of the splits, adding up to 1.
        seed: Draws the order.
        groups: A name for each image; those of one name stay together.
    """
    units: dict[str, _Unit] = {}
    for image, name in enumerate(names):
        group = name if groups is None else groups[image]
        unit = units.setdefault(group, _Unit(_drawn(seed, group)))
        unit.images.append(image)
        unit.classes |= set(classes[image]) or {NONE}
    left: dict[int, set[str]] = {}
    for group, unit in units.items():
        for number in unit.classes:
            left.setdefault(number, set()).add(group)
    room = list(sizes(len(names), shares))
    lacks = {
        number: [share * sum(len(units[g].images) for g in members) for share in shares]
        for number, members in left.items()
    }
    in_training: set[int] = {NONE}
    splits = [0] * len(names)
    while left:
        number = min(left, key=lambda n: (len(left[n]), n))
        for group in sorted(left[number], key=lambda g: units[g].order):
            unit = units[group]
            needed = any(c not in in_training and len(left[c]) == 1 for c in unit.classes)
            split = 0
            if not needed and number in in_training:
                split = max(range(len(shares)), key=lambda s: (room[s] > 0, lacks[number][s]))
            in_training |= unit.classes if split == 0 else set()
            room[split] -= len(unit.images)
            for image in unit.images:
                splits[image] = split
            for other in unit.classes:
                lacks[other][split] -= len(unit.images)
                left[other].discard(group)
        left = {n: members for n, members in left.items() if members}
    return splits


def sizes(count: int, shares: Sequence[float]) -> list[int]:
    """Return how many of `count` images each split gets: its share, rounded, but at least one."""
    found = [math.floor(share * count + 1e-9) for share in shares]
    by_rest = sorted(range(len(shares)), key=lambda s: found[s] - shares[s] * count)
    for split in by_rest[: count - sum(found)]:
        found[split] += 1
    for split in range(min(len(found), count)):
        if found[split] == 0:
            found[found.index(max(found))] -= 1
            found[split] = 1
    return found


def _drawn(seed: int, name: str) -> str:
    return hashlib.sha256(f"{seed}:{name}".encode("utf-8", "surrogateescape")).hexdigest()
