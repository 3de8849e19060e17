from dataclasses import replace

import pytest

from mrcnn.report.low_ap import RunFacts, first_look

# A run of which nothing but its score is suspicious.
PLAIN = RunFacts(
    mask_ap=0.001,
    box_ap=0.002,
    any_class_ap50=0.004,
    images=20,
    objects=50,
    detections=100,
    best_score=0.9,
    min_confidence=0.5,
    backbone_random=False,
    steps=2000,
    epochs=40.0,
    learning_rate=0.001,
    losses=(5.0, 1.0),
    val_losses=(5.0, 1.2, 1.3),
)


def test_scores_that_are_not_near_0_need_no_words():
    assert first_look(replace(PLAIN, mask_ap=0.02, backbone_random=True)) == []


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({}, ["nothing of the run stands out", "validation.png"]),
        ({"backbone_random": True}, ["backbone: ", "--weights imagenet"]),
        ({"steps": 23, "epochs": 40.0}, ["length: 23 steps, 40.0 passes", "--epochs"]),
        ({"epochs": 0.3}, ["length: 2,000 steps, 0.3 passes"]),
        ({"losses": (5.0, 4.9)}, ["learning rate: the loss went from 5.00 to 4.90", "0.001"]),
        ({"val_losses": (2.0, 1.0, 1.4)}, ["overfitting: ", "from 1.00 to 1.40"]),
        ({"detections": 0, "best_score": 0.0}, ["nothing was found on 20 validation images"]),
        ({"best_score": 0.3}, ["is 0.30, below DETECTION_MIN_CONFIDENCE 0.5", "--min-score 0.15"]),
        ({"any_class_ap50": 0.6}, ["classes: objects are found (AP50 of boxes 0.60"]),
        ({"box_ap": 0.3}, ["masks: boxes are found (AP 0.30)"]),
    ],
)
def test_each_cause_has_its_line(changes, parts):
    (line,) = first_look(replace(PLAIN, **changes))
    for part in parts:
        assert part in line


def test_the_likeliest_cause_comes_first():
    lines = first_look(replace(PLAIN, backbone_random=True, steps=10, best_score=0.1))
    assert [line.partition(":")[0] for line in lines] == ["backbone", "length", "scores"]
