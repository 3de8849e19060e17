"""The configuration: the original's names and defaults, strict about names, types and
contradictions.
"""

import io

import numpy as np
import pytest

from mrcnn.config import LOSS_NAMES, Config
from mrcnn.config_io import load_config, parse_overrides, save_config
from mrcnn.errors import InputError

# Defaults that users of matterport/Mask_RCNN rely on.
ORIGINAL = {
    "IMAGES_PER_GPU": 2,
    "STEPS_PER_EPOCH": 1000,
    "VALIDATION_STEPS": 50,
    "BACKBONE": "resnet101",
    "BACKBONE_STRIDES": (4, 8, 16, 32, 64),
    "FPN_CLASSIF_FC_LAYERS_SIZE": 1024,
    "TOP_DOWN_PYRAMID_SIZE": 256,
    "RPN_ANCHOR_SCALES": (32, 64, 128, 256, 512),
    "RPN_ANCHOR_RATIOS": [0.5, 1, 2],
    "RPN_ANCHOR_STRIDE": 1,
    "RPN_NMS_THRESHOLD": 0.7,
    "RPN_TRAIN_ANCHORS_PER_IMAGE": 256,
    "PRE_NMS_LIMIT": 6000,
    "POST_NMS_ROIS_TRAINING": 2000,
    "POST_NMS_ROIS_INFERENCE": 1000,
    "USE_MINI_MASK": True,
    "MINI_MASK_SHAPE": (56, 56),
    "IMAGE_RESIZE_MODE": "square",
    "IMAGE_MIN_DIM": 800,
    "IMAGE_MAX_DIM": 1024,
    "MEAN_PIXEL": [123.7, 116.8, 103.9],
    "TRAIN_ROIS_PER_IMAGE": 200,
    "ROI_POSITIVE_RATIO": 0.33,
    "POOL_SIZE": 7,
    "MASK_POOL_SIZE": 14,
    "MASK_SHAPE": (28, 28),
    "MAX_GT_INSTANCES": 100,
    "RPN_BBOX_STD_DEV": (0.1, 0.1, 0.2, 0.2),
    "BBOX_STD_DEV": (0.1, 0.1, 0.2, 0.2),
    "DETECTION_MAX_INSTANCES": 100,
    "DETECTION_MIN_CONFIDENCE": 0.7,
    "DETECTION_NMS_THRESHOLD": 0.3,
    "LEARNING_RATE": 0.001,
    "LEARNING_MOMENTUM": 0.9,
    "WEIGHT_DECAY": 0.0001,
    "TRAIN_BN": False,
    "GRADIENT_CLIP_NORM": 5.0,
}


@pytest.mark.parametrize(("name", "value"), ORIGINAL.items())
def test_defaults_are_the_originals(name, value):
    np.testing.assert_array_equal(getattr(Config(), name), value)


def test_derived_values_of_the_default():
    config = Config()
    assert config.BATCH_SIZE == 2
    assert config.IMAGE_SHAPE.tolist() == [1024, 1024, 3]
    assert config.IMAGE_META_SIZE == 1 + 3 + 3 + 4 + 1 + 1
    assert config.POSITIVE_ROIS == 66


def test_schedule_is_the_papers():
    assert Config().SCHEDULE == [
        ("heads", 40_000, 0.001),
        ("4+", 80_000, 0.001),
        ("all", 40_000, 0.0001),
    ]


@pytest.mark.parametrize(
    ("mode", "shape"),
    [
        ("square", (1024, 1024, 3)),
        ("canvas", (768, 1024, 3)),
        ("crop", (768, 768, 3)),
        ("pad64", (1024, 1024, 3)),
    ],
)
def test_image_shape_by_mode(mode, shape):
    config = Config().update(IMAGE_RESIZE_MODE=mode, IMAGE_MIN_DIM=768)
    assert tuple(config.IMAGE_SHAPE.tolist()) == shape


def test_subclass_sets_class_attributes():
    class Shapes(Config):
        NAME = "shapes"
        GPU_COUNT = 2
        IMAGES_PER_GPU = 4
        NUM_CLASSES = 1 + 3
        IMAGE_MIN_DIM = 128
        IMAGE_MAX_DIM = 128
        MEAN_PIXEL = np.array([1.0, 2.0, 3.0])
        RPN_ANCHOR_SCALES = [8, 16, 32, 64, 128]

    config = Shapes()
    assert (config.NAME, config.BATCH_SIZE) == ("shapes", 8)
    assert config.IMAGE_SHAPE.tolist() == [128, 128, 3]
    assert config.MEAN_PIXEL.tolist() == [1.0, 2.0, 3.0]
    assert config.RPN_ANCHOR_SCALES == (8, 16, 32, 64, 128)
    assert config.IMAGE_META_SIZE == 16


def test_update_returns_a_copy_and_derives_anew():
    config = Config()
    other = config.update(IMAGES_PER_GPU=3, NUM_CLASSES=81, TRAIN_ROIS_PER_IMAGE=100)
    assert (other.BATCH_SIZE, other.IMAGE_META_SIZE, other.POSITIVE_ROIS) == (3, 93, 33)
    assert (config.BATCH_SIZE, config.IMAGE_META_SIZE, config.POSITIVE_ROIS) == (2, 13, 66)


def test_instances_do_not_share_lists():
    first, second = Config(), Config()
    first.MEAN_PIXEL[0] = 0.0
    first.LOSS_WEIGHTS["rpn_class_loss"] = 7.0
    first.update(SEED=1).LOSS_WEIGHTS["rpn_bbox_loss"] = 5.0
    assert first.LOSS_WEIGHTS["rpn_bbox_loss"] == 1.0
    assert second.MEAN_PIXEL.tolist() == [123.7, 116.8, 103.9]
    assert second.LOSS_WEIGHTS["rpn_class_loss"] == 1.0
    assert Config().MEAN_PIXEL.tolist() == [123.7, 116.8, 103.9]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"LEARNIN_RATE": 0.1}, "'LEARNIN_RATE' does not exist. Did you mean 'LEARNING_RATE'"),
        ({"EDGE_LOSS_FILTER": []}, "Did you mean 'EDGE_LOSS_FILTERS'"),
        ({"QQQQ": 1}, "'QQQQ' does not exist"),
        ({"IMAGES_PER_GPU": "two"}, "IMAGES_PER_GPU must be int, got 'two'"),
        ({"IMAGES_PER_GPU": 1.5}, "IMAGES_PER_GPU must be int, got 1.5"),
        ({"IMAGES_PER_GPU": True}, "IMAGES_PER_GPU must be int, got True"),
        ({"IMAGES_PER_GPU": 0}, "IMAGES_PER_GPU must be positive, got 0"),
        ({"IMAGES_PER_GPU": None}, "IMAGES_PER_GPU must be int, got None"),
        ({"LEARNING_RATE": float("nan")}, "LEARNING_RATE must be finite, got nan"),
        ({"LEARNING_RATE": -1}, "LEARNING_RATE must be positive, got -1"),
        ({"MASK_SHAPE": [28, 0]}, r"MASK_SHAPE must be positive, got \[28, 0\]"),
        ({"MASK_SHAPE": [28, "0"]}, r"MASK_SHAPE must be positive, got \[28, '0'\]"),
        ({"MASK_SHAPE": [0, "x"]}, r"MASK_SHAPE must be tuple\[int, int\], got \[0, 'x'\]"),
        ({"RPN_ANCHOR_RATIOS": []}, r"must be one or more positive numbers, got \[\]"),
        ({"RPN_ANCHOR_RATIOS": [1, -2]}, "must be one or more positive numbers"),
        ({"MEAN_PIXEL": [1.0, float("inf"), 2.0]}, "MEAN_PIXEL must be finite"),
        ({"LOSS_WEIGHTS": {"rpn_bbox_loss": -1}}, "LOSS_WEIGHTS must not be negative"),
        ({"TRAIN_BN": "perhaps"}, r"TRAIN_BN must be bool \| None, got 'perhaps'"),
        ({"FLIP": "perhaps"}, "FLIP must be bool"),
        ({"RPN_ANCHOR_SCALES": [32, 64]}, "RPN_ANCHOR_SCALES must be"),
        ({"BBOX_STD_DEV": [0.1, 0.1, 0.2]}, "BBOX_STD_DEV must be"),
        ({"EDGE_LOSS_FILTERS": "sobel"}, "EDGE_LOSS_FILTERS must be"),
        ({"EDGE_LOSS_NORM": 0.5}, "EDGE_LOSS_NORM .* >= 1, got 0.5"),
        ({"EDGE_LOSS_NORM": float("inf")}, "EDGE_LOSS_NORM"),
        ({"EDGE_LOSS_NORM": float("nan")}, "EDGE_LOSS_NORM"),
        ({"EDGE_LOSS_WEIGHT_FACTOR": -1}, "EDGE_LOSS_WEIGHT_FACTOR must not be negative"),
        ({"ROI_POSITIVE_RATIO": 0}, "ROI_POSITIVE_RATIO must lie between 0 and 1"),
        ({"ROI_POSITIVE_RATIO": 1.5}, "ROI_POSITIVE_RATIO must lie between 0 and 1"),
        ({"IMAGE_RESIZE_MODE": "oblong"}, "IMAGE_RESIZE_MODE must be .*canvas"),
        ({"IMAGE_MIN_DIM": 2048}, "IMAGE_MIN_DIM 2048 is larger than IMAGE_MAX_DIM 1024"),
        ({"IMAGE_MAX_DIM": 1000}, r"divide by 32, got \(1000, 1000\)"),
        ({"IMAGE_CHANNEL_COUNT": 4}, "MEAN_PIXEL needs 4 values, one per channel, got 3"),
        ({"CLASS_NAMES": ["BG", "a"]}, "CLASS_NAMES has 2 names, but NUM_CLASSES is 1"),
        ({"LOSS_WEIGHTS": {"rpn_clas_loss": 1}}, "Did you mean 'rpn_class_loss'"),
        ({"OPTIMIZER": "adagrad"}, "OPTIMIZER must be .*sgd"),
        ({"SCHEDULE": [["heads", 10]]}, "SCHEDULE must be"),
    ],
)
def test_update_refuses(settings, message):
    with pytest.raises(InputError, match=message) as caught:
        Config().update(**settings)
    assert "\n" not in str(caught.value)


def test_a_value_that_is_assigned_is_checked():
    config = Config()
    with pytest.raises(InputError, match="LEARNING_MOMENTUM must lie within 0 and 1, got 1.5"):
        config.LEARNING_MOMENTUM = 1.5
    assert config.LEARNING_MOMENTUM == 0.9
    with pytest.raises(InputError, match="IMAGES_PER_GPU must be positive, got 0"):
        config.IMAGES_PER_GPU = 0
    assert config.BATCH_SIZE == 2


def test_what_follows_from_a_value_that_is_assigned_is_worked_out_anew():
    config = Config()
    # In this order the sizes contradict each other for a moment.
    config.IMAGE_MAX_DIM = 512
    config.IMAGE_MIN_DIM = 448
    config.IMAGE_CHANNEL_COUNT = 1
    assert config.IMAGE_SHAPE.tolist() == [512, 512, 1]
    config.IMAGE_RESIZE_MODE = "canvas"
    assert config.IMAGE_SHAPE.tolist() == [448, 512, 1]
    config.TRAIN_ROIS_PER_IMAGE = 50
    assert config.POSITIVE_ROIS == 16
    config.ROI_POSITIVE_RATIO = 0.5
    assert config.POSITIVE_ROIS == 25
    config.GPU_COUNT, config.IMAGES_PER_GPU = 3, 5
    assert config.BATCH_SIZE == 15
    config.NUM_CLASSES = 11
    assert config.IMAGE_META_SIZE == 12 + 11
    with pytest.raises(InputError, match="MEAN_PIXEL needs 1 values"):
        config.check()
    config.MEAN_PIXEL = [100]
    config.check()


def test_a_mask_weight_follows_from_options_that_are_assigned():
    config = Config()
    config.EDGE_LOSS_FILTERS = ["sobel"]
    config.EDGE_LOSS_WEIGHT_ENTROPY = True
    assert mask_weight(config) == 0
    config.EDGE_LOSS_WEIGHT_ENTROPY = False
    assert mask_weight(config) == 1


@pytest.mark.parametrize("entropy", [None, "exp16"])
def test_the_weight_of_masks_is_no_setting_where_none_was_named(entropy, tmp_path):
    config = Config().update(EDGE_LOSS_FILTERS=["sobel"], EDGE_LOSS_WEIGHT_ENTROPY=entropy)
    assert all(name.isupper() for name in config.to_dict())
    save_config(config, tmp_path / "c.yaml")
    assert "mask_loss" not in (tmp_path / "c.yaml").read_text()
    # Saved and loaded, it still follows from the options.
    for other, weight in ((None, 1), ("exp4", 0)):
        loaded = load_config(tmp_path / "c.yaml").update(EDGE_LOSS_WEIGHT_ENTROPY=other)
        assert mask_weight(loaded) == weight


def test_values_that_were_edited_in_place_are_checked():
    config = Config()
    config.LOSS_WEIGHTS["rpn_bbox_loss"] = -1.0
    with pytest.raises(InputError, match="LOSS_WEIGHTS must not be negative"):
        config.update(SEED=1)


def test_wrong_type_of_a_class_attribute_is_refused():
    class Wrong(Config):
        NUM_CLASSES = "many"

    with pytest.raises(InputError, match="NUM_CLASSES must be int, got 'many'"):
        Wrong()


def test_loss_weights_are_completed():
    weights = Config().update(LOSS_WEIGHTS={"mrcnn_mask_loss": 2}).LOSS_WEIGHTS
    assert weights == {**dict.fromkeys(LOSS_NAMES, 1.0), "mrcnn_mask_loss": 2.0}
    assert "mrcnn_mask_edge_loss" in weights


def test_display_prints_settings_and_derived_values(capsys):
    Config().display()
    printed = dict(line.split(None, 1) for line in capsys.readouterr().out.splitlines())
    assert printed["IMAGE_SHAPE"] == "[1024 1024    3]"
    assert printed["LEARNING_RATE"] == "0.001"
    assert not any("mask_weight" in name for name in printed)
    file = io.StringIO()
    Config().display(file=file)
    assert "LEARNING_RATE " in file.getvalue() and capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("given", "kept"),
    [(True, "exp16"), (False, None), (None, None), ("exp4", "exp4"), ("product", "product")],
)
def test_cross_entropy_weighting_takes_the_booleans_of_the_authors(given, kept, tmp_path):
    config = Config().update(EDGE_LOSS_WEIGHT_ENTROPY=given)
    assert kept == config.EDGE_LOSS_WEIGHT_ENTROPY
    save_config(config, tmp_path / "c.yaml")
    assert kept == load_config(tmp_path / "c.yaml").EDGE_LOSS_WEIGHT_ENTROPY


@pytest.mark.parametrize(
    "settings",
    [
        {"EDGE_LOSS_WEIGHT_ENTROPY": "exp8"},
        {"EDGE_LOSS_PADDING": "same"},
        {"LOSS_WEIGHTING": "learned"},
        {"LOSS_WEIGHTING": True},
        {"GRADNORM_EVERY": 0},
        {"GRADNORM_ALPHA": -1},
        {"GRADNORM_LEARNING_RATE": 0},
    ],
)
def test_bad_options_of_losses_are_refused(settings):
    with pytest.raises(InputError, match=next(iter(settings))):
        Config().update(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"AUGMENT_SCALE": [0.01, 2]}, r"AUGMENT_SCALE must be \[low, high\] within 0.1 and 10"),
        ({"AUGMENT_SCALE": [1, 11]}, "AUGMENT_SCALE must be"),
        ({"AUGMENT_SCALE": [2, 0.5]}, r"low first, got \[2, 0.5\]"),
        ({"AUGMENT_SCALE": 2}, "AUGMENT_SCALE must be tuple"),
        ({"AUGMENT_SCALE": True}, "AUGMENT_SCALE must be tuple"),
        ({"AUGMENT_CROP": [0.5, 1.1]}, "AUGMENT_CROP must be .* within 0.1 and 1"),
        ({"AUGMENT_CROP": [0, 1]}, "AUGMENT_CROP must be"),
        ({"AUGMENT_COLOR_JITTER": [0.1, 0.1, 0.1]}, "AUGMENT_COLOR_JITTER must be tuple"),
        ({"AUGMENT_COLOR_JITTER": [1.1, 0, 0, 0]}, r"\[brightness, contrast, saturation, hue\]"),
        ({"AUGMENT_COLOR_JITTER": [0, 0, 0, 0.6]}, "hue within 0 and 0.5"),
        ({"AUGMENT_COLOR_JITTER": [0, -0.1, 0, 0]}, "within 0 and 1"),
        ({"AUGMENT_COLOR_JITTER": [0, float("nan"), 0, 0]}, "AUGMENT_COLOR_JITTER must be"),
        ({"AUGMENT_SCALE": [0.5, float("inf")]}, "AUGMENT_SCALE must be"),
        ({"AUGMENT_COPY_PASTE": 1.5}, "AUGMENT_COPY_PASTE must lie within 0 and 1"),
        ({"AUGMENT_ROTATE_90": "often"}, "AUGMENT_ROTATE_90 must be bool"),
        (
            {
                "IMAGE_CHANNEL_COUNT": 1,
                "MEAN_PIXEL": [100.0],
                "AUGMENT_COLOR_JITTER": [0.1, 0.1, 0.1, 0],
            },
            "3 channels have no saturation and no hue",
        ),
        ({"AUGMENT_ROTATE": True}, "AUGMENT_ROTATE_90"),
    ],
)
def test_bad_settings_of_the_augmentation_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        Config().update(**settings)


def test_augmentation_is_off_but_for_the_papers_flip(tmp_path):
    config = Config()
    assert config.FLIP
    names = [name for name in config.to_dict() if name.startswith("AUGMENT_")]
    assert len(names) == 6 and not any(getattr(config, name) for name in names)
    settings = parse_overrides(
        ["AUGMENT_SCALE=[0.5, 2]", "AUGMENT_CROP=[0.5, 1]", "AUGMENT_COLOR_JITTER=[0.4, 0.4, 0, 0]"]
    )
    config = config.update(**settings)
    assert config.AUGMENT_SCALE == (0.5, 2.0)
    save_config(config, tmp_path / "c.yaml")
    assert load_config(tmp_path / "c.yaml").to_dict() == config.to_dict()
    grey = {"IMAGE_CHANNEL_COUNT": 1, "MEAN_PIXEL": [100.0]}
    assert config.update(**grey).AUGMENT_COLOR_JITTER == (0.4, 0.4, 0, 0)
    assert config.update(AUGMENT_SCALE=None).AUGMENT_SCALE is None


WEIGHTED = {"EDGE_LOSS_FILTERS": ["sobel"], "EDGE_LOSS_WEIGHT_ENTROPY": "exp16"}


def mask_weight(config):
    return config.LOSS_WEIGHTS["mrcnn_mask_loss"]


def test_a_weighted_cross_entropy_replaces_the_plain_one(tmp_path):
    config = Config().update(**WEIGHTED, LOSS_WEIGHTS={"rpn_bbox_loss": 2.0})
    assert {
        **dict.fromkeys(LOSS_NAMES, 1.0), "rpn_bbox_loss": 2.0, "mrcnn_mask_loss": 0.0,
    } == config.LOSS_WEIGHTS  # fmt: skip
    save_config(config, tmp_path / "c.yaml")
    assert load_config(tmp_path / "c.yaml").LOSS_WEIGHTS == config.LOSS_WEIGHTS
    # And back again, when it goes.
    assert mask_weight(config.update(EDGE_LOSS_WEIGHT_ENTROPY=None)) == 1
    assert mask_weight(config.update(EDGE_LOSS_FILTERS=[])) == 1

    class Authors(Config):
        EDGE_LOSS_FILTERS = ["sobel"]
        EDGE_LOSS_WEIGHT_ENTROPY = True

    assert mask_weight(Authors()) == 0
    assert mask_weight(Config()) == 1


def test_a_mask_weight_that_was_named_stays():
    for weight in (1.0, 0.5):
        config = Config().update(**WEIGHTED, LOSS_WEIGHTS={"mrcnn_mask_loss": weight})
        assert mask_weight(config) == mask_weight(config.update(SEED=1)) == weight
        before = Config().update(LOSS_WEIGHTS={"mrcnn_mask_loss": weight})
        assert mask_weight(before.update(**WEIGHTED)) == weight
    edited = Config().update(**WEIGHTED)
    edited.LOSS_WEIGHTS["mrcnn_mask_loss"] = 0.25
    edited.LOSS_WEIGHTS["rpn_bbox_loss"] = 3.0
    assert mask_weight(edited.update(SEED=1)) == 0.25
    assert edited.update(SEED=1).LOSS_WEIGHTS["rpn_bbox_loss"] == 3
