import numpy as np
import pytest

from mrcnn.data import boxes

A = [0, 0, 10, 10]
B = [5, 0, 15, 10]  # half of A: 50 / 150
C = [20, 20, 20, 20]  # empty


def test_overlaps():
    found = boxes.compute_overlaps(np.array([A, B, C]), np.array([A, C]))
    np.testing.assert_allclose(found, [[1, 0], [1 / 3, 0], [0, 0]])
    assert boxes.compute_overlaps(np.zeros((3, 4)), np.zeros((0, 4))).shape == (3, 0)
    one = boxes.compute_iou(np.array(A), np.array([A, B]), 100, np.array([100, 100]))
    np.testing.assert_allclose(one, [1, 1 / 3])


def test_overlaps_of_masks():
    masks = np.zeros((4, 5, 3))
    masks[:, :2, 0] = 1
    masks[:, 1:3, 1] = 0.6
    masks[:, 3:, 2] = 0.4  # nothing above a half
    found = boxes.compute_overlaps_masks(masks, masks)
    np.testing.assert_allclose(found, [[1, 4 / 12, 0], [4 / 12, 1, 0], [0, 0, 0]], rtol=1e-6)
    assert boxes.compute_overlaps_masks(masks, masks[..., :0]).shape == (3, 0)


def test_suppression():
    # IoU in the chain: 0.4 (30 rows of 10 shifted by 30/7), 0.4, and less than 0.1 of the ends.
    step = 10 * 3 / 7
    chain = np.array([[0, 0, 10, 10], [step, 0, 10 + step, 10], [2 * step, 0, 10 + 2 * step, 10]])
    scores = np.array([0.9, 0.8, 0.95])
    kept = boxes.non_max_suppression(chain, scores, 0.3)
    assert kept.dtype == np.int32 and kept.tolist() == [2, 0]
    assert boxes.non_max_suppression(chain, scores, 0.5).tolist() == [2, 0, 1]
    assert boxes.non_max_suppression(np.zeros((0, 4)), np.zeros(0), 0.3).tolist() == []


def test_deltas():
    # Height 10 to 20: log 2; the centre moves from (5, 5) to (12, 5): 7 / 10.
    box, target = np.array([A]), np.array([[2, 0, 22, 10]])
    deltas = boxes.box_refinement(box, target)
    assert deltas.dtype == np.float32
    np.testing.assert_allclose(deltas, [[0.7, 0, np.log(2), 0]], rtol=1e-6)
    moved = boxes.apply_box_deltas(box, deltas)
    assert moved.dtype == np.float32
    np.testing.assert_allclose(moved, target, atol=1e-5)


def test_normalised_coordinates():
    pixels = np.array([[0, 0, 101, 51], [10, 10, 61, 26]])
    shares = boxes.norm_boxes(pixels, (101, 51))
    assert shares.dtype == np.float32
    np.testing.assert_allclose(shares, [[0, 0, 1, 1], [0.1, 0.2, 0.6, 0.5]], rtol=1e-6)
    back = boxes.denorm_boxes(shares, (101, 51))
    assert back.dtype == np.int32
    np.testing.assert_array_equal(back, pixels)


def test_trim_zeros():
    rows = np.array([[0, 0], [1, 0], [0, 0], [0, -2]])
    np.testing.assert_array_equal(boxes.trim_zeros(rows), [[1, 0], [0, -2]])
    assert boxes.trim_zeros(np.zeros((0, 4))).shape == (0, 4)


def test_normalised_anchors_of_the_original(parity_dir):
    with np.load(parity_dir / "inference_resnet50.npz") as bundle:
        pixels, normalised = bundle["anchors_pixels"], bundle["anchors_normalized"][0]
    np.testing.assert_allclose(boxes.norm_boxes(pixels, (320, 320)), normalised, atol=1e-6)


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7])
def test_suppression_leaves_no_overlap(rng, threshold):
    start = rng.uniform(0, 50, (80, 2))
    many = np.concatenate([start, start + rng.uniform(5, 30, (80, 2))], axis=1)
    scores = rng.random(80)
    kept = boxes.non_max_suppression(many, scores, threshold)
    overlaps = boxes.compute_overlaps(many[kept], many[kept])
    assert (overlaps - np.eye(len(kept))).max() <= threshold + 1e-6
    assert (np.diff(scores[kept]) <= 0).all()
    gone = np.setdiff1d(np.arange(80), kept)
    stronger = scores[kept][None] > scores[gone][:, None]
    beaten = boxes.compute_overlaps(many[gone], many[kept]) > threshold
    assert (beaten & stronger).any(axis=1).all()


def test_iou_of_boxes_in_the_same_places():
    one = np.array([[0, 0, 10, 10], [0, 0, 10, 10], [5, 5, 5, 5]])
    other = np.array([[0, 5, 10, 15], [20, 20, 30, 30], [5, 5, 5, 5]])
    # 50 of 150; nothing; two empty boxes.
    np.testing.assert_allclose(boxes.iou(one, other), [1 / 3, 0, 0])
    np.testing.assert_allclose(boxes.iou(one[0], other), [1 / 3, 0, 0])
    assert boxes.iou(one[0], other[0]) == pytest.approx(1 / 3)
