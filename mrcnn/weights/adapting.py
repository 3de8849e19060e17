"""Weights of a model for other classes, or for images of other channels."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from mrcnn.constants import CLASS_LAYERS
from mrcnn.weights.file_formats import match_names

# First convolutions of backbones, which see the channels of the image.
STEMS = ("conv1", "small_conv1")


def other_classes(
    layers: Mapping[str, list[Any]], found: Mapping[str, Mapping[str, Any]]
) -> set[str]:
    """The layers whose size is that of the classes, where a file has them for another number;
    otherwise none.

    Args:
        layers: Keras variables of a model by layer.
        found: Arrays of a file by layer and weight.
    """
    for layer in CLASS_LAYERS:
        variables = layers.get(layer, [])
        arrays = match_names(dict(found.get(layer, {})), [v.name for v in variables])
        for variable in variables:
            array = arrays[variable.name]
            # All but the last number is that of the network.
            if array is not None and tuple(array.shape) != tuple(variable.shape):
                same = tuple(array.shape[:-1]) == tuple(variable.shape[:-1])
                return {name for name in CLASS_LAYERS if name in layers} if same else set()
    return set()


def is_inflatable(layer: str, file: tuple[int, ...], model: tuple[int, ...]) -> bool:
    """Whether a kernel (h, w, channels, filters) is that of a first convolution for another number
    of channels.
    """
    if layer not in STEMS or not len(file) == len(model) == 4:
        return False
    file, model = tuple(file), tuple(model)
    return file[:2] == model[:2] and file[2] != model[2] and file[3] == model[3]


def fitted(kernel: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """An array in the shape of its variable: a kernel for another number of channels is the mean
    over its own, scaled so that grey images give what they gave before.
    """
    if tuple(kernel.shape) == shape:
        return kernel
    before, channels = kernel.shape[2], shape[2]
    mean = kernel.mean(axis=2, keepdims=True) * (before / channels)
    return np.broadcast_to(mean, shape).astype(kernel.dtype)
