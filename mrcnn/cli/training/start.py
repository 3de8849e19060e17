"""What a run starts from: the backbone and the weights that an option names."""

from collections.abc import Sequence
from typing import Any

from mrcnn.errors import InputError
from mrcnn.hub.words import BACKBONE_NAMES, MODEL_NAMES, NONE, WORDS, refuse_unknown_weights
from mrcnn.model import MaskRCNN
from mrcnn.trained import find_weights

# Short names of backbones for an option. MobileNet at three quarters of its width, because that is
# what finetune.yaml was measured with.
SHORT: dict[str, dict[str, Any]] = {
    "mobilenet": {"BACKBONE": "MobileNet", "BACKBONE_ARGS": {"alpha": 0.75}},
    "mobilenetv2": {"BACKBONE": "MobileNetV2", "BACKBONE_ARGS": {}},
}


def backbone_settings(name: str) -> dict[str, Any]:
    """The settings that an option `--backbone` stands for: a short name, or a `BACKBONE`."""
    return SHORT.get(name, {"BACKBONE": name, "BACKBONE_ARGS": {}})


def load_start(model: MaskRCNN, weights: str | None, exclude: Sequence[str] = ()) -> None:
    """Load what a run starts from, and print what was loaded.

    Args:
        model: In training mode.
        weights: None or "none" for nothing; "imagenet" or another name of published weights, see
            `mrcnn.hub.words`; "last" for the newest run; or a weight file or run folder. The layers
            of the classes start anew where the classes are others.
        exclude: Layers that are left as they are.

    Raises:
        InputError: No such weights, they cannot be had, or do not fit.
    """
    if weights in (None, NONE):
        if exclude:
            raise InputError("--exclude needs --weights: without these nothing is loaded")
        return
    refuse_unknown_weights(str(weights), WORDS)
    named = weights in (*BACKBONE_NAMES, *MODEL_NAMES)
    model.load_weights(weights if named else find_weights(weights), exclude=list(exclude))
