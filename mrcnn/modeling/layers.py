"""Convolutions whose batch normalisation, when it is frozen, is part of the kernel."""

import keras
from keras import ops

from mrcnn.backend import conv_at_rows


class SizedL2(keras.regularizers.Regularizer):
    """L2 penalty of a weight divided by its number of entries, as in the original: `decay *
    sum(w^2) / size(w)`.
    """

    def __init__(self, decay: float):
        self.decay = decay

    def __call__(self, weight):
        size = 1
        for side in weight.shape:
            size *= side
        return self.decay / size * ops.sum(ops.square(weight))

    def get_config(self):
        return {"decay": self.decay}


def uses_batch(train_bn: bool | None, training: bool | None) -> bool:
    """Whether batch normalisation uses, and notes, mean and variance of the batch: in training,
    unless `Config.TRAIN_BN` is False.

    With True the original does so in detection too, where what is found in an image would depend on
    the other images of the batch, and detecting would change the weights.
    """
    return bool(training) and train_bn is not False


class BatchNorm(keras.layers.BatchNormalization):
    """Batch normalisation that can be frozen; see `uses_batch`.

    Frozen (`TRAIN_BN = False`, the right choice for small batches) it is the affine map
    `scale * x + shift`, which the convolution before it takes into its own kernel: gradients of
    gamma and beta are the same, and no feature map is read or written for it.
    """

    def __init__(self, train: bool | None, epsilon: float = 1e-3, **kwargs):
        super().__init__(epsilon=epsilon, momentum=0.99, **kwargs)
        self.train = train

    @property
    def frozen(self) -> bool:
        return self.train is False

    def affine(self):
        """Scale and shift `(C,)` of the frozen layer."""
        scale = self.gamma / ops.sqrt(self.moving_variance + self.epsilon)
        return scale, self.beta - self.moving_mean * scale

    def call(self, inputs, training=None, mask=None):
        if self.frozen:
            return inputs
        return super().call(inputs, training=uses_batch(self.train, training), mask=mask)


class Conv2D(keras.layers.Conv2D):
    """Convolution, followed by the affine map of `norm` when that is frozen.

    With conv(x, W) + b and a frozen norm s * y + t the result is conv(x, s * W) + (s * b + t).

    Args:
        norm: The `BatchNorm` that is called next, or None.
        few_rows: Losses look at few positions of the output, see `mrcnn.backend.conv_at_rows`; with
            padding "same" and no strides.
    """

    def __init__(
        self,
        filters,
        kernel_size,
        norm: BatchNorm | None = None,
        decay: float = 0.0,
        few_rows: bool = False,
        **kwargs,
    ):
        regularizer = SizedL2(decay) if decay else None
        super().__init__(
            filters,
            kernel_size,
            kernel_regularizer=regularizer,
            bias_regularizer=regularizer,
            data_format="channels_last",
            **kwargs,
        )
        self.few_rows = few_rows
        # In a closure, so that Keras does not track the norm as a part of this layer.
        self._norm = lambda: norm

    def build(self, input_shape):
        super().build(input_shape)
        norm = self._norm()
        if norm is not None and not norm.built:
            norm.build((*input_shape[:-1], self.filters))

    def call(self, inputs):
        kernel, bias = self.kernel, self.bias
        norm = self._norm()
        if norm is not None and norm.frozen:
            scale, shift = norm.affine()
            dtype = self.compute_dtype
            kernel = ops.cast(kernel * scale, dtype)
            bias = ops.cast(bias * scale + shift, dtype)
        if self._covers(inputs):
            # One output position: a matrix product, which is faster than a convolution on every
            # backend.
            outputs = ops.matmul(
                ops.reshape(inputs, (-1, kernel.shape[0] * kernel.shape[1] * kernel.shape[2])),
                ops.reshape(kernel, (-1, self.filters)),
            )
            outputs = ops.reshape(outputs, (-1, 1, 1, self.filters))
        elif self.few_rows:
            outputs = conv_at_rows(inputs, ops.cast(kernel, self.compute_dtype))
        else:
            outputs = ops.conv(
                inputs, kernel, self.strides, self.padding, data_format="channels_last"
            )
        return self.activation(ops.add(outputs, bias))

    def _covers(self, inputs) -> bool:
        return self.padding == "valid" and tuple(inputs.shape[1:3]) == self.kernel_size


class Builder:
    """Applies named layers, and makes each only once, so that a second model shares the weights of
    the first.

    Args:
        train_bn: `Config.TRAIN_BN`.
        decay: `Config.WEIGHT_DECAY`.
        epsilon: `Config.NORM_EPSILON`.
    """

    def __init__(self, train_bn: bool | None, decay: float, epsilon: float = 1e-3):
        self.train_bn = train_bn
        self.decay = decay
        self.epsilon = epsilon
        self.layers: dict[str, keras.Layer] = {}

    def layer(self, name: str, make, *args, **kwargs) -> keras.Layer:
        """The layer `name`; the first call makes it with `make(*args, name=name, **kwargs)`."""
        if name not in self.layers:
            self.layers[name] = make(*args, name=name, **kwargs)
        return self.layers[name]

    def conv(self, x, filters: int, kernel_size: int | tuple[int, int], name: str, **kwargs):
        """Convolution with bias."""
        return self.layer(name, Conv2D, filters, kernel_size, decay=self.decay, **kwargs)(x)

    def conv_norm(
        self,
        x,
        filters: int,
        kernel_size,
        name: str,
        norm: str | None,
        relu: str | None = None,
        **kwargs,
    ):
        """Convolution, batch normalisation `norm` and ReLU `relu`, without what is None."""
        if norm is None:
            x = self.conv(x, filters, kernel_size, name, **kwargs)
        else:
            bn = self.layer(norm, BatchNorm, self.train_bn, self.epsilon)
            x = bn(self.conv(x, filters, kernel_size, name, norm=bn, **kwargs))
        return x if relu is None else self.relu(x, relu)

    def relu(self, x, name: str):
        return self.layer(name, keras.layers.Activation, "relu")(x)
