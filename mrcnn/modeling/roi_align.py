"""RoIAlign (arXiv 1703.06870, section 3) over all pyramid levels at once, and cropping of
ground-truth masks.
"""

import numpy as np
from keras import ops

from mrcnn.backend.boxes import float32
from mrcnn.modeling.fpn import take_rows

# A RoI of this size in pixels belongs to P4 (arXiv 1612.03144, equation 1).
CANONICAL_SIZE = 224.0


def assign_levels(boxes, image_area: float):
    """The level 2 to 5 that each box `(..., 4)` is pooled from: 4 + log2(sqrt(h w) / (224 /
    sqrt(image area))).
    """
    boxes = float32(boxes)
    height, width = boxes[..., 2] - boxes[..., 0], boxes[..., 3] - boxes[..., 1]
    size = ops.sqrt(ops.maximum(height * width, 1e-16))
    level = 4 + ops.round(ops.log(size / (CANONICAL_SIZE / np.sqrt(image_area))) / np.log(2.0))
    return ops.cast(ops.clip(level, 2, 5), "int32")


def pyramid_roi_align(boxes, flat_features, shapes, pool: int, image_area: float):
    """Sample `pool` x `pool` features of every box from the level that fits its size.

    One bilinear sample per bin, at the corner-aligned positions of `tf.image.crop_and_resize`: what
    old weights were trained with. Every box gathers four rows of the flat features per sample, so
    shapes are static and no level is skipped or computed twice. Positions are computed in float32,
    values in the dtype of the features.

    Args:
        boxes: `(B, R, 4)` normalised; empty boxes read the top left corner of P2.
        flat_features: `(B, S, C)`, P2 to P5 (or more) flattened, from `flatten_levels`.
        shapes: (height, width) of P2 to P5.
        image_area: Height times width of the network's input in pixels.

    Returns:
        `(B, R, pool, pool, C)` in the dtype of `flat_features`.
    """
    boxes = float32(boxes)
    heights = np.array([shape[0] for shape in shapes[:4]], "int32")
    widths = np.array([shape[1] for shape in shapes[:4]], "int32")
    starts = np.concatenate([[0], np.cumsum(heights * widths)[:-1]]).astype("int32")
    level = assign_levels(boxes, image_area) - 2
    height = ops.take(ops.convert_to_tensor(heights), level)[..., None]
    width = ops.take(ops.convert_to_tensor(widths), level)[..., None]
    start = ops.take(ops.convert_to_tensor(starts), level)[..., None, None]
    y0, y1, wy = _neighbours(boxes[..., 0:1], boxes[..., 2:3], height, pool)
    x0, x1, wx = _neighbours(boxes[..., 1:2], boxes[..., 3:4], width, pool)
    dtype = flat_features.dtype
    wy = ops.cast(wy[..., :, None, None], dtype)
    wx = ops.cast(wx[..., None, :, None], dtype)

    def rows(y, x):
        return take_rows(
            flat_features, start + y[..., :, None] * width[..., None] + x[..., None, :]
        )

    top = rows(y0, x0) * (1 - wx) + rows(y0, x1) * wx
    bottom = rows(y1, x0) * (1 - wx) + rows(y1, x1) * wx
    return top * (1 - wy) + bottom * wy


def _neighbours(low, high, size, count: int):
    """The two rows around each of `count` sample positions between `low` and `high`, and the weight
    of the second.
    """
    last = ops.cast(size - 1, "float32")
    steps = ops.arange(count, dtype="float32")
    # The order of operations is that of crop_and_resize, so that rounding agrees.
    position = low * last + steps * ((high - low) * last / max(count - 1, 1))
    position = ops.clip(position, 0, last)
    first = ops.floor(position)
    weight = position - first
    first = ops.cast(first, "int32")
    return first, ops.minimum(first + 1, size - 1), weight


def crop_masks(masks, boxes, shape: tuple[int, int]):
    """Resample masks inside boxes, bilinearly, with zeros outside the mask.

    Args:
        masks: `(B, N, H, W)` float.
        boxes: `(B, N, 4)`, normalised to the mask: (0, 0) and (1, 1) are the centres of its corner
            pixels.
        shape: Height and width of the result.

    Returns:
        `(B, N, height, width)` float32.
    """
    boxes = float32(boxes)
    rows = _hat(boxes[..., 0:1], boxes[..., 2:3], masks.shape[2], shape[0])
    columns = _hat(boxes[..., 1:2], boxes[..., 3:4], masks.shape[3], shape[1])
    return ops.matmul(ops.matmul(rows, ops.cast(masks, "float32")), ops.swapaxes(columns, -1, -2))


def _hat(low, high, size: int, count: int):
    """Weights `(..., count, size)` of linear interpolation; none for samples out of range."""
    steps = ops.arange(count, dtype="float32")
    position = low * (size - 1.0) + steps * ((high - low) * (size - 1.0) / max(count - 1, 1))
    inside = ops.logical_and(position >= 0, position <= size - 1.0)
    distance = ops.abs(position[..., None] - ops.arange(size, dtype="float32"))
    return ops.maximum(1 - distance, 0) * ops.cast(inside[..., None], "float32")
