"""What a run starts from: the backbone and the weights that an option names."""

from collections.abc import Sequence
from typing import Any

from mrcnn.config import Config
from mrcnn.config_effects import TRAINING_ONLY
from mrcnn.errors import InputError
from mrcnn.hub.words import BACKBONE_NAMES, MODEL_NAMES, NONE, WORDS, refuse_unknown_weights
from mrcnn.model import MaskRCNN
from mrcnn.trained import config_of, find_weights
from mrcnn.weights.any_file import is_state_dict
from mrcnn.weights.published import OF_THE_RUN, network_settings, same

# What detection depends on and is of the data or the machine, not of the network.
OF_THE_DATA = (
    "GPU_COUNT", "PRECISION", "IMAGE_MIN_SCALE", "IMAGE_MAX_PIXELS", "IMAGE_RANGE",
    "COMPUTE_BACKBONE_SHAPE",
)  # fmt: skip


def start_settings(weights: str | None, config: Config) -> dict[str, Any]:
    """The settings of the network that weights are of and `config` does not have: of published
    models, of state dicts, and of runs, which have their configuration with them.

    Raises:
        InputError: There are no such weights.
    """
    if weights in (None, NONE, *BACKBONE_NAMES, *MODEL_NAMES):
        return network_settings(weights, config)
    refuse_unknown_weights(str(weights), WORDS)
    path = find_weights(str(weights))
    if is_state_dict(path):
        return network_settings(str(path), config)
    try:
        trained, now = config_of(path).to_dict(), config.to_dict()
    except InputError:
        return {}  # a file alone: what does not fit is said when it is loaded
    left = {*TRAINING_ONLY, *OF_THE_RUN, *OF_THE_DATA}
    return {
        key: value
        for key, value in trained.items()
        if key not in left and not same(value, now[key])
    }


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
