"""The options that the functions, the head and the loss share, checked in one place."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from edge_agreement.checks import check_options, check_weight
from edge_agreement.filters import FilterBank, FilterSpec, parse_filters, serialize_filters


@dataclass(frozen=True, eq=False)
class EdgeOptions:
    """How two maps are compared by their edges.

    Attributes:
        filters: names joined with "+", a list of names and 2-D arrays, or a ready `FilterBank`.
        p: exponent of the differences, at least 1.
        weight: factor of the value, at least 0.
        smooth_gt: smooth the targets with a 3 x 3 Gaussian first.
        smooth_pred: smooth the predictions with it.
        magnitude: compare gradient magnitudes instead of components.
        normalize: scale the kernels so that a step of 1 gives a response of 1.
        padding: "zero" (published) or "edge" (no response at the border).
        bank: the kernels that `filters` stands for.

    Raises:
        ValueError: an option out of its range, or an unknown filter.
        TypeError: an entry of `filters` that is neither a name nor an array.

    >>> EdgeOptions("sobel+laplace", p=3).reach
    1
    """

    filters: FilterSpec | FilterBank = "sobel"
    p: float = 2.0
    weight: float = 1.0
    smooth_gt: bool = False
    smooth_pred: bool = False
    magnitude: bool = False
    normalize: bool = False
    padding: str = "zero"
    bank: FilterBank = field(init=False, repr=False)

    def __post_init__(self) -> None:
        bank = as_bank(self.filters, self.normalize)
        check_options(bank, p=self.p, padding=self.padding, magnitude=self.magnitude)
        check_weight(self.weight)
        if not isinstance(self.filters, FilterBank):
            self._set(filters=serialize_filters(self.filters))  # a copy of the caller's list
        self._set(bank=bank, p=float(self.p), weight=float(self.weight))
        for name in ("smooth_gt", "smooth_pred", "magnitude", "normalize"):
            self._set(**{name: bool(getattr(self, name))})

    @property
    def reach(self) -> int:
        """Pixels to each side that the value at a pixel depends on."""
        return self.bank.radius + int(self.smooth_gt or self.smooth_pred)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor, of strings, numbers and lists only.

        Raises:
            TypeError: `filters` is a ready `FilterBank`.
        """
        if isinstance(self.filters, FilterBank):
            raise TypeError("a ready FilterBank cannot be saved: give filters as names or arrays.")
        return {
            "filters": self.filters,
            "p": self.p,
            "weight": self.weight,
            "smooth_gt": self.smooth_gt,
            "smooth_pred": self.smooth_pred,
            "magnitude": self.magnitude,
            "normalize": self.normalize,
            "padding": self.padding,
        }

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)


def as_bank(filters: FilterSpec | FilterBank, normalize: bool = False) -> FilterBank:
    """Return `filters` as a `FilterBank`; a ready one stays as it is.

    Raises:
        ValueError: see `parse_filters`; `normalize` of a ready one.
    """
    if not isinstance(filters, FilterBank):
        return parse_filters(filters, normalize)
    if normalize:
        raise ValueError(
            "normalize=True cannot scale a ready FilterBank: give it to parse_filters."
        )
    return filters
