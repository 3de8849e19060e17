"""The original's loading, with its own numbers."""

import json
import random

import numpy as np
import pytest

from mrcnn.compat import loading
from mrcnn.config import SETTINGS, Config
from mrcnn.data.datasets.coco import CocoDataset
from mrcnn.data.datasets.dataset import Dataset
from mrcnn.data.image import mold_image
from mrcnn.errors import InputError


class Small(Config):
    NUM_CLASSES = 3
    IMAGE_MIN_DIM = 64
    IMAGE_MAX_DIM = 64
    MINI_MASK_SHAPE = (14, 14)
    RPN_TRAIN_ANCHORS_PER_IMAGE = 8


class Rectangles(Dataset):
    """One image of 32 x 24 with an object, an empty mask and a crowd."""

    def __init__(self):
        super().__init__()
        self.add_class("drawn", 1, "one")
        self.add_class("other", 1, "two")
        self.add_image("drawn", 1, None)
        self.prepare()

    def load_image(self, image_id):
        image = np.zeros((32, 24, 3), np.uint8)
        image[4:12, 2:10] = 200
        return image

    def load_mask(self, image_id):
        masks = np.zeros((32, 24, 3), np.uint8)
        masks[4:12, 2:10, 0] = 1
        masks[20:24, 20:24, 2] = 1
        return masks, np.array([1, 2, -1])


@pytest.fixture
def config():
    return Small()


def test_ground_truth_in_the_size_of_the_input(config):
    image, meta, class_ids, boxes, masks = loading.load_image_gt(Rectangles(), config, 0)
    # A factor of 2, 64 x 48, 8 columns on either side.
    assert image.shape == (64, 64, 3) and image.dtype == np.uint8
    np.testing.assert_array_equal(boxes, [[8, 12, 24, 28], [40, 48, 48, 56]])
    assert boxes.dtype == np.int32
    assert class_ids.tolist() == [1, -1] and class_ids.dtype == np.int32
    assert masks.shape == (14, 14, 2) and masks.dtype == bool and masks.all()
    np.testing.assert_allclose(meta, [0, 32, 24, 3, 64, 64, 3, 0, 8, 64, 56, 2, 1, 1, 0])
    assert image[10:22, 14:26].min() == 200 and image[:, :8].max() == 0


@pytest.mark.parametrize("by_config", [True, False])
def test_full_masks(config, by_config):
    if by_config:
        found = loading.load_image_gt(Rectangles(), config.update(USE_MINI_MASK=False), 0)
    else:
        found = loading.load_image_gt(Rectangles(), config, 0, augment=False, use_mini_mask=False)
    wanted = np.zeros((64, 64, 2), bool)
    wanted[8:24, 12:28, 0] = wanted[40:48, 48:56, 1] = True
    np.testing.assert_array_equal(found[4], wanted)
    mini = loading.load_image_gt(Rectangles(), config, 0, use_mini_mask=True)[4]
    assert mini.shape == (14, 14, 2)


def mirror(image, masks):
    return image[:, ::-1], masks[:, ::-1]


@pytest.mark.parametrize("arguments", [{"augmentation": mirror}, {"augment": mirror}])
def test_augmentation(config, arguments):
    image, _, class_ids, boxes, _ = loading.load_image_gt(Rectangles(), config, 0, **arguments)
    np.testing.assert_array_equal(boxes, [[8, 36, 24, 52], [40, 8, 48, 16]])
    assert class_ids.tolist() == [1, -1]
    assert image[10:22, 38:50].min() == 200 and image[10:22, 14:26].max() == 0
    with pytest.raises(InputError, match="augmentation"):
        loading.load_image_gt(Rectangles(), config, 0, augmentation="flip")


def test_objects_that_an_augmentation_removes(config):
    def erase(image, masks):
        masks = masks.copy()
        masks[:32] = False
        return image, masks

    _, _, class_ids, boxes, masks = loading.load_image_gt(
        Rectangles(), config, 0, augmentation=erase
    )
    assert class_ids.tolist() == [-1] and len(boxes) == masks.shape[2] == 1


def test_augment_mirrors_half_of_the_images(config):
    seen = [
        loading.load_image_gt(Rectangles(), config, 0, augment=True)[3][0, 1] for _ in range(40)
    ]
    assert set(seen) == {12, 36} and 8 < seen.count(12) < 32


def test_crops_at_random(config):
    config = config.update(IMAGE_RESIZE_MODE="crop", USE_MINI_MASK=False)
    random.seed(1)
    tops = []
    for _ in range(20):
        image, meta, class_ids, boxes, masks = loading.load_image_gt(Rectangles(), config, 0)
        # 32 x 24 to 85 x 64: the crop leaves 21 rows to choose from.
        assert image.shape == (64, 64, 3) and masks.shape[:2] == (64, 64)
        assert meta[7:11].tolist() == [0, 0, 64, 64]
        tops.append(boxes[0, 0])
        # The object is white, up to interpolation and the nearest pixel of the mask.
        y1, x1, y2, x2 = boxes[0]
        assert image[y1 + 2 : y2 - 2, x1 + 2 : x2 - 2].min() >= 199
    assert len(set(tops)) > 5
    random.seed(1)
    assert loading.load_image_gt(Rectangles(), config, 0)[3][0, 0] == tops[0]


@pytest.fixture(scope="module")
def original(parity_dir):
    settings = json.loads((parity_dir / "config.json").read_text())
    config = Config().update(**{name: v for name, v in settings.items() if name in SETTINGS})
    with np.load(parity_dir / "train_rpn_resnet50.npz") as bundle:
        values = {name: bundle[name] for name in bundle.files if name.startswith("in_")}
    with np.load(parity_dir / "inference_resnet50.npz") as bundle:
        values.update({name: bundle[name] for name in ("image", "molded_image", "image_meta")})
        values["anchors"] = bundle["anchors_pixels"]
    return config, values


def test_resizing_equals_the_original(original):
    config, values = original
    image, window, scale, padding, crop = loading.resize_image(values["image"], 256, 320, 0)
    np.testing.assert_allclose(mold_image(image, config), values["molded_image"][0], atol=1e-4)
    meta = values["image_meta"][0]
    assert window == tuple(meta[7:11]) and scale == meta[11]
    assert padding == [(40, 40), (0, 0), (0, 0)] and crop is None


@pytest.mark.parametrize(("row", "file"), [(0, 314370), (1, 532482)])
def test_ground_truth_equals_the_original(original, coco_dir, row, file):
    # The dataset of the reference values had another order and other ids of classes' sources.
    config, values = original
    dataset = CocoDataset.from_folder(coco_dir, "train")
    image_id = [info["id"] for info in dataset.image_info].index(file)
    image, meta, class_ids, boxes, masks = loading.load_image_gt(dataset, config, image_id)
    count = np.count_nonzero(values["in_gt_class_ids"][row])
    difference = np.abs(mold_image(image, config) - values["in_image"][row])
    assert difference.max() < 1.001 and (difference > 1e-4).mean() < 1e-3
    np.testing.assert_allclose(meta[1:], values["in_image_meta"][row][1:])
    np.testing.assert_array_equal(class_ids, values["in_gt_class_ids"][row][:count])
    np.testing.assert_array_equal(boxes, values["in_gt_boxes"][row][:count])
    np.testing.assert_array_equal(masks, values["in_gt_masks"][row][:, :, :count])


@pytest.mark.parametrize("row", [0, 1])
def test_rpn_targets_equal_the_original(original, row):
    config, values = original
    count = np.count_nonzero(values["in_gt_class_ids"][row])
    match, deltas = loading.build_rpn_targets(
        (320, 320, 3),
        values["anchors"],
        values["in_gt_class_ids"][row][:count],
        values["in_gt_boxes"][row][:count],
        config,
    )
    expected = values["in_rpn_match"][row, :, 0]
    assert match.dtype == np.int32
    # Which negatives were sampled is chance there and here, how many is not.
    np.testing.assert_array_equal(match == 1, expected == 1)
    assert (match == -1).sum() == (expected == -1).sum()
    np.testing.assert_allclose(deltas, values["in_rpn_bbox"][row], atol=1e-12)


# Anchors of 10 x 10 side by side, 10 pixels apart.
GRID = np.array([[y, x, y + 10, x + 10] for y in range(0, 50, 10) for x in range(0, 50, 10)])


def targets(config, class_ids, boxes):
    return loading.build_rpn_targets(
        (50, 50, 3), GRID, np.array(class_ids), np.array(boxes).reshape(-1, 4), config
    )


def test_ties_are_all_positive(config):
    # Half of the anchors 0 and 1 each: IoU 50 / 150 with both, which is neither 0.7 nor below 0.3.
    match, deltas = targets(config, [1], [[0, 5, 10, 15]])
    assert np.flatnonzero(match == 1).tolist() == [0, 1]
    np.testing.assert_allclose(deltas[:2], [[0, 5, 0, 0], [0, -5, 0, 0]])
    assert (deltas[2:] == 0).all() and deltas.shape == (8, 4)
    # 8 anchors: 2 positive, 6 of the 23 others negative.
    assert (match == -1).sum() == 6 and (match[[0, 1]] == 1).all()


def test_at_most_half_are_positive(config):
    match, deltas = targets(config, [1] * 6, GRID[[0, 2, 4, 10, 12, 14]])
    assert (match == 1).sum() == 4 and (match == -1).sum() == 4
    assert set(np.flatnonzero(match == 1)) < {0, 2, 4, 10, 12, 14}
    assert (deltas == 0).all()


def test_crowds_are_neither(config):
    crowd = [0, 0, 50, 40]
    match, _ = targets(config, [1, -1], [[0, 40, 10, 50], crowd])
    assert match[4] == 1
    # Only the last column is free of the crowd.
    assert np.flatnonzero(match == -1).tolist() == [9, 14, 19, 24]


def test_nothing_positive(config):
    match, deltas = targets(config, [], [])
    assert (match == -1).sum() == 8 and (match == 1).sum() == 0 and not deltas.any()
    # An object that no anchor touches.
    match, _ = targets(config, [1], [[100, 100, 120, 120]])
    assert (match == -1).sum() == 8 and (match == 1).sum() == 0


def test_the_empty_masks_of_the_original_are_an_image_without_objects(config):
    class Empty(Rectangles):
        def load_mask(self, image_id):
            return np.empty([0, 0, 0]), np.empty([0], np.int32)

    image, meta, class_ids, boxes, masks = loading.load_image_gt(Empty(), config, 0)
    assert image.shape == (64, 64, 3)
    assert (class_ids.shape, boxes.shape, masks.shape) == ((0,), (0, 4), (14, 14, 0))
    full = loading.load_image_gt(Empty(), config, 0, use_mini_mask=False)[4]
    assert full.shape == (64, 64, 0)
    instances = Empty().load_instances(0)
    assert instances.size == (32, 24) and len(instances) == 0

    class Inherited(Rectangles):
        load_mask = Dataset.load_mask

    assert Inherited().load_mask(0)[0].shape == (32, 24, 0)
