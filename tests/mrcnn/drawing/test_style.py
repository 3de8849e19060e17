import itertools

import numpy as np
import pytest

from mrcnn.drawing.style import (
    FALSE_COLOR,
    MISSED_COLOR,
    Style,
    class_color,
    match_colors,
)
from mrcnn.errors import InputError


def distance(a, b):
    return float(np.linalg.norm(np.subtract(a, b)))


def test_a_class_has_its_color_and_its_crowds_have_it_too():
    # Okabe and Ito: orange, sky blue.
    assert class_color(1) == (0.90, 0.62, 0.00) and class_color(2) == (0.34, 0.71, 0.91)
    assert class_color(-2) == class_color(2)
    colors = [class_color(number) for number in range(1, 81)]
    assert len(set(colors)) == 80
    assert min(distance(a, b) for a, b in itertools.combinations(colors[:12], 2)) > 0.2
    assert all(0 <= channel <= 1 for color in colors for channel in color)


def test_colors_of_matches_are_far_from_those_of_missed_and_false_objects():
    colors = match_colors(50)
    assert len(set(colors)) == 50 and colors == match_colors(50)
    marked = (MISSED_COLOR, FALSE_COLOR)
    assert min(distance(color, mark) for color in colors for mark in marked) > 0.5
    assert match_colors(0) == [] and len(match_colors(1)) == 1


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"line_width": 0}, "line width must be above 0, got 0"),
        ({"line_width": float("nan")}, "line width must be above 0, got nan"),
        ({"min_score": 1.5}, "least score must be in 0 to 1, got 1.5"),
        ({"max_labels": -1}, "number of labels must not be negative, got -1"),
    ],
)
def test_a_style_names_a_number_out_of_range(wrong, message):
    with pytest.raises(InputError, match=message):
        Style(**wrong)
