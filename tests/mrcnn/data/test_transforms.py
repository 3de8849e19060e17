import numpy as np
import pytest
from pycocotools import mask as reference

from mrcnn.data.dataset import Instances
from mrcnn.data.transforms import Sample, flip_horizontal


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
