"""What the arguments of the losses must be: one line of ValueError says what came instead."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

from edge_agreement.filters import FilterBank

PADDINGS = ("zero", "edge")
WEIGHTINGS = ("product", "exp4", "exp16")


def check_options(
    bank: FilterBank, *, p: float = 1.0, padding: str = "zero", magnitude: bool = False
) -> None:
    """Raise ValueError where an option of the loss is out of its range."""
    if not _is_number(p) or not 1 <= p < math.inf:
        raise ValueError(f"p must be a finite number of at least 1, not {p!r}.")
    check_padding(padding)
    if magnitude and not bank.pairs:
        raise ValueError(
            f"magnitude=True needs both components of a filter such as 'sobel', not {bank.names}."
        )


def check_maps(*maps: Any) -> None:
    """Raise ValueError where tensors are not maps, `(..., H, W)`, of one shape.

    Sizes that are not known when the graph is built pass. Without this, maps of one row, or a batch
    of one, would be compared with every row or image of the others.
    """
    shapes = [tuple(each.shape) for each in maps]
    if any(len(shape) < 2 or 0 in shape[-2:] for shape in shapes) or not same_size(*shapes):
        got = " and ".join(map(str, shapes))
        raise ValueError(f"maps must be (..., H, W), of one shape and not empty; got {got}.")


def same_size(*shapes: tuple[int | None, ...]) -> bool:
    """Return whether shapes agree; an unknown size agrees with every other."""
    if len({len(shape) for shape in shapes}) > 1:
        return False
    return all(len(set(sizes) - {None}) <= 1 for sizes in zip(*shapes, strict=True))


def check_padding(padding: str) -> None:
    """Raise ValueError for an unknown padding."""
    if padding not in PADDINGS:
        raise ValueError(f"padding must be one of {PADDINGS}, not {padding!r}.")


def check_weight(weight: float) -> None:
    """Raise ValueError for a weight that is negative, not finite or no number."""
    if not _is_number(weight) or not 0 <= weight < math.inf:
        raise ValueError(f"weight must be a finite number of at least 0, not {weight!r}.")


def check_weighting(weighting: str, max_exponent: float) -> None:
    """Raise ValueError for an unknown weighting of the cross entropy or a bound out of 0..80."""
    if weighting not in WEIGHTINGS:
        raise ValueError(f"weighting must be one of {WEIGHTINGS}, not {weighting!r}.")
    if not _is_number(max_exponent) or not 0 < max_exponent <= 80:
        raise ValueError(f"max_exponent must be above 0 and at most 80, not {max_exponent!r}.")


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)
