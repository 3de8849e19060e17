"""Configurations as scripts for the original and for the authors' fork write them."""

import copy
import warnings

import numpy as np
import pytest

from mrcnn.config import Config
from mrcnn.config_io import load_config
from mrcnn.errors import InputError


def test_attributes_of_ones_own_are_taken():
    class Own(Config):
        NAME = "own"
        IMAGE_PADDING = True
        IMAGE_HEIGHT = 480
        BACKBONE_NAME = "resnet"
        RUN_NAME = None
        AUGMENTATION = "flip"
        LOSS_WEIGHT_FACTOR = 2

    config = Own()
    config.IMAGE_WIDTH = 640
    changed = config.update(SEED=1)
    assert (changed.IMAGE_HEIGHT, changed.IMAGE_WIDTH, changed.AUGMENTATION) == (480, 640, "flip")
    assert "IMAGE_HEIGHT" not in config.to_dict()


def test_a_name_that_is_nearly_a_key_is_warned_of():
    class Misspelt(Config):
        LEARNING_RATES = 0.1

    with pytest.warns(
        UserWarning, match=r"Misspelt.LEARNING_RATES is no config key .*'LEARNING_RATE'"
    ) as record:
        config = Misspelt()
    assert record[0].filename == __file__
    with pytest.warns(UserWarning, match="EDGE_LOSS_FILTER is no config key"):
        config.EDGE_LOSS_FILTER = ["sobel"]
    assert config.EDGE_LOSS_FILTER == ["sobel"]


def test_files_and_update_are_strict(tmp_path):
    (tmp_path / "c.yaml").write_text("IMAGE_PADDING: true\n")
    with pytest.raises(InputError, match="'IMAGE_PADDING' does not exist"):
        load_config(tmp_path / "c.yaml")
    for settings in (
        {"STEPS_PER_EPOCH": 12.5},
        {"IMAGE_MIN_SCALE": False},
        {"OPTIMIZER": "adam"},
        {"EDGE_LOSS_NORM": "l2"},
        {"EDGE_LOSS_SMOOTHING": True},
    ):
        with pytest.raises(InputError):
            Config().update(**settings)


def test_whole_floats_are_counts():
    class Counts(Config):
        STEPS_PER_EPOCH = 600 / 2
        VALIDATION_STEPS = np.float64(30.0)

    config = Counts()
    assert (config.STEPS_PER_EPOCH, config.VALIDATION_STEPS) == (300, 30)
    assert type(config.STEPS_PER_EPOCH) is type(config.VALIDATION_STEPS) is int


def test_other_floats_are_rounded_up_with_a_line():
    class Counts(Config):
        STEPS_PER_EPOCH = 25 / 2

    with pytest.warns(UserWarning, match="STEPS_PER_EPOCH .* 12.5 is rounded up to 13"):
        config = Counts()
    assert config.STEPS_PER_EPOCH == 13
    with pytest.warns(UserWarning, match="0.4 is rounded up to 1"):
        config.VALIDATION_STEPS = 0.4
    assert config.VALIDATION_STEPS == 1


def test_false_and_none_are_no_scale():
    class Plain(Config):
        IMAGE_MIN_SCALE = False
        WARMUP_STEPS = False

    config = Plain()
    assert config.IMAGE_MIN_SCALE == config.WARMUP_STEPS == 0
    config.IMAGE_MIN_SCALE = None
    assert config.IMAGE_MIN_SCALE == 0
    with pytest.raises(InputError, match="IMAGES_PER_GPU must be positive, got 0"):
        config.IMAGES_PER_GPU = False
    with pytest.raises(InputError, match="IMAGES_PER_GPU must be int, got True"):
        config.IMAGES_PER_GPU = True


def test_adam_is_the_nearest_optimizer():
    config = Config()
    with pytest.warns(UserWarning, match="'adam' is taken as 'adamw'"):
        config.OPTIMIZER = "Adam"
    assert config.OPTIMIZER == "adamw"
    config.OPTIMIZER = "SGD"
    assert config.OPTIMIZER == "sgd"
    with pytest.raises(InputError, match="OPTIMIZER must be"):
        config.OPTIMIZER = "rmsprop"


def test_an_init_that_does_not_call_ours():
    class Bare(Config):
        NAME = "bare"

        def __init__(self, classes, *, size):
            self.NUM_CLASSES = 1 + classes
            self.IMAGE_MAX_DIM = self.IMAGE_MIN_DIM = size

    config = Bare(3, size=128)
    assert (config.BATCH_SIZE, config.IMAGE_META_SIZE) == (2, 12 + 4)
    assert config.IMAGE_SHAPE.tolist() == [128, 128, 3]
    assert copy.deepcopy(config).to_dict() == config.to_dict() == config.update().to_dict()


def test_an_init_that_works_out_what_the_original_does():
    class Old(Config):
        IMAGES_PER_GPU = 3

        def __init__(self):
            self.BATCH_SIZE = self.IMAGES_PER_GPU * self.GPU_COUNT
            self.IMAGE_SHAPE = np.array([self.IMAGE_MAX_DIM, self.IMAGE_MAX_DIM, 3])
            self.IMAGE_META_SIZE = 1 + 3 + 3 + 4 + 1 + self.NUM_CLASSES

    config = Old()
    assert config.BATCH_SIZE == 3
    config.BATCH_SIZE = 1
    assert (config.IMAGES_PER_GPU, config.BATCH_SIZE) == (1, 1)
    config.GPU_COUNT = 2
    with pytest.raises(InputError, match="BATCH_SIZE follows from .* make it 2, got 3"):
        config.BATCH_SIZE = 3
    with pytest.raises(InputError, match=r"IMAGE_SHAPE follows .* \[1024, 1024, 3\], got \[64, 64"):
        config.IMAGE_SHAPE = (64, 64, 3)


def test_a_derived_value_of_a_class_has_no_effect_and_that_is_said():
    class Old(Config):
        BATCH_SIZE = 8

    with pytest.warns(UserWarning, match="Old.BATCH_SIZE has no effect: .* IMAGES_PER_GPU times"):
        assert Old().BATCH_SIZE == 2

    class Right(Config):
        BATCH_SIZE = 2

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Right().BATCH_SIZE == 2


def test_arrays_calculate():
    config = Config()
    assert (config.IMAGE_SHAPE[:2] // 4).tolist() == [256, 256]
    assert (np.ones(4) / config.BBOX_STD_DEV).tolist() == [10, 10, 5, 5]
    assert (config.MEAN_PIXEL * 2).tolist() == [247.4, 233.6, 207.8]


@pytest.mark.parametrize(("norm", "p"), [("l1", 1), ("l2", 2), ("L3", 3), ("l5", 5), (4, 4)])
def test_norms_of_the_fork(norm, p):
    class Fork(Config):
        EDGE_LOSS_NORM = norm

    assert p == Fork().EDGE_LOSS_NORM
    with pytest.raises(InputError, match="EDGE_LOSS_NORM must be"):
        Fork().EDGE_LOSS_NORM = "two"


def test_smoothing_of_the_fork_sets_both():
    class Fork(Config):
        EDGE_LOSS_SMOOTHING = True

    with pytest.warns(UserWarning, match="EDGE_LOSS_SMOOTHING sets EDGE_LOSS_SMOOTHING_GT and"):
        config = Fork()
    assert config.EDGE_LOSS_SMOOTHING_GT and config.EDGE_LOSS_SMOOTHING_PREDICTIONS
    with pytest.warns(UserWarning, match="got False"):
        config.EDGE_LOSS_SMOOTHING = False
    assert not (config.EDGE_LOSS_SMOOTHING_GT or config.EDGE_LOSS_SMOOTHING_PREDICTIONS)

    class Both(Fork):
        EDGE_LOSS_SMOOTHING_PREDICTIONS = False

    with pytest.warns(UserWarning, match="sets EDGE_LOSS_SMOOTHING_GT, got True"):
        config = Both()
    assert config.EDGE_LOSS_SMOOTHING_GT and not config.EDGE_LOSS_SMOOTHING_PREDICTIONS
