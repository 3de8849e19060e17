"""Targets of the RPN and of the heads: who is sampled, and what it should have said."""

# Long because: the targets of the RPN and of the heads are compared by the same helpers.

import math

import numpy as np
import pytest
from keras import ops
from scipy.ndimage import map_coordinates

from mrcnn.data.datasets.dataset import Dataset, Instances
from mrcnn.data.pipeline.loader import Loader
from mrcnn.modeling import anchors as anchor_ops
from mrcnn.modeling.targets import RoITargets, RPNTargets

SIDE = 128
STRIDES = (4, 8, 16, 32, 64)


def iou_matrix(one, two):
    """IoU `(N, M)` in float64."""
    low = np.maximum(one[:, None, :2], two[None, :, :2])
    high = np.minimum(one[:, None, 2:], two[None, :, 2:])
    intersection = np.prod(np.maximum(high - low, 0), axis=-1)
    areas = [np.prod(b[:, 2:] - b[:, :2], axis=-1) for b in (one, two)]
    return intersection / np.maximum(areas[0][:, None] + areas[1][None] - intersection, 1e-12)


def deltas_of(box, target):
    """R-CNN's regression targets of one box, before division by the standard deviation."""
    height, width = box[2] - box[0], box[3] - box[1]
    target_height, target_width = target[2] - target[0], target[3] - target[1]
    return [
        (target[0] + target_height / 2 - box[0] - height / 2) / height,
        (target[1] + target_width / 2 - box[1] - width / 2) / width,
        math.log(target_height / height),
        math.log(target_width / width),
    ]


def padded(boxes, ids, count=8):
    gt_boxes, gt_ids = np.zeros((1, count, 4), "float32"), np.zeros((1, count), "int32")
    if len(boxes):
        gt_boxes[0, : len(boxes)] = boxes
    gt_ids[0, : len(ids)] = ids
    return gt_ids, gt_boxes


@pytest.fixture(scope="module")
def anchors(tiny):
    pixels = anchor_ops.pyramid_anchors(
        (SIDE, SIDE), tiny.RPN_ANCHOR_SCALES, tuple(tiny.RPN_ANCHOR_RATIOS), STRIDES
    )
    return ((pixels - [0, 0, 1, 1]) / (SIDE - 1)).astype("float32")


def rpn_targets(config, boxes, ids):
    """Targets of one image whose boxes are in pixels."""
    normalized = (np.asarray(boxes, float).reshape(-1, 4) - [0, 0, 1, 1]) / (SIDE - 1)
    gt_ids, gt_boxes = padded(normalized, ids)
    found = RPNTargets(config)(gt_ids, gt_boxes, np.zeros((1, SIDE, SIDE, 3), "float32"))
    return [ops.convert_to_numpy(value)[0] for value in found], normalized


def expected_rpn(anchors, boxes, ids):
    """Positive and negative anchors by the rules of Faster R-CNN, in the order of the anchors."""
    ids = np.asarray(ids)
    objects, crowds = boxes[ids > 0], boxes[ids < 0]
    positive = np.zeros(len(anchors), bool)
    negative = np.ones(len(anchors), bool)
    if len(objects):
        iou = iou_matrix(anchors.astype(float), objects)
        # No near ties, which float32 may decide otherwise.
        assert (np.diff(np.sort(iou, axis=0)[-2:], axis=0) > 1e-4).all()
        positive = iou.max(axis=1) >= 0.7
        positive[iou.argmax(axis=0)] = True
        negative = iou.max(axis=1) < 0.3
    if len(crowds):
        negative &= iou_matrix(anchors.astype(float), crowds).max(axis=1) < 0.001
    return np.flatnonzero(positive), np.flatnonzero(negative & ~positive)


IMAGES = {
    "one large": ([[20.3, 21.1, 84.6, 86.2]], [1]),
    "several": ([[3.2, 5.7, 31.4, 36.1], [58.3, 61.9, 125.1, 101.6], [12, 88, 40, 121]], [1, 3, 2]),
    "no anchor fits": ([[25.4, 42.2, 48.4, 63.2]], [2]),
    "with a crowd": ([[20.2, 19.5, 52.9, 51.6], [0, 64, 128, 128]], [1, -1]),
    "crowd alone": ([[0, 0, 128, 64]], [-3]),
    "empty": ([], []),
}


@pytest.mark.parametrize("name", IMAGES)
def test_rpn_targets_follow_the_rules(tiny, anchors, name):
    boxes, ids = IMAGES[name]
    (indices, labels, used, deltas), normalized = rpn_targets(tiny, boxes, ids)
    half, total = 16, 32
    positive, negative = expected_rpn(anchors, normalized, ids)
    positive = positive[:half]
    negative = negative[: total - len(positive)]
    assert len(indices) == half + total
    assert labels.tolist() == [1] * half + [0] * total
    assert indices[:half][used[:half]].tolist() == positive.tolist()
    assert indices[half:][used[half:]].tolist() == negative.tolist()
    assert used.sum() == total

    objects = np.flatnonzero(np.asarray(ids) > 0)
    expected = np.zeros((half, 4))
    for slot, index in enumerate(positive):
        iou = iou_matrix(anchors[index : index + 1].astype(float), normalized[objects])
        best = objects[iou[0].argmax()]
        expected[slot] = deltas_of(anchors[index].astype(float), normalized[best])
    expected /= [0.1, 0.1, 0.2, 0.2]
    np.testing.assert_allclose(deltas, expected, atol=1e-3)


@pytest.mark.parametrize("name", IMAGES)
def test_rpn_positives_and_negatives_are_all_that_there_are(tiny, anchors, name):
    """Where as many are asked for as there are anchors."""
    count = len(anchors)
    config = tiny.update(RPN_TRAIN_ANCHORS_PER_IMAGE=2 * count)
    (indices, _, used, _), normalized = rpn_targets(config, *IMAGES[name])
    positive, negative = expected_rpn(anchors, normalized, IMAGES[name][1])
    assert indices[:count][used[:count]].tolist() == positive.tolist()
    assert indices[count:][used[count:]].tolist() == negative.tolist()


def test_rpn_object_without_fitting_anchor_gets_its_best_one(tiny, anchors):
    (indices, _, used, _), normalized = rpn_targets(tiny, *IMAGES["no anchor fits"])
    best = iou_matrix(anchors.astype(float), normalized)[:, 0]
    assert best.max() < 0.7
    assert indices[:16][used[:16]].tolist() == [best.argmax()]


def test_rpn_positives_are_capped_at_half(tiny, anchors):
    offsets = [(9.3, 8.4), (10.7, 49.1), (51.2, 9.8), (49.4, 50.9)]
    boxes = [[y, x, y + 33.1, x + 31.7] for y, x in offsets]
    config = tiny.update(RPN_TRAIN_ANCHORS_PER_IMAGE=4)
    (_, _, used, _), normalized = rpn_targets(config, boxes, [1, 2, 3, 1])
    assert len(expected_rpn(anchors, normalized, [1, 2, 3, 1])[0]) > 2
    assert used.tolist() == [True, True, True, True, False, False]


@pytest.mark.parametrize("name", ["several", "with a crowd", "empty"])
def test_rpn_random_sampling_draws_from_the_same_anchors(tiny, anchors, name):
    boxes, ids = IMAGES[name]
    config = tiny.update(RANDOM_SAMPLING=True, RPN_TRAIN_ANCHORS_PER_IMAGE=8)
    normalized = (np.asarray(boxes, float).reshape(-1, 4) - [0, 0, 1, 1]) / (SIDE - 1)
    gt_ids, gt_boxes = padded(normalized, ids)
    positive, negative = expected_rpn(anchors, normalized, ids)
    layer, image = RPNTargets(config), np.zeros((1, SIDE, SIDE, 3), "float32")
    draws = []
    for _ in range(3):
        indices, _, used, _ = (
            ops.convert_to_numpy(value)[0] for value in layer(gt_ids, gt_boxes, image)
        )
        chosen = indices[:4][used[:4]], indices[4:][used[4:]]
        assert set(chosen[0]) <= set(positive)
        assert set(chosen[1]) <= set(negative)
        assert len(chosen[0]) == min(4, len(positive))
        assert len(set(chosen[0])) + len(set(chosen[1])) == 8
        draws.append(tuple(indices))
    assert len(set(draws)) == 3


# A 10 x 10 object at the origin and one at (0.5, 0.5), in hundredths; RoIs with their IoU.
OBJECTS = np.array([[0, 0, 0.1, 0.1], [0.5, 0.5, 0.6, 0.6]])
ROIS = np.array(
    [
        [0.8, 0.8, 0.9, 0.9],  # background
        [0, 0, 0.1, 0.08],  # 0.8 of object 0
        [0.5, 0.5, 0.6, 0.6],  # object 1 itself
        [0, 0, 0.1, 0.04],  # 0.4 of object 0: background
        [0.2, 0.8, 0.3, 0.9],  # background
        [0.7, 0.1, 0.9, 0.2],  # background
        [0.7, 0.3, 0.9, 0.4],  # background
        [0.7, 0.5, 0.9, 0.7],  # background
    ]
)


def roi_targets(config, rois, boxes, ids, masks=None, valid=None):
    gt_ids, gt_boxes = padded(boxes, ids)
    if masks is None:
        masks = np.zeros((1, 56, 56, 8), "uint8")
    valid = np.ones((1, len(rois)), bool) if valid is None else np.asarray([valid], bool)
    found = RoITargets(config)(
        np.asarray(rois, "float32")[None], valid, gt_ids, gt_boxes, np.asarray(masks, "uint8")
    )
    return [ops.convert_to_numpy(value)[0] for value in found]


def test_roi_targets_by_hand(tiny):
    assert tiny.POSITIVE_ROIS == 5
    rois, class_ids, deltas, *_ = roi_targets(tiny, ROIS, OBJECTS, [3, 1])
    # Two positives in the order of the proposals; int(2 / 0.33) - 2 = 4 negatives after the five
    # positive slots.
    np.testing.assert_allclose(rois[:2], ROIS[[1, 2]], atol=1e-6)
    np.testing.assert_allclose(rois[5:9], ROIS[[0, 3, 4, 5]], atol=1e-6)
    assert not rois[2:5].any()
    assert not rois[9:].any()
    assert class_ids.tolist() == [3, 1] + [0] * 14
    # 0.1 x 0.08 to 0.1 x 0.1: centre 0.04 to 0.05, in units of the standard deviations.
    expected = [[0, 0.125 / 0.1, 0, math.log(1.25) / 0.2], [0, 0, 0, 0]]
    np.testing.assert_allclose(deltas[:2], expected, atol=1e-4)
    assert not deltas[2:].any()
    assert deltas.shape == (5, 4)


def test_roi_positives_are_capped_and_negatives_fill_up(tiny):
    config = tiny.update(TRAIN_ROIS_PER_IMAGE=6)
    assert config.POSITIVE_ROIS == 1
    rois, class_ids, *_ = roi_targets(config, ROIS, OBJECTS, [3, 1])
    # int(1 / 0.33) - 1 = 2.
    np.testing.assert_allclose(rois, np.vstack([ROIS[[1, 0, 3]], np.zeros((3, 4))]), atol=1e-6)
    assert class_ids.tolist() == [3, 0, 0, 0, 0, 0]


def test_roi_targets_without_positives_have_no_negatives(tiny):
    values = roi_targets(tiny, ROIS[[0, 4]], OBJECTS, [3, 1])
    assert not any(value.any() for value in values)


def test_roi_targets_of_an_image_without_objects(tiny):
    values = roi_targets(tiny, ROIS, [], [])
    assert not any(value.any() for value in values)
    assert all(np.isfinite(value).all() for value in values)


def test_invalid_proposals_are_not_sampled(tiny):
    rois, class_ids, *_ = roi_targets(tiny, ROIS, OBJECTS, [3, 1], valid=[1, 0, 1, 1, 1, 0, 1, 1])
    np.testing.assert_allclose(rois[:1], ROIS[[2]], atol=1e-6)
    np.testing.assert_allclose(rois[5:7], ROIS[[0, 3]], atol=1e-6)
    assert class_ids.tolist() == [1] + [0] * 15
    # Where they would be the first negatives.
    rois, *_ = roi_targets(tiny, ROIS, OBJECTS, [3, 1], valid=[0, 1, 1, 0, 1, 0, 1, 1])
    np.testing.assert_allclose(rois[5:8], ROIS[[4, 6, 7]], atol=1e-6)
    assert not rois[8:].any()


def test_roi_sampling_is_random_and_follows_the_seed(tiny):
    """Of 30 RoIs on an object and 40 beside it, 5 and 10 are drawn."""
    near = [[0, 0, 0.1, 0.1 - 0.001 * i] for i in range(30)]
    far = [[0.5 + 0.01 * i, 0.5, 0.6 + 0.01 * i, 0.6] for i in range(40)]
    rois, valid = np.array([near + far], "float32"), np.ones((1, 70), bool)
    gt_ids, gt_boxes = padded(OBJECTS[:1], [2])
    masks = np.zeros((1, 56, 56, 8), "uint8")

    def draws(seed):
        layer = RoITargets(tiny.update(RANDOM_SAMPLING=True, SEED=seed))
        found = [layer(rois, valid, gt_ids, gt_boxes, masks)[0] for _ in range(3)]
        return [ops.convert_to_numpy(value)[0] for value in found]

    def rows(values):
        return [tuple(row) for row in values if row.any()]

    first, again, other = draws(4), draws(4), draws(5)
    np.testing.assert_array_equal(first, again)
    for part, source in ((slice(5), near), (slice(5, 16), far)):
        sets = [frozenset(rows(value[part])) for value in (*first, *other)]
        assert len(set(sets)) > 4, "not drawn anew in every step"
        wanted = np.array(source, "float32")
        for chosen in sets:
            assert len(chosen) == (5 if source is near else 10)
            assert chosen <= set(map(tuple, wanted))


def test_rois_inside_crowds_are_no_negatives(tiny):
    # The crowd covers the lower edge: RoIs 5, 6 and 7 touch it, and RoI 0.
    boxes = np.vstack([OBJECTS, [[0.75, 0, 1, 1]]])
    rois, class_ids, *_ = roi_targets(tiny, ROIS, boxes, [3, 1, -2])
    np.testing.assert_allclose(rois[5:7], ROIS[[3, 4]], atol=1e-6)
    assert not rois[7:].any()
    assert class_ids.tolist() == [3, 1] + [0] * 14


def test_roi_on_a_crowd_is_no_positive(tiny):
    rois, class_ids, *_ = roi_targets(tiny, ROIS, OBJECTS, [-3, 1])
    np.testing.assert_allclose(rois[0], ROIS[2], atol=1e-6)
    assert class_ids.tolist() == [1] + [0] * 15


def test_mask_of_a_roi_that_is_the_object_is_its_mini_mask(tiny, rng):
    config = tiny.update(MASK_SHAPE=(56, 56))
    masks = np.zeros((1, 56, 56, 8), "uint8")
    masks[..., :2] = rng.random((1, 56, 56, 2)) > 0.5
    *_, found = roi_targets(config, OBJECTS[[1]], OBJECTS, [3, 1], masks)
    np.testing.assert_array_equal(found[0], masks[0, :, :, 1])
    assert not found[1:].any()


def test_mask_of_a_part_of_an_object_that_is_no_square(tiny):
    """The object is twice as wide as high, and its mask the upper right and the lower left quarter;
    the RoI is without the first quarter of the columns.
    """
    masks = np.zeros((1, 56, 56, 8), "uint8")
    masks[0, :28, 28:, 0] = masks[0, 28:, :28, 0] = 1
    config = tiny.update(MASK_SHAPE=(12, 12))
    *_, found = roi_targets(config, [[0, 0.125, 0.25, 0.5]], [[0, 0, 0.25, 0.5]], [1], masks)
    # Rows from 0 to 55 in steps of 5, columns from 13.75 to 55 in steps of 3.75: the halves meet at
    # 27.5, behind row 5 at 25 and column 3 at 25.
    expected = np.zeros((12, 12))
    expected[:6, 4:] = expected[6:, :4] = 1
    np.testing.assert_array_equal(found[0], expected)


def test_mask_of_a_shifted_roi(tiny):
    """RoI and object differ: SciPy interpolates where the RoI lies in the mini mask."""
    yy, xx = np.mgrid[:56, :56]
    masks = np.zeros((1, 56, 56, 8), "uint8")
    masks[0, :, :, 0] = (yy - 30) ** 2 + (xx - 22) ** 2 < 18**2
    roi = np.array([0.01, -0.02, 0.09, 0.09])
    *_, found = roi_targets(tiny, [roi], OBJECTS, [3, 1], masks)
    y1, x1, y2, x2 = roi / 0.1 * 55  # object 0 spans 0 to 0.1 and its mask 0 to 55
    grid = np.meshgrid(np.linspace(y1, y2, 28), np.linspace(x1, x2, 28), indexing="ij")
    value = map_coordinates(masks[0, :, :, 0].astype(float), grid, order=1, cval=0)
    outside = (np.stack(grid) < 0).any(axis=0)
    sure = np.abs(value - 0.5) > 1e-3
    assert sure.mean() > 0.99
    assert outside.any()
    expected = np.where(outside, 0, value > 0.5)
    np.testing.assert_array_equal(found[0][sure], expected[sure])
    assert set(np.unique(found)) == {0, 1}


def test_mask_from_full_size_masks(tiny):
    config = tiny.update(USE_MINI_MASK=False, MASK_SHAPE=(21, 11))
    masks = np.zeros((1, 101, 101, 8), "uint8")
    masks[0, 50:61, 50:56, 0] = 1
    # With 101 pixels a side, hundredths are pixel centres: rows 50 to 60 at half steps.
    *_, found = roi_targets(config, OBJECTS[[1]], OBJECTS[[1]], [2], masks)
    expected = np.zeros((21, 11))
    expected[:, :6] = 1  # columns 50 to 55 of 50 to 60
    np.testing.assert_array_equal(found[0], expected)


def test_roi_targets_are_those_of_the_original(parity_dir, tiny):
    config = tiny.update(NUM_CLASSES=81, TRAIN_ROIS_PER_IMAGE=64)
    with np.load(parity_dir / "train_ext_resnet50.npz") as bundle:
        values = {name: bundle[name] for name in bundle.files if "|" not in name}
    side = values["in_image"].shape[1] - 1
    rois = ((values["in_rois"] - [0, 0, 1, 1]) / side).astype("float32")
    boxes = ((values["in_gt_boxes"] - [0, 0, 1, 1]) / side).astype("float32")
    valid = np.ones(rois.shape[:2], bool)
    found = RoITargets(config)(
        rois, valid, values["in_gt_class_ids"], boxes, values["in_gt_masks"].astype("uint8")
    )
    rois, class_ids, deltas, _, masks = (ops.convert_to_numpy(value) for value in found)
    slots = config.POSITIVE_ROIS
    for image in range(2):
        ids = values["target_class_ids"][image]
        count = int((ids > 0).sum())
        assert class_ids[image, :count].tolist() == ids[:count].tolist()
        assert not class_ids[image, count:].any()
        np.testing.assert_allclose(
            rois[image, :count], values["target_rois"][image, :count], atol=1e-6
        )
        others = values["target_rois"][image, count:]
        others = others[others.any(axis=1)]
        np.testing.assert_allclose(rois[image, slots : slots + len(others)], others, atol=1e-6)
        assert not rois[image, slots + len(others) :].any()
        np.testing.assert_allclose(
            deltas[image, :count], values["target_bbox"][image, :count], atol=1e-3
        )
        differs = masks[image, :count] != values["target_mask"][image, :count]
        assert differs.mean() < 1e-3 if count else True


def test_rois_on_objects_without_a_mask_have_no_mask_id(tiny):
    """Object 0, of class 3, has a box alone: nothing but the mask id of its RoI differs."""
    gt_ids, gt_boxes = padded(OBJECTS, [3, 1])
    masks = np.ones((1, 56, 56, 8), "uint8")
    rois, valid = np.asarray(ROIS, "float32")[None], np.ones((1, len(ROIS)), bool)
    flags = np.array([[False] + [True] * 7])
    found = [
        [
            ops.convert_to_numpy(v)[0]
            for v in RoITargets(tiny)(rois, valid, gt_ids, gt_boxes, masks, f)
        ]
        for f in (None, np.ones((1, 8), bool), flags)
    ]
    for plain, all_have, one_not in zip(*found, strict=True):
        np.testing.assert_array_equal(plain, all_have)
        if plain.shape != (5,):
            np.testing.assert_array_equal(plain, one_not)
    assert found[0][3].tolist() == [3, 1, 0, 0, 0]
    assert found[2][3].tolist() == [0, 1, 0, 0, 0]


class WithCrowd(Dataset):
    """One object at the upper left, and a crowd that covers the right half."""

    def load_image(self, image_id):
        return np.zeros((SIDE, SIDE, 3), np.uint8)

    def load_instances(self, image_id):
        boxes = np.float32([[10, 10, 50, 50], [0, 64, SIDE, SIDE]])
        corners = [[[x1, y1], [x2, y1], [x2, y2], [x1, y2]] for y1, x1, y2, x2 in boxes]
        shapes = [[np.array(points, float)] for points in corners]
        return Instances(boxes, np.int32([1, -1]), shapes, (SIDE, SIDE))


def test_a_crowd_of_a_dataset_is_a_region_to_ignore(tiny, anchors):
    """From the dataset through the loader: no anchor and no RoI on the crowd is a negative."""
    dataset = WithCrowd()
    for number in range(1, tiny.NUM_CLASSES):
        dataset.add_class("test", number, f"class {number}")
    dataset.add_image("test", 0, None, height=SIDE, width=SIDE)
    dataset.prepare()
    config = tiny.update(IMAGE_MIN_DIM=SIDE, IMAGE_MAX_DIM=SIDE, RPN_TRAIN_ANCHORS_PER_IMAGE=2000)
    batch = Loader(dataset, config, batch_size=1, flip=False).batch(0)
    ids, boxes = batch["input_gt_class_ids"][0], batch["input_gt_boxes"][0]
    assert ids[:3].tolist() == [1, -1, 0]

    (indices, _, used, _), normalized = rpn_targets(config, boxes[:2], ids[:2])
    chosen = anchors[indices[1000:][used[1000:]]]  # the first half are the positive slots
    assert len(chosen) > 20
    assert iou_matrix(chosen.astype(float), normalized[1:]).max() < 0.001

    rois = np.float32([[0.1, 0.1, 0.38, 0.38], [0.6, 0.05, 0.9, 0.3], [0.2, 0.6, 0.6, 0.95]])
    found, class_ids, *_ = roi_targets(config, rois, normalized, ids[:2])
    kept = found[found.any(axis=1)]
    np.testing.assert_allclose(kept, rois[:2], atol=1e-6)  # the third lies in the crowd
    assert class_ids.tolist()[:1] == [1] and not class_ids[1:].any()
