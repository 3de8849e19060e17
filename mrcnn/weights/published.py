"""Published weights by their names, in files that models load: fetched, and converted once."""

import re
from pathlib import Path
from typing import Any

import numpy as np

from mrcnn.config import Config
from mrcnn.config_io import load_config, save_config
from mrcnn.errors import InputError
from mrcnn.hub.cache import weights_folder
from mrcnn.hub.named import fetch, find_source
from mrcnn.hub.sources import Source, model_source
from mrcnn.hub.words import BACKBONE_NAMES, MODEL_NAMES
from mrcnn.weights.any_file import configuration_for, is_state_dict
from mrcnn.weights.file_formats import Arrays, read_weights, write_layers
from mrcnn.weights.guard import refuse_not_finite
from mrcnn.weights.state_dict import read_state_dict
from mrcnn.weights.torchvision import from_torchvision

# Of the conversions: another number where they give other files.
CONVERSION = 1
# Settings that say how much is computed, and for how long, rather than what the weights mean: with
# published weights they stay as they are.
OF_THE_RUN = {
    "NAME", "NUM_CLASSES", "CLASS_NAMES", "BACKBONE_WEIGHTS", "IMAGES_PER_GPU", "STEPS_PER_EPOCH",
    "VALIDATION_STEPS", "SCHEDULE", "IMAGE_RESIZE_MODE", "IMAGE_MIN_DIM", "IMAGE_MAX_DIM",
    "PRE_NMS_LIMIT_TRAINING", "POST_NMS_ROIS_TRAINING", "POST_NMS_ROIS_INFERENCE",
    "TRAIN_ROIS_PER_IMAGE", "ROI_POSITIVE_RATIO", "DETECTION_MIN_CONFIDENCE",
    "DETECTION_MAX_INSTANCES",
}  # fmt: skip
# Sizes of the network, which configurations of small ones set.
SIZES = (
    "BACKBONE", "BACKBONE_ARGS", "TOP_DOWN_PYRAMID_SIZE", "RPN_CHANNELS",
    "FPN_CLASSIF_FC_LAYERS_SIZE", "MASK_HEAD_CHANNELS", "RPN_ANCHOR_RATIOS",
)  # fmt: skip

# Of ImageNet's RGB values from 0 to 1.
_STD = np.array([0.229, 0.224, 0.225], "float32")
_NORMALIZATION, _VARIANCE = "normalization", "variance"


def prepared(
    name: str, config: Config, folder: str | Path | None = None, verbose: bool = True
) -> Path:
    """The path of a weight file that models load, of published weights.

    Beside a whole model lies `config.yaml`, the configuration that it was trained with.

    Args:
        name: One of `mrcnn.hub.words.MODEL_NAMES` or `BACKBONE_NAMES`.
        config: Its backbone decides which ImageNet weights are meant.
        folder: Where to keep them; None is `mrcnn.hub.cache.weights_folder`.
        verbose: Say what is fetched and converted.

    Raises:
        InputError: There are no such weights, they cannot be had, are damaged or cannot be written.
    """
    source = find_source(name, config.BACKBONE, config.BACKBONE_ARGS)
    if is_state_dict(source.file) or is_rescaled(source.network):
        kept = Path(folder or weights_folder(source.name))
        path = kept / f"{Path(source.file).stem}_{CONVERSION}.h5"
        if not path.is_file():
            _convert(fetch(source, folder, verbose), path)
            if verbose:
                print(f"converted to {path}")
    else:
        path = fetch(source, folder, verbose)
    if name in MODEL_NAMES:
        _write_config(source, path.parent / "config.yaml")
    return path


def network_settings(weights: str | None, config: Config) -> dict[str, Any]:
    """The settings that a published model needs and `config` does not have: its network, and what
    it computes; nothing for other weights.

    Args:
        weights: A name, or a file: the state dict of a model of torchvision counts as published.
        config: The configuration that is to have them.
    """
    published = _configuration(weights)
    if not published:
        return {}
    needed, usual = load_config(published).to_dict(), Config().to_dict()
    keys = {key for key, value in needed.items() if value != usual.get(key)}
    keys = (keys | set(SIZES)) - OF_THE_RUN
    now = config.to_dict()
    return {key: needed[key] for key in needed if key in keys and needed[key] != now[key]}


def differences(name: str, config: Config) -> str:
    """What a configuration computes otherwise than published weights were trained with, in words;
    empty if nothing.
    """
    if name in MODEL_NAMES:
        found = network_settings(name, config)
        source = model_source(name).network
    elif name in BACKBONE_NAMES and config.BACKBONE_ARGS.get("stride_in_3x3"):
        source = "torchvision_resnet50"
        means = load_config(source).MEAN_PIXEL.tolist()
        found = {} if means == config.MEAN_PIXEL.tolist() else {"MEAN_PIXEL": means}
    else:
        return ""
    words = ", ".join(f"{key} {value}" for key, value in list(found.items())[:6])
    more = f" and {len(found) - 6} more" if len(found) > 6 else ""
    return f"{words}{more} (configuration {source})" if found else ""


def _configuration(weights: str | None) -> str:
    if weights in MODEL_NAMES:
        return model_source(str(weights)).network
    if weights is not None and is_state_dict(weights) and Path(weights).is_file():
        return configuration_for(weights)
    return ""


def _convert(original: Path, path: Path) -> None:
    if is_state_dict(original):
        arrays = from_torchvision(read_state_dict(original))
    else:
        arrays = with_rescaled_input(read_weights(original))
    refuse_not_finite(arrays, str(original))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_layers(path, arrays)


def _write_config(source: Source, path: Path) -> None:
    config = load_config(source.network)
    if not path.is_file() or load_config(path).to_dict() != config.to_dict():
        save_config(config, path)


def is_rescaled(network: str) -> bool:
    """Whether Keras puts a layer more into a network of `keras.applications` with ImageNet weights
    than into one without: EfficientNet, not its second version.
    """
    return re.fullmatch(r"EfficientNetB\d", network) is not None


def with_rescaled_input(arrays: Arrays) -> Arrays:
    """The weights of an EfficientNet with what that layer does: it divides what is normalised by
    the root of the standard deviations of ImageNet. The variance of the normalisation takes that.

    Raises:
        InputError: There is no such normalisation.
    """
    found = arrays.get(_NORMALIZATION, {})
    if _VARIANCE not in found or found[_VARIANCE].shape != _STD.shape:
        raise InputError("weights of an EfficientNet have a layer 'normalization' with 'variance'")
    return {**arrays, _NORMALIZATION: {**found, _VARIANCE: found[_VARIANCE] * _STD}}
