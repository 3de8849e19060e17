"""The same numbers as torchvision's two Mask R-CNNs from the same weights, 91 classes, on real
images at the sizes that torchvision gives them.

torchvision runs in the Python that `MRCNN_TORCHVISION_PYTHON` names, else in this one.
The weights are random; `torchvision_reference.py` says how their outputs are made to differ.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from skimage.io import imread

from mrcnn.config_io import load_config
from mrcnn.data.pipeline.detections import mold_alike
from mrcnn.model import MaskRCNN
from mrcnn.modeling.network import Network, dummy_batch
from mrcnn.weights.loading import load_weights, to_numpy, weighted_layers

pytestmark = pytest.mark.slow

VERSIONS = {
    "maskrcnn_resnet50_fpn": "torchvision_resnet50",
    "maskrcnn_resnet50_fpn_v2": "torchvision_resnet50_v2",
}
SCRIPT = Path(__file__).parent / "torchvision_reference.py"
# Four landscape and four portrait images, which become 800 x 1088 and 1088 x 800.
IMAGES = (9, 89, 110, 133, 64, 142, 151, 241)
TRAINING_SHAPE = (128, 192)
# Of `torchvision_reference.py`.
ROIS, SAMPLES, POSITIVE = 300, 2000, 0.1


def interpreter():
    named = os.environ.get("MRCNN_TORCHVISION_PYTHON")
    if named:
        return named
    if importlib.util.find_spec("torchvision") is None:
        pytest.skip("torchvision is not installed, and MRCNN_TORCHVISION_PYTHON names no Python")
    return sys.executable


def configuration(version):
    return load_config(VERSIONS[version]).update(NUM_CLASSES=91, BACKBONE_WEIGHTS=None)


def training_configuration(version):
    return configuration(version).update(
        RPN_TRAIN_ANCHORS_PER_IMAGE=20_000, POST_NMS_ROIS_TRAINING=ROIS,
        TRAIN_ROIS_PER_IMAGE=SAMPLES, ROI_POSITIVE_RATIO=POSITIVE, USE_MINI_MASK=False,
        MAX_GT_INSTANCES=4, WEIGHT_DECAY=0.0, GRADIENT_CLIP_NORM=1e9,
    )  # fmt: skip


@pytest.fixture(scope="module")
def images(coco_dir):
    files = [next(coco_dir.rglob(f"{number:012}.jpg")) for number in IMAGES]
    return [imread(path) for path in files]


@pytest.fixture(scope="module", params=VERSIONS)
def version(request):
    return request.param


@pytest.fixture(scope="module")
def batch(version):
    return dummy_batch(training_configuration(version), 2, TRAINING_SHAPE, objects=4)


@pytest.fixture(scope="module")
def reference(version, images, batch, tmp_path_factory):
    """The folder of what torchvision computes."""
    folder, config = tmp_path_factory.mktemp("torchvision"), configuration(version)
    given = {f"image{index}": image for index, image in enumerate(images)}
    given["batch_images"] = (batch["input_image"] + config.MEAN_PIXEL).astype("float32")
    given["batch_boxes"] = batch["input_gt_boxes"][..., [1, 0, 3, 2]]
    given["batch_labels"] = batch["input_gt_class_ids"]
    given["batch_masks"] = batch["input_gt_masks"].transpose(0, 3, 1, 2)
    np.savez(folder / "images.npz", **given)
    command = [interpreter(), SCRIPT, version, folder / "images.npz", folder]
    environment = {n: v for n, v in os.environ.items() if n not in ("PYTHONPATH", "PYTHONHOME")}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def weights(reference, tmp_path_factory):
    """The state dict, converted by the command."""
    from mrcnn.cli.app import main

    path = tmp_path_factory.mktemp("weights") / "torchvision.h5"
    arguments = ["weights", "convert", reference / "state.npz", path, "--gaps", "--epsilon", "1e-5"]
    assert main([str(argument) for argument in arguments]) == 0
    return path


@pytest.fixture(scope="module")
def model(version, weights, tmp_path_factory):
    model = MaskRCNN("inference", configuration(version), tmp_path_factory.mktemp("logs"))
    report = model.load_weights(weights, verbose=False)
    assert not (report.missing or report.unused)
    return model


def computed(reference, index):
    with np.load(reference / f"{index}.npz") as bundle:
        return {name: bundle[name] for name in bundle.files}


def nearest(boxes, others):
    """The distance of each box to the nearest of others, in pixels: its corner that is farthest."""
    return np.array([np.abs(others - box).max(axis=1).min() for box in boxes])


def test_the_same_detections(model, reference, images):
    for index, image in enumerate(images):
        expected = computed(reference, index)
        (found,) = model.detect([image])
        masks = np.unpackbits(expected["masks"], axis=-1)[..., : image.shape[1]]
        assert len(expected["scores"]) == len(found["scores"]) == 100
        assert len(np.unique(expected["labels"])) > 10 and np.ptp(expected["scores"]) > 0.2
        order, distances = matched(found["rois"][:, [1, 0, 3, 2]], found["class_ids"], expected)
        assert distances.max() < 0.05, index
        assert sorted(order) == list(range(100))
        np.testing.assert_allclose(found["scores"][order], expected["scores"], atol=1e-4)
        same = found["masks"][..., order].transpose(2, 0, 1) == masks
        assert same.mean(axis=(1, 2)).min() >= 0.999


def matched(rois, class_ids, expected):
    """For each expected object the nearest of ours of its class, and how far its corners are off,
    in pixels: objects of almost equal scores may come in the other order.
    """
    distances = np.abs(rois - expected["boxes"][:, None]).max(axis=2)
    distances += 1e6 * (class_ids != expected["labels"][:, None])
    return distances.argmin(axis=1), distances.min(axis=1)


def assert_close(found, expected, name):
    assert found.shape == expected.shape, name
    error = np.linalg.norm(found.astype("float64") - expected) / np.linalg.norm(expected)
    assert error < 1e-4, (name, error)


@pytest.mark.parametrize("index", [0, 4], ids=["landscape", "portrait"])
def test_all_that_is_computed_on_the_way(version, model, weights, reference, images, index):
    expected = computed(reference, index)
    ((molded, metas, _),) = mold_alike([images[index]], model.config)
    shape = molded.shape[1:3]
    network = Network(model.config).inference(shape)
    load_weights(weighted_layers(network), weights)
    norm = "_bn" if version.endswith("v2") else ""
    names = [f"fpn_p{level}{norm}" for level in range(2, 6)] + ["fpn_p6", "rpn_class_logits"]
    names += ["rpn_bbox", "ROI", "mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_detection"]
    names += ["roi_align_classifier", "roi_align_mask"]
    tensors = [network.get_layer(name).output for name in names]
    tensors.append(network.outputs[3])
    outputs = keras.Model(network.inputs, tensors)([molded, metas])
    *levels, logits, deltas, rois, classes, boxes, found, box_pooled, mask_pooled, masks = (
        to_numpy(x) for x in outputs
    )
    for level, array in enumerate(levels):
        assert_close(array.transpose(0, 3, 1, 2), expected[f"feature{level}"], f"P{level + 2}")
    # Anchors of a position come in the other order, boxes are y, x, h, w.
    theirs = [expected[f"rpn{level}"] for level in range(10)]
    theirs = [x.reshape(3, -1, *x.shape[2:]).transpose(2, 3, 0, 1)[:, :, ::-1] for x in theirs]
    assert_close(
        logits[0, :, 1] - logits[0, :, 0], np.concatenate([x.ravel() for x in theirs[:5]]), "logits"
    )
    theirs = np.concatenate([x.reshape(-1, 4) for x in theirs[5:]])
    assert_close(deltas[0], theirs[:, [1, 0, 3, 2]], "deltas")
    rois = (rois[0] * [*shape, *shape])[:, [1, 0, 3, 2]]
    theirs = expected["proposals0"]
    assert len(theirs) == len(rois) == 1000
    assert nearest(rois, theirs).max() < 0.01 and nearest(theirs, rois).max() < 0.01
    order = [np.abs(rois - box).max(axis=1).argmin() for box in theirs]
    assert_close(box_pooled[0][order].transpose(0, 3, 1, 2), expected["pooled0"], "pooled")
    assert_close(classes[0][order], expected["box0"], "class logits")
    theirs = expected["box1"].reshape(1000, 91, 4)[..., [1, 0, 3, 2]].reshape(1000, -1)
    assert_close(boxes[0][order], theirs, "box deltas")
    scale = min(shape) / min(images[index].shape[:2])
    detected = (found[0, :, :4] * [*shape, *shape])[:, [1, 0, 3, 2]] / scale
    order, distances = matched(detected, found[0, :, 4], expected)
    assert distances.max() < 0.5
    theirs = expected["mask_pooled0"].transpose(0, 2, 3, 1)
    assert_close(mask_pooled[0][order], theirs, "pooled for masks")
    theirs = 1 / (1 + np.exp(-expected["mask0"].astype("float64")))
    assert_close(masks[0][order].transpose(0, 3, 1, 2), theirs, "masks")


LOSSES = {
    "rpn_class_loss": "loss_objectness",
    "rpn_bbox_loss": "loss_rpn_box_reg",
    "mrcnn_class_loss": "loss_classifier",
    "mrcnn_bbox_loss": "loss_box_reg",
    "mrcnn_mask_loss": "loss_mask",
}
# Our weight, torchvision's, and how many times as large its gradient is: the RPN's logit comes as
# -x / 2 and x / 2, the first kernel is divided by 255 and deviations of about 0.226.
GRADIENTS = {
    "res2a_branch2a/kernel": ("backbone.body.layer1.0.conv1.weight", 1),
    "res3a_branch2b/kernel": ("backbone.body.layer2.0.conv2.weight", 1),
    "res4f_branch2c/kernel": ("backbone.body.layer3.5.conv3.weight", 1),
    "res5c_branch2c/kernel": ("backbone.body.layer4.2.conv3.weight", 1),
    "fpn_c5p5/kernel": ("backbone.fpn.inner_blocks.3.0.weight", 1),
    "fpn_p2/kernel": ("backbone.fpn.layer_blocks.0.0.weight", 1),
    "fpn_p5/kernel": ("backbone.fpn.layer_blocks.3.0.weight", 1),
    "rpn_conv_shared/kernel": ("rpn.head.conv.0.0.weight", 1),
    "rpn_class_raw/kernel": ("rpn.head.cls_logits.weight", 2**0.5),
    "rpn_bbox_pred/kernel": ("rpn.head.bbox_pred.weight", 1),
    "mrcnn_class_logits/kernel": ("roi_heads.box_predictor.cls_score.weight", 1),
    "mrcnn_class_logits/bias": ("roi_heads.box_predictor.cls_score.bias", 1),
    "mrcnn_bbox_fc/kernel": ("roi_heads.box_predictor.bbox_pred.weight", 1),
    "mrcnn_mask_conv1/kernel": ("roi_heads.mask_head.0.0.weight", 1),
    "mrcnn_mask_conv4/kernel": ("roi_heads.mask_head.3.0.weight", 1),
    "mrcnn_mask_deconv/kernel": ("roi_heads.mask_predictor.conv5_mask.weight", 1),
    "mrcnn_mask/kernel": ("roi_heads.mask_predictor.mask_fcn_logits.weight", 1),
}
FIRST_DENSE = {
    "maskrcnn_resnet50_fpn": "roi_heads.box_head.fc6.weight",
    "maskrcnn_resnet50_fpn_v2": "roi_heads.box_head.5.weight",
}


def test_the_same_losses_and_gradients(version, weights, reference, batch, tmp_path):
    model = MaskRCNN("training", training_configuration(version), tmp_path)
    model.load_weights(weights, verbose=False)
    network = model.network.training(TRAINING_SHAPE)
    variables = {
        f"{layer}/{variable.name}": variable
        for layer, found in model.layers().items()
        for variable in found
    }
    before = {name: to_numpy(variable).copy() for name, variable in variables.items()}
    network.compile(optimizer=keras.optimizers.SGD(1.0))
    losses = network.train_on_batch(batch, return_dict=True)
    with np.load(reference / "training.npz") as bundle:
        expected = {name: bundle[name] for name in bundle.files}
    for ours, theirs in LOSSES.items():
        assert expected[theirs] > 1e-3
        assert losses[ours] == pytest.approx(float(expected[theirs]), abs=1e-5), ours
    gradients = {**GRADIENTS, "mrcnn_class_conv1/kernel": (FIRST_DENSE[version], 1)}
    for ours, (theirs, factor) in gradients.items():
        norm = np.linalg.norm(to_numpy(variables[ours]) - before[ours]) / factor
        assert norm == pytest.approx(float(expected[f"gradient {theirs}"]), rel=1e-3), ours
