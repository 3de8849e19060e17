"""RoIAlign (arXiv 1703.06870, section 3) over all pyramid levels at once, and cropping of
ground-truth masks.
"""

import keras
import numpy as np
from keras import ops

from mrcnn.backend import weighted_rows
from mrcnn.backend.boxes import area, float32
from mrcnn.modeling import boxes as box_ops

# A RoI of this size in pixels belongs to P4 (arXiv 1612.03144, equation 1).
CANONICAL_SIZE = 224.0
# Samples of a bin along each axis.
SAMPLES = 2
# Samples that a cell of a mask is averaged over along each axis, at most: the longest box of an
# image of 1344 pixels has 48.
MOST_SAMPLES = 64


class RoIAlign(keras.layers.Layer):
    """The RoIAlign of `ROI_ALIGN` as a layer, so that the pooled features have a name in the graph.

    Args:
        pool: Side of the result.
        shapes: Height and width of the input and of P2 to P5.
        align: `Config.ROI_ALIGN`.
        level: `Config.ROI_LEVEL`.
        coding: `Config.BOX_CODING`.
    """

    def __init__(
        self,
        pool: int,
        shapes: list[tuple[int, int]],
        align: str = "crop",
        level: str = "round",
        coding: str = "inclusive",
        **kwargs,
    ):
        # With autocast Keras would round the boxes too: in bfloat16 to steps of 4 pixels at 1024.
        super().__init__(autocast=False, **kwargs)
        self.pool = pool
        self.shapes = shapes
        self.coding = coding
        self.samples = align == "sampled"
        self.rounds_down = level == "floor"

    def call(self, rois, flat_features):
        shape, *shapes = self.shapes
        area = float(shape[0] * shape[1])
        pixels = box_ops.to_pixels(rois, shape, self.coding)
        levels = floor_levels(pixels) if self.rounds_down else assign_levels(rois, area)
        if self.samples:
            return sampled_roi_align(pixels, levels, flat_features, shapes, shape, self.pool)
        if self.coding != "inclusive":
            rois = box_ops.normalize(pixels, shape)
        return pyramid_roi_align(rois, flat_features, shapes, self.pool, area, levels)


def assign_levels(boxes, image_area: float):
    """The level 2 to 5 that each box `(..., 4)` is pooled from: 4 + log2(sqrt(h w) / (224 /
    sqrt(image area))).
    """
    boxes = float32(boxes)
    height, width = boxes[..., 2] - boxes[..., 0], boxes[..., 3] - boxes[..., 1]
    size = ops.sqrt(ops.maximum(height * width, 1e-16))
    level = 4 + ops.round(ops.log(size / (CANONICAL_SIZE / np.sqrt(image_area))) / np.log(2.0))
    return ops.cast(ops.clip(level, 2, 5), "int32")


def floor_levels(boxes):
    """The level 2 to 5 of each box `(..., 4)` in pixels: 4 + log2(sqrt(h w) / 224), rounded down,
    as in the FPN paper; 1e-6 is added first, as in torchvision.
    """
    boxes = float32(boxes)
    size = ops.sqrt(ops.maximum(area(boxes), 1e-16))
    level = ops.floor(4 + ops.log2(size / CANONICAL_SIZE) + 1e-6)
    return ops.cast(ops.clip(level, 2, 5), "int32")


def pyramid_roi_align(boxes, flat_features, shapes, pool: int, image_area: float, levels=None):
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
        levels: `(B, R)` int32, of 2 to 5; None for those of `assign_levels`.

    Returns:
        `(B, R, pool, pool, C)` in the dtype of `flat_features`.
    """
    boxes = float32(boxes)
    heights = np.array([shape[0] for shape in shapes[:4]], "int32")
    widths = np.array([shape[1] for shape in shapes[:4]], "int32")
    starts = np.concatenate([[0], np.cumsum(heights * widths)[:-1]]).astype("int32")
    level = (assign_levels(boxes, image_area) if levels is None else levels) - 2
    height = ops.take(ops.convert_to_tensor(heights), level)[..., None]
    width = ops.take(ops.convert_to_tensor(widths), level)[..., None]
    start = ops.take(ops.convert_to_tensor(starts), level)[..., None, None]
    y0, y1, wy = _neighbours(boxes[..., 0:1], boxes[..., 2:3], height, pool)
    x0, x1, wx = _neighbours(boxes[..., 1:2], boxes[..., 3:4], width, pool)
    y, wy = ops.stack([y0, y1], axis=-1), ops.stack([1 - wy, wy], axis=-1)
    x, wx = ops.stack([x0, x1], axis=-1), ops.stack([1 - wx, wx], axis=-1)
    rows = start + y * width[..., None]
    return _pooled(flat_features, rows, x, wy, wx)


def _pooled(flat_features, y, x, wy, wx):
    """Weighted sums of the rows of features `(B, S, C)` that the bins of boxes read.

    Args:
        y: Rows of the features of a column of bins, `(B, R, pool, taps)`, without the x.
        x: What of a row is added to `y`, `(B, R, pool, taps)`.
        wy, wx: Their weights.

    Returns:
        `(B, R, pool, pool, C)`.
    """
    boxes, pool, taps = y.shape[1:]
    rows = y[..., :, None, :, None] + x[..., None, :, None, :]
    weights = wy[..., :, None, :, None] * wx[..., None, :, None, :]
    rows = ops.reshape(rows, (-1, boxes * pool * pool, taps * taps))
    weights = ops.reshape(weights, (-1, boxes * pool * pool, taps * taps))
    pooled = weighted_rows(flat_features, rows, weights)
    return ops.reshape(pooled, (-1, boxes, pool, pool, flat_features.shape[-1]))


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


def sampled_roi_align(boxes, levels, flat_features, shapes, image_shape, pool: int):
    """Means of 2 x 2 bilinear samples in each of `pool` x `pool` bins.

    A feature stands for the point at the corner of its cell (position i of a level of stride s is
    pixel i * s), a RoI has at least the size of a cell, and beyond a cell from the map is 0.

    Args:
        boxes: `(B, R, 4)` in pixels of the network's input.
        levels: `(B, R)` int32, of 2 to 5.
        flat_features: `(B, S, C)`, P2 to P5 (or more) flattened.
        shapes: (height, width) of P2 to P5.
        image_shape: Height and width of the network's input.
        pool: Bins along each axis.

    Returns:
        `(B, R, pool, pool, C)` in the dtype of `flat_features`.
    """
    boxes, levels = float32(boxes), levels - 2
    heights = np.array([shape[0] for shape in shapes[:4]], "int32")
    widths = np.array([shape[1] for shape in shapes[:4]], "int32")
    starts = np.concatenate([[0], np.cumsum(heights * widths)[:-1]]).astype("int32")

    def of_level(values):
        return ops.take(ops.convert_to_tensor(values), levels)[..., None]

    scale_y = of_level((heights / image_shape[0]).astype("float32"))
    scale_x = of_level((widths / image_shape[1]).astype("float32"))
    height, width = of_level(heights), of_level(widths)
    y, wy = _taps(boxes[..., 0:1] * scale_y, boxes[..., 2:3] * scale_y, height, pool)
    x, wx = _taps(boxes[..., 1:2] * scale_x, boxes[..., 3:4] * scale_x, width, pool)
    rows = of_level(starts)[..., None] + y * width[..., None]
    return _pooled(flat_features, rows, x, wy, wx)


def _taps(low, high, size, pool: int):
    """Cells `(B, R, pool, 4)` that the bins between `low` and `high` `(B, R, 1)` read along an axis
    of `size`, and their weights.
    """
    steps = ops.arange(pool * SAMPLES, dtype="float32")
    extent = ops.maximum(high - low, 1.0)
    position = low + (steps + 0.5) * (extent / (pool * SAMPLES))
    cell, next_cell, weight, inside = _between(position, size)
    share = ops.cast(inside, "float32") / SAMPLES
    cells = ops.stack([cell, next_cell], axis=-1)
    weights = ops.stack([(1 - weight) * share, weight * share], axis=-1)
    shape = (-1, low.shape[1], pool, 2 * SAMPLES)
    return ops.reshape(cells, shape), ops.reshape(weights, shape)


def _between(position, size):
    """The two cells around a position, the weight of the second, and whether it counts at all."""
    last = size - 1
    inside = (position >= -1) & (position <= ops.cast(size, "float32"))
    position = ops.clip(position, 0.0, ops.cast(last, "float32"))
    cell = ops.floor(position)
    weight = position - cell
    cell = ops.cast(cell, "int32")
    return cell, ops.minimum(cell + 1, last), weight, inside


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


def average_masks(masks, boxes, shape: tuple[int, int]):
    """Shares of masks inside boxes: the mean of as many samples a cell as it has pixels.

    Args:
        masks: `(B, N, H, W)` float.
        boxes: `(B, N, 4)` in pixels of the mask; its pixel i covers i to i + 1, and stands for its
            corner, as features do in `sampled_roi_align`.
        shape: Height and width of the result.

    Returns:
        `(B, N, height, width)` float32, 0 to 1.
    """
    boxes = float32(boxes)
    rows = _mean_weights(boxes[..., 0:1], boxes[..., 2:3], masks.shape[2], shape[0])
    columns = _mean_weights(boxes[..., 1:2], boxes[..., 3:4], masks.shape[3], shape[1])
    return ops.matmul(ops.matmul(rows, ops.cast(masks, "float32")), ops.swapaxes(columns, -1, -2))


def _mean_weights(low, high, size: int, cells: int):
    """Weights `(B, N, cells, size)` of a mean of bilinear samples."""
    extent = ops.maximum(high - low, 1.0)
    step = extent / cells
    count = ops.clip(ops.ceil(step), 1.0, float(MOST_SAMPLES))
    start = low + ops.arange(cells, dtype="float32") * step
    pixels = ops.arange(size, dtype="int32")

    def more(index, _):
        return ops.cast(index, "float32") < ops.max(count)

    def add(index, weights):
        number = ops.cast(index, "float32")
        position = start + (number + 0.5) * (step / count)
        pixel, following, weight, inside = _between(position, size)
        share = ops.cast(inside & (number < count), "float32") / count
        first = ops.cast(ops.equal(pixel[..., None], pixels), "float32")
        second = ops.cast(ops.equal(following[..., None], pixels), "float32")
        part = first * ((1 - weight) * share)[..., None] + second * (weight * share)[..., None]
        return index + 1, weights + part

    zeros = ops.zeros_like(start)[..., None] + ops.zeros((size,), "float32")
    _, weights = ops.while_loop(more, add, (ops.zeros((), "int32"), zeros))
    return weights
