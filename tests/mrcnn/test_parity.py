"""The same numbers as the original from the same weights; see the folder of reference values."""

import json
import runpy

import numpy as np
import pytest

from mrcnn.config import SETTINGS, Config
from mrcnn.model import MaskRCNN

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def reference(parity_dir):
    return np.load(parity_dir / "inference_resnet50.npz")


@pytest.fixture(scope="module")
def model(parity_dir, tmp_path_factory):
    """ResNet-50 with the weights that the reference values were computed with."""
    folder = tmp_path_factory.mktemp("parity")
    script = runpy.run_path(str(parity_dir / "make_weights.py"))
    script["main"]("resnet50", folder / "weights.h5")
    settings = json.loads((parity_dir / "config.json").read_text())
    config = Config().update(**{name: v for name, v in settings.items() if name in SETTINGS})
    model = MaskRCNN("inference", config, folder)
    report = model.load_weights(folder / "weights.h5", verbose=False)
    assert not (report.missing or report.mismatched or report.unused)
    return model


def close(found, expected, relative):
    np.testing.assert_allclose(found, expected, rtol=0, atol=relative * np.abs(expected).max())


def test_every_output_equals_the_original(model, reference):
    inputs = [
        reference["molded_image"].astype("float32"),
        reference["image_meta"].astype("float32"),
    ]
    outputs = model.keras_model.predict_on_batch(inputs)
    detections, classes, deltas, masks, rois, rpn_class, rpn_bbox = outputs
    close(rpn_class, reference["rpn_class"], 1e-3)
    close(rpn_bbox, reference["rpn_bbox"], 1e-3)
    close(rois, reference["rpn_rois"], 1e-3)
    close(classes, reference["mrcnn_class"], 1e-3)
    close(deltas, reference["mrcnn_bbox"], 1e-3)
    np.testing.assert_array_equal(detections[..., 4], reference["detections"][..., 4])
    close(detections[..., :4], reference["detections"][..., :4], 1e-3)
    close(detections[..., 5], reference["detections"][..., 5], 1e-3)
    close(masks, reference["mrcnn_mask"], 1e-3)


def test_detections_are_unmolded_as_in_the_original(model, reference):
    rois, class_ids, scores, masks = model.unmold_detections(
        reference["detections"][0],
        reference["mrcnn_mask"][0],
        reference["image"].shape,
        reference["molded_image"].shape[1:],
        reference["window"][0],
    )
    np.testing.assert_array_equal(rois, reference["detect_rois"])
    np.testing.assert_array_equal(class_ids, reference["detect_class_ids"])
    np.testing.assert_allclose(scores, reference["detect_scores"], atol=1e-6)
    assert (masks == reference["detect_masks"]).mean() > 0.999


def test_images_are_molded_as_in_the_original(model, reference):
    molded, metas, windows = model.mold_inputs([reference["image"]])
    np.testing.assert_allclose(molded, reference["molded_image"], atol=1e-4)
    np.testing.assert_allclose(metas, reference["image_meta"])
    np.testing.assert_array_equal(windows, reference["window"])


def test_detect_finds_what_the_original_finds(model, reference):
    (found,) = model.detect([reference["image"]])
    np.testing.assert_array_equal(found["rois"], reference["detect_rois"])
    np.testing.assert_array_equal(found["class_ids"], reference["detect_class_ids"])
    np.testing.assert_allclose(found["scores"], reference["detect_scores"], atol=1e-3)
    assert found["masks"].shape == reference["detect_masks"].shape
    assert (found["masks"] == reference["detect_masks"]).mean() >= 0.999
