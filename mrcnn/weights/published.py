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
from mrcnn.hub.sources import model_source
from mrcnn.hub.words import BACKBONE_NAMES, MODEL_NAMES
from mrcnn.weights.any_file import is_state_dict, settings_of
from mrcnn.weights.file_formats import open_weights, write_layers
from mrcnn.weights.guard import refuse_not_finite
from mrcnn.weights.state_dict import read_state_dict
from mrcnn.weights.torchvision import from_torchvision

# The configuration for torchvision's ResNets.
RESNETS_OF = "torchvision_resnet50"
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
    if name not in MODEL_NAMES:
        return fetch(source, folder, verbose)
    path = Path(folder or weights_folder(source.name)) / source.file
    if is_state_dict(source.file):
        path = path.with_name(f"{path.stem}_{CONVERSION}.h5")
        if not _opens(path):
            _convert(fetch(source, folder, verbose), path)
            if verbose:
                print(f"converted to {path}")
    else:
        path = fetch(source, folder, verbose)
    beside, config = path.parent / "config.yaml", load_config(source.network)
    if not beside.is_file() or load_config(beside).to_dict() != config.to_dict():
        save_config(config, beside)
    return path


def network_settings(weights: str | None, config: Config) -> dict[str, Any]:
    """The settings that a published model needs and `config` does not have: its network, and what
    it computes; nothing for other weights.

    Args:
        weights: A name, or a file: the state dict of a model of torchvision counts as published.
        config: The configuration that is to have them.
    """
    return _lacking(_needed(weights, config)[0], config)


def differences(weights: str, config: Config) -> str:
    """What a configuration computes otherwise than published weights were trained with, in words;
    empty if nothing. Arguments as for `network_settings`.
    """
    needed, place = _needed(weights, config)
    found = _lacking(needed, config)
    words = ", ".join(f"{key} {value}" for key, value in list(found.items())[:6])
    more = f" and {len(found) - 6} more" if len(found) > 6 else ""
    return f"{words}{more} (configuration {place})" if found else ""


def _lacking(needed: dict[str, Any], config: Config) -> dict[str, Any]:
    now = config.to_dict()
    return {key: value for key, value in needed.items() if not same(value, now[key])}


def _needed(weights: str | None, config: Config) -> tuple[dict[str, Any], str]:
    """The settings of published weights, and the name of the configuration that has them."""
    over: dict[str, Any] = {}
    if weights in MODEL_NAMES:
        name = model_source(str(weights)).network
    elif weights is not None and is_state_dict(weights) and Path(weights).is_file():
        name, over = settings_of(weights)
        if not name:
            return {**over, **_means()}, RESNETS_OF
    elif weights in BACKBONE_NAMES and config.BACKBONE_ARGS.get("stride_in_3x3"):
        return _means(), RESNETS_OF
    else:
        return {}, ""
    wanted, usual = load_config(name).update(**over).to_dict(), Config().to_dict()
    keys = {key for key, value in wanted.items() if not same(value, usual[key])}
    keys = (keys | set(SIZES)) - OF_THE_RUN
    return {key: wanted[key] for key in wanted if key in keys}, name


def _means() -> dict[str, Any]:
    return {"MEAN_PIXEL": load_config(RESNETS_OF).MEAN_PIXEL.tolist()}


def same(one: Any, other: Any) -> bool:
    """Whether two values of settings are the same, as lists or arrays."""
    return np.asarray(one).tolist() == np.asarray(other).tolist()


def _opens(path: Path) -> bool:
    """Whether a converted file is there and is one; another is made anew."""
    try:
        with open_weights(path):
            return True
    except InputError:
        return False


def _convert(original: Path, path: Path) -> None:
    arrays = from_torchvision(read_state_dict(original))
    refuse_not_finite(arrays, str(original))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_layers(path, arrays)


def is_rescaled(network: str) -> bool:
    """Whether Keras puts a layer more into a network of `keras.applications` with ImageNet weights
    than into one without: EfficientNet, not its second version.
    """
    return re.fullmatch(r"EfficientNetB\d", network) is not None


def rescaled_variance(variance: np.ndarray) -> np.ndarray:
    """The variance of the normalisation of an EfficientNet that does what that layer does: it
    divides what is normalised by the root of the standard deviations of ImageNet.

    In the files of Keras the variance is these deviations; another one is left as it is.
    """
    if variance.shape != _STD.shape or not np.allclose(variance, _STD, rtol=1e-3):
        return variance
    return variance * _STD
