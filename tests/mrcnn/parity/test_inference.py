"""The same numbers as the original from the same weights; see the folder of reference values."""

import json

import keras
import numpy as np
import pytest

from mrcnn.config import SETTINGS, Config
from mrcnn.model import MaskRCNN

pytestmark = pytest.mark.slow

OUTPUTS = (
    "detections",
    "mrcnn_class",
    "mrcnn_bbox",
    "mrcnn_mask",
    "rpn_rois",
    "rpn_class",
    "rpn_bbox",
)
# Names in the bundle, and the layers that compute them.
FEATURES = {
    "C2": "res2c_out",
    "C3": "res3d_out",
    "C4": "res4f_out",
    "C5": "res5c_out",
    "P2": "fpn_p2",
    "P3": "fpn_p3",
    "P4": "fpn_p4",
    "P5": "fpn_p5",
    "P6": "fpn_p6",
    "mrcnn_class_logits": "mrcnn_class_logits",
}


@pytest.fixture(scope="module")
def reference(parity_dir):
    with np.load(parity_dir / "inference_resnet50.npz") as bundle:
        return {name: bundle[name] for name in bundle.files}


@pytest.fixture(scope="module")
def model(parity_dir, parity_weights, tmp_path_factory):
    """ResNet-50 with the weights that the reference values were computed with."""
    settings = json.loads((parity_dir / "config.json").read_text())
    config = Config().update(**{name: v for name, v in settings.items() if name in SETTINGS})
    model = MaskRCNN("inference", config, tmp_path_factory.mktemp("logs"))
    report = model.load_weights(parity_weights, verbose=False)
    assert not (report.missing or report.mismatched or report.unused)
    return model


@pytest.fixture(scope="module")
def outputs(model, reference):
    """What the network computes of the reference's molded image, by the reference's names."""
    network = model.keras_model
    tensors = dict(zip(OUTPUTS, network.outputs, strict=True))
    for name, layer in FEATURES.items():
        tensors[name] = network.get_layer(layer).output
    batch = [reference[name].astype("float32") for name in ("molded_image", "image_meta")]
    return keras.Model(network.inputs, tensors).predict_on_batch(batch)


def close(found, expected, relative):
    np.testing.assert_allclose(found, expected, rtol=0, atol=relative * np.abs(expected).max())


@pytest.mark.parametrize("name", FEATURES)
def test_feature_maps_and_logits_equal_the_original(outputs, reference, name):
    expected = reference[name]
    close(outputs[name].reshape(expected.shape), expected, 1e-3)


@pytest.mark.parametrize("name", OUTPUTS)
def test_every_output_equals_the_original(outputs, reference, name):
    found, expected = outputs[name], reference[name]
    if name == "detections":
        np.testing.assert_array_equal(found[..., 4], expected[..., 4])
        close(found[..., :4], expected[..., :4], 1e-3)
        close(found[..., 5], expected[..., 5], 1e-3)
    else:
        close(found, expected, 1e-3)


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
    np.testing.assert_array_equal(masks, reference["detect_masks"])


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
