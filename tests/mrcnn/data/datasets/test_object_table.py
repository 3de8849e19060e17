import copy
import doctest
from collections import Counter

import numpy as np
import pytest
from pycocotools import mask as reference

from mrcnn.data.datasets import dataset
from mrcnn.data.datasets import object_table as objects
from mrcnn.data.datasets.object_table import ObjectTableBuilder, polygon_geometry

SQUARE = [1, 1, 5, 1, 5, 4, 1, 4]  # x 1..5, y 1..4
NAN = float("nan")


def build(*shapes, size=(10, 12)):
    builder = ObjectTableBuilder()
    builder.add_image(size)
    for number, shape in enumerate(shapes, start=1):
        builder.add(number, shape)
    table, faults = builder.build()
    return table, Counter(fault.reason for fault in faults)


@pytest.mark.parametrize("module", [objects, dataset])
def test_examples(module):
    result = doctest.testmod(module)
    assert result.attempted and not result.failed


def test_geometry_by_hand():
    coordinates = np.array([[0, 0], [4, 0], [0, 3], [1, 1], [2, 1], [2, 2], [1, 2.0]])
    boxes, areas = polygon_geometry(coordinates, np.array([3, 4]))
    np.testing.assert_array_equal(boxes, [[0, 0, 3, 4], [1, 1, 2, 2]])
    np.testing.assert_allclose(areas, [6, 1])
    # The direction of the outline does not matter.
    np.testing.assert_allclose(polygon_geometry(coordinates[2::-1], np.array([3]))[1], [6])


def test_objects_of_several_images():
    builder = ObjectTableBuilder()
    builder.add_image((10, 12))
    builder.add(3, [SQUARE, [6, 6, 9.5, 6, 9.5, 8]])
    builder.add(-1, {"size": [10, 12], "counts": [15, 2, 103]})
    builder.add_image((7, 8))
    builder.add_image((7, 8))
    builder.add(2, [SQUARE])
    table, faults = builder.build()
    assert len(table) == 3 and not faults

    first = table.instances(0, (10, 12))
    assert first.class_ids.tolist() == [3, -1] and first.class_ids.dtype == np.int32
    # Pixel 15 down the columns of ten rows is row 5 of column 1; two rows.
    np.testing.assert_array_equal(first.boxes, [[1, 1, 8, 9.5], [5, 1, 7, 2]])
    assert [polygon.shape for polygon in first.segmentations[0]] == [(4, 2), (3, 2)]
    np.testing.assert_array_equal(first.segmentations[0][1], [[6, 6], [9.5, 6], [9.5, 8]])
    assert len(table.instances(1, (7, 8))) == 0
    last = table.instances(2, (7, 8))
    assert last.class_ids.tolist() == [2]
    np.testing.assert_array_equal(last.segmentations[0][0].ravel(), SQUARE)


# pycocotools has not followed NumPy 2 here.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_masks_equal_those_of_the_coco_tools_to_the_pixel():
    rng = np.random.default_rng(0)
    polygons = [np.round(rng.uniform(0, 200, 2 * k), 2).tolist() for k in (3, 5, 9, 40)]
    table, _ = build(*[[polygon] for polygon in polygons], size=(200, 200))
    masks = table.instances(0, (200, 200)).masks()
    for index, polygon in enumerate(polygons):
        wanted = reference.decode(reference.frPyObjects([polygon], 200, 200))[:, :, 0]
        np.testing.assert_array_equal(masks[:, :, index], wanted)


BAD = {
    "polygon with fewer than 3 points": [[1, 1, 5, 5]],
    "polygon with an odd number of coordinates": [[1, 1, 5, 5, 2, 4, 7]],
    "polygon with a coordinate that is not finite": [[1, 1, 5, NAN, 2, 4]],
    "polygon without area": [[1, 1, 5, 5, 9, 9]],
    "run-length encoding of another size than its image": {"size": [9, 9], "counts": [40, 41]},
    "run-length encoding that does not decode": {"size": [10, 12], "counts": "Zz~~"},
}


@pytest.mark.parametrize("counts", ["8ol", "o", "\x7f" * 9, "0" * 40])
def test_runs_that_break_off_or_go_on_for_ever(counts):
    table, skipped = build({"size": [10, 12], "counts": counts}, [SQUARE])
    assert table.class_ids.tolist() == [2]
    assert skipped["object without a usable mask"] == 1


@pytest.mark.parametrize("reason", BAD)
def test_unusable_shapes_are_left_out_and_counted(reason):
    table, skipped = build([SQUARE], BAD[reason], [SQUARE])
    assert skipped == {reason: 1, "object without a usable mask": 1}
    kept = table.instances(0, (10, 12))
    assert kept.class_ids.tolist() == [1, 3]
    np.testing.assert_array_equal(kept.segmentations[1][0].ravel(), SQUARE)


def test_empty_masks_are_left_out():
    table, skipped = build([], {"size": [10, 12], "counts": [120]})
    assert len(table.instances(0, (10, 12))) == 0
    assert skipped == {"object without a usable mask": 2}


def test_a_bad_polygon_does_not_take_its_object_with_it():
    table, skipped = build([[1, 1, 5, NAN, 2, 4], SQUARE])
    assert skipped == {"polygon with a coordinate that is not finite": 1}
    np.testing.assert_array_equal(table.instances(0, (10, 12)).boxes, [[1, 1, 4, 5]])


def test_boxes_stay_inside_the_image():
    table, skipped = build([[-5, -5, 6, -5, 6, 3, -5, 3]], [[20, 1, 25, 1, 25, 4]])
    np.testing.assert_array_equal(table.instances(0, (10, 12)).boxes, [[0, 0, 3, 6]])
    assert skipped == {"object outside its image": 1}


def test_numbers_only():
    with pytest.raises(TypeError):
        build([["1", 1, 5, 5, 2, 4]])


def test_builder_can_be_copied_and_built_twice():
    builder = ObjectTableBuilder()
    builder.add_image((10, 12))
    builder.add(1, [SQUARE])
    for table, _ in (builder.build(), copy.deepcopy(builder).build()):
        np.testing.assert_array_equal(table.boxes, [[1, 1, 4, 5]])


def test_a_box_alone_is_taken_where_there_is_no_mask():
    builder = ObjectTableBuilder()
    builder.add_image((10, 12))
    builder.add(1, [SQUARE], [0, 0, 9, 9])  # the extent of the mask is exact, the box is not
    builder.add(2, [], [2.5, 1, 4, 20])  # x 2.5..6.5, y 1..21, cut at the lower edge
    builder.add(-3, {"size": [10, 12], "counts": [15, 2, 103]}, [0, 0, 1, 1])
    builder.add(4, [], [3, 3, 0, 4])
    builder.add(5, [], [3, 3, NAN, 4])
    builder.add(6, [[1, 1, 5, 5]], [1, 1, 4, 4])  # a mask that cannot be used
    table, faults = builder.build()
    found = table.instances(0, (10, 12))
    assert found.class_ids.tolist() == [1, 2, -3, 6]
    np.testing.assert_array_equal(
        found.boxes, [[1, 1, 4, 5], [1, 2.5, 10, 6.5], [5, 1, 7, 2], [1, 1, 5, 5]]
    )
    assert found.has_mask.tolist() == [True, False, True, False]
    assert table.has_mask.tolist() == [True, False, True, False]
    assert not found.masks()[:, :, 1].any()
    assert faults == [
        (0, 3, "box without a positive size"),
        (0, 4, "box without a positive size"),
        (0, 5, "polygon with fewer than 3 points"),
        (0, 5, "mask that cannot be used, of an object that keeps its box"),
    ]


def test_an_image_of_unknown_size():
    table, skipped = build([[8, 8, 30, 8, 30, 50]], {"size": [10, 12], "counts": [120]}, size=None)
    assert table.boxes.tolist() == [[8, 8, 50, 30]]
    assert skipped["run-length encoding of another size than its image"] == 1


def test_outlines_far_outside_are_left_out():
    """The rasteriser would take memory in proportion to their length."""
    far = [1, 1, 5, 1, 2e6, 4]
    table, skipped = build([SQUARE, far], [far], [[1, 1, 5, 1, 5, -1e300]])
    assert table.class_ids.tolist() == [1]
    assert [len(table.instances(0, (10, 12)).segmentations[0])] == [1]
    assert skipped == {"polygon far outside any image": 3, "object without a usable mask": 2}


def test_faults_name_the_object():
    builder = ObjectTableBuilder()
    builder.add_image((10, 12))
    builder.add(1, [SQUARE])
    builder.add_image((10, 12))
    builder.add_image((10, 12))
    builder.add(1, [SQUARE])
    builder.add(2, [[1, 1, 5, NAN, 2, 4], SQUARE])
    builder.add(3, {"size": [9, 9], "counts": [81]})
    assert builder.build()[1] == [
        (2, 1, "polygon with a coordinate that is not finite"),
        (2, 2, "run-length encoding of another size than its image"),
        (2, 2, "object without a usable mask"),
    ]


def test_whole_numbers_beyond_floats():
    """JSON has them, and Python reads them as they are."""
    huge = 10**400
    both = [1, 1, huge, 1, -huge, 4, 3, 3]
    table, skipped = build([[1, 1, huge, 1, 5, 4], SQUARE], [[1, 1, -huge, 1, 5, 4], both])
    assert len(table.class_ids) == 1
    assert skipped["polygon with a coordinate that is not finite"] == 3
    builder = ObjectTableBuilder()
    builder.add_image((10, 12))
    builder.add(1, [], [0, 0, huge, 5])
    builder.add(2, [], [0, 0, 5, -5])
    builder.add(3, [], [20, 0, 5, 5])
    assert builder.build()[1] == [
        (0, 0, "box without a positive size"),
        (0, 1, "box without a positive size"),
        (0, 2, "object outside its image"),
    ]
