"""Greedy suppression against a plain loop in NumPy, on every path."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops

from mrcnn.backend import nms
from mrcnn.backend.boxes import pairwise_iou

# Three boxes 10 wide, 3/7 of the width apart: IoU is 4/10 of neighbours (overlap 40/7, union
# 100/7) and 1/13 of the outer two (overlap 10/7, union 130/7).
CHAIN = [[0, 0, 1, 10], [0, 30 / 7, 1, 100 / 7], [0, 60 / 7, 1, 130 / 7]]


def overlap(a, b):
    """IoU of two boxes, 0 for two empty ones."""
    height = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    width = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - height * width
    return height * width / union if union > 0 else 0.0


def greedy(boxes, valid, threshold, limit):
    """The textbook loop."""
    kept = []
    for index, box in enumerate(boxes):
        if len(kept) == limit:
            break
        if valid[index] and all(overlap(box, boxes[k]) <= threshold for k in kept):
            kept.append(index)
    return kept


def native(boxes, valid, threshold, limit):
    pytest.importorskip("tensorflow")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("the native kernel is TensorFlow's")
    from mrcnn.backend.tensorflow import non_max_suppression

    return non_max_suppression(boxes, valid, threshold, limit)


def portable(boxes, valid, threshold, limit):
    return nms.suppress(pairwise_iou(boxes, boxes) > threshold, valid, limit)


def run(function, boxes, valid, threshold, limit):
    indices, kept = function(
        ops.convert_to_tensor(np.asarray(boxes, "float32")),
        ops.convert_to_tensor(np.asarray(valid, bool)),
        threshold,
        limit,
    )
    return ops.convert_to_numpy(indices), ops.convert_to_numpy(kept)


PATHS = pytest.mark.parametrize("function", [native, portable, nms.non_max_suppression])


@PATHS
def test_chain_keeps_first_and_third(function):
    np.testing.assert_allclose(overlap(CHAIN[0], CHAIN[1]), 0.4)
    np.testing.assert_allclose(overlap(CHAIN[0], CHAIN[2]), 1 / 13)
    indices, kept = run(function, [CHAIN], np.ones((1, 3)), 0.3, 3)
    assert indices.tolist() == [[0, 2, 0]]
    assert kept.tolist() == [[True, True, False]]
    assert indices.dtype == "int32"


@PATHS
def test_invalid_boxes_are_not_kept_and_suppress_nothing(function):
    indices, kept = run(function, [CHAIN], [[0, 1, 1]], 0.3, 2)
    assert indices.tolist() == [[1, 0]]
    assert kept.tolist() == [[True, False]]


@PATHS
def test_nothing_valid(function):
    indices, kept = run(function, [CHAIN], [[0, 0, 0]], 0.3, 2)
    assert indices.tolist() == [[0, 0]]
    assert not kept.any()


@PATHS
def test_threshold_is_exclusive(function):
    # IoU of exactly one half in binary.
    boxes = [[[0, 0, 1, 2], [0, 0, 1, 1]]]
    assert run(function, boxes, [[1, 1]], 0.5, 2)[1].sum() == 2
    assert run(function, boxes, [[1, 1]], 0.49, 2)[1].sum() == 1


@PATHS
def test_more_slots_than_boxes(function):
    indices, kept = run(function, [CHAIN], [[1, 1, 1]], 0.3, 5)
    assert indices.tolist() == [[0, 2, 0, 0, 0]]
    assert kept.tolist() == [[True, True, False, False, False]]


@PATHS
def test_fewer_slots_than_survivors(function):
    far = [[[0, 10 * i, 1, 10 * i + 1] for i in range(4)]]
    indices, kept = run(function, far, [[1] * 4], 0.3, 2)
    assert indices.tolist() == [[0, 1]]
    assert kept.all()


@PATHS
@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.5, 0.7])
def test_random_boxes_agree_with_the_loop(function, threshold):
    rng = np.random.default_rng(int(10 * threshold))
    corner = rng.uniform(0, 1, (6, 60, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(0.05, 0.5, (6, 60, 2))], axis=-1)
    boxes = boxes.astype("float32")
    boxes[0, 10:20] = 0  # empty boxes, as padding has them
    valid = rng.random((6, 60)) > 0.2
    indices, kept = run(function, boxes, valid, threshold, 30)
    for image in range(6):
        expected = greedy(boxes[image].astype(float), valid[image], threshold, 30)
        assert indices[image][kept[image]].tolist() == expected
        assert kept[image].tolist() == [True] * len(expected) + [False] * (30 - len(expected))
        assert not indices[image][~kept[image]].any()


def test_long_chain_alternates():
    # Each box is in conflict with its neighbours alone: 0 drops 1, so 2 stays, and so on.
    conflict = np.abs(np.subtract.outer(np.arange(41), np.arange(41))) == 1
    indices, kept = nms.suppress(
        ops.convert_to_tensor(conflict[None]), ops.ones((1, 41), dtype="bool"), 41
    )
    kept = ops.convert_to_numpy(kept)[0]
    assert ops.convert_to_numpy(indices)[0][kept].tolist() == list(range(0, 41, 2))


def test_every_small_case_is_settled_within_the_bound(monkeypatch):
    """All conflicts among four boxes, with all choices of valid ones, against the plain loop."""
    bounds, loop = [], ops.while_loop

    def while_loop(*arguments, maximum_iterations=None):
        bounds.append(maximum_iterations)
        return loop(*arguments, maximum_iterations=maximum_iterations)

    monkeypatch.setattr(ops, "while_loop", while_loop)
    pairs = list(itertools.combinations(range(4), 2))
    bits = np.array(list(itertools.product([False, True], repeat=len(pairs) + 4)))
    conflict = np.zeros((len(bits), 4, 4), bool)
    for column, (a, b) in enumerate(pairs):
        conflict[:, a, b] = conflict[:, b, a] = bits[:, column]
    valid = bits[:, len(pairs) :]
    _, kept = nms.suppress(ops.convert_to_tensor(conflict), ops.convert_to_tensor(valid), 4)
    assert bounds == [4]
    numbers = ops.convert_to_numpy(kept).sum(axis=1)
    for image, count in enumerate(numbers):
        expected = []
        for index in np.flatnonzero(valid[image]):
            if not conflict[image, index, expected].any():
                expected.append(index)
        assert count == len(expected)


def test_suppress_compiles(compiled):
    rng = np.random.default_rng(0)
    conflict = rng.random((2, 30, 30)) > 0.8
    conflict |= conflict.swapaxes(1, 2)
    valid = rng.random((2, 30)) > 0.2
    indices, kept = compiled(lambda c, v: nms.suppress(c, v, 30))(conflict, valid)
    for image in range(2):
        expected = []
        for index in np.flatnonzero(valid[image]):
            if not conflict[image, index, expected].any():
                expected.append(index)
        found = ops.convert_to_numpy(indices)[image][ops.convert_to_numpy(kept)[image]]
        assert found.tolist() == expected


def test_forced_compilation_takes_the_portable_path(monkeypatch, compiled):
    monkeypatch.setenv("MRCNN_JIT", "1")
    boxes, valid = np.array([CHAIN], "float32"), np.ones((1, 3), bool)
    indices, _ = compiled(lambda b, v: nms.non_max_suppression(b, v, 0.3, 3))(boxes, valid)
    assert ops.convert_to_numpy(indices).tolist() == [[0, 2, 0]]


def test_top_slots():
    scores = ops.convert_to_tensor([[0.0, 0.5, 0.0, 0.9], [0.0, 0.0, 0.0, 0.0]])
    indices, found = nms.top_slots(scores, 3)
    assert ops.convert_to_numpy(indices).tolist() == [[3, 1, 0], [0, 0, 0]]
    assert ops.convert_to_numpy(found).tolist() == [[True, True, False], [False] * 3]


def test_top_slots_beyond_the_row_are_empty():
    indices, found = nms.top_slots(ops.convert_to_tensor([[0.1, 0.2]]), 4)
    assert ops.convert_to_numpy(indices).tolist() == [[1, 0, 0, 0]]
    assert ops.convert_to_numpy(found).tolist() == [[True, True, False, False]]


def test_first_true_keeps_the_order():
    mask = ops.convert_to_tensor([[False, True, True, False, True], [False] * 5])
    indices, found = nms.first_true(mask, 2)
    assert ops.convert_to_numpy(indices).tolist() == [[1, 2], [0, 0]]
    assert ops.convert_to_numpy(found).tolist() == [[True, True], [False, False]]
