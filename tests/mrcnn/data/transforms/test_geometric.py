import numpy as np
import pytest
from pycocotools import mask as reference

from mrcnn.data.datasets.dataset import Instances
from mrcnn.data.transforms.geometric import (
    Sample,
    crop,
    cut,
    flip_horizontal,
    flip_vertical,
    rescale,
    rotate_90,
)


def sample(channels=3) -> Sample:
    mask = np.zeros((10, 12), bool)
    mask[2:5, 1:4] = True
    shapes = [
        [np.array([[1.0, 2.0], [4.0, 2.0], [4.0, 5.0], [1.0, 5.0]])],
        mask,
        reference.encode(np.asfortranarray(mask, np.uint8)),
    ]
    boxes = np.tile(np.float32([2, 1, 5, 4]), (3, 1))
    image = np.random.default_rng(0).integers(0, 255, (10, 12, channels), np.uint8)
    return Sample(image, Instances(boxes, np.int32([1, 2, -1]), shapes, (10, 12)))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_flip_mirrors_image_boxes_and_masks(channels):
    before = sample(channels)
    after = flip_horizontal(before)
    np.testing.assert_array_equal(after.image, before.image[:, ::-1])
    # x 1..4 of 12 columns becomes 8..11.
    np.testing.assert_array_equal(after.instances.boxes, np.tile([2, 8, 5, 11], (3, 1)))
    np.testing.assert_array_equal(after.instances.masks(), before.instances.masks()[:, ::-1])
    assert after.instances.class_ids.tolist() == [1, 2, -1]


def test_flip_leaves_its_argument_alone_and_undoes_itself():
    before = sample()
    twice = flip_horizontal(flip_horizontal(before))
    np.testing.assert_array_equal(before.instances.boxes[0], [2, 1, 5, 4])
    np.testing.assert_array_equal(twice.image, before.image)
    np.testing.assert_array_equal(twice.instances.boxes, before.instances.boxes)
    np.testing.assert_array_equal(
        twice.instances.segmentations[0][0], before.instances.segmentations[0][0]
    )


def test_flip_of_a_box_alone():
    boxes = np.float32([[2, 1, 5, 4]])
    before = Sample(
        np.zeros((10, 12, 3), np.uint8), Instances(boxes, np.int32([1]), [[]], (10, 12))
    )
    after = flip_horizontal(before).instances
    np.testing.assert_array_equal(after.boxes, [[2, 8, 5, 11]])
    assert after.has_mask.tolist() == [False]


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_vertical_flip_mirrors_image_boxes_and_masks(channels):
    before = sample(channels)
    after = flip_vertical(before)
    np.testing.assert_array_equal(after.image, before.image[::-1])
    # y 2..5 of 10 rows becomes 5..8.
    np.testing.assert_array_equal(after.instances.boxes, np.tile([5, 1, 8, 4], (3, 1)))
    np.testing.assert_array_equal(after.instances.masks(), before.instances.masks()[::-1])


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize(
    ("turns", "size", "box"),
    [
        # Counterclockwise the right side, column 12, comes up: y = 12 - x, x = y.
        (1, (12, 10), (8, 2, 11, 5)),
        (2, (10, 12), (5, 8, 8, 11)),
        (3, (12, 10), (1, 5, 4, 8)),
        (5, (12, 10), (8, 2, 11, 5)),
    ],
)
def test_turns_by_90_degrees(channels, turns, size, box):
    before = sample(channels)
    after = rotate_90(before, turns)
    np.testing.assert_array_equal(after.image, np.rot90(before.image, turns))
    assert after.instances.size == size
    np.testing.assert_array_equal(after.instances.boxes, np.tile(box, (3, 1)))
    np.testing.assert_array_equal(
        after.instances.masks(), np.rot90(before.instances.masks(), turns)
    )
    assert after.instances.class_ids.tolist() == [1, 2, -1]


def assert_same(one: Sample, other: Sample):
    np.testing.assert_array_equal(one.image, other.image)
    np.testing.assert_array_equal(one.instances.boxes, other.instances.boxes)
    np.testing.assert_array_equal(one.instances.masks(), other.instances.masks())
    assert one.instances.size == other.instances.size


def test_turns_and_flips_agree():
    before = sample()
    assert_same(rotate_90(before, 0), before)
    assert_same(rotate_90(rotate_90(before, 1), 3), before)
    assert_same(flip_vertical(flip_vertical(before)), before)
    assert_same(flip_vertical(flip_horizontal(before)), rotate_90(before, 2))


@pytest.mark.parametrize(
    ("transform", "array"),
    [
        (flip_horizontal, lambda mask: mask[:, ::-1]),
        (flip_vertical, lambda mask: mask[::-1]),
        (rotate_90, np.rot90),
        (lambda s: crop(s, (13, 7, 60, 71)), lambda mask: mask[13:60, 7:71]),
    ],
)
def test_masks_of_moved_polygons_are_moved_masks(transform, array, rng):
    shapes = [[rng.uniform(-6, 86, (rng.integers(3, 8), 2))] for _ in range(30)]
    boxes = np.tile(np.float32([0, 0, 80, 80]), (30, 1))
    instances = Instances(boxes, np.arange(1, 31, dtype=np.int32), shapes, (80, 80))
    before = cut(Sample(np.zeros((80, 80, 3), np.uint8), instances).instances, (0, 0, 80, 80))
    after = transform(Sample(np.zeros((80, 80, 3), np.uint8), before)).instances
    assert len(after) > 20
    moved, drawn = array(before.masks()), after.masks()
    moved = moved[:, :, np.searchsorted(before.class_ids, after.class_ids)]
    both, either = (moved & drawn).sum(axis=(0, 1)), (moved | drawn).sum(axis=(0, 1))
    # The rasteriser of the COCO tools rounds outlines to fifths of a pixel, unlike on both sides.
    large = either > 200
    assert large.sum() > 10
    assert (both / either)[large].min() > 0.9 and (both / either)[large].mean() > 0.975
    assert (either - both).max() < 50


def mixed(box) -> Sample:
    """The same rectangle as polygon, mask, run-length encoding and as a box alone."""
    y1, x1, y2, x2 = box
    mask = np.zeros((10, 12), bool)
    mask[y1:y2, x1:x2] = True
    rle = reference.encode(np.asfortranarray(mask, np.uint8))
    outline = np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]], np.float64)
    image = np.arange(10 * 12 * 3, dtype=np.uint8).reshape(10, 12, 3)
    boxes = np.tile(np.float32(box), (4, 1))
    ids = np.int32([1, 2, -1, 3])
    return Sample(image, Instances(boxes, ids, [[outline], mask, rle, []], (10, 12)))


def test_crop_cuts_image_boxes_and_masks():
    before = mixed((2, 1, 7, 9))
    after = crop(before, (3, 4, 10, 12))
    np.testing.assert_array_equal(after.image, before.image[3:, 4:])
    assert after.instances.size == (7, 8)
    assert after.instances.boxes.tolist() == [[0, 0, 4, 5]] * 4
    np.testing.assert_array_equal(after.instances.masks(), before.instances.masks()[3:, 4:])
    assert after.instances.has_mask.tolist() == [True, True, True, False]
    assert isinstance(after.instances.segmentations[0], list)


def test_crop_drops_what_is_outside_or_only_touches():
    before = mixed((2, 1, 7, 5))
    assert len(crop(before, (0, 5, 10, 12)).instances) == 0
    assert len(crop(before, (7, 0, 10, 12)).instances) == 0
    assert crop(before, (6, 4, 10, 12)).instances.boxes.tolist() == [[0, 0, 1, 1]] * 4


def test_boxes_of_cut_objects_are_those_of_what_is_left():
    # An L: a bar on the left, x 1..3, and a foot at the bottom, y 7..9, up to x 10.
    outline = np.array([[1, 1], [3, 1], [3, 7], [10, 7], [10, 9], [1, 9]], np.float64)
    instances = Instances(np.float32([[1, 1, 9, 10]]), np.int32([1]), [[outline]], (10, 12))
    before = Sample(np.zeros((10, 12, 3), np.uint8), instances)
    assert crop(before, (0, 0, 6, 12)).instances.boxes.tolist() == [[1, 1, 6, 3]]
    assert len(crop(before, (0, 4, 6, 12)).instances) == 0
    assert crop(before, (0, 4, 10, 12)).instances.boxes.tolist() == [[7, 0, 9, 6]]


class Corner:
    """Stands in for a generator: always the lowest number, or always the highest."""

    def __init__(self, highest):
        self.highest = highest

    def integers(self, end):
        return end - 1 if self.highest else 0


@pytest.mark.parametrize(("highest", "corner"), [(False, (0, 0)), (True, (15, 18))])
def test_rescale_to_half(highest, corner):
    before = mixed((2, 2, 6, 8))
    after = rescale(before, 0.5, (20, 24), Corner(highest))
    y, x = corner
    assert after.image.shape == (20, 24, 3)
    shown = np.zeros((20, 24), bool)
    shown[y : y + 5, x : x + 6] = True
    assert not after.image[~shown].any() and after.image[shown].any()
    boxes = [[1 + y, 1 + x, 3 + y, 4 + x]] * 4
    np.testing.assert_allclose(after.instances.boxes, boxes)
    wanted = np.zeros((20, 24, 3), bool)
    wanted[1 + y : 3 + y, 1 + x : 4 + x] = True
    np.testing.assert_array_equal(after.instances.masks()[:, :, :3], wanted)
    assert after.instances.has_mask.tolist() == [True, True, True, False]


@pytest.mark.parametrize(("highest", "corner"), [(False, (0, 0)), (True, (10, 12))])
def test_rescale_to_double_shows_a_part(highest, corner):
    before = mixed((2, 2, 6, 8))
    after = rescale(before, 2, (10, 12), Corner(highest))
    # The object is at 4..12, 4..16 of 20 x 24; the part begins at `corner`.
    y, x = corner
    box = [max(4 - y, 0), max(4 - x, 0), min(12 - y, 10), min(16 - x, 12)]
    np.testing.assert_allclose(after.instances.boxes, [box] * 4)
    wanted = np.zeros((10, 12), bool)
    wanted[box[0] : box[2], box[1] : box[3]] = True
    for index in range(3):
        np.testing.assert_array_equal(after.instances.masks()[:, :, index], wanted)
    # The pixels, enlarged, of the same part.
    whole = rescale(before, 2, (20, 24), Corner(False)).image.astype(int)
    difference = np.abs(after.image - whole[y : y + 10, x : x + 12])[1:-1, 1:-1]
    assert difference.max() <= 1


def test_rescale_by_one_to_the_same_size_changes_nothing(rng):
    before = mixed((2, 1, 7, 9))
    assert_same(rescale(before, 1, (10, 12), rng), before)
