"""Finding objects with a network: its parts, compiled once for each image shape."""

from collections.abc import Callable

import numpy as np
from keras import ops

from mrcnn.backend import compiled
from mrcnn.modeling.network import Network

# The mask head runs on so many detections at a time as the image with the most has, rounded up to
# one of these.
SLOTS = (8, 16, 32, 64)


class DetectionRunner:
    """Boxes and classes first, then masks for as few detections as the images have.

    Args:
        network: Its weights may change between two calls.
    """

    def __init__(self, network: Network):
        self.network = network
        self._functions: dict[tuple, Callable] = {}

    def __call__(self, molded: np.ndarray, metas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Find objects.

        Args:
            molded: `(B, H, W, C)` float32.
            metas: `(B, META)` float32.

        Returns:
            Detections `(B, S, 6)` and their masks `(B, S, h, w, C)`, S as small as the detections
            allow.
        """
        shape = molded.shape[1:3]
        found, flat_features = self._function("detector", shape)([molded, metas])
        detections = ops.convert_to_numpy(found)
        count = int((detections[..., 4] > 0).sum(axis=1).max())
        if not count:
            config = self.network.config
            return detections, np.zeros(
                (len(detections), 0, *config.MASK_SHAPE, config.NUM_CLASSES)
            )
        slots = min([s for s in SLOTS if s >= count] + [detections.shape[1]])
        segmenter = self._function("segmenter", shape, slots)
        masks = segmenter([found[:, :slots], flat_features])
        return detections[:, :slots], ops.convert_to_numpy(masks)

    def _function(self, name: str, shape: tuple[int, ...], *arguments: int) -> Callable:
        key = (name, *shape, *arguments)
        if key not in self._functions:
            self._functions[key] = compiled(getattr(self.network, name)(shape, *arguments))
        return self._functions[key]
