"""Proposals and detections against plain loops."""

import math

import numpy as np
import pytest
from keras import ops

from mrcnn.modeling import anchors as anchor_ops
from mrcnn.modeling.proposals import Proposals, anchors_for

SIDE = 128


def overlap(a, b):
    height = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    width = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - height * width
    return height * width / union if union > 0 else 0.0


def moved(box, delta):
    """R-CNN's regression in float64."""
    height, width = box[2] - box[0], box[3] - box[1]
    y = box[0] + height / 2 + delta[0] * height
    x = box[1] + width / 2 + delta[1] * width
    height, width = height * math.exp(delta[2]), width * math.exp(delta[3])
    return np.array([y - height / 2, x - width / 2, y + height / 2, x + width / 2])


def expected_proposals(anchors, scores, deltas, limit, threshold, count):
    order = np.argsort(-scores, kind="stable")[:limit]
    kept = []
    for index in order:
        box = moved(anchors[index], deltas[index] * [0.1, 0.1, 0.2, 0.2]).clip(0, 1)
        if len(kept) < count and all(overlap(box, other) <= threshold for other in kept):
            kept.append(box)
    return np.array(kept)


@pytest.fixture(scope="module")
def anchors(tiny):
    pixels = anchor_ops.pyramid_anchors(
        (SIDE, SIDE), tiny.RPN_ANCHOR_SCALES, (0.5, 1, 2), (4, 8, 16, 32, 64)
    )
    return (pixels.astype(float) - [0, 0, 1, 1]) / (SIDE - 1)


def test_anchors_for_a_config(tiny, anchors):
    np.testing.assert_allclose(anchors_for(tiny, (SIDE, SIDE, 3)), anchors, atol=1e-6)
    assert anchors_for(tiny, (64, 128)).shape == (3 * (512 + 128 + 32 + 8 + 2), 4)


@pytest.mark.parametrize(("limit", "count"), [(200, 64), (5, 64), (200, 3)])
def test_proposals(tiny, anchors, rng, limit, count):
    config = tiny.update(PRE_NMS_LIMIT=limit)
    total = len(anchors)
    objectness = rng.permuted(np.tile(np.linspace(0, 1, total), (2, 1)), axis=1)
    deltas = rng.normal(size=(2, total, 4))
    boxes, valid, *_ = Proposals(count, config)(
        np.stack([1 - objectness, objectness], axis=-1).astype("float32"),
        deltas.astype("float32"),
        np.zeros((2, SIDE, SIDE, 3), "float32"),
    )
    boxes, valid = ops.convert_to_numpy(boxes), ops.convert_to_numpy(valid)
    assert boxes.shape == (2, count, 4)
    for image in range(2):
        expected = expected_proposals(anchors, objectness[image], deltas[image], limit, 0.7, count)
        assert valid[image].tolist() == [True] * len(expected) + [False] * (count - len(expected))
        np.testing.assert_allclose(boxes[image, : len(expected)], expected, atol=1e-5)
        assert not boxes[image, len(expected) :].any()


def test_proposals_are_finite_for_wild_deltas(tiny, anchors):
    deltas = np.full((1, len(anchors), 4), 1e5, "float32")
    scores = np.tile(np.array([0.5, 0.5], "float32"), (1, len(anchors), 1))
    boxes, *_ = Proposals(8, tiny)(scores, deltas, np.zeros((1, SIDE, SIDE, 3), "float32"))
    boxes = ops.convert_to_numpy(boxes)
    assert np.isfinite(boxes).all()
    assert 0 <= boxes.min() <= boxes.max() <= 1


def test_proposals_are_those_of_the_original(parity_dir, tiny):
    config = tiny.update(
        NUM_CLASSES=81, IMAGE_MAX_DIM=320, RPN_ANCHOR_SCALES=(16, 32, 64, 128, 256),
        PRE_NMS_LIMIT=2000,
    )  # fmt: skip
    with np.load(parity_dir / "inference_resnet50.npz") as bundle:
        scores, deltas, expected = bundle["rpn_class"], bundle["rpn_bbox"], bundle["rpn_rois"]
        image = bundle["molded_image"]
    boxes, valid, *_ = Proposals(200, config)(scores, deltas, image)
    found = ops.convert_to_numpy(boxes)[0]
    # The bundle has two ties among its scores: compare as sets.
    distance = np.abs(found[:, None] - expected[0][None]).max(axis=-1)
    assert distance.min(axis=0).max() < 1e-5
    assert distance.min(axis=1).max() < 1e-5
    assert ops.convert_to_numpy(valid).sum() == expected.any(axis=-1).sum()
