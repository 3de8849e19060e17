"""Types of configuration keys with their ranges, and a value's check against one."""

from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import numpy as np
import pydantic
from pydantic import AfterValidator, Field

from mrcnn.errors import InputError


def _low_first(limits: tuple[float, float]) -> tuple[float, float]:
    if limits[0] > limits[1]:
        raise ValueError
    return limits


def _low_below_high(limits: Any) -> Any:
    if limits != "auto" and limits[0] >= limits[1]:
        raise ValueError
    return limits


# Types with a range, and what a value must be, for the error of one that is outside.
PositiveInt = Annotated[int, Field(gt=0), "be positive"]
PositiveFloat = Annotated[float, Field(gt=0), "be positive"]
NotNegativeInt = Annotated[int, Field(ge=0), "not be negative"]
NotNegative = Annotated[float, Field(ge=0), "not be negative"]
Fraction = Annotated[float, Field(ge=0, le=1), "lie within 0 and 1"]
Share = Annotated[float, Field(gt=0, lt=1), "lie between 0 and 1"]
Exponent = Annotated[float, Field(ge=1), "be a finite number >= 1"]
Pair = tuple[PositiveInt, PositiveInt]
Deltas = tuple[PositiveFloat, PositiveFloat, PositiveFloat, PositiveFloat]
Scales = tuple[PositiveFloat, PositiveFloat, PositiveFloat, PositiveFloat, PositiveFloat]
Ratios = Annotated[list[PositiveFloat], Field(min_length=1), "be one or more positive numbers"]
CropRange = Annotated[
    tuple[Annotated[float, Field(ge=0.1)], Annotated[float, Field(le=1)]],
    AfterValidator(_low_first),
    "be [low, high] within 0.1 and 1, low first",
]
ScaleRange = Annotated[
    tuple[Annotated[float, Field(ge=0.1)], Annotated[float, Field(le=10)]],
    AfterValidator(_low_first),
    "be [low, high] within 0.1 and 10, low first",
]
ValueRange = Annotated[
    Literal["auto"] | tuple[float, float],
    AfterValidator(_low_below_high),
    "be auto or [low, high], low below high",
]
Jitter = Annotated[
    tuple[Fraction, Fraction, Fraction, Annotated[float, Field(ge=0, le=0.5)]],
    "be [brightness, contrast, saturation, hue], the first three within 0 and 1, "
    "the hue within 0 and 0.5",
]

# Errors of pydantic about a value of the right type that is out of its range.
_OUT_OF_RANGE = {
    "finite_number",
    "greater_than",
    "greater_than_equal",
    "less_than",
    "less_than_equal",
    "too_short",
    "value_error",
}


class Key:
    """A configuration key: its name, type and range.

    Args:
        name: For errors.
        hint: The type; a string in an `Annotated` says what a value in range must be.
    """

    def __init__(self, name: str, hint: Any):
        self.name = name
        self.type = _describe(hint)
        self.words = _range_words(hint)
        self._takes_bool = "bool" in self.type.split(" | ")
        self._adapter: pydantic.TypeAdapter[Any] = pydantic.TypeAdapter(
            hint, config=pydantic.ConfigDict(allow_inf_nan=False)
        )

    def check(self, value: Any) -> Any:
        """Return `value` in the type of the key; arrays become lists.

        Raises:
            InputError: It has another type, is out of range or not finite.
        """
        if isinstance(value, np.ndarray | np.generic):
            value = value.tolist()
        if isinstance(value, bool) and not self._takes_bool and self.type != "Any":
            raise InputError(f"{self.name} must be {self.type}, got {value}")
        try:
            return self._adapter.validate_python(value)
        except pydantic.ValidationError as error:
            kinds = {item["type"] for item in error.errors(include_url=False)}
            raise InputError(f"{self.name} must {self._wanted(kinds)}, got {value!r}") from None

    def _wanted(self, kinds: set[str]) -> str:
        if kinds == {"finite_number"}:
            return "be finite"
        return self.words if kinds <= _OUT_OF_RANGE else f"be {self.type}"


def _describe(hint: Any) -> str:
    """The type without its ranges, as in "tuple[float, float] | None"."""
    if get_origin(hint) is Annotated:
        return _describe(get_args(hint)[0])
    if get_origin(hint) in (Union, UnionType):
        return " | ".join(map(_describe, get_args(hint)))
    if get_origin(hint) in (tuple, list, dict):
        return f"{get_origin(hint).__name__}[{', '.join(map(_describe, get_args(hint)))}]"
    if hint is type(None):
        return "None"
    return hint.__name__ if isinstance(hint, type) else str(hint).replace("typing.", "")


def _range_words(hint: Any) -> str:
    """The words of the outermost range in a type."""
    for item in getattr(hint, "__metadata__", ()):
        if isinstance(item, str):
            return item
    return next(filter(None, map(_range_words, get_args(hint))), "")
