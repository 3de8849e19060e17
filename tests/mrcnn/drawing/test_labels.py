import numpy as np
import pytest

from mrcnn.drawing.labels import free_corner, place_labels

CANVAS = (0, 0, 200, 100)


def common(a, b):
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return max(width, 0) * max(height, 0)


def places_of(boxes, width=40, height=10, order=None, **options):
    order = range(len(boxes)) if order is None else order
    return place_labels(boxes, [[(width, height)] * len(boxes)], order, CANVAS, **options)


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((50, 40, 70, 60), (50, 30, 90, 40)),  # above
        ((50, 4, 70, 60), (50, 60, 90, 70)),  # no room above: below
        ((50, 0, 70, 100), (70, 0, 110, 10)),  # neither: to the right
        ((180, 0, 200, 100), (140, 0, 180, 10)),  # not there either: to the left
        ((0, 0, 200, 100), (0, 0, 40, 10)),  # nor there: inside
        ((190, 40, 199, 60), (160, 30, 200, 40)),  # slides to stay on the canvas
        ((-50, 40, -30, 60), (0, 30, 40, 40)),
    ],
)
def test_a_label_goes_to_the_first_place_beside_its_box(box, expected):
    assert places_of([box]) == {0: (expected, 0)}


def test_labels_keep_off_each_other_and_off_what_is_taken():
    boxes = [(80, 40, 120, 60)] * 5
    places = places_of(boxes, taken=[(0, 0, 200, 29)])
    extents = [place.extent for place in places.values()]
    assert len(extents) == 5
    for number, extent in enumerate(extents):
        assert extent[1] >= 29
        assert not any(common(extent, other) for other in extents[:number])


def test_labels_keep_off_small_objects_where_there_is_room():
    small = (50, 28, 60, 38)  # where the label of the first would go
    places = places_of([(45, 40, 75, 60), small])
    assert not any(common(place.extent, small) for place in places.values())
    # A large object loses little of itself under a label.
    large = (0, 0, 200, 39)
    assert places_of([(50, 40, 70, 60), large], order=[0])[0].extent == (50, 30, 90, 40)


def test_a_label_without_a_place_is_left_out_the_most_important_ones_are_not():
    boxes = [(x, y, x + 20, y + 20) for y in range(0, 100, 20) for x in range(0, 200, 20)]
    assert places_of(boxes, 40, 10) == {}
    crowded = [(80, 40, 120, 60)] * 30
    places = places_of(crowded, 90, 30, order=[7, 3, *range(8, 30)])
    assert set(places) == {7, 3}  # above and below; beside and inside they would hide the box


def test_smaller_labels_are_tried_before_anything_is_hidden():
    sizes = [[(40, 20)] * 2, [(20, 10)] * 2]
    # 10 pixels above, and a neighbour right below.
    boxes = [(50, 10, 70, 30), (0, 30, 200, 50)]
    walls = [(0, 0, 48, 100), (92, 0, 200, 100)]
    assert place_labels(boxes, sizes, [0], CANVAS, walls)[0] == ((50, 0, 70, 10), 1)


def test_a_label_as_large_as_the_canvas_has_no_place():
    assert places_of([(0, 0, 10, 10)], width=201) == {} == places_of([(0, 0, 9, 9)], height=101)
    assert place_labels([], [[]], [], CANVAS) == {}


def test_a_note_takes_the_corner_where_it_hides_least():
    boxes = np.array([(0, 80, 40, 100), (150, 50, 200, 100), (0, 0, 10, 10)])
    assert free_corner(50, 20, boxes, CANVAS) == (150, 0, 200, 20)
    assert free_corner(50, 20, np.zeros((0, 4)), CANVAS) == (0, 80, 50, 100)
