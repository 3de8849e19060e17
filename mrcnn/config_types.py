"""Types of configuration keys with their ranges, a value's check against one, and what values of
several keys make impossible.
"""

from collections.abc import Iterator, Mapping
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

import numpy as np
import pydantic
from pydantic import AfterValidator, Field

from mrcnn.constants import LOSS_NAMES
from mrcnn.errors import InputError, nearest


def _low_first(limits: tuple[float, float]) -> tuple[float, float]:
    if limits[0] > limits[1]:
        raise ValueError
    return limits


def _dense_last(layers: list[str]) -> list[str]:
    if "dense" not in layers or layers != sorted(layers):
        raise ValueError
    return layers


def _low_below_high(limits: Any) -> Any:
    if limits != "auto" and limits[0] >= limits[1]:
        raise ValueError
    return limits


# Types with a range, and what a value must be, for the error of one that is outside.
PositiveInt = Annotated[int, Field(gt=0), "be positive"]
PositiveFloat = Annotated[float, Field(gt=0), "be positive"]
StageCount = Annotated[int, Field(ge=0, le=5), "lie within 0 and 5"]
NotNegativeInt = Annotated[int, Field(ge=0), "not be negative"]
NotNegative = Annotated[float, Field(ge=0), "not be negative"]
Fraction = Annotated[float, Field(ge=0, le=1), "lie within 0 and 1"]
Share = Annotated[float, Field(gt=0, lt=1), "lie between 0 and 1"]
Exponent = Annotated[float, Field(ge=1), "be a finite number >= 1"]
Pair = tuple[PositiveInt, PositiveInt]
if TYPE_CHECKING:
    Means = np.ndarray
    Deltas = np.ndarray
else:
    # Arrays, as in the original: scripts calculate with them.
    Means = Annotated[list[float], AfterValidator(np.array)]
    Deltas = Annotated[
        tuple[PositiveFloat, PositiveFloat, PositiveFloat, PositiveFloat], AfterValidator(np.array)
    ]
Scales = tuple[PositiveFloat, PositiveFloat, PositiveFloat, PositiveFloat, PositiveFloat]
Ratios = Annotated[list[PositiveFloat], Field(min_length=1), "be one or more positive numbers"]
HeadLayers = Annotated[
    list[Literal["conv", "dense"]],
    AfterValidator(_dense_last),
    "be convolutions (conv) and then dense layers (dense), one at least",
]
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


def check_loss_weights(weights: Mapping[str, float]) -> None:
    """Refuse the weight of a loss that does not exist.

    Raises:
        InputError: There is one.
    """
    for key in set(weights) - set(LOSS_NAMES):
        raise InputError(
            f"LOSS_WEIGHTS has no loss {key!r}; it has {', '.join(LOSS_NAMES)}."
            f"{nearest(key, LOSS_NAMES)}"
        )


def contradictions(config: Any) -> Iterator[str]:
    """What values of more than one key of a `mrcnn.config.Config` make impossible."""
    if not (callable(config.BACKBONE) or isinstance(config.BACKBONE, str)):
        yield f"BACKBONE must be a name or a callable, got {config.BACKBONE!r}"
    if config.POSITIVE_ROIS < 1:
        yield (
            f"TRAIN_ROIS_PER_IMAGE {config.TRAIN_ROIS_PER_IMAGE} times ROI_POSITIVE_RATIO "
            f"{config.ROI_POSITIVE_RATIO} must be at least 1: otherwise no mask is ever trained"
        )
    least, most = config.IMAGE_MIN_DIM, config.IMAGE_MAX_DIM
    if least > most:
        yield f"IMAGE_MIN_DIM {least} is larger than IMAGE_MAX_DIM {most}"
    sides = tuple(config.IMAGE_SHAPE[:2].tolist())
    if any(side % 32 for side in sides):
        yield f"the sides of the network's input must divide by 32, got {sides}"
    if config.IMAGE_RESIZE_MODE == "pad64" and least % 64:
        yield f"IMAGE_MIN_DIM must divide by 64 with IMAGE_RESIZE_MODE 'pad64', got {least}"
    channels = config.IMAGE_CHANNEL_COUNT
    if len(config.MEAN_PIXEL) != channels:
        yield f"MEAN_PIXEL needs {channels} values, one per channel, got {len(config.MEAN_PIXEL)}"
    if config.AUGMENT_COLOR_JITTER and channels != 3 and any(config.AUGMENT_COLOR_JITTER[2:]):
        yield (
            "AUGMENT_COLOR_JITTER: images of other than 3 channels have no saturation and no "
            f"hue; both must be 0, got {list(config.AUGMENT_COLOR_JITTER)}"
        )
    if config.CLASS_NAMES is not None and len(config.CLASS_NAMES) != config.NUM_CLASSES:
        yield (
            f"CLASS_NAMES has {len(config.CLASS_NAMES)} names, "
            f"but NUM_CLASSES is {config.NUM_CLASSES} (with 'BG')"
        )
