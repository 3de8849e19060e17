"""The public names of the original's `mrcnn/model.py` and `mrcnn/config.py`, and their defaults."""

import inspect

import numpy as np
import pytest

from mrcnn import model as modellib
from mrcnn.config import Config

# Names, orders and defaults of the last version of the original; * and what follows is ours.
FUNCTIONS = {
    "build_detection_targets": "rpn_rois, gt_class_ids, gt_boxes, gt_masks, config",
    "build_rpn_targets": "image_shape, anchors, gt_class_ids, gt_boxes, config",
    "compose_image_meta": "image_id, original_image_shape, image_shape, window, scale, "
    "active_class_ids",
    "compute_backbone_shapes": "config, image_shape",
    "data_generator": "dataset, config, shuffle=True, augment=False, augmentation=None, "
    "random_rois=0, batch_size=1, detection_targets=False, no_augmentation_sources=None",
    "DataGenerator": "dataset, config, shuffle=True, augmentation=None, random_rois=0, "
    "detection_targets=False",
    "generate_random_rois": "image_shape, count, gt_class_ids, gt_boxes",
    # None, where version 2.1 has False: without it, `config.USE_MINI_MASK` says so, as later there.
    "load_image_gt": "dataset, config, image_id, augment=False, augmentation=None, "
    "use_mini_mask=None",
    "log": "text, array=None",
    "MaskRCNN": "mode, config, model_dir",
    "mold_image": "images, config",
    "parse_image_meta": "meta",
    "unmold_image": "normalized_images, config",
}
METHODS = {
    "ancestor": "tensor, name, checked=None",
    "compile": "learning_rate, momentum",
    "detect": "images, verbose=0, *, masks='full'",
    "detect_molded": "molded_images, image_metas, verbose=0",
    "find_last": "",
    "find_trainable_layer": "layer",
    "get_anchors": "image_shape",
    "get_imagenet_weights": "",
    "get_trainable_layers": "",
    "load_weights": "filepath, by_name=False, exclude=None, *, strict=True, verbose=True",
    "mold_inputs": "images",
    "run_graph": "images, outputs, image_metas=None",
    "set_log_dir": "model_path=None",
    "set_trainable": "layer_regex, keras_model=None, indent=0, verbose=1",
    "train": "train_dataset, val_dataset, learning_rate, epochs, layers, augmentation=None, "
    "custom_callbacks=None, no_augmentation_sources=None, *, workers=0",
    "unmold_detections": "detections, mrcnn_mask, original_image_shape, image_shape, window",
}
DEFAULTS = {
    "NAME": None,
    "GPU_COUNT": 1,
    "IMAGES_PER_GPU": 2,
    "STEPS_PER_EPOCH": 1000,
    "VALIDATION_STEPS": 50,
    "BACKBONE": "resnet101",
    "COMPUTE_BACKBONE_SHAPE": None,
    "BACKBONE_STRIDES": [4, 8, 16, 32, 64],
    "FPN_CLASSIF_FC_LAYERS_SIZE": 1024,
    "TOP_DOWN_PYRAMID_SIZE": 256,
    "NUM_CLASSES": 1,
    "RPN_ANCHOR_SCALES": [32, 64, 128, 256, 512],
    "RPN_ANCHOR_RATIOS": [0.5, 1, 2],
    "RPN_ANCHOR_STRIDE": 1,
    "RPN_NMS_THRESHOLD": 0.7,
    "RPN_TRAIN_ANCHORS_PER_IMAGE": 256,
    "PRE_NMS_LIMIT": 6000,
    "POST_NMS_ROIS_TRAINING": 2000,
    "POST_NMS_ROIS_INFERENCE": 1000,
    "USE_MINI_MASK": True,
    "MINI_MASK_SHAPE": [56, 56],
    "IMAGE_RESIZE_MODE": "square",
    "IMAGE_MIN_DIM": 800,
    "IMAGE_MAX_DIM": 1024,
    "IMAGE_MIN_SCALE": 0,
    "IMAGE_CHANNEL_COUNT": 3,
    "MEAN_PIXEL": [123.7, 116.8, 103.9],
    "TRAIN_ROIS_PER_IMAGE": 200,
    "ROI_POSITIVE_RATIO": 0.33,
    "POOL_SIZE": 7,
    "MASK_POOL_SIZE": 14,
    "MASK_SHAPE": [28, 28],
    "MAX_GT_INSTANCES": 100,
    "RPN_BBOX_STD_DEV": [0.1, 0.1, 0.2, 0.2],
    "BBOX_STD_DEV": [0.1, 0.1, 0.2, 0.2],
    "DETECTION_MAX_INSTANCES": 100,
    "DETECTION_MIN_CONFIDENCE": 0.7,
    "DETECTION_NMS_THRESHOLD": 0.3,
    "LEARNING_RATE": 0.001,
    "LEARNING_MOMENTUM": 0.9,
    "WEIGHT_DECAY": 0.0001,
    "USE_RPN_ROIS": True,
    "TRAIN_BN": False,
    "GRADIENT_CLIP_NORM": 5.0,
    "BATCH_SIZE": 2,
    "IMAGE_SHAPE": [1024, 1024, 3],
    "IMAGE_META_SIZE": 13,
}


def signature(function, bound=False):
    parameters = list(inspect.signature(function).parameters.values())[bound:]
    kept = [p.replace(annotation=p.empty) for p in parameters]
    return str(inspect.Signature(kept))[1:-1]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_and_classes(name):
    assert signature(getattr(modellib, name)) == FUNCTIONS[name]
    assert name in modellib.__all__


@pytest.mark.parametrize("name", METHODS)
def test_methods_of_the_model(name):
    assert signature(getattr(modellib.MaskRCNN, name), bound=True) == METHODS[name]


def test_nothing_else_is_public_without_being_there():
    assert all(hasattr(modellib, name) for name in modellib.__all__)


@pytest.mark.parametrize("name", DEFAULTS)
def test_defaults_of_the_configuration(name):
    value, expected = getattr(Config(), name), DEFAULTS[name]
    if name in ("IMAGE_SHAPE", "MEAN_PIXEL", "BBOX_STD_DEV", "RPN_BBOX_STD_DEV"):
        assert isinstance(value, np.ndarray)
        value = value.tolist()
    assert (list(value) if isinstance(value, tuple) else value) == expected


def test_a_configuration_as_people_wrote_them(capsys):
    """Arrays, an own __init__, a subclass of an instance's class, `display`."""

    class Old(Config):
        NAME = "old"
        MEAN_PIXEL = np.array([1, 2, 3])
        RPN_ANCHOR_SCALES = (8, 16, 32, 64, 128)
        LOSS_WEIGHTS = {"rpn_class_loss": 1.0, "mrcnn_mask_loss": 2.0}
        COMPUTE_BACKBONE_SHAPE = None

        def __init__(self, classes):
            self.NUM_CLASSES = classes
            super().__init__()

    config = Old(4)
    assert (config.NUM_CLASSES, config.MEAN_PIXEL.tolist()) == (4, [1, 2, 3])
    assert config.IMAGE_META_SIZE == 12 + 4 and config.LOSS_WEIGHTS["mrcnn_mask_loss"] == 2

    class Inference(config.__class__):
        GPU_COUNT = IMAGES_PER_GPU = 1

    Inference(4).display()
    assert "BATCH_SIZE                       1" in capsys.readouterr().out


def test_log(capsys):
    modellib.log("a word")
    modellib.log("masks", np.array([[0.5, 2]]))
    modellib.log("none", np.zeros((0, 4), np.int32))
    word, array, empty = capsys.readouterr().out.splitlines()
    assert word == "a word"
    for part in ("masks", "(1, 2)", "min:    0.50000", "max:    2.00000", "float64"):
        assert part in array
    assert "(0, 4)" in empty and "empty" in empty
