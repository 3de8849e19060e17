"""Box arithmetic with numbers that fit on paper."""

import math

import numpy as np
import pytest
from keras import ops

from mrcnn.modeling import boxes


def tensor(values):
    return ops.convert_to_tensor(np.asarray(values, "float32"))


def check(result, expected, **tolerance):
    np.testing.assert_allclose(
        ops.convert_to_numpy(result), expected, **{"rtol": 1e-6, "atol": 1e-6, **tolerance}
    )


def test_area():
    check(boxes.area(tensor([[1, 2, 4, 6], [0, 0, 0, 5], [3, 3, 1, 1]])), [12, 0, 0])


def test_pairwise_iou():
    one = tensor([[[0, 0, 2, 2], [0, 0, 0, 0], [5, 5, 6, 6]]])
    two = tensor([[[1, 1, 3, 3], [0, 0, 2, 4], [0, 0, 0, 0]]])
    # 1 / (4 + 4 - 1), 4 / 8; nothing else overlaps, and two empty boxes have an IoU of 0.
    check(boxes.pairwise_iou(one, two), [[[1 / 7, 0.5, 0], [0, 0, 0], [0, 0, 0]]])


def test_apply_deltas():
    box = tensor([[10, 20, 30, 60]])  # centre (20, 40), size 20 x 40
    deltas = tensor([[0.1, -0.5, math.log(2), math.log(0.5)]])
    # centre (22, 20), size 40 x 20
    check(boxes.apply_deltas(box, deltas), [[2, 10, 42, 30]], atol=1e-4)


def test_apply_deltas_does_not_overflow():
    result = ops.convert_to_numpy(
        boxes.apply_deltas(tensor([[0, 0, 2, 2]]), tensor([[0, 0, 1e4, 1e4]]))
    )
    # 1000 / 16 = 62.5 fold at most.
    np.testing.assert_allclose(result, [[1 - 62.5, 1 - 62.5, 1 + 62.5, 1 + 62.5]], rtol=1e-4)


def test_deltas_between():
    deltas = boxes.deltas_between(tensor([[10, 20, 30, 60]]), tensor([[2, 10, 42, 30]]))
    check(deltas, [[0.1, -0.5, math.log(2), math.log(0.5)]])


def test_deltas_of_empty_boxes_are_finite():
    empty = tensor([[0, 0, 0, 0]])
    for one, two in [(empty, tensor([[0, 0, 1, 1]])), (tensor([[0, 0, 1, 1]]), empty)]:
        assert np.isfinite(ops.convert_to_numpy(boxes.deltas_between(one, two))).all()
    check(boxes.deltas_between(empty, empty), [[0, 0, 0, 0]])


def test_deltas_undo_each_other(rng):
    corner = rng.uniform(0, 0.5, (2, 7, 2, 2))
    both = np.concatenate([corner, corner + rng.uniform(0.05, 0.5, corner.shape)], axis=-1)
    start, end = tensor(both[0]), tensor(both[1])
    check(boxes.apply_deltas(start, boxes.deltas_between(start, end)), both[1], atol=1e-5)


def test_clip():
    inside = [[[2, 3, 8, 9], [-5, -5, 20, 20], [-9, -9, -1, -1]]]
    check(
        boxes.clip(tensor(inside), tensor([0, 1, 10, 11])),
        [[[2, 3, 8, 9], [0, 1, 10, 11], [0, 1, 0, 1]]],
    )


def test_clip_by_a_window_per_image():
    result = boxes.clip(tensor([[[0, 0, 9, 9]]] * 2), tensor([[[1, 1, 2, 2]], [[3, 3, 4, 4]]]))
    check(result, [[[1, 1, 2, 2]], [[3, 3, 4, 4]]])


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ([0, 0, 101, 51], [0, 0, 1, 1]),  # the whole image
        ([10, 10, 61, 26], [0.1, 0.2, 0.6, 0.5]),
        ([100, 50, 101, 51], [1, 1, 1, 1]),  # the last pixel
    ],
)
def test_normalize(box, expected):
    check(boxes.normalize(tensor([box]), (101, 51)), [expected])
