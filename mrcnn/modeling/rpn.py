"""Region proposal network (arXiv 1506.01497): everywhere for proposals, at the sampled anchors
alone for its losses.
"""

import keras
import numpy as np
from keras import ops

from mrcnn.constants import RPN_LAYERS, rpn_convolutions
from mrcnn.modeling.fpn import shapes_of, take_rows
from mrcnn.modeling.layers import Builder

_, _CLASSES, _BOXES = RPN_LAYERS


def build_rpn(builder: Builder, levels, channels: int, anchors: int, stride: int, depth: int = 1):
    """Logits `(B, A, 2)` (background, object), probabilities `(B, A, 2)` and deltas `(B, A, 4)` of
    all anchors.

    Args:
        levels: [P2, ..., P6].
        channels: `Config.RPN_CHANNELS`.
        anchors: Anchors per position.
        stride: `Config.RPN_ANCHOR_STRIDE`.
        depth: `Config.RPN_CONV_DEPTH`.
    """
    logits, deltas = [], []
    names = rpn_convolutions(depth)
    for x in levels:
        for name in names:
            x = builder.conv(
                x,
                channels,
                (3, 3),
                name,
                padding="same",
                strides=stride if name == names[-1] else 1,
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
    x 3 neighbourhoods of the sampled anchors (5 x 5 with two convolutions) needs a backward pass:
    0.1 % of what the RPN costs everywhere, with the same values.

    Call arguments:
        flat_features: `(B, S, C)`, P2 to P6 flattened.
        indices: `(B, K)` int32 anchor indices.
        levels: [P2, ..., P6], for their shapes alone.

    Returns:
        logits `(B, K, 2)` and deltas `(B, K, 4)`, float32.
    """

    def __init__(self, builder: Builder, anchors: int, stride: int, depth: int = 1, **kwargs):
        super().__init__(**kwargs)
        self.anchors = anchors
        self.stride = stride
        self.depth = depth
        names = [*rpn_convolutions(depth), _CLASSES, _BOXES]
        # In a closure: these layers belong to the model, not to this one.
        self._layers_of_rpn = lambda: [builder.layers[name] for name in names]

    def call(self, flat_features, indices, levels):
        *convolutions, class_raw, bbox_pred = self._layers_of_rpn()
        position, ratio = indices // self.anchors, indices % self.anchors
        rows, inside = _neighbourhoods(position, shapes_of(levels), self.stride, self.depth)
        inside = ops.cast(inside[..., None], flat_features.dtype)
        x = take_rows(flat_features, rows) * inside
        side = 2 * self.depth + 1
        x = ops.reshape(x, (-1, side, side, x.shape[-1]))
        inside = ops.reshape(inside, (-1, side, side, 1))
        for number, layer in enumerate(convolutions[:-1], start=1):
            x = ops.conv(x, layer.kernel, padding="valid", data_format="channels_last")
            # The next one sees zeros around the level, not what this one makes of its border.
            inner = inside[:, number : side - number, number : side - number]
            x = layer.activation(ops.add(x, layer.bias)) * ops.cast(inner, x.dtype)
        x = ops.reshape(x, (-1, x.shape[-1] * 9))
        x = convolutions[-1].activation(_dense(x, convolutions[-1]))
        batch, count = ops.shape(indices)[0], indices.shape[1]
        ratio = ops.one_hot(ratio, self.anchors, dtype="float32")[..., None]

        def outputs(layer, depth):
            every = ops.reshape(_dense(x, layer), (batch, count, self.anchors, depth))
            return ops.sum(ops.cast(every, "float32") * ratio, axis=2)

        return outputs(class_raw, 2), outputs(bbox_pred, 4)


def _dense(x, conv):
    return ops.add(ops.matmul(x, ops.reshape(conv.kernel, (-1, conv.filters))), conv.bias)


def _neighbourhoods(position, shapes, stride: int, depth: int):
    """Rows of the flat features under the window of each RPN position `(B, K)`, of 2 * depth + 1
    on each side: `(B, K, side * side)`, and which of them are inside the level.
    """
    sides = [(-(-height // stride), -(-width // stride)) for height, width in shapes]
    first = np.cumsum([0] + [height * width for height, width in sides]).astype("int32")
    starts = ops.convert_to_tensor(first[1:-1])
    level = ops.sum(ops.cast(position[..., None] >= starts, "int32"), axis=-1)

    def of_level(values):
        return ops.take(ops.convert_to_tensor(np.array(values, "int32")), level)[..., None]

    local = position[..., None] - of_level(first[:-1])
    columns = of_level([width for _, width in sides])
    steps = ops.arange(2 * depth + 1, dtype="int32") - (depth - 1)
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
    shape = (ops.shape(position)[0], position.shape[1], (2 * depth + 1) ** 2)
    return ops.reshape(rows, shape), ops.reshape(inside, shape)
