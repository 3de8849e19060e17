"""The edge agreement loss for `model.compile` of any model that predicts maps."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

import keras
from keras import ops

from edge_agreement.checks import same_size
from edge_agreement.filters import FilterBank, FilterSpec
from edge_agreement.functional import dilate, pixel_errors
from edge_agreement.options import EdgeOptions


@keras.saving.register_keras_serializable(package="edge_agreement")
class EdgeAgreementLoss(keras.losses.Loss):
    """weight * mean over pixels, channels and filters of |E(y_true) - E(y_pred)|^p.

    E are the fixed edge filters of arXiv 1809.07069. The loss sees edges only, so it goes beside
    one that sees values, as in the examples.

    The call takes `y_pred` of shape `(B, H, W, C)` or `(B, H, W)` and `y_true` of the same shape;
    for C = 1 either may lack the last axis. Channels are last, whatever Keras's image data format
    is, and values are taken as they are: divide masks of 0 and 255 first. With `sparse` the targets
    are class labels `(B, H, W)` or `(B, H, W, 1)`: C class maps (for C = 1 one map, of label 1) are
    made of them.

    Pixels without a target do not count, nor do those whose kernel window touches one (a window
    grows by one pixel where smoothing is on): the mean is over the rest of the image, 0 if nothing
    is left. They are told by `ignore_value` or by `valid_channel`.

    Args:
        filters: names joined with "+", or a list of names and 2-D arrays.
        p: exponent, at least 1.
        weight: factor of the value, at least 0.
        smooth_gt: smooth the targets with a 3 x 3 Gaussian first.
        smooth_pred: smooth the predictions with it.
        magnitude: compare gradient magnitudes instead of components.
        normalize: scale the kernels so that a step of 1 gives a response of 1.
        padding: "zero" (published) or "edge" (no response at the border of the image).
        sparse: the targets are integer class labels.
        from_logits: `y_pred` are logits; a softmax over C channels, or a sigmoid for C = 1, comes
            first.
        ignore_value: target value of pixels without a target: a label (255), a depth (0.0), or nan.
        valid_channel: the last channel of `y_true` tells valid pixels (above 0) from others.
        reduction: see `keras.losses.Loss`; per image before it.
        name: name of the loss.
        dtype: of the arguments and the value, see `keras.losses.Loss`; what is between them is
            computed in float32.

    Raises:
        ValueError: an option out of its range, an unknown filter, or shapes that do not fit.

    Semantic segmentation with labels and an ignored label:

    >>> import keras
    >>> cross_entropy = keras.losses.SparseCategoricalCrossentropy(True, ignore_class=255)
    >>> edges = EdgeAgreementLoss("sobel", sparse=True, from_logits=True, ignore_value=255)
    >>> def loss(y_true, y_pred):
    ...     return cross_entropy(y_true, y_pred) + 0.5 * edges(y_true, y_pred)
    >>> model = keras.Sequential([keras.Input((64, 64, 3)), keras.layers.Conv2D(5, 1)])
    >>> model.compile("sgd", loss=loss)

    Depth with a valid mask beside it, targets `(B, H, W, 2)`, as the only loss:

    >>> model = keras.Sequential([keras.Input((64, 64, 3)), keras.layers.Conv2D(1, 1)])
    >>> model.compile("sgd", loss=EdgeAgreementLoss(valid_channel=True, padding="edge"))
    """

    def __init__(
        self,
        filters: FilterSpec = "sobel",
        p: float = 2.0,
        weight: float = 1.0,
        smooth_gt: bool = False,
        smooth_pred: bool = False,
        magnitude: bool = False,
        normalize: bool = False,
        padding: str = "zero",
        sparse: bool = False,
        from_logits: bool = False,
        ignore_value: float | None = None,
        valid_channel: bool = False,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "edge_agreement_loss",
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.options = EdgeOptions(
            filters, p, weight, smooth_gt, smooth_pred, magnitude, normalize, padding
        )
        if ignore_value is not None and not isinstance(ignore_value, Real):
            raise ValueError(f"ignore_value must be a number or None, not {ignore_value!r}.")
        self.sparse = bool(sparse)
        self.from_logits = bool(from_logits)
        self.ignore_value = ignore_value
        self.valid_channel = bool(valid_channel)

    @property
    def bank(self) -> FilterBank:
        """The kernels."""
        return self.options.bank

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return one value per image, `(B,)`."""
        y_true, y_pred, valid = self._prepare(y_true, y_pred)  # (B, C, H, W) twice, (B, 1, H, W)
        if valid is not None:
            y_true = ops.where(valid, y_true, 0.0)
            y_pred = ops.where(valid, y_pred, 0.0)
        error = pixel_errors(y_true, y_pred, self.options)
        error = ops.mean(error, axis=1)  # (B, H, W)
        if valid is None:
            return self.options.weight * ops.mean(error, axis=(-2, -1))
        touched = dilate(1.0 - ops.cast(valid[:, 0], "float32"), self.options.reach)
        counted = 1.0 - touched
        total = ops.sum(error * counted, axis=(-2, -1))
        return self.options.weight * total / ops.maximum(ops.sum(counted, axis=(-2, -1)), 1.0)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {
            **super().get_config(),
            **self.options.get_config(),
            "sparse": self.sparse,
            "from_logits": self.from_logits,
            "ignore_value": self.ignore_value,
            "valid_channel": self.valid_channel,
        }

    def _prepare(self, y_true: Any, y_pred: Any) -> tuple[Any, Any, Any]:
        """Return targets and predictions, channels before the maps, and valid pixels or None."""
        y_true, y_pred = ops.cast(y_true, "float32"), ops.cast(y_pred, "float32")
        got = f"y_true {tuple(y_true.shape)} and y_pred {tuple(y_pred.shape)}"
        valid = None
        if self.valid_channel:
            if len(y_true.shape) != 4 or y_true.shape[-1] == 1:
                raise ValueError(f"valid_channel=True wants y_true (B, H, W, C + 1), not {got}.")
            valid = y_true[..., -1:] > 0
            y_true = y_true[..., :-1]
        y_true, y_pred = _with_channels(y_true), _with_channels(y_pred)
        classes = y_pred.shape[-1]
        channels = 1 if self.sparse else classes
        wanted = (*y_pred.shape[:-1], channels)
        if not classes or len(wanted) != 4 or not same_size(wanted, tuple(y_true.shape)):
            raise ValueError(
                f"maps must be (B, H, W, C) or (B, H, W), of one size, with targets of {channels} "
                f"channel(s) (sparse={self.sparse}); got {got}."
            )
        if self.ignore_value is not None:
            has_target = ops.all(self._is_target(y_true), axis=-1, keepdims=True)
            valid = has_target if valid is None else ops.logical_and(valid, has_target)
        if self.sparse:
            labels = ops.arange(classes, dtype="float32") if classes > 1 else 1.0
            y_true = ops.cast(y_true == labels, "float32")
        if self.from_logits:
            y_pred = ops.softmax(y_pred, axis=-1) if classes > 1 else ops.sigmoid(y_pred)
        if valid is not None:
            valid = ops.moveaxis(valid, -1, 1)
        return ops.moveaxis(y_true, -1, 1), ops.moveaxis(y_pred, -1, 1), valid

    def _is_target(self, y_true: Any) -> Any:
        if math.isnan(self.ignore_value):  # type: ignore[arg-type]
            return ops.logical_not(ops.isnan(y_true))
        return y_true != self.ignore_value


def _with_channels(maps: Any) -> Any:
    return ops.expand_dims(maps, -1) if len(maps.shape) == 3 else maps
