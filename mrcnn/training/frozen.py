"""Whether a stage would freeze a backbone that has never learned anything.

Heads on top of random features do not learn, and nothing in the losses says so: they fall a little
and stay.
"""

import zlib
from collections.abc import Sequence

import keras
import numpy as np

from mrcnn.errors import InputError
from mrcnn.modeling.network import Network
from mrcnn.training.schedule import Stage, all_layers, stage_layers
from mrcnn.weights.loading import to_numpy

KERNELS = ("kernel", "depthwise_kernel")


class RandomStart:
    """Remembers the kernels of a backbone as they were drawn.

    It compares values rather than listening to loaders, because there are many ways to set a
    weight. A backbone that is a callable may bring weights of its own, so nothing is known of it.

    Args:
        network: A network whose models are built, before any weight is loaded.
    """

    def __init__(self, network: Network):
        self._network = network
        known = not callable(network.config.BACKBONE)
        self._first = {name: _checksum(k) for name, k in _kernels(network).items()} if known else {}

    def layers(self) -> set[str]:
        """Names of the layers that are still as they were drawn."""
        kernels = _kernels(self._network)
        return {name for name, first in self._first.items() if _checksum(kernels[name]) == first}

    def frozen(self, stages: Sequence[Stage]) -> list[tuple[Stage, int]]:
        """The stages that freeze such layers, and how many. What a stage trains is no longer random
        in the next one.
        """
        random, found = self.layers(), []
        for stage in stages:
            learning = {layer.name for layer in stage_layers(self._network, stage.layers)}
            random = random - learning
            if random:
                found.append((stage, len(random)))
        return found


def describe_frozen(random: RandomStart, stages: Sequence[Stage]) -> str:
    """What is wrong with training these stages, in words; empty if nothing is."""
    for stage, count in random.frozen(stages):
        return (
            f"the stage {stage.layers!r} trains on features of a backbone that is random and "
            f"frozen: {count} of its layers were never loaded or trained"
        )
    return ""


def refuse_frozen(random: RandomStart, stages: Sequence[Stage]) -> None:
    """Refuse a schedule that freezes a random backbone.

    Raises:
        InputError: A stage does; the message has the three choices that there are.
    """
    fault = describe_frozen(random, stages)
    if fault:
        raise InputError(
            f"{fault}. Start from weights (--weights imagenet, or a file); or train all layers "
            '(--set "SCHEDULE=[[all, STEPS, RATE]]"); or write --weights none if you mean it'
        )


def _kernels(network: Network) -> dict[str, keras.Variable]:
    stages, found = network.layer_stages(), {}
    for layer in all_layers(network):
        kernels = [getattr(layer, name, None) for name in KERNELS]
        kernel = next((k for k in kernels if isinstance(k, keras.Variable)), None)
        if layer.name in stages and kernel is not None:
            found[layer.name] = kernel
    return found


def _checksum(variable: keras.Variable) -> int:
    # Of all numbers: those of a channel that is always 0 stay as they are in training.
    return zlib.crc32(np.ascontiguousarray(to_numpy(variable)))
