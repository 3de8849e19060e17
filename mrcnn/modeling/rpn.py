"""Region proposal network (arXiv 1506.01497): everywhere for proposals, at the sampled anchors
alone for its losses.
"""

import keras
import numpy as np
from keras import ops

from mrcnn.constants import RPN_LAYERS
from mrcnn.modeling.fpn import shapes_of, take_rows
from mrcnn.modeling.layers import Builder

_SHARED, _CLASSES, _BOXES = RPN_LAYERS


def build_rpn(builder: Builder, levels, channels: int, anchors: int, stride: int):
    """Logits `(B, A, 2)` (background, object), probabilities `(B, A, 2)` and deltas `(B, A, 4)` of
    all anchors.

    Args:
        levels: [P2, ..., P6].
        channels: `Config.RPN_CHANNELS`.
        anchors: Anchors per position.
        stride: `Config.RPN_ANCHOR_STRIDE`.
    """
    logits, deltas = [], []
    for level in levels:
        x = builder.conv(
            level,
            channels,
            (3, 3),
            _SHARED,
            padding="same",
            strides=stride,
            activation="relu",
        )
        raw = builder.conv(x, 2 * anchors, (1, 1), _CLASSES)
        box = builder.conv(x, 4 * anchors, (1, 1), _BOXES)
        count = raw.shape[1] * raw.shape[2] * anchors
        logits.append(ops.reshape(raw, (-1, count, 2)))
        deltas.append(ops.reshape(box, (-1, count, 4)))
    logits = builder.layer("rpn_class_logits", keras.layers.Concatenate, axis=1, dtype="float32")(
        logits
    )
    deltas = builder.layer("rpn_bbox", keras.layers.Concatenate, axis=1, dtype="float32")(deltas)
    return logits, builder.layer("rpn_class", keras.layers.Softmax, dtype="float32")(logits), deltas


class SampledRPN(keras.layers.Layer):
    """The RPN's outputs at some anchors.

    The losses look at 256 of 261,888 anchors and proposals carry no gradient, so nothing but the 3
    x 3 neighbourhoods of the sampled anchors needs a backward pass: 0.1 % of what the RPN costs
    everywhere, with the same values.

    Call arguments:
        flat_features: `(B, S, C)`, P2 to P6 flattened.
        indices: `(B, K)` int32 anchor indices.
        levels: [P2, ..., P6], for their shapes alone.

    Returns:
        logits `(B, K, 2)` and deltas `(B, K, 4)`, float32.
    """

    def __init__(self, builder: Builder, anchors: int, stride: int, **kwargs):
        super().__init__(**kwargs)
        self.anchors = anchors
        self.stride = stride
        # In a closure: these layers belong to the model, not to this one.
        self._layers_of_rpn = lambda: [builder.layers[name] for name in RPN_LAYERS]

    def call(self, flat_features, indices, levels):
        shared, class_raw, bbox_pred = self._layers_of_rpn()
        position, ratio = indices // self.anchors, indices % self.anchors
        rows, inside = _neighbourhoods(position, shapes_of(levels), self.stride)
        patches = take_rows(flat_features, rows) * ops.cast(inside[..., None], flat_features.dtype)
        size = patches.shape[-1] * 9
        x = shared.activation(_dense(ops.reshape(patches, (-1, size)), shared))
        batch, count = ops.shape(indices)[0], indices.shape[1]
        ratio = ops.one_hot(ratio, self.anchors, dtype="float32")[..., None]

        def outputs(layer, depth):
            every = ops.reshape(_dense(x, layer), (batch, count, self.anchors, depth))
            return ops.sum(ops.cast(every, "float32") * ratio, axis=2)

        return outputs(class_raw, 2), outputs(bbox_pred, 4)


def _dense(x, conv):
    return ops.add(ops.matmul(x, ops.reshape(conv.kernel, (-1, conv.filters))), conv.bias)


def _neighbourhoods(position, shapes, stride: int):
    """Rows of the flat features under the 3 x 3 window of each RPN position `(B, K)`:
    `(B, K, 9)`, and which of them are inside the level.
    """
    sides = [(-(-height // stride), -(-width // stride)) for height, width in shapes]
    first = np.cumsum([0] + [height * width for height, width in sides]).astype("int32")
    starts = ops.convert_to_tensor(first[1:-1])
    level = ops.sum(ops.cast(position[..., None] >= starts, "int32"), axis=-1)

    def of_level(values):
        return ops.take(ops.convert_to_tensor(np.array(values, "int32")), level)[..., None]

    local = position[..., None] - of_level(first[:-1])
    columns = of_level([width for _, width in sides])
    steps = ops.arange(3, dtype="int32")
    height, width = (
        of_level([height for height, _ in shapes]),
        of_level([width for _, width in shapes]),
    )
    pads = [
        [max((n - 1) * stride + 3 - side, 0) // 2 for n, side in zip(*pair, strict=True)]
        for pair in zip(sides, shapes, strict=True)
    ]
    y = (local // columns) * stride - of_level([pad[0] for pad in pads]) + steps
    x = (local % columns) * stride - of_level([pad[1] for pad in pads]) + steps
    inside_y, inside_x = (y >= 0) & (y < height), (x >= 0) & (x < width)
    start = of_level(np.cumsum([0] + [h * w for h, w in shapes])[:-1])
    y, x = ops.clip(y, 0, height - 1), ops.clip(x, 0, width - 1)
    rows = (start + y * width)[..., :, None] + x[..., None, :]
    inside = inside_y[..., :, None] & inside_x[..., None, :]
    shape = (ops.shape(position)[0], position.shape[1], 9)
    return ops.reshape(rows, shape), ops.reshape(inside, shape)
