"""GradNorm: losses weighted such that each moves the shared layers as much as the others.

Chen et al., "GradNorm: Gradient normalization for adaptive loss balancing in deep multitask
networks", ICML 2018 (arXiv 1711.02257).
"""

import keras
import numpy as np

from mrcnn.backend import gradient_norms
from mrcnn.config import Config
from mrcnn.modeling.network import Network
from mrcnn.weights.loading import to_numpy

# The last layers that all losses share: what makes P2 to P5.
SHARED = ("fpn_p2", "fpn_p3", "fpn_p4", "fpn_p5")


def gradnorm_step(
    factors: np.ndarray,
    values: np.ndarray,
    norms: np.ndarray,
    first_values: np.ndarray,
    alpha: float,
    rate: float,
) -> np.ndarray:
    """One update of the factors w_i.

    With G_i = w_i |grad L_i|, and r_i the loss ratio L_i / L_i(0) divided by the mean ratio, each
    G_i should be mean(G) r_i^alpha. The update is one step down on the sum over i of
    |G_i - mean(G) r_i^alpha| (equation 2, targets taken as constants) divided by mean(G), in the
    logarithm of w_i: factors stay positive, and a step does not depend on the size of gradients.
    Then the factors are scaled to keep their sum, which is their number from the start.

    Losses that are exactly 0, because the batch has nothing to compare, keep their factors and do
    not count; so do all when a number is not finite or no loss has a gradient.

    Args:
        factors: `(N,)`, positive.
        values: `(N,)`, the losses.
        norms: `(N,)`, the norms of their gradients.
        first_values: `(N,)`, L_i(0), positive where the loss is.
        alpha: Strength of the pull towards equal training rates; 0 wants equal gradients.
        rate: Size of the step.

    Returns:
        The new factors `(N,)`.
    """
    active = values > 0
    if not active.any() or not (np.isfinite(values).all() and np.isfinite(norms).all()):
        return factors
    weights = factors[active].astype(np.float64)
    sizes = weights * norms[active]
    mean = sizes.mean()
    if mean == 0:
        return factors
    ratios = values[active] / first_values[active]
    targets = mean * (ratios / ratios.mean()) ** alpha
    moved = weights * np.exp(-rate * sizes / mean * np.sign(sizes - targets))
    updated = factors.copy()
    updated[active] = moved * weights.sum() / moved.sum()
    return updated


class GradNorm:
    """Updates the factors of the network's `Losses` layer, which holds them for checkpoints.

    It belongs to one stage, because its functions are built for what the stage freezes.

    Args:
        network: The network, with a training model.
        config: The configuration.
    """

    def __init__(self, network: Network, config: Config):
        self._layers = network.builder.layers
        self._config = config
        self._functions: dict[int, object] = {}

    def update(self, model: keras.Model, batch: dict[str, np.ndarray]) -> None:
        """Measure the gradients of a batch, and set the factors."""
        layer = self._layers["losses"]
        if id(model) not in self._functions:
            kernels = [self._layers[name].kernel for name in SHARED]
            self._functions[id(model)] = gradient_norms(model, layer.weighted, kernels)
        values, norms = self._functions[id(model)](batch)
        norms = np.linalg.norm(norms, axis=1)
        weights = np.array([layer.loss_weights[name] for name in layer.weighted], "float32")
        values, norms = values * weights, norms * weights
        first = to_numpy(layer.first_values)
        # A loss that has not occurred yet begins now.
        first = np.where((first == 0) & np.isfinite(values), values, first)
        layer.first_values.assign(first)
        layer.factors.assign(
            gradnorm_step(
                to_numpy(layer.factors),
                values,
                norms,
                first,
                self._config.GRADNORM_ALPHA,
                self._config.GRADNORM_LEARNING_RATE,
            )
        )
