"""From the arrays of a weight file to files that other programs read: the original's layout and
that of Keras 3.
"""

import re
import warnings
from pathlib import Path

import numpy as np

from mrcnn.config import Config
from mrcnn.constants import RPN_LAYERS
from mrcnn.errors import InputError
from mrcnn.files.writing import settle
from mrcnn.modeling.backbone import RESNET_BLOCKS
from mrcnn.modeling.network import Network
from mrcnn.weights.file_formats import Arrays, match_names, write_groups
from mrcnn.weights.loading import assign_weights, weighted_layers

# The epsilon of our batch normalisation, and that of the ResNets of keras.applications.
EPSILON = 1e-3
APPLICATIONS_EPSILON = 1.001e-5
_NORM = ("gamma", "beta", "moving_mean", "moving_variance")
_CONV = ("kernel", "bias")
# What follows the backbone in a training model of the original. {} are numbers that go on from the
# backbone's activations.
_AFTER_BACKBONE = """
    fpn_c5p5 fpn_p5upsampled fpn_c4p4 fpn_p4add fpn_p4upsampled fpn_c3p3 fpn_p3add fpn_p3upsampled
    fpn_c2p2 fpn_p2add fpn_p5 fpn_p2 fpn_p3 fpn_p4 fpn_p6 rpn_model rpn_class rpn_bbox anchors
    input_gt_boxes ROI input_gt_class_ids lambda input_gt_masks proposal_targets input_image_meta
    roi_align_mask mrcnn_mask_conv1 mrcnn_mask_bn1 activation_{3} mrcnn_mask_conv2
    roi_align_classifier mrcnn_mask_bn2 mrcnn_class_conv1 activation_{4} mrcnn_class_bn1
    mrcnn_mask_conv3 activation_{0} mrcnn_mask_bn3 mrcnn_class_conv2 activation_{5} mrcnn_class_bn2
    mrcnn_mask_conv4 activation_{1} mrcnn_mask_bn4 pool_squeeze activation_{6} mrcnn_bbox_fc
    mrcnn_mask_deconv rpn_class_logits mrcnn_class_logits mrcnn_bbox mrcnn_mask input_rpn_match
    input_rpn_bbox lambda_3 mrcnn_class output_rois rpn_class_loss rpn_bbox_loss mrcnn_class_loss
    mrcnn_bbox_loss mrcnn_mask_loss
"""
# Of the layers above, those with a kernel, beside the convolutions of the backbone.
_WITH_KERNEL = ("mrcnn_bbox_fc", "mrcnn_class_logits", "mrcnn_mask", "mrcnn_mask_deconv")


def backbone_groups(blocks: tuple[int, ...]) -> list[str]:
    """Layers of the original's ResNet in the order of its weight files."""
    groups = ["input_image", "zero_padding2d", "conv1", "bn_conv1", "activation", "max_pooling2d"]
    activations, adds = 1, 0
    for stage, count in enumerate(blocks, start=2):
        for index in range(count):
            name = f"{stage}{chr(97 + index)}"
            for branch in ("2a", "2b"):
                groups += [f"res{name}_branch{branch}", f"bn{name}_branch{branch}"]
                groups.append(f"activation_{activations}")
                activations += 1
            branches = ("2c", "1") if index == 0 else ("2c",)
            groups += [f"res{name}_branch{branch}" for branch in branches]
            groups += [f"bn{name}_branch{branch}" for branch in branches]
            groups += [f"add_{adds}" if adds else "add", f"res{name}_out"]
            adds += 1
    return groups


def original_groups(blocks: tuple[int, ...]) -> list[str]:
    """Layers of a training model of the original in the order of its weight files."""
    first = 1 + 2 * sum(blocks)
    rest = _AFTER_BACKBONE.format(*(first + offset for offset in range(7)))
    return backbone_groups(blocks) + rest.split()


def weights_of(layer: str) -> tuple[str, ...]:
    """Names of the weights of a layer of the original, in the order of its weight files."""
    if layer.startswith(("bn", "mrcnn_class_bn", "mrcnn_mask_bn")):
        return _NORM
    is_convolution = (
        layer.startswith("res") and "_branch" in layer,
        layer == "conv1" or layer in RPN_LAYERS or layer in _WITH_KERNEL,
        layer.startswith(("mrcnn_class_conv", "mrcnn_mask_conv")),
        layer.startswith("fpn_") and layer != "fpn_p6" and not layer.endswith(("add", "upsampled")),
    )
    return _CONV if any(is_convolution) else ()


def known_layers() -> list[str]:
    """Every layer with weights of the original, of ResNet-101 as the larger one."""
    groups = original_groups(RESNET_BLOCKS["resnet101"])
    return [*(name for name in groups if weights_of(name)), *RPN_LAYERS]


def backbone_of(arrays: Arrays, source: str) -> str:
    """Which of resnet50 and resnet101 it is, by the blocks of stage 4.

    Raises:
        InputError: Neither.
    """
    for name, blocks in reversed(RESNET_BLOCKS.items()):
        if f"res4{chr(96 + blocks[2])}_branch2a" in arrays:
            return name
    raise InputError(
        f"{source} holds no ResNet-50 or ResNet-101, so the original has no layout for it"
    )


def write_original(arrays: Arrays, path: str | Path, source: str = "the weights") -> list[str]:
    """Write the layout of the original's files: every layer of its training model is a group, also
    those without weights. Weights of a backbone alone become a file of a backbone alone.

    Args:
        arrays: As from `read_weights`.
        path: The file.
        source: What to call `arrays` in errors.

    Returns:
        What `arrays` holds beyond that layout, as "layer/weight".

    Raises:
        InputError: No ResNet-50 or ResNet-101, or weights are missing.
    """
    blocks = RESNET_BLOCKS[backbone_of(arrays, source)]
    heads = [name for name in known_layers() if name.startswith(("fpn_", "rpn_", "mrcnn_"))]
    whole = any(name in arrays for name in heads)
    missing: list[str] = []
    used: set[str] = set()

    def entries(layer: str) -> list[tuple[str, np.ndarray]]:
        names = list(weights_of(layer))
        if not names:
            return []
        used.add(layer)
        found = match_names(arrays.get(layer, {}), names)
        missing.extend(f"{layer}/{name}" for name in names if found[name] is None)
        return [(f"{layer}/{name}:0", array) for name, array in found.items() if array is not None]

    groups = {
        group: sum(map(entries, RPN_LAYERS if group == "rpn_model" else (group,)), [])
        for group in (original_groups(blocks) if whole else backbone_groups(blocks))
    }
    if missing:
        more = f" and {len(missing) - 6} more" if len(missing) > 6 else ""
        raise InputError(f"{source} lacks {', '.join(missing[:6])}{more}")
    # The version of Keras whose layout this is; later versions of Keras 2 also write that group.
    attributes = {"backend": "tensorflow", "keras_version": "2.15.0"}
    write_groups(path, groups, attributes, {"top_level_model_weights": None})
    return [f"{layer}/{name}" for layer in arrays if layer not in used for name in arrays[layer]]


def config_of(arrays: Arrays, source: str) -> Config:
    """The configuration whose model has these weights, as far as they tell: a ResNet and sizes.

    Raises:
        InputError: No ResNet-50 or ResNet-101, or no heads.
    """

    def width(layer: str) -> int:
        if not arrays.get(layer):
            raise InputError(f"{source} lacks {layer}, so the sizes of its model are unknown")
        return len(list(arrays[layer].values())[-1])

    def count(layer: str) -> int:
        return sum(bool(re.fullmatch(rf"{layer}\d", name)) for name in arrays)

    norms = ("mrcnn_class_bn1" in arrays, "mrcnn_mask_bn1" in arrays)
    return Config().update(
        BACKBONE=backbone_of(arrays, source),
        NUM_CLASSES=width("mrcnn_class_logits"),
        TOP_DOWN_PYRAMID_SIZE=width("fpn_p2"),
        FPN_NORM="batch" if "fpn_p2_bn" in arrays else "none",
        RPN_CHANNELS=width("rpn_conv_shared"),
        RPN_CONV_DEPTH=1 + count("rpn_conv_shared"),
        RPN_ANCHOR_RATIOS=[2.0**n for n in range(width("rpn_class_raw") // 2)],
        BOX_HEAD=count("mrcnn_box_conv") * ["conv"] + count("mrcnn_class_conv") * ["dense"],
        HEAD_NORM={(True, True): "batch", (False, True): "conv"}.get(norms, "none"),
        FPN_CLASSIF_FC_LAYERS_SIZE=width("mrcnn_class_conv1"),
        MASK_HEAD_CHANNELS=width("mrcnn_mask_conv1"),
    )


def write_keras(
    arrays: Arrays, path: str | Path, config: Config | None = None, source: str = "the weights"
) -> list[str]:
    """Write `.weights.h5` of Keras 3 as the inference model of `config` saves it; the file appears
    whole or not at all.

    Args:
        arrays: As from `read_weights`.
        path: The file.
        config: Of the model; None for that of `config_of`.
        source: What to call `arrays` in errors.

    Returns:
        What `arrays` holds beyond the model, as "layer/weight".

    Raises:
        InputError: `path` does not end with .weights.h5, or the weights do not fit the model.
    """
    path = Path(path)
    if not path.name.endswith(".weights.h5"):
        raise InputError(f"a file of Keras 3 must be called *.weights.h5, got {path.name}")
    config = config or config_of(arrays, source)
    # Sizes of images change no weight, and a small model is made faster.
    model = Network(config).inference((64, 64))
    report = assign_weights(weighted_layers(model), arrays, source)
    partial = path.with_name(f"{path.name}.part.weights.h5")
    with warnings.catch_warnings():
        # Keras' writer under NumPy 2.
        warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
        model.save_weights(partial)
    settle(partial, path)
    return report.unused


def with_epsilon(arrays: Arrays, epsilon: float, ours: float = EPSILON) -> Arrays:
    """Weights for batch normalisation with the epsilon `ours` that compute what these compute with
    `epsilon`: gamma takes the difference.

    gamma / sqrt(variance + epsilon) = gamma' / sqrt(variance + ours)

    Raises:
        InputError: A variance of 0 without epsilon: the norm divides by 0.
    """
    result = {layer: dict(found) for layer, found in arrays.items()}
    for layer, found in result.items():
        if {"gamma", "moving_variance"} <= set(found):
            variance = found["moving_variance"].astype("float64")
            if (variance + epsilon <= 0).any():
                raise InputError(f"{layer}: a variance of 0 and epsilon {epsilon} divide by 0")
            scale = np.sqrt((variance + ours) / (variance + epsilon))
            found["gamma"] = (found["gamma"] * scale).astype("float32")
    return result


def from_applications(arrays: Arrays, epsilon: float = APPLICATIONS_EPSILON) -> Arrays:
    """Weights of a ResNet of `keras.applications` for RGB images and our batch normalisation.

    Those networks were trained on BGR images; the original feeds them RGB all the same.

    Raises:
        InputError: conv1 is missing or takes no 3 channels, or see `with_epsilon`.
    """
    named = {
        layer: {
            name: array
            for name, array in match_names(found, list(weights_of(layer))).items()
            if array is not None
        }
        for layer, found in arrays.items()
        if weights_of(layer)
    }
    kernel = named.get("conv1", {}).get("kernel")
    if kernel is None or kernel.ndim != 4 or kernel.shape[2] != 3:
        raise InputError("the weights have no conv1 for images of 3 channels to turn round")
    result = with_epsilon(named, epsilon)
    result["conv1"]["kernel"] = kernel[:, :, ::-1]
    return result
