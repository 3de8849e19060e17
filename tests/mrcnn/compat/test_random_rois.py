import random

import numpy as np
import pytest

from mrcnn.compat.random_rois import build_detection_targets, generate_random_rois
from mrcnn.data.masks import minimize_mask
from mrcnn.errors import InputError


def test_random_rois_lie_around_objects_and_anywhere():
    random.seed(0)
    boxes = np.array([[10, 20, 20, 30], [70, 70, 99, 99]])
    rois = generate_random_rois((100, 120, 3), 200, np.array([1, 1]), boxes)
    assert rois.shape == (200, 4) and rois.dtype == np.int32
    assert (rois[:, :2] < rois[:, 2:]).all() and rois.min() >= 0
    # 0.9 * 200 / 2 for each: 10 x 10 at (10, 20) reaches from (0, 10) to (30, 40).
    near, far = rois[:90], rois[180:]
    assert (near[:, :2] >= [0, 10]).all() and (near[:, 2:] < [30, 40]).all()
    assert near[:, 2].max() > 25 and near[:, 1].min() < 14  # and all of that area is used
    assert (rois[90:180, :2] >= 41).all() and (rois[90:180, 2:] < [100, 120]).all()
    assert (far[:, 2:] < [100, 120]).all() and far[:, 0].min() < 40 < far[:, 2].max()
    assert (generate_random_rois((100, 120, 3), 200, boxes, boxes) != rois).any()
    alone = generate_random_rois((9, 9), 5, boxes[:0, 0], boxes[:0])
    assert (alone[:, :2] < alone[:, 2:]).all() and alone.max() < 9


@pytest.fixture
def scene():
    """Two objects, the second a crowd; three RoIs that hit the first, two that miss."""
    masks = np.zeros((64, 64, 2), bool)
    masks[8:24, 8:16, 0] = masks[30:60, 30:60, 1] = True
    boxes = np.int32([[8, 8, 24, 24], [30, 30, 60, 60]])
    rois = np.int32(
        [[8, 8, 24, 24], [30, 30, 60, 60], [8, 8, 24, 20], [0, 40, 9, 60], [8, 4, 24, 24]]
    )
    return rois, np.int32([2, -1]), boxes, masks


@pytest.mark.parametrize("mini", [False, True])
def test_targets_of_given_rois(tiny_config, scene, mini):
    config = tiny_config.update(TRAIN_ROIS_PER_IMAGE=9, USE_MINI_MASK=mini)
    rois, ids, boxes, masks = scene
    given = minimize_mask(boxes, masks, (56, 56)) if mini else masks
    found, class_ids, deltas, targets = build_detection_targets(rois, ids, boxes, given, config)
    # A third of 9 is 2.97: two positive ones, then the two others again and again.
    assert found.shape == (9, 4) and class_ids.tolist() == [2, 2] + 7 * [0]
    assert {tuple(roi) for roi in found[:2]} < {tuple(rois[index]) for index in (0, 2, 4)}
    assert {tuple(roi) for roi in found[2:]} == {tuple(rois[1]), tuple(rois[3])}
    assert deltas.shape == (9, 4, 4) and targets.shape == (9, 28, 28, 4)
    assert not deltas[2:].any() and not targets[2:].any() and not targets[:2, ..., [0, 1, 3]].any()
    for roi, own, mask in zip(found[:2], deltas[:2, 2], targets[:2, ..., 2], strict=True):
        height, width = (roi[2:] - roi[:2]).astype(float)
        centre = (roi[:2] + roi[2:]) / 2
        wanted = [(16 - centre[0]) / height, (16 - centre[1]) / width]
        wanted += [np.log(16 / height), np.log(16 / width)]
        np.testing.assert_allclose(own, np.array(wanted) / [0.1, 0.1, 0.2, 0.2], rtol=1e-5)
        # Columns 8 to 16 of the image are inside; at the border of the image's piece, as there.
        columns = (np.arange(28) + 0.5) * width / 28 + roi[1]
        inside = (columns > 8.7) & (columns < 15.3)
        outside = (columns < 7.3) | (columns > 16.7)
        assert (mask[4:-4][:, inside] > 0.5).all() and (mask[:, outside] < 0.5).all()


def test_rois_that_are_all_positive(tiny_config, scene):
    rois, ids, boxes, masks = scene
    config = tiny_config.update(TRAIN_ROIS_PER_IMAGE=4, USE_MINI_MASK=False)
    found, class_ids, _, _ = build_detection_targets(rois[:1], ids, boxes, masks, config)
    assert found.tolist() == 4 * [[8, 8, 24, 24]] and class_ids.tolist() == 4 * [2]


def test_rois_without_objects(tiny_config, scene):
    rois, _, boxes, masks = scene
    with pytest.raises(InputError, match="got 5 RoIs and 0 objects"):
        build_detection_targets(rois, np.int32([0, -1]), boxes, masks, tiny_config)
