"""Anchors of all pyramid levels, in NumPy: they are constants of a network."""

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from mrcnn.data.boxes import norm_boxes


def generate_anchors(
    scales: float | Sequence[float],
    ratios: Sequence[float],
    shape: tuple[int, int],
    feature_stride: int,
    anchor_stride: int = 1,
) -> np.ndarray:
    """Anchors of one level, `(H * W * scales * ratios, 4)` float64 in pixels, rows first.

    A ratio is width / height; an anchor of scale s has an area of s * s. Centres lie on multiples
    of the stride.
    """
    scales, ratios = np.meshgrid(
        np.atleast_1d(np.asarray(scales, float)), np.asarray(ratios, float)
    )
    heights = (scales / np.sqrt(ratios)).ravel()
    widths = (scales * np.sqrt(ratios)).ravel()
    center_y = np.arange(0, shape[0], anchor_stride) * feature_stride
    center_x = np.arange(0, shape[1], anchor_stride) * feature_stride
    y, x = np.meshgrid(center_y, center_x, indexing="ij")
    centers = np.stack([y, x], axis=-1).reshape(-1, 1, 2)
    half = 0.5 * np.stack([heights, widths], axis=-1)[None]
    return np.concatenate([centers - half, centers + half], axis=-1).reshape(-1, 4)


def generate_pyramid_anchors(
    scales: Sequence[float],
    ratios: Sequence[float],
    feature_shapes: Sequence[Sequence[int]] | np.ndarray,
    feature_strides: Sequence[int],
    anchor_stride: int = 1,
) -> np.ndarray:
    """Anchors of all levels, `(A, 4)` float64 in pixels: one scale, shape and stride a level."""
    levels = zip(scales, feature_shapes, feature_strides, strict=True)
    return np.concatenate(
        [
            generate_anchors(scale, ratios, (shape[0], shape[1]), stride, anchor_stride)
            for scale, shape, stride in levels
        ]
    )


def level_shapes(image_shape: Sequence[int], strides: Sequence[int]) -> list[tuple[int, int]]:
    """Height and width of each feature map; a stride that does not divide the side rounds up."""
    return [(math.ceil(image_shape[0] / s), math.ceil(image_shape[1] / s)) for s in strides]


def compute_backbone_shapes(config: Any, image_shape: Sequence[int]) -> np.ndarray:
    """Height and width of P2 to P6, `(5, 2)`."""
    return np.array(level_shapes(image_shape, config.BACKBONE_STRIDES))


# 4 MB for a size of 1024 x 1024; mode "pad64" has up to as many sizes as there are images.
@functools.lru_cache(maxsize=32)
def pyramid_anchors(
    image_shape: tuple[int, int],
    scales: tuple[float, ...],
    ratios: tuple[float, ...],
    strides: tuple[int, ...],
    anchor_stride: int = 1,
) -> np.ndarray:
    """Anchors of all levels, `(A, 4)` float32 in pixels, P2 first; 261,888 for 1024 x 1024."""
    shapes = level_shapes(image_shape, strides)
    anchors = generate_pyramid_anchors(scales, ratios, shapes, strides, anchor_stride)
    return anchors.astype(np.float32)


def config_anchors(config: Any, image_shape: Sequence[int]) -> np.ndarray:
    """Anchors of all levels, `(A, 4)` float32 in pixels, for an image (height, width, ...)."""
    return pyramid_anchors(
        (image_shape[0], image_shape[1]),
        tuple(config.RPN_ANCHOR_SCALES),
        tuple(config.RPN_ANCHOR_RATIOS),
        tuple(config.BACKBONE_STRIDES),
        config.RPN_ANCHOR_STRIDE,
    )


def normalized(anchors: np.ndarray, image_shape: Sequence[int]) -> np.ndarray:
    """Anchors in the original's normalised coordinates."""
    return norm_boxes(anchors, image_shape)
