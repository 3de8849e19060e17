"""The class and box head, and the mask head, applied to pooled RoIs."""

from collections.abc import Sequence

import keras
from keras import ops

from mrcnn.modeling.layers import Builder, Conv2D, SizedL2


def build_classifier(
    builder: Builder,
    pooled,
    classes: int,
    width: int,
    layers: Sequence[str] = ("dense", "dense"),
    norm: str = "batch",
):
    """Class logits, probabilities `(B, R, classes)` and deltas `(B, R, classes, 4)` of `(B, R, h,
    w, C)`.

    Args:
        classes: Their number.
        width: Of the dense layers.
        layers: `Config.BOX_HEAD`.
        norm: `Config.HEAD_NORM`.
    """
    count, pool = pooled.shape[1], pooled.shape[2:4]
    x = ops.reshape(pooled, (-1, *pooled.shape[2:]))
    convolutions = layers.count("conv")
    for n in range(1, convolutions + 1):
        bn = None if norm == "none" else f"mrcnn_box_bn{n}"
        names = f"mrcnn_box_conv{n}", bn, f"mrcnn_box_relu{n}"
        x = builder.conv_norm(x, pooled.shape[-1], (3, 3), *names, padding="same")
    for n in range(1, len(layers) - convolutions + 1):
        # As convolutions, the first over all of a RoI: so the original has them.
        bn = f"mrcnn_class_bn{n}" if norm == "batch" else None
        names = f"mrcnn_class_conv{n}", bn, f"mrcnn_class_relu{n}"
        x = builder.conv_norm(x, width, pool if n == 1 else (1, 1), *names)
    x = builder.layer("pool_squeeze", keras.layers.Identity)(ops.reshape(x, (-1, count, width)))
    regularizer = SizedL2(builder.decay) if builder.decay else None
    dense = {"kernel_regularizer": regularizer, "bias_regularizer": regularizer}
    logits = builder.layer("mrcnn_class_logits", keras.layers.Dense, classes, **dense)(x)
    deltas = builder.layer("mrcnn_bbox_fc", keras.layers.Dense, 4 * classes, **dense)(x)
    logits = ops.cast(logits, "float32")
    deltas = ops.cast(ops.reshape(deltas, (-1, count, classes, 4)), "float32")
    return (
        logits,
        builder.layer("mrcnn_class", keras.layers.Softmax, dtype="float32")(logits),
        builder.layer("mrcnn_bbox", keras.layers.Identity, dtype="float32")(deltas),
    )


def build_mask_head(builder: Builder, pooled, classes: int, width: int, norm: str = "batch"):
    """Mask probabilities `(B, R, 2h, 2w, classes)` float32 of `(B, R, h, w, C)`; `norm` is
    `Config.HEAD_NORM`.
    """
    count = pooled.shape[1]
    x = ops.reshape(pooled, (-1, *pooled.shape[2:]))
    for index in range(1, 5):
        name = f"mrcnn_mask_conv{index}"
        x = builder.conv_norm(
            x,
            width,
            (3, 3),
            name,
            None if norm == "none" else f"mrcnn_mask_bn{index}",
            f"mrcnn_mask_relu{index}",
            padding="same",
        )
    x = builder.layer("mrcnn_mask_deconv", Deconv2x2, width, builder.decay)(x)
    x = ops.reshape(x, (-1, count, *x.shape[1:]))
    return builder.layer("mrcnn_mask", MaskOutput, classes, (1, 1), decay=builder.decay)(x)


class MaskOutput(Conv2D):
    """The convolution to mask probabilities, float32, on `(B, R, h, w, C)`.

    So the layer's output is the masks, as in the original.
    """

    def build(self, input_shape):
        super().build((None, *input_shape[2:]))

    def compute_output_spec(self, inputs):
        return keras.KerasTensor((*inputs.shape[:-1], self.filters), dtype="float32")

    def call(self, inputs):
        x = super().call(ops.reshape(inputs, (-1, *inputs.shape[2:])))
        x = _sigmoid(ops.cast(x, "float32"))
        return ops.reshape(x, (-1, *inputs.shape[1:4], x.shape[-1]))


def _sigmoid(x):
    """The sigmoid rounded once, with the gradient p (1 - p) of the rounded p, as TensorFlow has it:
    XLA's is one unit in the last place off half the time, which saturated pixels show in the loss.
    """
    # Beyond 80 the gradient is 0 in float32 anyway; the difference below must not be inf - inf.
    x = ops.clip(x, -80.0, 80.0)
    small = ops.sigmoid(-ops.abs(x))
    p = ops.stop_gradient(ops.where(x > 0, 1 - small, small))
    # The difference is 0 and carries the gradient.
    return p + ops.stop_gradient(p * (1 - p)) * (x - ops.stop_gradient(x))


class Deconv2x2(keras.layers.Conv2DTranspose):
    """Transposed 2 x 2 convolution of stride 2 with ReLU: windows do not overlap, so it is one
    matrix product.
    """

    def __init__(self, filters: int, decay: float = 0.0, **kwargs):
        regularizer = SizedL2(decay) if decay else None
        super().__init__(
            filters,
            (2, 2),
            strides=2,
            activation="relu",
            kernel_regularizer=regularizer,
            bias_regularizer=regularizer,
            data_format="channels_last",
            **kwargs,
        )

    def call(self, inputs):
        height, width, channels = inputs.shape[1:]
        # Kernel (2, 2, out, in) to (in, 2 * 2 * out).
        kernel = ops.transpose(ops.reshape(self.kernel, (-1, channels)))
        x = ops.matmul(ops.reshape(inputs, (-1, channels)), kernel)
        x = ops.reshape(x, (-1, height, width, 2, 2, self.filters))
        x = ops.reshape(
            ops.transpose(x, (0, 1, 3, 2, 4, 5)), (-1, 2 * height, 2 * width, self.filters)
        )
        return self.activation(ops.add(x, self.bias))
