"""Anchors as the original keeps them."""

import mrcnn.backend  # noqa: F401 (before Keras, see mrcnn.backend.quiet)

# isort: split
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from mrcnn.modeling.anchors import config_anchors, generate_pyramid_anchors, level_shapes


def pixel_anchors(image_shape: Sequence[int], config: Any) -> np.ndarray:
    """Anchors `(A, 4)` of an image (height, width, ...), in pixels, float64: in float32, overlaps
    that tie would not.
    """
    if config.RPN_ANCHORS != "exact":
        return config_anchors(config, image_shape).astype(np.float64)
    return _anchors(
        (int(image_shape[0]), int(image_shape[1])),
        tuple(config.RPN_ANCHOR_SCALES),
        tuple(config.RPN_ANCHOR_RATIOS),
        tuple(config.BACKBONE_STRIDES),
        config.RPN_ANCHOR_STRIDE,
    )


@lru_cache(maxsize=4)
def _anchors(
    shape: tuple[int, int],
    scales: tuple[float, ...],
    ratios: tuple[float, ...],
    strides: tuple[int, ...],
    anchor_stride: int,
) -> np.ndarray:
    shapes = level_shapes(shape, strides)
    return generate_pyramid_anchors(scales, ratios, shapes, strides, anchor_stride)
