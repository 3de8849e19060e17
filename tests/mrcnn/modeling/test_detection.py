"""Detections: suppression within a class, confidence, window, order and padding."""

import math

import numpy as np
import pytest
from keras import ops

from mrcnn.modeling.detection import Detections

WINDOW = [[0.1, 0.0, 0.9, 1.0]]
# 0 and 1 overlap by 0.8; 2 lies apart; 3 sticks out of the window; 4 is outside of it.
ROIS = [
    [0.2, 0.2, 0.4, 0.4],
    [0.2, 0.2, 0.4, 0.36],
    [0.5, 0.5, 0.7, 0.7],
    [0.0, 0.6, 0.3, 0.8],
    [0.92, 0.6, 0.98, 0.8],
]


def detect(config, scores, deltas=None, valid=None, rois=ROIS, window=WINDOW):
    """Detections of one image; `scores` are (class id, probability), the rest is spread evenly."""
    count = len(rois)
    probabilities = np.zeros((1, count, 4), "float32")
    for row, (class_id, score) in enumerate(scores):
        probabilities[0, row] = (1 - score) / 3
        probabilities[0, row, class_id] = score
    if deltas is None:
        deltas = np.zeros((1, count, 4, 4), "float32")
    valid = np.ones((1, count), bool) if valid is None else np.array([valid], bool)
    found = Detections(config)(
        np.array([rois], "float32"), valid, probabilities, deltas, np.array(window, "float32")
    )
    return ops.convert_to_numpy(found)[0]


@pytest.fixture
def config(tiny):
    return tiny.update(DETECTION_MIN_CONFIDENCE=0.5, DETECTION_MAX_INSTANCES=4)


def test_same_class_is_suppressed_and_others_are_not(config):
    found = detect(config, [(1, 0.7), (1, 0.9), (2, 0.8), (0, 0.99), (0, 0.99)])
    # RoI 0 falls to RoI 1, background is dropped.
    expected = [[*ROIS[1], 1, 0.9], [*ROIS[2], 2, 0.8], [0] * 6, [0] * 6]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    found = detect(config, [(3, 0.7), (1, 0.9), (2, 0.8), (0, 0.99), (0, 0.99)])
    expected = [[*ROIS[1], 1, 0.9], [*ROIS[2], 2, 0.8], [*ROIS[0], 3, 0.7], [0] * 6]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_minimum_confidence(config):
    scores = [(1, 0.51), (2, 0.49), (2, 0.6), (0, 0.9), (0, 0.9)]
    assert detect(config, scores)[:, 4].tolist() == [2, 1, 0, 0]


def test_boxes_are_clipped_to_the_window(config):
    found = detect(config, [(0, 0.9), (0, 0.9), (0, 0.9), (1, 0.9), (1, 0.8)])
    # RoI 3 begins at the window; of RoI 4 an edge is left, which the original keeps as well.
    np.testing.assert_allclose(found[0], [0.1, 0.6, 0.3, 0.8, 1, 0.9], atol=1e-6)
    np.testing.assert_allclose(found[1], [0.9, 0.6, 0.9, 0.8, 1, 0.8], atol=1e-6)
    assert not found[2:].any()


def test_empty_proposals_are_dropped(config):
    scores = [(1, 0.9), (2, 0.9), (3, 0.8), (0, 0.9), (0, 0.9)]
    found = detect(config, scores, valid=[0, 1, 1, 1, 1])
    assert found[:, 4].tolist() == [2, 3, 0, 0]


def test_deltas_of_the_winning_class_move_the_box(config):
    deltas = np.zeros((1, 5, 4, 4), "float32")
    deltas[0, 2, 1] = 50.0  # of another class
    deltas[0, 2, 2] = [5.0, 0, math.log(0.5) / 0.2, 0]
    found = detect(config, [(0, 0.9), (0, 0.9), (2, 0.9), (0, 0.9), (0, 0.9)], deltas)
    # Half a height down, half as high: centre 0.7, height 0.1.
    np.testing.assert_allclose(found[0], [0.65, 0.5, 0.75, 0.7, 2, 0.9], atol=1e-6)


def test_more_than_fit_keeps_the_best(config):
    rois = [[0.1 + 0.1 * i, 0.1, 0.15 + 0.1 * i, 0.2] for i in range(6)]
    scores = [(1, s) for s in (0.6, 0.9, 0.7, 0.8, 0.65, 0.95)]
    found = detect(config, scores, rois=rois)
    np.testing.assert_allclose(found[:, 5], [0.95, 0.9, 0.8, 0.7], atol=1e-6)
    np.testing.assert_allclose(found[:, 0], [0.6, 0.2, 0.4, 0.3], atol=1e-6)


def test_threshold_is_the_configurations(config):
    scores = [(1, 0.7), (1, 0.9), (0, 0.8), (0, 0.9), (0, 0.9)]
    assert (detect(config, scores)[:, 4] > 0).sum() == 1
    # RoIs 0 and 1 have an IoU of 0.8.
    loose = config.update(DETECTION_NMS_THRESHOLD=0.81)
    assert (detect(loose, scores)[:, 4] > 0).sum() == 2


def test_a_score_that_is_the_confidence_is_kept(config):
    # One half in binary; the next smaller number is dropped.
    below = float(np.nextafter(np.float32(0.5), np.float32(0)))
    scores = [(1, 0.5), (2, below), (2, 0.5), (0, 0.9), (0, 0.9)]
    found = detect(config, scores, rois=[ROIS[0], ROIS[0], ROIS[2], ROIS[3], ROIS[3]])
    assert found[:, 5].tolist() == [0.5, 0.5, 0, 0]
    np.testing.assert_allclose(found[:2, :4], [ROIS[0], ROIS[2]], atol=1e-6)


def test_an_overlap_that_is_the_threshold_is_kept(config):
    """An IoU of exactly one half, in numbers that are exact."""
    rois, window = [[0.25, 0.25, 0.5, 0.75], [0.25, 0.25, 0.5, 0.5]], [[0, 0, 1, 1]]
    for threshold, count in ((0.5, 2), (float(np.nextafter(np.float32(0.5), np.float32(0))), 1)):
        chosen = config.update(DETECTION_NMS_THRESHOLD=threshold)
        found = detect(chosen, [(1, 0.9), (1, 0.8)], rois=rois, window=window)
        assert (found[:, 4] > 0).sum() == count


def test_of_equal_scores_the_first_stays(config):
    """As in TensorFlow's suppression, which the original calls."""
    rois = [ROIS[1], ROIS[0], ROIS[2], ROIS[0]]
    found = detect(config, [(1, 0.75), (1, 0.75), (2, 0.75), (1, 0.5)], rois=rois)
    np.testing.assert_allclose(found[:2, :4], [ROIS[1], ROIS[2]], atol=1e-6)
    assert found[:, 4].tolist() == [1, 2, 0, 0]


def test_windows_are_per_image(config):
    rois = np.array([[[0.2, 0.2, 0.8, 0.8]]] * 2, "float32")
    probabilities = np.tile(np.array([0.0, 1.0, 0.0, 0.0], "float32"), (2, 1, 1))
    windows = np.array([[0, 0, 0.5, 1], [0.5, 0, 1, 1]], "float32")
    found = Detections(config)(
        rois, np.ones((2, 1), bool), probabilities, np.zeros((2, 1, 4, 4), "float32"), windows
    )
    np.testing.assert_allclose(
        ops.convert_to_numpy(found)[:, 0, :4], [[0.2, 0.2, 0.5, 0.8], [0.5, 0.2, 0.8, 0.8]]
    )


def test_detections_are_those_of_the_original(parity_dir, tiny):
    config = tiny.update(
        NUM_CLASSES=81, DETECTION_MAX_INSTANCES=50, DETECTION_MIN_CONFIDENCE=0.6,
    )  # fmt: skip
    with np.load(parity_dir / "inference_resnet50.npz") as bundle:
        rois, probabilities = bundle["rpn_rois"], bundle["mrcnn_class"]
        deltas, window, expected = bundle["mrcnn_bbox"], bundle["window"], bundle["detections"][0]
    expected = expected[expected[:, 4] > 0]
    window = (window - [0, 0, 1, 1]) / 319
    found = Detections(config)(
        rois, rois.any(axis=-1), probabilities, deltas, window.astype("float32")
    )
    found = ops.convert_to_numpy(found)[0]
    found = found[found[:, 4] > 0]
    assert len(found) == len(expected) == 45
    distance = np.abs(found[:, None] - expected[None]).max(axis=-1)
    assert distance.min(axis=0).max() < 1e-4
    assert distance.min(axis=1).max() < 1e-4
