"""Weights of torchvision's `maskrcnn_resnet50_fpn` and `maskrcnn_resnet50_fpn_v2`, and of its
ResNets alone, for our network.

The configurations `torchvision_resnet50` and `torchvision_resnet50_v2` set the rest: what lies in
no weight.
"""

import re
from typing import Any, NamedTuple

import numpy as np

from mrcnn.constants import rpn_convolutions
from mrcnn.errors import InputError
from mrcnn.modeling.backbone import RESNET_BLOCKS
from mrcnn.weights.file_formats import Arrays
from mrcnn.weights.keras_converter import EPSILON, with_epsilon

State = dict[str, np.ndarray]


class Version(NamedTuple):
    """One of torchvision's networks."""

    # Its name there.
    name: str
    # Of its batch normalisation, and that of our configuration for it.
    epsilon: float
    norm_epsilon: float
    # Of our configurations, the one for it.
    configuration: str


# torchvision sets the epsilon of its frozen norms to 0 where it loads its own COCO weights.
V1 = Version("maskrcnn_resnet50_fpn", 0.0, EPSILON, "torchvision_resnet50")
V2 = Version("maskrcnn_resnet50_fpn_v2", 1e-5, 1e-5, "torchvision_resnet50_v2")
# A network that names classes of images: its last layer is left out.
RESNET = Version("resnet50", 1e-5, EPSILON, "")
_BODY = "backbone.body"
# BACKBONE_ARGS of its ResNets.
THEIRS = {"stride_in_3x3": True, "symmetric_padding": True}

# Of RGB values from 0 to 1; what corresponds to the mean is MEAN_PIXEL.
STD = (0.229, 0.224, 0.225)
# torchvision's classes are COCO's category ids up to 90, of which these do not exist.
COCO_GAPS = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
COCO_IDS = [number for number in range(91) if number not in COCO_GAPS]
_RATIOS = 3
# Boxes are x, y, w, h there and y, x, h, w here.
_OUR_BOX = [1, 0, 3, 2]
_NORM = ("weight", "bias", "running_mean", "running_var")
# The weights of each kind of layer, and the rank of the first.
_LEAVES = {
    "conv": (("weight", "bias"), 4),
    "kernel": (("weight",), 4),
    "dense": (("weight", "bias"), 2),
    "norm": (_NORM, 1),
}
# Names before torchvision 0.13, and what they are since.
_RENAMED = (
    (r"(backbone\.fpn\.(?:inner|layer)_blocks\.\d)\.(weight|bias)", r"\1.0.\2"),
    (r"(rpn\.head\.conv)\.(weight|bias)", r"\1.0.0.\2"),
    (r"(roi_heads\.mask_head)\.mask_fcn1\.(weight|bias)", r"\1.0.0.\2"),
    (r"(roi_heads\.mask_head)\.mask_fcn2\.(weight|bias)", r"\1.1.0.\2"),
    (r"(roi_heads\.mask_head)\.mask_fcn3\.(weight|bias)", r"\1.2.0.\2"),
    (r"(roi_heads\.mask_head)\.mask_fcn4\.(weight|bias)", r"\1.3.0.\2"),
)


def from_torchvision(
    state: State, epsilon: float | None = None, gaps: bool = False, ours: float | None = None
) -> Arrays:
    """Our weights, by layer and name.

    Args:
        state: State dict, with the names of any version of torchvision.
        epsilon: Of the batch normalisation of the network that the state dict comes from. None: 0
            for `maskrcnn_resnet50_fpn`, as torchvision sets it where it loads its own COCO weights
            (networks that did not start from these have 1e-5), and 1e-5 for the others.
        gaps: Keep all of COCO's 91 classes, of which 10 are the numbers that have no category.
        ours: `Config.NORM_EPSILON` of the model; None is that of the configuration for it.

    Raises:
        InputError: Names or shapes are not those of `maskrcnn_resnet50_fpn`,
            `maskrcnn_resnet50_fpn_v2` or `resnet50` (or of the same with ResNet-101).
    """
    version = version_of(state)
    state = _current_names(state)
    if version is RESNET:
        state = {f"{_BODY}.{name}": x for name, x in state.items() if not name.startswith("fc.")}
    blocks = _blocks(state, version)
    layers = _layers(blocks, version)
    _check_names(state, layers, version)
    _check_shapes(state, layers, version)
    theirs = version.epsilon if epsilon is None else epsilon
    result = _backbone(state, blocks)
    if version is RESNET:
        return with_epsilon(result, theirs, ours or version.norm_epsilon)
    for index, level in enumerate(range(2, 6)):
        for kind, name in (("inner", f"fpn_c{level}p{level}"), ("layer", f"fpn_p{level}")):
            place = f"backbone.fpn.{kind}_blocks.{index}"
            result |= _conv_norm(state, place, name, f"{name}_bn")
    result |= _rpn(state)
    count = len(state["roi_heads.box_predictor.cls_score.bias"])
    classes = COCO_IDS if count == 91 and not gaps else list(range(count))
    result |= _box_head(state, classes) | _mask_head(state, classes)
    return with_epsilon(result, theirs, ours or version.norm_epsilon)


def version_of(state: State) -> Version:
    """Which of the networks it is: only the second has norms in its feature pyramid."""
    names = [name.removeprefix("module.") for name in state]
    if "fc.weight" in names:
        return RESNET
    if any(re.match(r"backbone\.fpn\.inner_blocks\.\d\.1\.", name) for name in names):
        return V2
    return V1


def backbone_settings(state: State) -> dict[str, Any]:
    """The settings of the backbone that a state dict of whatever version is of.

    Raises:
        InputError: It is another one than ResNet-50 and ResNet-101.
    """
    state = _current_names(state)
    if version_of(state) is RESNET:
        state = {f"{_BODY}.{name}": array for name, array in state.items()}
    blocks = tuple(_blocks(state, version_of(state)))
    names = [name for name, known in RESNET_BLOCKS.items() if known == blocks]
    if not names:
        raise InputError(f"the state dict is of a ResNet with blocks {blocks}, which is not known")
    return {"BACKBONE": names[0], "BACKBONE_ARGS": dict(THEIRS)}


def with_head_norms(arrays: Arrays) -> Arrays:
    """The same with a norm that changes nothing after each layer of the heads: the original's
    layout has norms there, and `maskrcnn_resnet50_fpn` has none.
    """
    result = dict(arrays)
    for head, count in (("class", 2), ("mask", 4)):
        for number in range(1, count + 1):
            ones = np.ones_like(arrays[f"mrcnn_{head}_conv{number}"]["bias"])
            result[f"mrcnn_{head}_bn{number}"] = {
                "gamma": ones,
                "beta": 0 * ones,
                "moving_mean": 0 * ones,
                "moving_variance": ones - np.float32(EPSILON),
            }
    return result


def _current_names(state: State) -> State:
    result = {}
    for name, array in state.items():
        name = name.removeprefix("module.")
        for pattern, replacement in _RENAMED:
            name = re.sub(f"^{pattern}$", replacement, name)
        if not name.endswith(".num_batches_tracked"):
            result[name] = np.asarray(array, "float32")
    return result


def _blocks(state: State, version: Version) -> list[int]:
    """Number of blocks of each of the four stages."""
    counts = [0, 0, 0, 0]
    for name in state:
        match = re.match(r"backbone\.body\.layer([1-4])\.(\d+)\.", name)
        if match:
            stage = int(match[1]) - 1
            counts[stage] = max(counts[stage], int(match[2]) + 1)
    if not all(1 <= count <= 26 for count in counts):
        raise InputError(
            f"the state dict is not that of {version.name}: it has "
            f"{counts} blocks in {_BODY}.layer1 to layer4"
        )
    return counts


def _layers(blocks: list[int], version: Version) -> dict[str, str]:
    """Name and kind of every layer with weights."""
    layers = {f"{_BODY}.conv1": "kernel", f"{_BODY}.bn1": "norm"}
    for stage, count in enumerate(blocks, start=1):
        for index in range(count):
            for n in (1, 2, 3):
                layers[f"{_BODY}.layer{stage}.{index}.conv{n}"] = "kernel"
                layers[f"{_BODY}.layer{stage}.{index}.bn{n}"] = "norm"
        layers[f"{_BODY}.layer{stage}.0.downsample.0"] = "kernel"
        layers[f"{_BODY}.layer{stage}.0.downsample.1"] = "norm"
    if version is RESNET:
        return layers
    normed = [f"backbone.fpn.{kind}_blocks.{n}" for kind in ("inner", "layer") for n in range(4)]
    normed += [f"roi_heads.mask_head.{n}" for n in range(4)]
    if version is V2:
        normed += [f"roi_heads.box_head.{n}" for n in range(4)]
        layers |= {f"{name}.1": "norm" for name in normed}
        layers["rpn.head.conv.1.0"] = "conv"
    layers |= {f"{name}.0": "kernel" if version is V2 else "conv" for name in normed}
    for name in ("conv.0.0", "cls_logits", "bbox_pred"):
        layers[f"rpn.head.{name}"] = "conv"
    dense = ["box_head.5"] if version is V2 else ["box_head.fc6", "box_head.fc7"]
    for name in (*dense, "box_predictor.cls_score", "box_predictor.bbox_pred"):
        layers[f"roi_heads.{name}"] = "dense"
    for name in ("conv5_mask", "mask_fcn_logits"):
        layers[f"roi_heads.mask_predictor.{name}"] = "conv"
    return layers


def _check_names(state: State, layers: dict[str, str], version: Version) -> None:
    expected = [f"{name}.{leaf}" for name, kind in layers.items() for leaf in _LEAVES[kind][0]]
    faults = []
    for label, names in (
        ("lacks", [name for name in expected if name not in state]),
        ("has beyond that", sorted(set(state) - set(expected))),
    ):
        if names:
            more = f" and {len(names) - 4} more" if len(names) > 4 else ""
            faults.append(f"it {label} {', '.join(names[:4])}{more}")
    if faults:
        raise InputError(f"the state dict is not that of {version.name}: {'; '.join(faults)}")


def _check_shapes(state: State, layers: dict[str, str], version: Version) -> None:
    shapes: dict[str, tuple[int | None, ...]] = {f"{_BODY}.conv1.weight": (None, 3, 7, 7)}
    if version is not RESNET:
        shapes |= _head_shapes(state, version)
    for layer, kind in layers.items():
        leaves, rank = _LEAVES[kind]
        first = state[f"{layer}.weight"].shape
        # Kernels of transposed convolutions have their outputs behind their inputs.
        outputs = first[1:2] if layer.endswith("conv5_mask") else first[:1]
        for leaf in leaves:
            name = f"{layer}.{leaf}"
            expected = shapes.get(name, (None,) * rank if leaf == "weight" else outputs)
            shape = state[name].shape
            if len(shape) != len(expected) or any(
                want not in (None, got) for want, got in zip(expected, shape, strict=True)
            ):
                want = ", ".join("any" if side is None else str(side) for side in expected)
                raise InputError(f"{name} of the state dict must be ({want}), got {shape}")


def _head_shapes(state: State, version: Version) -> dict[str, tuple[int | None, ...]]:
    """What the sizes of layers that meet each other say."""
    classes = state["roi_heads.box_predictor.cls_score.weight"].shape[0]
    if version is V2:
        first, pooled = "box_head.5", "roi_heads.box_head.3.1.bias"
    else:
        first, pooled = "box_head.fc6", "backbone.fpn.layer_blocks.0.0.bias"
    return {
        "rpn.head.cls_logits.weight": (_RATIOS, None, 1, 1),
        "rpn.head.bbox_pred.weight": (4 * _RATIOS, None, 1, 1),
        f"roi_heads.{first}.weight": (None, 49 * state[pooled].shape[0]),
        "roi_heads.box_predictor.cls_score.weight": (classes, None),
        "roi_heads.box_predictor.bbox_pred.weight": (4 * classes, None),
        "roi_heads.mask_predictor.conv5_mask.weight": (None, None, 2, 2),
        "roi_heads.mask_predictor.mask_fcn_logits.weight": (classes, None, 1, 1),
    }


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


def _conv_norm(state: State, place: str, name: str, norm: str) -> Arrays:
    """A convolution and, where there is one, the norm that follows it."""
    normed = f"{place}.1.weight" in state
    result = {name: _conv(state, f"{place}.0", bias=not normed)}
    if normed:
        result[norm] = _norm(state, f"{place}.1")
    return result


def _backbone(state: State, blocks: list[int]) -> Arrays:
    result = {"conv1": _conv(state, f"{_BODY}.conv1", bias=False)}
    # (v / 255 - mean) / std = (v - 255 mean) / (255 std): MEAN_PIXEL does the one, this the other.
    scale = 1 / (255 * np.array(STD))
    kernel = result["conv1"]["kernel"] * scale[:, None]
    result["conv1"]["kernel"] = kernel.astype("float32")
    result["bn_conv1"] = _norm(state, f"{_BODY}.bn1")
    for stage, count in enumerate(blocks, start=2):
        for index in range(count):
            block, ours = f"{_BODY}.layer{stage - 1}.{index}", f"{stage}{chr(97 + index)}_branch"
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
    scores, boxes = {}, {}
    for name in ("kernel", "bias"):
        # A ratio is height / width there and width / height here, so the anchors come reversed.
        x = logits[name][..., ::-1]
        # softmax(-x / 2, x / 2) = (1 - sigmoid(x), sigmoid(x))
        scores[name] = np.stack([-x / 2, x / 2], axis=-1).reshape(*x.shape[:-1], -1)
        shape = deltas[name].shape
        box = deltas[name].reshape(*shape[:-1], _RATIOS, 4)[..., ::-1, _OUR_BOX]
        boxes[name] = box.reshape(shape)
    depth = 2 if "rpn.head.conv.1.0.weight" in state else 1
    return {
        **{
            name: _conv(state, f"rpn.head.conv.{index}.0")
            for index, name in enumerate(rpn_convolutions(depth))
        },
        "rpn_class_raw": scores,
        "rpn_bbox_pred": boxes,
    }


def _box_head(state: State, classes: list[int]) -> Arrays:
    place, result = "roi_heads.box_", {}
    if f"{place}head.5.weight" in state:
        for n in range(4):
            name, norm = f"mrcnn_box_conv{n + 1}", f"mrcnn_box_bn{n + 1}"
            result |= _conv_norm(state, f"{place}head.{n}", name, norm)
        first, rest = "5", []
    else:
        first, rest = "fc6", ["fc7"]
    # The inputs run channels, rows, columns there and rows, columns, channels here.
    kernel = state[f"{place}head.{first}.weight"]
    kernel = kernel.reshape(len(kernel), -1, 7, 7).transpose(2, 3, 1, 0)
    result["mrcnn_class_conv1"] = {"kernel": kernel, "bias": state[f"{place}head.{first}.bias"]}
    for number, name in enumerate(rest, start=2):
        result[f"mrcnn_class_conv{number}"] = {
            "kernel": state[f"{place}head.{name}.weight"].T[None, None],
            "bias": state[f"{place}head.{name}.bias"],
        }
    result |= {"mrcnn_class_logits": {}, "mrcnn_bbox_fc": {}}
    for ours, theirs in (("kernel", "weight"), ("bias", "bias")):
        logits = state[f"{place}predictor.cls_score.{theirs}"]
        deltas = state[f"{place}predictor.bbox_pred.{theirs}"]
        deltas = deltas.reshape(len(logits), 4, *deltas.shape[1:])[classes][:, _OUR_BOX]
        result["mrcnn_class_logits"][ours] = logits[classes].T
        result["mrcnn_bbox_fc"][ours] = deltas.reshape(-1, *deltas.shape[2:]).T
    return result


def _mask_head(state: State, classes: list[int]) -> Arrays:
    place, result = "roi_heads.mask", {}
    for n in range(4):
        name, norm = f"mrcnn_mask_conv{n + 1}", f"mrcnn_mask_bn{n + 1}"
        result |= _conv_norm(state, f"{place}_head.{n}", name, norm)
    # (in, out, h, w) to (h, w, out, in)
    deconv = state[f"{place}_predictor.conv5_mask.weight"].transpose(2, 3, 1, 0)
    bias = state[f"{place}_predictor.conv5_mask.bias"]
    result["mrcnn_mask_deconv"] = {"kernel": deconv, "bias": bias}
    logits = _conv(state, f"{place}_predictor.mask_fcn_logits")
    result["mrcnn_mask"] = {name: array[..., classes] for name, array in logits.items()}
    return result
