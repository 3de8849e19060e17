"""Weights of torchvision: every part computes what torchvision's computes from the state dict.

The reference is NumPy in torchvision's conventions: channels first, x before y, its own epsilon,
padding, strides and anchors.
"""

import functools

import keras
import numpy as np
import pytest
from keras import ops
from numpy.lib.stride_tricks import sliding_window_view

from mrcnn.config_io import load_config
from mrcnn.errors import InputError
from mrcnn.modeling import boxes as box_ops
from mrcnn.modeling.anchors import generate_anchors
from mrcnn.modeling.backbone import resnet
from mrcnn.modeling.fpn import build_fpn
from mrcnn.modeling.heads import build_classifier, build_mask_head
from mrcnn.modeling.layers import Builder
from mrcnn.modeling.rpn import build_rpn
from mrcnn.weights.loading import assign_weights, weighted_layers
from mrcnn.weights.torchvision import COCO_IDS, from_torchvision, with_head_norms
from tests.mrcnn.weights.torchvision_states import (
    BLOCKS,
    BODY,
    CHANNELS,
    CLASSES,
    HEADS,
    WIDTH,
    make_state,
)

CONFIG = load_config("torchvision_resnet50")


@pytest.fixture(scope="module")
def state():
    return make_state(np.random.default_rng(0))


def conv(x, state, name, stride=1, padding=0):
    """`(C, H, W)` to `(O, h, w)`, zeros around."""
    weight = state[f"{name}.weight"]
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding)))
    windows = sliding_window_view(x, weight.shape[2:], (1, 2))[:, ::stride, ::stride]
    result = np.tensordot(weight, windows, ((1, 2, 3), (0, 3, 4)))
    return result + state.get(f"{name}.bias", np.zeros(len(weight)))[:, None, None]


def norm(x, state, name, epsilon):
    weight, bias, mean, variance = (
        state[f"{name}.{leaf}"][:, None, None]
        for leaf in ("weight", "bias", "running_mean", "running_var")
    )
    return (x - mean) / np.sqrt(variance.astype("float64") + epsilon) * weight + bias


def relu(x):
    return np.maximum(x, 0)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def bottleneck(x, state, name, stride, epsilon):
    """Version 1.5: the stride sits on the 3 x 3 convolution."""
    y = relu(norm(conv(x, state, f"{name}.conv1"), state, f"{name}.bn1", epsilon))
    y = relu(norm(conv(y, state, f"{name}.conv2", stride, 1), state, f"{name}.bn2", epsilon))
    y = norm(conv(y, state, f"{name}.conv3"), state, f"{name}.bn3", epsilon)
    if f"{name}.downsample.0.weight" in state:
        x = conv(x, state, f"{name}.downsample.0", stride)
        x = norm(x, state, f"{name}.downsample.1", epsilon)
    return relu(x + y)


def body(image, state, epsilon):
    """C2 to C5 of an RGB image `(H, W, 3)` from 0 to 255."""
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    x = ((image / 255 - mean) / std).transpose(2, 0, 1)
    x = relu(norm(conv(x, state, f"{BODY}.conv1", 2, 3), state, f"{BODY}.bn1", epsilon))
    x = np.pad(x, ((0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    x = sliding_window_view(x, (3, 3), (1, 2))[:, ::2, ::2].max((3, 4))
    outputs = []
    for stage, count in enumerate(BLOCKS, start=1):
        for index in range(count):
            stride = 2 if stage > 1 and index == 0 else 1
            x = bottleneck(x, state, f"{BODY}.layer{stage}.{index}", stride, epsilon)
        outputs.append(x)
    return outputs


def fpn(stages, state):
    inner = [
        conv(c, state, f"backbone.fpn.inner_blocks.{level}.0") for level, c in enumerate(stages)
    ]
    for level in (2, 1, 0):
        inner[level] = inner[level] + inner[level + 1].repeat(2, 1).repeat(2, 2)
    outputs = [
        conv(x, state, f"backbone.fpn.layer_blocks.{level}.0", padding=1)
        for level, x in enumerate(inner)
    ]
    return [*outputs, outputs[-1][:, ::2, ::2]]


def run(build, state, array, epsilon=0.0, change=lambda arrays: arrays):
    """What the layers that `build(builder, input)` makes compute of `array`, with the converted
    weights as `change` returns them.
    """
    builder = Builder(False, 0.0)
    inputs = keras.Input(array.shape)
    model = keras.Model(inputs, list(build(builder, inputs)))
    layers = weighted_layers(model)
    report = assign_weights(layers, change(from_torchvision(state, epsilon)), "state")
    assert len(report.loaded) == sum(map(len, layers.values()))
    outputs = model(np.asarray(array, "float32")[None], training=False)
    return [ops.convert_to_numpy(output)[0] for output in keras.tree.flatten(outputs)]


def assert_close(found, expected, tolerance=2e-5):
    assert found.shape == expected.shape
    assert np.abs(expected).max() > 0
    np.testing.assert_allclose(found, expected, atol=tolerance * np.abs(expected).max(), rtol=0)


@pytest.mark.parametrize("epsilon", [0.0, 1e-5])
def test_backbone_and_fpn(state, rng, epsilon):
    def build(builder, image):
        stages = resnet(builder, image, BLOCKS, **CONFIG.BACKBONE_ARGS)
        return [*stages, *build_fpn(builder, stages, CHANNELS)]

    image = rng.integers(0, 256, (64, 96, 3)).astype("float64")
    found = run(build, state, image - CONFIG.MEAN_PIXEL, epsilon)
    stages = body(image, state, epsilon)
    for ours, theirs in zip(found, [*stages, *fpn(stages, state)], strict=True):
        assert_close(ours, theirs.transpose(1, 2, 0))


def test_one_bottleneck_needs_both_options(state, rng):
    """With the strides or the padding of the original the same weights compute something else."""
    image = rng.integers(0, 256, (64, 64, 3)).astype("float64")
    expected = body(image, state, 0.0)[1].transpose(1, 2, 0)
    errors = {}
    for stride in (False, True):
        for padding in (False, True):
            arguments = {"stride_in_3x3": stride, "symmetric_padding": padding}
            build = functools.partial(resnet, blocks=BLOCKS, **arguments)
            found = run(build, state, image - CONFIG.MEAN_PIXEL)[1]
            errors[stride, padding] = np.abs(found - expected).max() / np.abs(expected).max()
    assert errors.pop((True, True)) < 2e-5
    assert min(errors.values()) > 0.1


def test_rpn(state, rng):
    """Every anchor of torchvision has the score and the box that it has there."""
    feature = rng.normal(size=(4, 6, CHANNELS))
    height, width, stride, size = 4, 6, 16, 32

    x = relu(conv(feature.transpose(2, 0, 1), state, "rpn.head.conv.0.0", padding=1))
    scores = sigmoid(conv(x, state, "rpn.head.cls_logits"))
    deltas = conv(x, state, "rpn.head.bbox_pred")
    expected = {}
    for index, ratio in enumerate((0.5, 1.0, 2.0)):
        w, h = size / np.sqrt(ratio), size * np.sqrt(ratio)
        for row in range(height):
            for column in range(width):
                cx, cy = column * stride, row * stride
                dx, dy, dw, dh = deltas[4 * index : 4 * index + 4, row, column]
                px, py, pw, ph = cx + dx * w, cy + dy * h, w * np.exp(dw), h * np.exp(dh)
                key = tuple(np.round([cy - h / 2, cx - w / 2, cy + h / 2, cx + w / 2], 3))
                box = [py - ph / 2, px - pw / 2, py + ph / 2, px + pw / 2]
                expected[key] = [scores[index, row, column], *box]

    def build(builder, feature):
        return build_rpn(builder, [feature], CHANNELS, 3, 1)

    _, probabilities, found = run(build, state, feature)
    anchors = generate_anchors(size, CONFIG.RPN_ANCHOR_RATIOS, (height, width), stride)
    deviations = CONFIG.RPN_BBOX_STD_DEV
    boxes = ops.convert_to_numpy(box_ops.apply_deltas(anchors, found * deviations))
    assert len(anchors) == len(expected) == 72
    for anchor, probability, box in zip(anchors, probabilities, boxes, strict=True):
        score, *theirs = expected[tuple(np.round(anchor.astype("float64"), 3))]
        assert probability[1] == pytest.approx(score, abs=1e-5)
        assert probability[0] == pytest.approx(1 - score, abs=1e-5)
        np.testing.assert_allclose(box, theirs, atol=1e-3)


# Our own layout has no norms in the heads, the original's has.
HEAD_NORMS = pytest.mark.parametrize(
    ("norm", "change"), [("none", dict), ("batch", with_head_norms)], ids=["none", "original"]
)


@HEAD_NORMS
def test_box_head(state, rng, norm, change):
    pooled = rng.normal(size=(6, CHANNELS, 7, 7))

    def linear(x, name):
        return x @ state[f"{HEADS}.{name}.weight"].T + state[f"{HEADS}.{name}.bias"]

    x = relu(linear(pooled.reshape(6, -1), "box_head.fc6"))
    x = relu(linear(x, "box_head.fc7"))
    logits = linear(x, "box_predictor.cls_score")
    deltas = linear(x, "box_predictor.bbox_pred").reshape(6, CLASSES, 4)
    # dx, dy, dw, dh times (10, 10, 5, 5); ours are divided by (0.1, 0.1, 0.2, 0.2).
    expected = deltas[..., [1, 0, 3, 2]] / [10, 10, 5, 5]

    def build(builder, pooled):
        return build_classifier(builder, pooled, CLASSES, WIDTH, norm=norm)

    outputs = run(build, state, pooled.transpose(0, 2, 3, 1), change=change)
    found_logits, probabilities, found_deltas = outputs
    assert_close(found_logits, logits)
    softmax = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    assert_close(probabilities, softmax)
    assert_close(found_deltas * CONFIG.BBOX_STD_DEV, expected)


@HEAD_NORMS
def test_mask_head(state, rng, norm, change):
    pooled = rng.normal(size=(2, CHANNELS, 14, 14))
    expected = []
    for x in pooled:
        for index in range(4):
            x = relu(conv(x, state, f"{HEADS}.mask_head.{index}.0", padding=1))
        weight = state[f"{HEADS}.mask_predictor.conv5_mask.weight"]
        y = np.zeros((CHANNELS, 28, 28))
        for row in (0, 1):
            for column in (0, 1):
                part = np.einsum("ihw,io->ohw", x, weight[:, :, row, column])
                y[:, row::2, column::2] = part
        y = relu(y + state[f"{HEADS}.mask_predictor.conv5_mask.bias"][:, None, None])
        expected.append(sigmoid(conv(y, state, f"{HEADS}.mask_predictor.mask_fcn_logits")))

    def build(builder, pooled):
        return [build_mask_head(builder, pooled, CLASSES, CHANNELS, norm)]

    (found,) = run(build, state, pooled.transpose(0, 2, 3, 1), change=change)
    assert_close(found, np.stack(expected).transpose(0, 2, 3, 1))


def test_classes_of_coco_without_the_gaps(rng):
    """torchvision counts to 90 with ten names missing; class 80 is category 90, a toothbrush."""
    assert len(COCO_IDS) == 81
    assert (COCO_IDS[0], COCO_IDS[1], COCO_IDS[12], COCO_IDS[80]) == (0, 1, 13, 90)
    state = make_state(rng, classes=91, channels=4, width=4)
    arrays = from_torchvision(state)
    score = state[f"{HEADS}.box_predictor.cls_score.weight"]
    delta = state[f"{HEADS}.box_predictor.bbox_pred.bias"]
    mask = state[f"{HEADS}.mask_predictor.mask_fcn_logits.bias"]
    # Category 13, the stop sign, is class 12.
    np.testing.assert_array_equal(arrays["mrcnn_class_logits"]["kernel"][:, 12], score[13])
    np.testing.assert_array_equal(
        arrays["mrcnn_bbox_fc"]["bias"][48:52], delta[52:56][[1, 0, 3, 2]]
    )
    assert arrays["mrcnn_mask"]["bias"].shape == (81,)
    assert arrays["mrcnn_mask"]["bias"][80] == mask[90]


def test_classes_of_coco_with_the_gaps(rng):
    state = make_state(rng, classes=91, channels=4, width=4)
    arrays = from_torchvision(state, gaps=True)
    score = state[f"{HEADS}.box_predictor.cls_score.weight"]
    np.testing.assert_array_equal(arrays["mrcnn_class_logits"]["kernel"], score.T)
    assert arrays["mrcnn_mask"]["bias"].shape == (91,)


def test_classes_of_the_coco_sample_are_the_same(coco_dir):
    from mrcnn.data.datasets.coco import CocoDataset

    dataset = CocoDataset.from_folder(coco_dir, "val2017")
    ids = [info["id"] for info in dataset.class_info]
    assert set(ids) <= set(COCO_IDS)


OLD = {
    "backbone.fpn.inner_blocks.{}.0": "backbone.fpn.inner_blocks.{}",
    "backbone.fpn.layer_blocks.{}.0": "backbone.fpn.layer_blocks.{}",
    "rpn.head.conv.0.0": "rpn.head.conv",
}


def test_names_of_older_versions(state):
    """As in maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth, which is older than torchvision 0.13."""
    renamed = {}
    for name, array in state.items():
        for new, old in OLD.items():
            for level in range(4):
                name = name.replace(new.format(level) + ".", old.format(level) + ".")
        for index in range(4):
            name = name.replace(f"mask_head.{index}.0.", f"mask_head.mask_fcn{index + 1}.")
        renamed[f"module.{name}"] = array
    renamed["module.backbone.body.bn1.num_batches_tracked"] = np.array(3)
    assert sum(name.removeprefix("module.") not in state for name in renamed) == 27
    expected = from_torchvision(state)
    found = from_torchvision(renamed)
    assert list(found) == list(expected)
    for layer, arrays in expected.items():
        for name, array in arrays.items():
            np.testing.assert_array_equal(found[layer][name], array)


def changed(state, **changes):
    result = dict(state)
    for name, value in changes.items():
        name = name.replace("__", ".")
        if value is None:
            del result[name]
        else:
            result[name] = np.zeros(value, "float32")
    return result


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rpn__head__bbox_pred__bias": None}, r"lacks rpn.head.bbox_pred.bias$"),
        ({"rpn__head__norm__bias": (3,)}, r"has beyond that rpn.head.norm.bias$"),
        ({"backbone__body__layer4__1__conv1__weight": (512, 2048, 1, 1)}, "lacks .*layer4.1.bn1"),
        ({"backbone__body__layer3__40__x": (1,)}, r"\[2, 1, 41, 1\] blocks"),
        ({"rpn__head__cls_logits__weight": (15, 8, 1, 1)}, r"must be \(3, any, 1, 1\), got \(15,"),
        ({"roi_heads__box_head__fc6__weight": (12, 8)}, r"must be \(any, 392\), got \(12, 8\)"),
        ({"backbone__body__conv1__weight": (64, 1, 7, 7)}, r"must be \(any, 3, 7, 7\)"),
        ({"backbone__body__bn1__weight": (64, 1)}, r"must be \(any\), got \(64, 1\)"),
        ({"backbone__body__bn1__running_var": (64,)}, "variance of 0 and epsilon 0.0"),
    ],
)
def test_other_networks_are_refused(state, changes, message):
    with pytest.raises(InputError, match=message) as caught:
        from_torchvision(changed(state, **changes))
    assert "\n" not in str(caught.value)
