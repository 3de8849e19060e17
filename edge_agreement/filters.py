"""The fixed edge filters, and how they are named, combined and padded to one kernel array.

A filter is asked for by name ("sobel"), by component ("sobel-x"), as a combination
("sobel+laplace") or as an array of the user's own. `parse_filters` turns any of these into one
`FilterBank`.

All kernels are applied as a correlation (the convolution of deep-learning libraries, not flipped)
and are those of the paper (arXiv 1809.07069, section 3): "x" is the derivative along the width, "y"
along the height. The authors' code has the names `sobel-x` and `sobel-y` the other way round; the
pair together gives the same loss.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

_KERNELS: dict[str, list[list[float]]] = {
    # Sobel and Feldman, "A 3x3 isotropic gradient operator for image processing", 1968.
    "sobel-x": [[1, 0, -1], [2, 0, -2], [1, 0, -1]],
    "sobel-y": [[1, 2, 1], [0, 0, 0], [-1, -2, -1]],
    # Prewitt, "Object enhancement and extraction", 1970.
    "prewitt-x": [[1, 0, -1], [1, 0, -1], [1, 0, -1]],
    "prewitt-y": [[1, 1, 1], [0, 0, 0], [-1, -1, -1]],
    # Roberts, "Machine perception of three-dimensional solids", 1963: the two diagonals.
    "roberts-x": [[1, 0], [0, -1]],
    "roberts-y": [[0, -1], [1, 0]],
    # Kayyali, the two diagonal directions: Kawalec-Latala, "Edge detection on images of
    # pseudoimpedance section supported by context and adaptive transformation model images", 2014.
    # The weights are those of the authors' code of arXiv 1809.07069.
    "kayyali-senw": [[6, 0, -6], [0, 0, 0], [-6, 0, 6]],
    "kayyali-nesw": [[-6, 0, 6], [0, 0, 0], [6, 0, -6]],
    # The Laplacian on 8 neighbours (the paper's) and on 4: Gonzalez and Woods, "Digital image
    # processing", section on second derivatives.
    "laplace": [[1, 1, 1], [1, -8, 1], [1, 1, 1]],
    "laplace4": [[0, 1, 0], [1, -4, 1], [0, 1, 0]],
}

# A family stands for its two components, whose root of the sum of squares is the magnitude.
_FAMILIES: dict[str, tuple[str, str]] = {
    "sobel": ("sobel-x", "sobel-y"),
    "prewitt": ("prewitt-x", "prewitt-y"),
    "roberts": ("roberts-x", "roberts-y"),
    "kayyali": ("kayyali-senw", "kayyali-nesw"),
}

FILTER_NAMES: tuple[str, ...] = tuple(sorted([*_KERNELS, *_FAMILIES]))
"""Every name `parse_filters` knows."""

FilterSpec = str | Sequence[Any] | np.ndarray
"""One name, names joined with "+", one 2-D array, or a list of names and 2-D arrays."""


@dataclass(frozen=True, eq=False)
class FilterBank:
    """Kernels of one size, ready to be applied.

    Attributes:
        kernels: `(K, K, 1, F)` float32, K odd and at least 3.
        names: the F component names; "custom" for the user's own.
        pairs: channel numbers `(i, j)` of the two components of a family, where both are there.
    """

    kernels: np.ndarray
    names: tuple[str, ...]
    pairs: tuple[tuple[int, int], ...]

    @property
    def radius(self) -> int:
        """Pixels that a kernel reaches to each side."""
        return self.kernels.shape[0] // 2

    def __len__(self) -> int:
        return self.kernels.shape[-1]


def gaussian_kernel() -> np.ndarray:
    """Return the 3 x 3 Gaussian of the paper's smoothing (sigma 1), `(3, 3)` float32.

    The digits are those of the authors' code, the 0.1233179 that breaks the symmetry by 1e-6 with
    them: exact symmetric values move the losses by up to 1e-5 and, through the exponential of
    `edge_weighted_cross_entropy`, by up to 6e-4.
    """
    return np.array(
        [
            [0.077847, 0.123317, 0.077847],
            [0.123317, 0.195346, 0.1233179],
            [0.077847, 0.123317, 0.077847],
        ],
        "float32",
    )


def parse_filters(filters: FilterSpec, normalize: bool = False) -> FilterBank:
    """Turn names and arrays into one bank of kernels.

    Args:
        filters: a name of `FILTER_NAMES`, names joined with "+" (`"sobel+laplace"`), one 2-D array,
            or a list of names and 2-D arrays. Case and blanks do not matter.
        normalize: divide each kernel by the larger of the sum of its positive weights and that of
            its negative ones, so that a map within 0..1 gives responses within -1..1 and a step of
            one a response of one. Off in the paper.

    Returns:
        A `FilterBank`. Kernels smaller than the largest one (at least 3 x 3) are surrounded with
        zeros such that 'same' padding is kept: a 2 x 2 kernel reaches to the right and downwards.

    Raises:
        ValueError: an unknown or repeated name, no filter at all, or an array that is not a kernel.
        TypeError: an entry that is neither a name nor an array.

    >>> parse_filters("sobel+laplace").kernels.shape
    (3, 3, 1, 3)
    >>> parse_filters(["roberts", [[-1.0, 1.0]]]).names
    ('roberts-x', 'roberts-y', 'custom')
    """
    names: list[str] = []
    kernels: list[np.ndarray] = []
    for entry in _entries(filters):
        if isinstance(entry, str):
            for component in _FAMILIES.get(entry, (entry,)):
                if component in names:
                    raise ValueError(f"filters: {component!r} is asked for twice in {filters!r}.")
                names.append(component)
                kernels.append(np.array(_KERNELS[component], "float32"))
        else:
            names.append("custom")
            kernels.append(_custom_kernel(entry))
    if not kernels:
        raise ValueError(f"filters must name at least one of: {', '.join(FILTER_NAMES)}.")
    if normalize:
        kernels = [kernel / _gain(kernel) for kernel in kernels]
    size = max(3, *(side | 1 for kernel in kernels for side in kernel.shape))
    bank = np.stack([_embed(kernel, size) for kernel in kernels], axis=-1)
    pairs = tuple(
        (names.index(first), names.index(second))
        for first, second in _FAMILIES.values()
        if first in names and second in names
    )
    return FilterBank(bank[:, :, None, :], tuple(names), pairs)


def serialize_filters(filters: FilterSpec) -> str | list[Any]:
    """Return `filters` made of strings, numbers and lists only, for `get_config`."""
    if isinstance(filters, str):
        return filters
    if isinstance(filters, np.ndarray):
        return filters.tolist()
    return [item if isinstance(item, str) else np.asarray(item).tolist() for item in filters]


def _entries(filters: FilterSpec) -> list[Any]:
    """Split `filters` into single known names and arrays."""
    if isinstance(filters, str):
        return [_known(name) for name in filters.split("+")]
    if isinstance(filters, np.ndarray) or _is_matrix(filters):
        return [filters]
    if not isinstance(filters, Sequence):
        raise TypeError(
            f"filters must be a string, an array or a list of these, not {type(filters).__name__}."
        )
    entries: list[Any] = []
    for item in filters:
        entries.extend(_entries(item) if isinstance(item, str) else [item])
    return entries


def _is_matrix(value: Any) -> bool:
    """Tell one kernel written as rows of numbers from a list of kernels."""
    return (
        isinstance(value, Sequence)
        and len(value) > 0
        and all(isinstance(row, Sequence) and not isinstance(row, str) for row in value)
        and all(isinstance(cell, int | float) for row in value for cell in row)
    )


def _known(name: str) -> str:
    cleaned = name.strip().lower()
    if cleaned in FILTER_NAMES:
        return cleaned
    near = difflib.get_close_matches(cleaned, FILTER_NAMES, n=1, cutoff=0.4)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"unknown filter {name!r}; valid are: {', '.join(FILTER_NAMES)}.{hint}")


def _custom_kernel(value: Any) -> np.ndarray:
    try:
        kernel = np.asarray(value)
        if np.iscomplexobj(kernel):
            raise TypeError("complex numbers")
        kernel = kernel.astype("float32")
    except (TypeError, ValueError) as error:
        got = " ".join(repr(value).split())
        raise TypeError(f"a filter must be a name or a 2-D array of numbers: {got}.") from error
    if kernel.ndim != 2 or kernel.size == 0:
        raise ValueError(f"a filter given as an array must be 2-D, not of shape {kernel.shape}.")
    if not np.all(np.isfinite(kernel)) or not np.any(kernel):
        raise ValueError("a filter given as an array must be finite and not all zero.")
    return kernel


def _gain(kernel: np.ndarray) -> float:
    return float(max(kernel.clip(min=0).sum(), (-kernel).clip(min=0).sum()))


def _embed(kernel: np.ndarray, size: int) -> np.ndarray:
    """Surround `kernel` with zeros; its anchor, index (k - 1) // 2, comes to the centre."""
    out = np.zeros((size, size), "float32")
    top, left = (size // 2 - (side - 1) // 2 for side in kernel.shape)
    out[top : top + kernel.shape[0], left : left + kernel.shape[1]] = kernel
    return out
