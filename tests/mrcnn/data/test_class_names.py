import pytest

from mrcnn.data.class_names import nearly_equal
from mrcnn.data.coco_names import COCO_NAMES
from mrcnn.data.conversion.classes import class_notes
from mrcnn.data.datasets import cityscapes, voc


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Cat", "cat"),
        ("traffic light", "traffic_light"),
        ("trafficlight", "traffic light"),
        ("car ", "car"),
        ("nucleus", "nuclues"),
        ("nucleus", "nucleu"),
        ("person", "persons"),
        ("bicycle", "bicicle"),
        ("red apple", "red aple"),
    ],
)
def test_names_that_mean_one_class(first, second):
    assert nearly_equal(first, second) and nearly_equal(second, first)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("cat", "car"),
        ("type a", "type b"),
        ("class_1", "class_2"),
        ("grade10", "grade11"),
        ("male", "female"),
        ("left eye", "right eye"),
        ("nucleus", "nucleolus"),
        ("apple", "apple tree"),
        ("a", "b"),
    ],
)
def test_names_that_mean_two(first, second):
    assert not nearly_equal(first, second) and not nearly_equal(second, first)


def test_known_lists_have_no_doubles():
    for names in (COCO_NAMES, voc.CLASSES, list(cityscapes.CLASSES.values())):
        assert class_notes(names, {}) == []
