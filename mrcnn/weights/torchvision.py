"""Weights of torchvision's `maskrcnn_resnet50_fpn` for our network.

What is the same up to order and scale is converted; what lies in no weight is set by `SETTINGS` or
stays different (see the README).
"""

import re
from typing import Any

import numpy as np

from mrcnn.errors import InputError
from mrcnn.weights.file_formats import Arrays
from mrcnn.weights.keras_converter import EPSILON, with_epsilon

State = dict[str, np.ndarray]

# Of RGB values from 0 to 1.
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
# Config keys under which the converted weights compute what torchvision's do.
SETTINGS: dict[str, Any] = {
    "BACKBONE_ARGS": {"stride_in_3x3": True, "symmetric_padding": True},
    "RPN_CHANNELS": 256,
    "MEAN_PIXEL": [round(255 * mean, 3) for mean in MEAN],
    "RPN_ANCHOR_SCALES": [32.0, 64.0, 128.0, 256.0, 512.0],
    "RPN_ANCHOR_RATIOS": [0.5, 1.0, 2.0],
    "RPN_BBOX_STD_DEV": [0.1, 0.1, 0.2, 0.2],
    "BBOX_STD_DEV": [0.1, 0.1, 0.2, 0.2],
    "DETECTION_MIN_CONFIDENCE": 0.05,
    "DETECTION_NMS_THRESHOLD": 0.5,
    "DETECTION_MAX_INSTANCES": 100,
}
# torchvision's classes are COCO's category ids up to 90, of which these do not exist.
COCO_GAPS = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
COCO_IDS = [number for number in range(91) if number not in COCO_GAPS]
_RATIOS = len(SETTINGS["RPN_ANCHOR_RATIOS"])
# Boxes are x, y, w, h there and y, x, h, w here.
_OUR_BOX = [1, 0, 3, 2]
_NORM = ("weight", "bias", "running_mean", "running_var")
# Names before torchvision 0.13, and what they are since.
_RENAMED = (
    (r"(backbone\.fpn\.(?:inner|layer)_blocks\.\d)\.(weight|bias)", r"\1.0.\2"),
    (r"(rpn\.head\.conv)\.(weight|bias)", r"\1.0.0.\2"),
    (r"(roi_heads\.mask_head)\.mask_fcn1\.(weight|bias)", r"\1.0.0.\2"),
    (r"(roi_heads\.mask_head)\.mask_fcn2\.(weight|bias)", r"\1.1.0.\2"),
    (r"(roi_heads\.mask_head)\.mask_fcn3\.(weight|bias)", r"\1.2.0.\2"),
    (r"(roi_heads\.mask_head)\.mask_fcn4\.(weight|bias)", r"\1.3.0.\2"),
)


def from_torchvision(state: State, epsilon: float = 0.0) -> Arrays:
    """Our weights, by layer and name.

    Args:
        state: State dict, with the names of any version of torchvision.
        epsilon: Of the frozen batch normalisation. torchvision sets it to 0 where it loads its own
            COCO weights; networks that did not start from these have 1e-5.

    Raises:
        InputError: Names or shapes are not those of `maskrcnn_resnet50_fpn` (or of the same with
            ResNet-101).
    """
    state = _current_names(state)
    blocks = _blocks(state)
    _check_names(state, blocks)
    _check_shapes(state)
    result = with_epsilon(_backbone(state, blocks), epsilon)
    for index, level in enumerate(range(2, 6)):
        inner, outer = (f"backbone.fpn.{kind}_blocks.{index}.0" for kind in ("inner", "layer"))
        result[f"fpn_c{level}p{level}"] = _conv(state, inner)
        result[f"fpn_p{level}"] = _conv(state, outer)
    return {**result, **_rpn(state), **_box_head(state), **_mask_head(state)}


def _current_names(state: State) -> State:
    result = {}
    for name, array in state.items():
        name = name.removeprefix("module.")
        for pattern, replacement in _RENAMED:
            name = re.sub(f"^{pattern}$", replacement, name)
        if not name.endswith(".num_batches_tracked"):
            result[name] = np.asarray(array, "float32")
    return result


def _blocks(state: State) -> list[int]:
    """Number of blocks of each of the four stages."""
    counts = [0, 0, 0, 0]
    for name in state:
        match = re.match(r"backbone\.body\.layer([1-4])\.(\d+)\.", name)
        if match:
            stage = int(match[1]) - 1
            counts[stage] = max(counts[stage], int(match[2]) + 1)
    if not all(1 <= count <= 26 for count in counts):
        raise InputError(
            "the state dict is not that of maskrcnn_resnet50_fpn: it has "
            f"{counts} blocks in backbone.body.layer1 to layer4"
        )
    return counts


def _check_names(state: State, blocks: list[int]) -> None:
    body = "backbone.body"
    expected = [f"{body}.conv1.weight", *(f"{body}.bn1.{leaf}" for leaf in _NORM)]
    for stage, count in enumerate(blocks, start=1):
        pairs = [f"{index}.{{}}{n}" for index in range(count) for n in (1, 2, 3)]
        places = [(pair.format("conv"), pair.format("bn")) for pair in pairs]
        for conv, norm in [*places, ("0.downsample.0", "0.downsample.1")]:
            expected.append(f"{body}.layer{stage}.{conv}.weight")
            expected += [f"{body}.layer{stage}.{norm}.{leaf}" for leaf in _NORM]
    layers = [f"backbone.fpn.{kind}_blocks.{n}.0" for kind in ("inner", "layer") for n in range(4)]
    layers += ["rpn.head.conv.0.0", "rpn.head.cls_logits", "rpn.head.bbox_pred"]
    layers += [f"roi_heads.mask_head.{n}.0" for n in range(4)]
    heads = ("box_head.fc6", "box_head.fc7", "box_predictor.cls_score", "box_predictor.bbox_pred",
             "mask_predictor.conv5_mask", "mask_predictor.mask_fcn_logits")  # fmt: skip
    layers += [f"roi_heads.{head}" for head in heads]
    expected += [f"{layer}.{leaf}" for layer in layers for leaf in ("weight", "bias")]
    faults = []
    for label, names in (
        ("lacks", [name for name in expected if name not in state]),
        ("has beyond that", sorted(set(state) - set(expected))),
    ):
        if names:
            more = f" and {len(names) - 4} more" if len(names) > 4 else ""
            faults.append(f"it {label} {', '.join(names[:4])}{more}")
    if faults:
        raise InputError(
            f"the state dict is not that of maskrcnn_resnet50_fpn: {'; '.join(faults)}"
        )


def _check_shapes(state: State) -> None:
    classes = state["roi_heads.box_predictor.cls_score.weight"].shape[0]
    shapes = {
        "backbone.body.conv1.weight": (None, 3, 7, 7),
        "rpn.head.cls_logits.weight": (_RATIOS, None, 1, 1),
        "rpn.head.bbox_pred.weight": (4 * _RATIOS, None, 1, 1),
        "roi_heads.box_head.fc6.weight": (
            None,
            49 * state["backbone.fpn.layer_blocks.0.0.bias"].shape[0],
        ),
        "roi_heads.box_predictor.cls_score.weight": (classes, None),
        "roi_heads.box_predictor.bbox_pred.weight": (4 * classes, None),
        "roi_heads.mask_predictor.conv5_mask.weight": (None, None, 2, 2),
        "roi_heads.mask_predictor.mask_fcn_logits.weight": (classes, None, 1, 1),
    }
    for name, array in state.items():
        is_kernel = name.endswith(".weight") and not re.search(r"\.(bn\d|downsample\.1)\.", name)
        rank = (2 if ".box_" in name else 4) if is_kernel else 1
        expected = shapes.get(name, (None,) * rank)
        if array.ndim != len(expected) or any(
            want not in (None, got) for want, got in zip(expected, array.shape, strict=True)
        ):
            want = ", ".join("any" if side is None else str(side) for side in expected)
            raise InputError(f"{name} of the state dict must be ({want}), got {array.shape}")


def _conv(state: State, name: str, bias: bool = True) -> dict[str, np.ndarray]:
    # (out, in, h, w) to (h, w, in, out); convolutions before a norm have no bias there.
    kernel = state[f"{name}.weight"].transpose(2, 3, 1, 0)
    return {
        "kernel": kernel,
        "bias": state[f"{name}.bias"] if bias else np.zeros(kernel.shape[-1], "float32"),
    }


def _norm(state: State, name: str) -> dict[str, np.ndarray]:
    ours = ("gamma", "beta", "moving_mean", "moving_variance")
    return {our: state[f"{name}.{leaf}"] for our, leaf in zip(ours, _NORM, strict=True)}


def _identity(layer: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A norm that changes nothing, after `layer`: there is none in torchvision's heads."""
    ones = np.ones_like(layer["bias"])
    return {
        "gamma": ones,
        "beta": 0 * ones,
        "moving_mean": 0 * ones,
        "moving_variance": ones - np.float32(EPSILON),
    }


def _backbone(state: State, blocks: list[int]) -> Arrays:
    body = "backbone.body"
    result = {"conv1": _conv(state, f"{body}.conv1", bias=False)}
    # (v / 255 - mean) / std = (v - 255 mean) / (255 std): MEAN_PIXEL does the one, this the other.
    scale = 1 / (255 * np.array(STD))
    kernel = result["conv1"]["kernel"] * scale[:, None]
    result["conv1"]["kernel"] = kernel.astype("float32")
    result["bn_conv1"] = _norm(state, f"{body}.bn1")
    for stage, count in enumerate(blocks, start=2):
        for index in range(count):
            block, ours = f"{body}.layer{stage - 1}.{index}", f"{stage}{chr(97 + index)}_branch"
            for number, branch in enumerate(("2a", "2b", "2c"), start=1):
                conv = _conv(state, f"{block}.conv{number}", bias=False)
                result[f"res{ours}{branch}"] = conv
                result[f"bn{ours}{branch}"] = _norm(state, f"{block}.bn{number}")
            if index == 0:
                result[f"res{ours}1"] = _conv(state, f"{block}.downsample.0", bias=False)
                result[f"bn{ours}1"] = _norm(state, f"{block}.downsample.1")
    return result


def _rpn(state: State) -> Arrays:
    logits, deltas = _conv(state, "rpn.head.cls_logits"), _conv(state, "rpn.head.bbox_pred")
    scale = 1 / np.array(SETTINGS["RPN_BBOX_STD_DEV"])
    scores, boxes = {}, {}
    for name in ("kernel", "bias"):
        # A ratio is height / width there and width / height here, so the anchors come reversed.
        x = logits[name][..., ::-1]
        # softmax(-x / 2, x / 2) = (1 - sigmoid(x), sigmoid(x))
        scores[name] = np.stack([-x / 2, x / 2], axis=-1).reshape(*x.shape[:-1], -1)
        shape = deltas[name].shape
        box = deltas[name].reshape(*shape[:-1], _RATIOS, 4)[..., ::-1, _OUR_BOX]
        boxes[name] = (box * scale).astype("float32").reshape(shape)
    return {
        "rpn_conv_shared": _conv(state, "rpn.head.conv.0.0"),
        "rpn_class_raw": scores,
        "rpn_bbox_pred": boxes,
    }


def _box_head(state: State) -> Arrays:
    place = "roi_heads.box_"
    fc6, fc7 = state[f"{place}head.fc6.weight"], state[f"{place}head.fc7.weight"]
    # The inputs run channels, rows, columns there and rows, columns, channels here.
    conv1 = fc6.reshape(len(fc6), -1, 7, 7).transpose(2, 3, 1, 0)
    classes = _classes(state)
    result: Arrays = {
        "mrcnn_class_conv1": {"kernel": conv1, "bias": state[f"{place}head.fc6.bias"]},
        "mrcnn_class_conv2": {"kernel": fc7.T[None, None], "bias": state[f"{place}head.fc7.bias"]},
        "mrcnn_class_logits": {},
        "mrcnn_bbox_fc": {},
    }
    for ours, theirs in (("kernel", "weight"), ("bias", "bias")):
        logits = state[f"{place}predictor.cls_score.{theirs}"]
        deltas = state[f"{place}predictor.bbox_pred.{theirs}"]
        deltas = deltas.reshape(len(logits), 4, *deltas.shape[1:])[classes][:, _OUR_BOX]
        result["mrcnn_class_logits"][ours] = logits[classes].T
        result["mrcnn_bbox_fc"][ours] = deltas.reshape(-1, *deltas.shape[2:]).T
    for number in (1, 2):
        result[f"mrcnn_class_bn{number}"] = _identity(result[f"mrcnn_class_conv{number}"])
    return result


def _mask_head(state: State) -> Arrays:
    place, result = "roi_heads.mask", {}
    for number in range(1, 5):
        conv = _conv(state, f"{place}_head.{number - 1}.0")
        result[f"mrcnn_mask_conv{number}"] = conv
        result[f"mrcnn_mask_bn{number}"] = _identity(conv)
    # (in, out, h, w) to (h, w, out, in)
    deconv = state[f"{place}_predictor.conv5_mask.weight"].transpose(2, 3, 1, 0)
    bias = state[f"{place}_predictor.conv5_mask.bias"]
    result["mrcnn_mask_deconv"] = {"kernel": deconv, "bias": bias}
    logits, classes = _conv(state, f"{place}_predictor.mask_fcn_logits"), _classes(state)
    result["mrcnn_mask"] = {name: array[..., classes] for name, array in logits.items()}
    return result


def _classes(state: State) -> list[int]:
    """The classes to keep: of COCO's 91 those 81 that exist, else all."""
    count = len(state["roi_heads.box_predictor.cls_score.bias"])
    return COCO_IDS if count == 91 else list(range(count))
