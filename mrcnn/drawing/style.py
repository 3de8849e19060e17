"""How instances are drawn: what of them is shown, and which color each gets."""

import colorsys
import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from mrcnn.drawing.images import Color
from mrcnn.errors import InputError


class ColorBy(StrEnum):
    """What two instances of one color have in common."""

    INSTANCE = "instance"
    CLASS = "class"
    MATCH = "match"


class Mark(StrEnum):
    """What a comparison with the ground truth says of an instance.

    Line style, filling and a word in the label tell the marks apart, without colors too: a missed
    object is a dashed outline, a false one is filled with stripes.
    """

    NONE = ""
    MISSED = "missed"
    FALSE = "false"


@dataclass(frozen=True)
class Style:
    """What is drawn of instances, the same for pictures and for figures.

    Attributes:
        boxes: Draw the boxes.
        labels: Draw the labels.
        masks: Draw the masks.
        line_width: Of boxes and outlines: pixels in pictures, points in figures. None fits it.
        min_score: Instances of a lower score are left out.
        max_labels: At most so many labels, those of the surest instances; a note says how many of
            all there are.
        color_by: Instances of one color are one instance, of one class, or an object and the
            prediction that was matched with it.

    Raises:
        InputError: A number is out of its range.
    """

    boxes: bool = True
    labels: bool = True
    masks: bool = True
    line_width: float | None = None
    min_score: float = 0.0
    max_labels: int = 40
    color_by: ColorBy = ColorBy.INSTANCE

    def __post_init__(self) -> None:
        """Check the numbers."""
        if self.line_width is not None and not self.line_width > 0:
            raise InputError(f"the line width must be above 0, got {self.line_width:g}")
        if not 0 <= self.min_score <= 1:
            raise InputError(f"the least score must be in 0 to 1, got {self.min_score:g}")
        if self.max_labels < 0:
            raise InputError(f"the number of labels must not be negative, got {self.max_labels}")


# Okabe and Ito, "Color universal design": told apart with every kind of color vision.
_FIRST = (
    (0.90, 0.62, 0.00),
    (0.34, 0.71, 0.91),
    (0.00, 0.62, 0.45),
    (0.94, 0.89, 0.26),
    (0.00, 0.45, 0.70),
    (0.84, 0.37, 0.00),
    (0.80, 0.47, 0.65),
)
MISSED_COLOR: Color = (1.0, 0.85, 0.0)
FALSE_COLOR: Color = (0.90, 0.10, 0.10)
IGNORED_COLOR: Color = (0.6, 0.6, 0.6)
# Hues of matches, from green to violet: far from those of the marks.
_MATCH_HUES = (0.33, 0.83)


def class_color(class_id: int) -> Color:
    """The color of a class: the same on every image and in every run.

    Args:
        class_id: From 1 on; of a crowd, the negative id has the color of the class.
    """
    number = abs(int(class_id))
    if 1 <= number <= len(_FIRST):
        return _FIRST[number - 1]
    # Turns by the golden ratio spread any number of hues; steps of saturation and of brightness
    # tell apart those that come near each other. The first turn keeps off the colors above.
    saturation, value = (1.0, 0.55, 0.8)[number % 3], (1.0, 0.7)[number // 2 % 2]
    return colorsys.hsv_to_rgb((number * 0.618034 + 0.86) % 1, saturation, value)


def class_colors(class_ids: Sequence[int]) -> list[Color]:
    """The color of the class of each instance."""
    return [class_color(class_id) for class_id in class_ids]


def match_colors(count: int) -> list[Color]:
    """Colors of matches, the same in every run: none is near that of a missed or false object."""
    low, high = _MATCH_HUES
    colors = [
        colorsys.hsv_to_rgb(low + (high - low) * i / max(count - 1, 1), (1.0, 0.6)[i % 2], 1.0)
        for i in range(count)
    ]
    random.Random(0).shuffle(colors)
    return colors
