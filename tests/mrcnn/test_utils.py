"""The surface of the original's `mrcnn/utils.py`; numbers are tested beside each function."""

import inspect
import random
import subprocess
import sys
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import skimage.transform

from mrcnn import utils

REQUIRED = inspect.Parameter.empty
# Every function of the original with its arguments and their defaults.
SIGNATURES = {
    "extract_bboxes": ["mask"],
    "compute_iou": ["box", "boxes", "box_area", "boxes_area"],
    "compute_overlaps": ["boxes1", "boxes2"],
    "compute_overlaps_masks": ["masks1", "masks2"],
    "non_max_suppression": ["boxes", "scores", "threshold"],
    "apply_box_deltas": ["boxes", "deltas"],
    "box_refinement_graph": ["box", "gt_box"],
    "box_refinement": ["box", "gt_box"],
    "resize_image": [
        "image",
        ("min_dim", None),
        ("max_dim", None),
        ("min_scale", None),
        ("mode", "square"),
    ],
    "resize_mask": ["mask", "scale", "padding", ("crop", None)],
    "minimize_mask": ["bbox", "mask", "mini_shape"],
    "expand_mask": ["bbox", "mini_mask", "image_shape"],
    "unmold_mask": ["mask", "bbox", "image_shape"],
    "generate_anchors": ["scales", "ratios", "shape", "feature_stride", "anchor_stride"],
    "generate_pyramid_anchors": [
        "scales",
        "ratios",
        "feature_shapes",
        "feature_strides",
        "anchor_stride",
    ],
    "trim_zeros": ["x"],
    "compute_matches": [
        "gt_boxes",
        "gt_class_ids",
        "gt_masks",
        "pred_boxes",
        "pred_class_ids",
        "pred_scores",
        "pred_masks",
        ("iou_threshold", 0.5),
        ("score_threshold", 0.0),
    ],
    "compute_ap": [
        "gt_boxes",
        "gt_class_ids",
        "gt_masks",
        "pred_boxes",
        "pred_class_ids",
        "pred_scores",
        "pred_masks",
        ("iou_threshold", 0.5),
    ],
    "compute_ap_range": [
        "gt_box",
        "gt_class_id",
        "gt_mask",
        "pred_box",
        "pred_class_id",
        "pred_score",
        "pred_mask",
        ("iou_thresholds", None),
        ("verbose", 1),
    ],
    "compute_recall": ["pred_boxes", "gt_boxes", "iou"],
    "batch_slice": ["inputs", "graph_fn", "batch_size", ("names", None)],
    "norm_boxes": ["boxes", "shape"],
    "denorm_boxes": ["boxes", "shape"],
    "resize": [
        "image",
        "output_shape",
        ("order", 1),
        ("mode", "constant"),
        ("cval", 0),
        ("clip", True),
        ("preserve_range", False),
        ("anti_aliasing", False),
        ("anti_aliasing_sigma", None),
    ],
}
# Where an argument that the original wants has a default here, or there is one more at the end.
OPTIONAL_HERE = {"anchor_stride"}
ADDED = {"unmold_mask": ["threshold"]}
DATASET = {
    "__init__": [("class_map", None)],
    "add_class": ["source", "class_id", "class_name"],
    "add_image": ["source", "image_id", "path", "kwargs"],
    "image_reference": ["image_id"],
    "prepare": [("class_map", None)],
    "map_source_class_id": ["source_class_id"],
    "get_source_class_id": ["class_id", "source"],
    "source_image_link": ["image_id"],
    "load_image": ["image_id"],
    "load_mask": ["image_id"],
}


def parameters(function, skip=()):
    return [
        (p.name, REQUIRED if p.name in OPTIONAL_HERE else p.default)
        for p in inspect.signature(function).parameters.values()
        if p.name not in skip
    ]


def wanted(arguments):
    return [(a, REQUIRED) if isinstance(a, str) else a for a in arguments]


@pytest.mark.parametrize("name", SIGNATURES)
def test_functions_of_the_original(name):
    assert name in utils.__all__
    found = parameters(getattr(utils, name), ADDED.get(name, ()))
    assert found == wanted(SIGNATURES[name])


@pytest.mark.parametrize("name", DATASET)
def test_dataset_of_the_original(name):
    assert parameters(getattr(utils.Dataset, name), ["self"]) == wanted(DATASET[name])


def test_dataset_attributes_of_the_original():
    dataset = utils.Dataset()
    dataset.add_class("a", 7, "seven")
    dataset.add_image("a", "x", "x.png")
    dataset.prepare()
    for name in (
        "class_from_source_map",
        "class_ids",
        "class_info",
        "class_names",
        "image_from_source_map",
        "image_ids",
        "image_info",
        "num_classes",
        "num_images",
        "source_class_ids",
        "sources",
    ):
        assert hasattr(dataset, name), name


def test_nothing_else_is_public():
    assert set(utils.__all__) >= {"Dataset", *SIGNATURES}
    for name in utils.__all__:
        assert hasattr(utils, name)


def test_importing_does_not_load_keras():
    code = "import sys, mrcnn.utils; sys.exit('keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_crop_is_at_a_random_position():
    rows = np.broadcast_to(np.arange(100, dtype=np.uint8)[:, None, None], (100, 64, 3))
    random.seed(3)
    found = [utils.resize_image(rows, 64, mode="crop") for _ in range(20)]
    for image, window, scale, padding, (y, x, height, width) in found:
        np.testing.assert_array_equal(image, rows[y : y + 64])
        assert (window, scale, x, height, width) == ((0, 0, 64, 64), 1, 0, 64, 64)
        assert padding == [(0, 0), (0, 0), (0, 0)]
    assert len({crop[0] for *_, crop in found}) > 5
    random.seed(3)
    assert utils.resize_image(rows, 64, mode="crop")[4] == found[0][4]


def test_other_modes(rng):
    image = rng.integers(0, 256, (50, 70, 1)).astype(np.uint8)
    same, window, scale, padding, crop = utils.resize_image(image, 64, 128, mode="none")
    np.testing.assert_array_equal(same, image)
    assert (window, scale, crop) == ((0, 0, 50, 70), 1, None)
    assert padding == [(0, 0), (0, 0), (0, 0)]
    # A factor of 64 / 50; 89.6 columns, rounded, then padded to 128.
    padded, window, scale, padding, crop = utils.resize_image(image, 64, mode="pad64")
    assert padded.shape == (64, 128, 1) and scale == 1.28 and crop is None
    assert window == (0, 19, 64, 109) and padding == [(0, 0), (19, 19), (0, 0)]
    expected = utils.resize(image, (64, 90), preserve_range=True).astype(np.uint8)
    assert (padded[:, 19:109] == expected).mean() > 0.99


def test_resize_is_that_of_scikit_image(rng):
    image = rng.random((20, 30))
    found = utils.resize(image, (10, 40), order=3, mode="reflect", anti_aliasing=True)
    expected = skimage.transform.resize(
        image, (10, 40), order=3, mode="reflect", anti_aliasing=True
    )
    np.testing.assert_array_equal(found, expected)


def test_refinement_in_the_graph():
    # Height 10 to 20: log 2; the centre moves from (5, 5) to (12, 5): 7 / 10.
    box, target = np.float32([[0, 0, 10, 10]]), np.float32([[2, 0, 22, 10]])
    deltas = utils.box_refinement_graph(*map(keras.ops.convert_to_tensor, (box, target)))
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(deltas), [[0.7, 0, np.log(2), 0]], rtol=1e-6
    )


def test_batch_slice():
    numbers = keras.ops.convert_to_tensor(np.arange(6.0).reshape(3, 2))
    tens = 10 * numbers
    both = utils.batch_slice([numbers, tens], lambda a, b: (a + b, b[0]), 3, names=["sum", "x"])
    assert isinstance(both, list)
    np.testing.assert_array_equal(both[0], 11 * np.arange(6.0).reshape(3, 2))
    np.testing.assert_array_equal(both[1], [0, 20, 40])
    one = utils.batch_slice(numbers, lambda a: a[1], 2)
    np.testing.assert_array_equal(one, [1, 3])


def test_masks_are_molded_as_the_network_takes_them():
    mask = np.zeros((20, 20, 1), np.uint8)
    mask[5:15, 5:10] = 1
    config = SimpleNamespace(USE_MINI_MASK=True, MINI_MASK_SHAPE=(4, 4))
    found = utils.mold_mask(mask, config)
    assert found.shape == (4, 4, 1) and found.all()
    config.USE_MINI_MASK = False
    np.testing.assert_array_equal(utils.mold_mask(mask, config), mask > 0)
