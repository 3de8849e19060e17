"""Matching anchors with objects, and choosing some of them."""

import keras
import numpy as np
from keras import ops

from mrcnn.modeling import matching


def iou_matrix(one, two):
    """IoU `(N, M)` in float64."""
    low = np.maximum(one[:, None, :2], two[None, :, :2])
    high = np.minimum(one[:, None, 2:], two[None, :, 2:])
    intersection = np.prod(np.maximum(high - low, 0), axis=-1)
    areas = [np.prod(b[:, 2:] - b[:, :2], axis=-1) for b in (one, two)]
    union = areas[0][:, None] + areas[1][None] - intersection
    return intersection / np.maximum(union, 1e-12)


def match(anchors, boxes, ids):
    found = matching.match_anchors(
        ops.convert_to_tensor(np.asarray(anchors, "float32")),
        ops.convert_to_tensor(np.asarray(boxes, "float32")),
        ops.convert_to_tensor(np.asarray(ids, "int32")),
    )
    return [ops.convert_to_numpy(value) for value in found]


def test_by_hand():
    anchors = [[0, 0, 2, 2], [0, 1, 2, 3], [4, 4, 6, 6], [8, 8, 9, 9]]
    boxes = [[[0, 0, 2, 2], [4, 4, 6, 5], [8, 8, 10, 10], [0, 0, 0, 0]]]
    best_iou, best_gt, crowd_iou, gt_anchor, gt_iou = match(anchors, boxes, [[3, 1, -2, 0]])
    # Anchor 1 shares 2 of 6 with the first box, anchor 2 half with the second, anchor 3 a quarter
    # of the crowd.
    np.testing.assert_allclose(best_iou, [[1, 1 / 3, 0.5, 0]])
    assert best_gt[0, :3].tolist() == [0, 0, 1]
    np.testing.assert_allclose(crowd_iou, [[0, 0, 0, 0.25]])
    assert gt_anchor[0, :2].tolist() == [0, 2]
    np.testing.assert_allclose(gt_iou, [[1, 0.5, -1, -1]])


def test_many_objects_in_several_chunks(rng):
    assert matching.GT_CHUNK < 21
    corner = rng.uniform(0, 0.7, (2, 21, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(0.05, 0.3, corner.shape)], axis=-1)
    start = rng.uniform(0, 0.7, (300, 2))
    anchors = np.concatenate([start, start + rng.uniform(0.05, 0.3, start.shape)], axis=-1)
    boxes, anchors = boxes.astype("float32"), anchors.astype("float32")
    ids = rng.integers(1, 5, (2, 21))
    ids[0, 17:], boxes[0, 17:] = 0, 0
    ids[:, [3, 9]] = -1
    best_iou, best_gt, crowd_iou, gt_anchor, gt_iou = match(anchors, boxes, ids)
    for image in range(2):
        iou = iou_matrix(anchors.astype(float), boxes[image].astype(float))
        objects, crowds = ids[image] > 0, ids[image] < 0
        np.testing.assert_allclose(best_iou[image], iou[:, objects].max(axis=1), atol=1e-6)
        np.testing.assert_allclose(crowd_iou[image], iou[:, crowds].max(axis=1), atol=1e-6)
        np.testing.assert_allclose(gt_iou[image][objects], iou[:, objects].max(axis=0), atol=1e-6)
        assert (gt_iou[image][~objects] == -1).all()
        assert gt_anchor[image][objects].tolist() == iou[:, objects].argmax(axis=0).tolist()
        overlapping = iou[:, objects].max(axis=1) > 0
        expected = np.flatnonzero(objects)[iou[:, objects].argmax(axis=1)]
        assert best_gt[image][overlapping].tolist() == expected[overlapping].tolist()


def test_no_objects():
    best_iou, best_gt, crowd_iou, _, gt_iou = match(
        [[0, 0, 1, 1], [0, 0, 2, 2]], np.zeros((1, 3, 4)), np.zeros((1, 3))
    )
    assert (best_iou <= 0).all()
    assert (gt_iou <= 0).all()
    assert not best_gt.any()
    assert not crowd_iou.any()


def test_sample_in_order():
    mask = ops.convert_to_tensor([[False, True, True, True], [False, False, True, False]])
    indices, found = matching.sample(mask, 2, None)
    assert ops.convert_to_numpy(indices).tolist() == [[1, 2], [2, 0]]
    assert ops.convert_to_numpy(found).tolist() == [[True, True], [True, False]]


def test_sample_at_random_is_uniform_without_repetition():
    # Rows of one call are independent: 3000 draws of 2 out of 5.
    mask = np.tile([True, False, True, True, False, True, True], (3000, 1))
    indices, found = matching.sample(ops.convert_to_tensor(mask), 2, keras.random.SeedGenerator(0))
    indices = ops.convert_to_numpy(indices)
    assert ops.convert_to_numpy(found).all()
    assert (indices[:, 0] != indices[:, 1]).all()
    counts = np.bincount(indices.ravel(), minlength=7)
    assert counts[[1, 4]].tolist() == [0, 0]
    # 1200 each, standard deviation sqrt(3000 * 0.4 * 0.6) = 27.
    assert np.abs(counts[[0, 2, 3, 5, 6]] - 1200).max() < 5 * 27


def test_sample_changes_from_call_to_call_and_repeats_with_the_seed():
    mask = ops.ones((1, 100), dtype="bool")

    def draw(seed):
        return ops.convert_to_numpy(matching.sample(mask, 10, seed)[0]).tolist()

    one, other = keras.random.SeedGenerator(5), keras.random.SeedGenerator(5)
    first, second = draw(one), draw(one)
    assert first != second
    assert [draw(other), draw(other)] == [first, second]


def test_first():
    found = ops.convert_to_tensor([[True, True, True, False], [True, True, False, False]])
    kept = matching.first(found, ops.convert_to_tensor([2, 3]))
    assert ops.convert_to_numpy(kept).tolist() == [
        [True, True, False, False],
        [True, True, False, False],
    ]
