import numpy as np
from pycocotools import mask as reference

from mrcnn.data.datasets.dataset import Instances, empty_instances
from mrcnn.data.transforms.copy_paste import paste
from mrcnn.data.transforms.geometric import Sample


def rectangle(y1, x1, y2, x2):
    return [np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]], np.float64)]


def sample(value, boxes, shapes=None, class_ids=None) -> Sample:
    shapes = [rectangle(*box) for box in boxes] if shapes is None else shapes
    ids = np.arange(1, len(boxes) + 1) if class_ids is None else class_ids
    array = np.array(boxes, np.float32).reshape(-1, 4)
    instances = Instances(array, np.asarray(ids, np.int32), shapes, (10, 12))
    return Sample(np.full((10, 12, 3), value, np.uint8), instances)


def test_pixels_masks_and_boxes_by_hand():
    # The first is covered from column 4 on, the second is untouched, the third covered in full.
    background = sample(10, [(1, 1, 5, 7), (6, 0, 9, 3), (2, 5, 4, 6)])
    pasted = sample(200, [(0, 4, 6, 9)], class_ids=[7])
    after = paste(background, pasted)
    wanted = np.full((10, 12, 3), 10, np.uint8)
    wanted[0:6, 4:9] = 200
    np.testing.assert_array_equal(after.image, wanted)
    assert after.instances.class_ids.tolist() == [1, 2, 7]
    assert after.instances.boxes.tolist() == [[1, 1, 5, 4], [6, 0, 9, 3], [0, 4, 6, 9]]
    masks = after.instances.masks()
    expected = np.zeros((10, 12, 3), bool)
    expected[1:5, 1:4, 0] = expected[6:9, 0:3, 1] = expected[0:6, 4:9, 2] = True
    np.testing.assert_array_equal(masks, expected)
    # What nothing covers is still a polygon.
    assert [isinstance(s, list) for s in after.instances.segmentations] == [False, True, True]
    # The arguments are as before.
    assert background.image.max() == 10
    assert background.instances.boxes.tolist()[0] == [1, 1, 5, 7]


def test_only_the_shape_covers_not_its_box():
    # A triangle over the upper left half of the image.
    triangle = [np.array([[0.0, 0.0], [12.0, 0.0], [0.0, 10.0]])]
    pasted = sample(200, [(0, 0, 10, 12)], [triangle])
    after = paste(sample(10, [(7, 8, 9, 11)]), pasted).instances
    assert after.boxes[0].tolist() == [7, 8, 9, 11]
    assert isinstance(after.segmentations[0], list)


def test_run_lengths_crowds_and_boxes_alone():
    mask = np.zeros((10, 12), bool)
    mask[2:6, 2:8] = True
    rle = reference.encode(np.asfortranarray(mask, np.uint8))
    boxes = [(2, 2, 6, 8), (1, 1, 5, 9), (3, 5, 5, 8)]
    background = sample(10, boxes, [rle, [], []], [-1, 2, 3])
    after = paste(background, sample(200, [(0, 5, 10, 12)], class_ids=[4])).instances
    # The crowd keeps what is visible of it; a box in part behind an object stays, one that is
    # behind it in full goes.
    assert after.class_ids.tolist() == [-1, 2, 4]
    assert after.boxes.tolist() == [[2, 2, 6, 5], [1, 1, 5, 9], [0, 5, 10, 12]]
    assert after.has_mask.tolist() == [True, False, True]


def test_nothing_to_paste():
    background = sample(10, [(1, 1, 5, 7)])
    empty = Sample(np.full((10, 12, 3), 200, np.uint8), empty_instances((10, 12)))
    after = paste(background, empty)
    np.testing.assert_array_equal(after.image, background.image)
    assert after.instances.boxes.tolist() == [[1, 1, 5, 7]]
    # Between the centres of pixels: no pixel to paste.
    thin = sample(200, [(1, 1.6, 9, 1.9)])
    after = paste(background, thin)
    assert after.image.max() == 10 and len(after.instances) == 1
