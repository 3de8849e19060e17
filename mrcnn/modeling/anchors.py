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


def whole_anchors(
    scale: float, ratios: Sequence[float], shape: tuple[int, int], image_shape: Sequence[int]
) -> np.ndarray:
    """Anchors of one level as torchvision lays them out, `(H * W * ratios, 4)` float64 in pixels,
    rows first.

    From a centre, which is a whole pixel, to the sides of an anchor are whole pixels (half of one
    goes to the even neighbour); the centres are as far apart as the input's side divided by that
    of the level, rounded down, which on P6 can be less than its stride.
    """
    ratios = np.asarray(ratios, np.float32)
    root, side = np.sqrt(ratios), np.float32(scale)
    half = np.round(np.stack([side / root, side * root], axis=1) / 2).astype(np.float64)
    rows, columns = (np.arange(shape[axis]) * (image_shape[axis] // shape[axis]) for axis in (0, 1))
    y, x = np.meshgrid(rows, columns, indexing="ij")
    centers = np.stack([y, x], axis=-1).reshape(-1, 1, 2)
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
    layout: str = "exact",
) -> np.ndarray:
    """Anchors of all levels, `(A, 4)` float32 in pixels, P2 first; 261,888 for 1024 x 1024.

    `layout` is `Config.RPN_ANCHORS`.
    """
    shapes = level_shapes(image_shape, strides)
    if layout == "whole":
        levels = [
            whole_anchors(scale, ratios, positions(shape, anchor_stride), image_shape)
            for scale, shape in zip(scales, shapes, strict=True)
        ]
        return np.concatenate(levels).astype(np.float32)
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
        config.RPN_ANCHORS,
    )


def anchors_per_level(config: Any, image_shape: Sequence[int]) -> list[int]:
    """How many of them each level has, P2 first."""
    ratios = len(config.RPN_ANCHOR_RATIOS)
    shapes = level_shapes(image_shape, config.BACKBONE_STRIDES)
    cells = [positions(shape, config.RPN_ANCHOR_STRIDE) for shape in shapes]
    return [height * width * ratios for height, width in cells]


def positions(shape: tuple[int, int], anchor_stride: int) -> tuple[int, int]:
    """Rows and columns of the positions of anchors on a level."""
    return -(-shape[0] // anchor_stride), -(-shape[1] // anchor_stride)


def normalized(
    anchors: np.ndarray, image_shape: Sequence[int], coding: str = "inclusive"
) -> np.ndarray:
    """Anchors in normalised coordinates, see `mrcnn.modeling.boxes.normalize`."""
    if coding == "inclusive":
        return norm_boxes(anchors, image_shape)
    return (anchors / np.tile(np.asarray(image_shape[:2], np.float64), 2)).astype(np.float32)
