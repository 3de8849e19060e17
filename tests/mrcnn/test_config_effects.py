import pytest

from mrcnn.config import SETTINGS, Config
from mrcnn.config_effects import (
    CHECKED,
    SHOWN,
    TRAINING,
    TRAINING_ONLY,
    refuse_all_but,
    refuse_idle_for_detection,
    refuse_idle_for_training,
)
from mrcnn.errors import InputError


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"NUM_CLASSES": 5}, "NUM_CLASSES has no effect: the classes are those of the dataset"),
        ({"EDGE_LOSS_NORM": 3}, r"EDGE_LOSS_NORM \(--p\) has no effect: .* add --edge sobel"),
        ({"EDGE_LOSS_NORMALIZE": True}, "EDGE_LOSS_NORMALIZE has no effect"),
        ({"GRADNORM_ALPHA": 1}, "GRADNORM_ALPHA has no effect: it needs LOSS_WEIGHTING=gradnorm"),
        ({"STEPS_PER_EPOCH": 5, "SCHEDULE_UNIT": "epochs"}, "STEPS_PER_EPOCH has no effect"),
        ({"LEARNING_MOMENTUM": 0.8, "OPTIMIZER": "adamw"}, "LEARNING_MOMENTUM has no effect"),
        ({"MINI_MASK_SHAPE": (28, 28), "USE_MINI_MASK": False}, "MINI_MASK_SHAPE has no effect"),
        ({"STEPS_PER_EPOCH": 5}, ""),
        ({"LEARNING_MOMENTUM": 0.8}, ""),
        ({"EDGE_LOSS_NORM": 3, "EDGE_LOSS_FILTERS": ["sobel"]}, ""),
        ({"GRADNORM_ALPHA": 1, "LOSS_WEIGHTING": "gradnorm"}, ""),
    ],
)
def test_keys_without_effect_on_a_training(settings, message):
    config = Config().update(**settings)
    if not message:
        refuse_idle_for_training(settings, config)
        return
    with pytest.raises(InputError, match=message):
        refuse_idle_for_training(settings, config)


def test_keys_without_effect_on_detection():
    refuse_idle_for_detection(["DETECTION_MIN_CONFIDENCE", "IMAGE_MAX_DIM", "NUM_CLASSES"])
    for key in ("LEARNING_RATE", "SCHEDULE", "AUGMENT_SCALE", "EDGE_LOSS_NORM"):
        with pytest.raises(InputError, match=f"{key} has no effect here: it is about training"):
            refuse_idle_for_detection([key])
    with pytest.raises(InputError, match="IMAGES_PER_GPU .* one at a time"):
        refuse_idle_for_detection(["IMAGES_PER_GPU"])
    with pytest.raises(InputError, match="DETECTION_MIN_CONFIDENCE .* give --min-score"):
        refuse_idle_for_detection(
            ["DETECTION_MIN_CONFIDENCE"], {"DETECTION_MIN_CONFIDENCE": "give --min-score"}
        )


def test_commands_that_look_at_data_depend_on_few_keys():
    refuse_all_but(SHOWN, ["AUGMENT_SCALE", "IMAGE_MAX_DIM"], "the picture")
    refuse_all_but(CHECKED, ["RPN_ANCHOR_SCALES"], "the check")
    with pytest.raises(InputError, match="LEARNING_RATE has no effect here: the picture depends"):
        refuse_all_but(SHOWN, ["FLIP", "LEARNING_RATE"], "the picture")


def test_the_tables_name_keys_that_exist():
    named = [*TRAINING_ONLY, *SHOWN, *CHECKED, *(key for keys, _, _ in TRAINING for key in keys)]
    assert set(named) <= SETTINGS.keys()
    augmenting = {key for key in SETTINGS if key.startswith(("AUGMENT_", "EDGE_LOSS_", "GRADNORM"))}
    assert augmenting <= set(TRAINING_ONLY)
