"""What a run starts from: the backbone and the weights that an option names."""

from collections.abc import Sequence
from typing import Any

from mrcnn.config import Config
from mrcnn.errors import InputError
from mrcnn.hub.named import published_file
from mrcnn.hub.words import COCO, IMAGENET, NONE, WORDS, refuse_unknown_weights
from mrcnn.model import MaskRCNN
from mrcnn.trained import find_weights
from mrcnn.training.schedule import HEADS
from mrcnn.weights.file_formats import open_weights

# Short names of backbones for an option. MobileNet at three quarters of its width, because that is
# what finetune.yaml was measured with.
SHORT: dict[str, dict[str, Any]] = {
    "mobilenet": {"BACKBONE": "MobileNet", "BACKBONE_ARGS": {"alpha": 0.75}},
    "mobilenetv2": {"BACKBONE": "MobileNetV2", "BACKBONE_ARGS": {}},
}
# What the original's model for COCO is built of.
COCO_NETWORK: dict[str, Any] = {
    "BACKBONE": "resnet101",
    "BACKBONE_ARGS": {},
    "TOP_DOWN_PYRAMID_SIZE": 256,
    "RPN_CHANNELS": 512,
    "FPN_CLASSIF_FC_LAYERS_SIZE": 1024,
    "MASK_HEAD_CHANNELS": 256,
    "RPN_ANCHOR_RATIOS": [0.5, 1, 2],
}
COCO_CLASSES = 81
# Layers whose size is that of the classes.
CLASS_LAYERS = ("mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_mask")


def backbone_settings(name: str) -> dict[str, Any]:
    """The settings that an option `--backbone` stands for: a short name, or a `BACKBONE`."""
    return SHORT.get(name, {"BACKBONE": name, "BACKBONE_ARGS": {}})


def network_settings(weights: str | None, config: Config) -> dict[str, Any]:
    """The settings that named weights need and `config` does not have; for "coco" the sizes of the
    original's network.
    """
    if weights != COCO:
        return {}
    return {key: value for key, value in COCO_NETWORK.items() if getattr(config, key) != value}


def load_start(model: MaskRCNN, weights: str | None, exclude: Sequence[str] = ()) -> None:
    """Load what a run starts from, and print what was loaded.

    Args:
        model: In training mode.
        weights: None or "none" for nothing; "imagenet" for the backbone; "coco" for the original's
            model, whose layers of the classes start anew where the classes are others; "last" for
            the newest run; or a weight file or run folder. A file without heads is loaded into the
            backbone.
        exclude: Layers that are left as they are.

    Raises:
        InputError: No such weights, they cannot be had, or do not fit.
    """
    if weights in (None, NONE):
        if exclude:
            raise InputError("--exclude needs --weights: without these nothing is loaded")
        return
    if weights == IMAGENET:
        config = model.config
        path = published_file(IMAGENET, config.BACKBONE, config.BACKBONE_ARGS)
    elif weights == COCO:
        path = published_file(COCO)
        if model.config.NUM_CLASSES != COCO_CLASSES:
            print(f"the layers of the classes start anew: {', '.join(CLASS_LAYERS)}")
            exclude = [*exclude, *CLASS_LAYERS]
    else:
        refuse_unknown_weights(str(weights), WORDS)
        path = find_weights(weights)
    with open_weights(path, model.layers()) as found:
        whole = any(HEADS.fullmatch(name) for name in found)
    if whole:
        model.load_weights(path, exclude=list(exclude))
        return
    if exclude:
        raise InputError(f"--exclude is for whole models: {path} holds a backbone alone")
    print(f"{path} holds a backbone alone; the heads start anew\n{model.load_backbone(path)}")
