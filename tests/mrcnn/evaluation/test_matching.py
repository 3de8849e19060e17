import numpy as np
import pytest

from mrcnn.evaluation import matching

# 20 columns of pixels; objects and predictions are intervals of them, so that IoU is easy.
GT = [(1, (0, 7)), (2, (8, 20))]
PRED = [  # class, columns, score
    (1, (9, 20), 0.5),  # IoU 11/12 with the second object, but of another class
    (1, (0, 5), 0.9),  # IoU 5/7
    (2, (8, 18), 0.7),  # IoU 5/6
    (2, (8, 20), 0.6),  # IoU 1, but the object is taken
]


def arrays(items, padding=0):
    masks = np.zeros((3, 20, len(items)), bool)
    boxes = np.zeros((len(items) + padding, 4), np.int32)
    for index, (_, (x1, x2), *_) in enumerate(items):
        masks[:, x1:x2, index] = True
        boxes[index] = 0, x1, 3, x2
    return boxes, np.array([item[0] for item in items], np.int32), masks


def arguments(padding=0):
    pred_boxes, pred_ids, pred_masks = arrays(PRED, padding)
    scores = np.array([item[2] for item in PRED] + [0] * padding)
    pred_ids = np.pad(pred_ids, (0, padding))
    return (*arrays(GT, padding), pred_boxes, pred_ids, scores, pred_masks)


@pytest.mark.parametrize("padding", [0, 2])
def test_matches(padding):
    gt_match, pred_match, overlaps = matching.compute_matches(*arguments(padding))
    # By falling score: 0.9, 0.7, 0.6, 0.5.
    assert gt_match.tolist() == [0, 1]
    assert pred_match.tolist() == [0, 1, -1, -1]
    np.testing.assert_allclose(overlaps, [[5 / 7, 0], [0, 5 / 6], [0, 1], [0, 11 / 12]], rtol=1e-6)


def test_thresholds():
    gt_match, pred_match, _ = matching.compute_matches(*arguments(), iou_threshold=0.78)
    assert gt_match.tolist() == [-1, 1] and pred_match.tolist() == [-1, 1, -1, -1]
    gt_match, *_ = matching.compute_matches(*arguments(), score_threshold=0.78)
    assert gt_match.tolist() == [-1, 1]


def test_average_precision():
    # Both objects found by the first two predictions.
    value, precisions, recalls, overlaps = matching.compute_ap(*arguments())
    assert value == pytest.approx(1)
    np.testing.assert_allclose(recalls, [0, 0.5, 1, 1, 1, 1])
    np.testing.assert_allclose(precisions, [1, 1, 1, 2 / 3, 0.5, 0])
    assert overlaps.shape == (4, 2)
    # At 0.78 the first prediction is wrong: recall 1/2 at precision 1/2, and nothing beyond.
    value, precisions, recalls, _ = matching.compute_ap(*arguments(), iou_threshold=0.78)
    assert value == pytest.approx(0.25)
    np.testing.assert_allclose(recalls, [0, 0, 0.5, 0.5, 0.5, 1])
    np.testing.assert_allclose(precisions, [0.5, 0.5, 0.5, 1 / 3, 0.25, 0])


def test_average_over_thresholds(capsys):
    # 1 up to 0.7, where the first prediction still matches; 1/4 at 0.8; then the prediction of 0.6
    # is the only right one: recall 1/2 at precision 1/3.
    thresholds = [0.5, 0.7, 0.8, 0.85]
    value = matching.compute_ap_range(*arguments(), iou_thresholds=thresholds)
    assert value == pytest.approx((1 + 1 + 0.25 + 1 / 6) / 4)
    printed = capsys.readouterr().out
    assert "AP @0.70:\t 1.000" in printed and "AP @0.50-0.85:\t 0.604" in printed
    # Ten by default: 0.5 to 0.7 are 1, 0.75 and 0.8 are 1/4, 0.85 to 0.95 are 1/6.
    value = matching.compute_ap_range(*arguments(), verbose=0)
    assert value == pytest.approx((5 + 2 / 4 + 3 / 6) / 10)
    assert capsys.readouterr().out == ""


def test_nothing_to_match():
    gt = arrays(GT)
    empty = (np.zeros((0, 4)), np.zeros(0, np.int32), np.zeros((3, 20, 0), bool))
    boxes, ids, masks = empty
    assert matching.compute_ap(*gt, boxes, ids, np.zeros(0), masks)[0] == 0
    assert matching.compute_ap(*empty, *arguments()[3:])[0] == 0
    assert matching.compute_ap(*empty, boxes, ids, np.zeros(0), masks)[0] == 0
    assert matching.compute_recall(arrays(PRED)[0], boxes, 0.5)[0] == 0


def test_recall():
    gt_boxes, pred_boxes = arrays(GT)[0], arrays(PRED)[0]
    recall, positions = matching.compute_recall(pred_boxes, gt_boxes, 0.5)
    assert recall == 1 and positions.tolist() == [0, 1, 2, 3]
    recall, positions = matching.compute_recall(pred_boxes, gt_boxes, 0.78)
    assert recall == 0.5 and positions.tolist() == [0, 2, 3]
