import numpy as np
import pytest

from mrcnn.data.datasets.dataset import Instances
from mrcnn.drawing import matches as module
from mrcnn.drawing.matches import (
    LEFT_OUT,
    TOO_MUCH,
    ObjectSet,
    colors_by_match,
    draw_matches,
    mark_errors,
    match_instances,
    match_marks,
    wrong_pixels,
)
from mrcnn.drawing.style import FALSE_COLOR, IGNORED_COLOR, MISSED_COLOR, ColorBy, Mark, Style
from mrcnn.errors import InputError

IMAGE = np.full((60, 80, 3), 100, np.uint8)
NAMES = ["BG", "cat", "cow"]


def instances(boxes, ids, scores=None):
    boxes = np.array(boxes, np.float64).reshape(-1, 4)
    masks = np.zeros((60, 80, len(boxes)), bool)
    for index, (y1, x1, y2, x2) in enumerate(boxes.astype(int)):
        masks[y1:y2, x1:x2, index] = True
    scores = None if scores is None else np.array(scores, np.float64)
    return ObjectSet(boxes, masks, np.array(ids, int), scores)


# A cat found 2 pixels to the right, a cow that is found as a cat, a crowd of cows.
TRUTH = instances([(5, 5, 15, 25), (30, 5, 50, 25), (5, 40, 25, 80)], [1, 2, -2])
FOUND = instances(
    [(30, 5, 50, 25), (5, 7, 15, 27), (6, 45, 12, 51), (40, 60, 50, 70)],
    [1, 1, 2, 2],
    [0.9, 0.8, 0.7, 0.6],
)


def test_matches_missed_false_and_those_in_a_crowd():
    matches = match_instances(TRUTH, FOUND)
    assert matches.objects.tolist() == [1, -1, -1]
    assert matches.predictions.tolist() == [-1, 0, -1, -1]
    assert matches.missed.tolist() == [False, True, False]
    assert matches.false.tolist() == [True, False, False, True]
    # 18 of 22 columns; the wrong class lies exactly on the cow.
    np.testing.assert_allclose(matches.overlaps[:2, :2], [[0, 1], [18 / 22, 0]])
    np.testing.assert_allclose(matches.ious, [18 / 22, 0, 0])
    assert match_instances(TRUTH, FOUND, 0.9).objects.tolist() == [-1, -1, -1]


def test_equal_scores_and_padding_keep_their_positions():
    twice = instances([(5, 5, 15, 25), (0, 0, 0, 0)], [1, 0])
    found = instances([(5, 6, 15, 26), (5, 5, 15, 25), (0, 0, 0, 0)], [1, 1, 0], [0.5, 0.5, 0.0])
    matches = match_instances(twice, found)
    assert matches.objects.tolist() == [0, -1] and matches.predictions.tolist() == [0, -1, -1]
    np.testing.assert_allclose(matches.overlaps[:2, 0], [19 / 21, 1])


@pytest.mark.parametrize(("objects", "predictions"), [(0, 0), (0, 4), (3, 0)])
def test_nothing_to_match(objects, predictions):
    truth = ObjectSet(TRUTH.boxes[:objects], TRUTH.masks[..., :objects], TRUTH.class_ids[:objects])
    found = ObjectSet(
        FOUND.boxes[:predictions],
        FOUND.masks[..., :predictions],
        FOUND.class_ids[:predictions],
        FOUND.scores[:predictions],
    )
    matches = match_instances(truth, found)
    assert matches.missed.sum() == min(objects, 2) and matches.false.sum() == predictions
    assert matches.overlaps.shape == (predictions, objects) and not matches.ious.any()
    assert draw_matches(IMAGE, truth, found, NAMES)[0].shape == IMAGE.shape


def test_a_match_keeps_its_color_and_marks_have_theirs():
    matches = match_instances(TRUTH, FOUND)
    objects, predictions = colors_by_match(matches)
    assert objects[0] == predictions[1] not in (MISSED_COLOR, FALSE_COLOR, IGNORED_COLOR)
    assert objects[1:] == [MISSED_COLOR, IGNORED_COLOR]
    assert predictions[0] == FALSE_COLOR and predictions[2:] == [IGNORED_COLOR, FALSE_COLOR]
    assert match_marks(matches) == (
        [Mark.NONE, Mark.MISSED, Mark.NONE],
        [Mark.FALSE, Mark.NONE, Mark.NONE, Mark.FALSE],
    )


def test_pictures_of_matches_by_color_and_without():
    truth, found = draw_matches(
        IMAGE, TRUTH, FOUND, NAMES, Style(color_by=ColorBy.MATCH, labels=False)
    )
    np.testing.assert_array_equal(truth[10, 15], found[10, 15])
    assert (truth[10, 15] != 100).any()
    # A missed object is an outline alone, a false one is striped: half of its inside is filled.
    np.testing.assert_array_equal(truth[35:45, 10:20], IMAGE[35:45, 10:20])
    filled = (found[35:45, 10:20] != 100).any(axis=2)
    assert 0.3 < filled.mean() < 0.7
    # The dashes of its box: neither all of the side nor nothing.
    assert 0.2 < (truth[30, 5:25] != 100).any(axis=1).mean() < 0.9


def test_labels_say_what_is_missed_or_false(monkeypatch):
    calls = []

    def draw_instances(*arrays, captions, **options):
        calls.append((captions, options["colors"]))
        return IMAGE

    monkeypatch.setattr(module, "draw_instances", draw_instances)
    draw_matches(IMAGE, TRUTH, FOUND, NAMES, Style(color_by=ColorBy.CLASS, min_score=0.65))
    assert calls == [
        (["cat", "missed: cow", "cow (crowd)"], None),
        (["false: cat 0.90", "cat 0.80", "cow 0.70"], None),
    ]


def test_wrong_pixels_are_those_of_each_object_and_its_prediction():
    left_out, too_much = wrong_pixels(TRUTH, FOUND, match_instances(TRUTH, FOUND))
    # The cat is 2 columns off; the cow is missed, though a prediction of another class covers it;
    # what lies in the crowd does not count.
    expected = np.zeros((60, 80), bool)
    expected[5:15, 5:7] = expected[30:50, 5:25] = True
    np.testing.assert_array_equal(left_out, expected)
    expected = np.zeros((60, 80), bool)
    expected[5:15, 25:27] = expected[30:50, 5:25] = expected[40:50, 60:70] = True
    np.testing.assert_array_equal(too_much, expected)


def test_wrong_pixels_have_the_color_of_their_kind():
    image = np.full((1, 4, 3), 50, np.uint8)
    left_out, too_much = np.array([[1, 1, 0, 0]], bool), np.array([[0, 1, 1, 0]], bool)
    marked = mark_errors(image, left_out, too_much)
    expected = [np.array(color) * 255 for color in (LEFT_OUT, LEFT_OUT, TOO_MUCH)]
    np.testing.assert_allclose(marked[0, :3], expected, atol=1)
    assert marked[0, 3].tolist() == [160] * 3  # faded: 0.4 * 50 + 140
    assert (image == 50).all()


def test_what_does_not_fit_is_named():
    few = ObjectSet(FOUND.boxes, FOUND.masks, FOUND.class_ids, FOUND.scores[:2])
    with pytest.raises(InputError, match="got 2 pred_score, 4 pred_box"):
        match_instances(TRUTH, few)
    few = ObjectSet(TRUTH.boxes, TRUTH.masks, TRUTH.class_ids[:1])
    with pytest.raises(InputError, match="got 1 gt_class_id, 3 gt_box"):
        match_instances(few, FOUND)


def test_objects_of_a_dataset():
    segmentations = [[np.array([5.0, 5, 25, 5, 25, 15, 5, 15])]]
    boxes = np.array([[5, 5, 15, 25.0]])
    truth = ObjectSet.of_truth(Instances(boxes, np.array([-2]), segmentations, (60, 80)))
    assert truth.masks.dtype == bool and truth.scores is None
    np.testing.assert_array_equal(truth.masks[..., 0], TRUTH.masks[..., 0])
    assert truth.class_ids.tolist() == [-2]


def test_detections_of_a_model_above_a_score():
    result = {
        "rois": FOUND.boxes,
        "masks": FOUND.masks.astype(np.uint8),
        "class_ids": FOUND.class_ids,
        "scores": FOUND.scores,
    }
    found = ObjectSet.of_detections(result, min_score=0.75)
    assert found.scores.tolist() == [0.9, 0.8] and found.masks.dtype == bool
    assert found.masks.shape == (60, 80, 2) and len(found.boxes) == len(found.class_ids) == 2
