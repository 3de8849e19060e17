"""The edge agreement loss as a Keras layer for the masks of regions of interest (RoIs)."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from edge_agreement.boundary_losses import get_map_loss
from edge_agreement.checks import check_weight, check_weighting
from edge_agreement.filters import FilterBank, FilterSpec
from edge_agreement.functional import pixel_errors, weighted_cross_entropy
from edge_agreement.options import EdgeOptions


def select_class_masks(target_class_ids: Any, pred_masks: Any) -> Any:
    """Return of every RoI the mask of its class, `(..., H, W)`; zeros where the class id is <= 0.

    Args:
        target_class_ids: `(...,)` int; ids of 0 and below are not positive.
        pred_masks: `(..., H, W, C)`. C = 1 is a class-agnostic mask: it is taken for every class.

    A comparison, a product and a sum: exact (a matrix product would round to TF32 on a GPU), fused
    into one loop by XLA, and without the scatter that is the gradient of a gather.
    """
    pred_masks = ops.convert_to_tensor(pred_masks)
    classes = pred_masks.shape[-1]
    ids = ops.cast(target_class_ids, "int32")
    if classes == 1:
        chosen = ops.expand_dims(ids > 0, -1)
    else:
        chosen = ops.logical_and(
            ops.expand_dims(ids, -1) == ops.arange(classes, dtype="int32"),
            ops.expand_dims(ids > 0, -1),
        )
    chosen = ops.cast(chosen, pred_masks.dtype)[..., None, None, :]  # (..., 1, 1, C)
    return ops.sum(pred_masks * chosen, axis=-1)


def mean_over_positives(values: Any, target_class_ids: Any) -> Any:
    """Return the mean of `values`, `(...,)`, over class ids above 0; exactly 0 where none is."""
    positive = target_class_ids > 0
    total = ops.sum(ops.where(positive, values, 0.0))
    return total / ops.maximum(ops.sum(ops.cast(positive, "float32")), 1.0)


class RoIMaskLoss(keras.layers.Layer):
    """Base of layers that turn the masks of RoIs into one loss value: a subclass compares maps.

    The call takes `(target_masks, target_class_ids, pred_masks)`: `(..., H, W)` within 0..1,
    `(...,)` int below C with 0 for a RoI that does not count, and `(..., H, W, C)` probabilities.
    It returns `weight` times the mean of `map_loss` over the positive RoIs, a float32 scalar;
    exactly 0, with a gradient of 0, when there is none. It has no weights and computes in float32
    whatever the precision of the model.

    Args:
        weight: factor of the value, at least 0.
        add_loss: also add the value to the losses of the model.
        name: name of the layer.
        **kwargs: further arguments of `keras.layers.Layer`.

    Raises:
        ValueError: `weight` is negative, or shapes do not fit each other.
    """

    def __init__(
        self, weight: float = 1.0, add_loss: bool = False, name: str | None = None, **kwargs: Any
    ) -> None:
        check_weight(weight)
        kwargs.setdefault("dtype", "float32")
        # Without autocast the (..., H, W, C) input is not converted before the class is selected.
        super().__init__(name=name, autocast=False, **kwargs)
        self.weight = float(weight)
        self.adds_loss = bool(add_loss)

    def build(
        self,
        target_masks_shape: tuple[int | None, ...],
        target_class_ids_shape: tuple[int | None, ...],
        pred_masks_shape: tuple[int | None, ...],
    ) -> None:
        """Check that the three shapes fit; there is nothing to make."""
        leading = len(target_class_ids_shape)
        fits = len(target_masks_shape) == leading + 2 and len(pred_masks_shape) == leading + 3
        wanted = (*target_class_ids_shape, *target_masks_shape[leading:])
        if not fits or any(
            a is not None and b is not None and a != b
            for shape in (target_masks_shape, pred_masks_shape)
            for a, b in zip(wanted, shape, strict=False)
        ):
            raise ValueError(
                f"{self.name} wants target_masks (..., H, W), target_class_ids (...,) and "
                f"pred_masks (..., H, W, C), not {tuple(target_masks_shape)}, "
                f"{tuple(target_class_ids_shape)} and {tuple(pred_masks_shape)}."
            )
        super().build(pred_masks_shape)

    def call(self, target_masks: Any, target_class_ids: Any, pred_masks: Any) -> Any:
        """Return the loss, a scalar float32."""
        ids = ops.cast(target_class_ids, "int32")
        y_pred = ops.cast(select_class_masks(ids, pred_masks), "float32")
        positive = ops.cast(ids > 0, "float32")[..., None, None]
        y_true = ops.cast(target_masks, "float32") * positive
        loss = self.output_weight() * mean_over_positives(self.map_loss(y_true, y_pred), ids)
        if self.adds_loss:
            self.add_loss(loss)
        return loss

    def map_loss(self, y_true: Any, y_pred: Any) -> Any:
        """Return one value per map of `(..., H, W)`: `(...,)`."""
        raise NotImplementedError

    def output_weight(self) -> float:
        """Return the factor of the mean."""
        return self.weight

    def compute_output_shape(
        self,
        target_masks_shape: tuple[int | None, ...],
        target_class_ids_shape: tuple[int | None, ...],
        pred_masks_shape: tuple[int | None, ...],
    ) -> tuple[()]:
        """Return the shape of a scalar."""
        return ()

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {**super().get_config(), "weight": self.weight, "add_loss": self.adds_loss}


@keras.saving.register_keras_serializable(package="edge_agreement")
class EdgeAgreementHead(RoIMaskLoss):
    """The Edge Agreement Head of arXiv 1809.07069 (section 3, figure 2).

    value = weight * mean over positive RoIs, pixels and filter channels of
    |E(target mask) - E(predicted mask of the RoI's class)|^p, with the fixed edge filters E.

    Args:
        filters: names joined with "+" ("sobel+laplace"), or a list of names and 2-D arrays; see
            `edge_agreement.filters.parse_filters`.
        p: exponent, at least 1.
        weight: factor of the value, at least 0 (alpha in the paper).
        smooth_gt: smooth the target masks with a 3 x 3 Gaussian first.
        smooth_pred: smooth the predicted masks with it.
        magnitude: compare gradient magnitudes instead of components.
        normalize: scale the kernels so that a step of 1 gives a response of 1.
        padding: "zero" (published) or "edge" (no response at the border of a RoI).
        weight_entropy: None, or "product", "exp4", "exp16": return the cross entropy weighted with
            the edge error instead (section 5.6); `weight` is then the factor of the edge error, as
            in the authors' code. See `edge_weighted_cross_entropy`.
        max_exponent: bound of the exponent in "exp4" and "exp16". 20 by default: the weight of a
            pixel stays below 4.9e8, so that norms of gradients do not overflow.
        add_loss: also add the value to the losses of the model.
        name: name of the layer.
        **kwargs: further arguments of `keras.layers.Layer`.

    Raises:
        ValueError: an option out of its range, an unknown filter, or shapes that do not fit.

    Example: a mask branch whose loss is added to that of the model.

    >>> import keras
    >>> features = keras.Input((10, 28, 28, 8))
    >>> target_masks = keras.Input((10, 28, 28))
    >>> target_class_ids = keras.Input((10,), dtype="int32")
    >>> masks = keras.layers.Dense(5, activation="sigmoid")(features)
    >>> head = EdgeAgreementHead("sobel", p=2, weight=1.0, add_loss=True)
    >>> value = head(target_masks, target_class_ids, masks)
    >>> value.shape
    ()
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
        weight_entropy: str | None = None,
        max_exponent: float = 20.0,
        add_loss: bool = False,
        name: str | None = "mrcnn_mask_edge_loss",
        **kwargs: Any,
    ) -> None:
        super().__init__(weight=weight, add_loss=add_loss, name=name, **kwargs)
        self.options = EdgeOptions(
            filters, p, weight, smooth_gt, smooth_pred, magnitude, normalize, padding
        )
        if weight_entropy is not None:
            check_weighting(weight_entropy, max_exponent)
        self.weight_entropy = weight_entropy
        self.max_exponent = float(max_exponent)

    @property
    def bank(self) -> FilterBank:
        """The kernels."""
        return self.options.bank

    def map_loss(self, y_true: Any, y_pred: Any) -> Any:
        """Return one value per map of `(..., H, W)`: `(...,)`, not yet weighted."""
        if self.weight_entropy is None:
            return ops.mean(pixel_errors(y_true, y_pred, self.options), axis=(-2, -1))
        return weighted_cross_entropy(
            y_true, y_pred, self.options, self.weight_entropy, self.max_exponent
        )

    def output_weight(self) -> float:
        """Return the factor of the mean: 1 where the weight went into the edge error."""
        return self.weight if self.weight_entropy is None else 1.0

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {
            **super().get_config(),
            **self.options.get_config(),
            "weight_entropy": self.weight_entropy,
            "max_exponent": self.max_exponent,
        }


@keras.saving.register_keras_serializable(package="edge_agreement")
class MapLossHead(RoIMaskLoss):
    """Another loss on boundaries in the place of the head.

    Args:
        loss: a name of `edge_agreement.boundary_losses.MAP_LOSSES`.
        weight: factor of the value, at least 0.
        add_loss: also add the value to the losses of the model.
        name: name of the layer.
        **kwargs: further arguments of `keras.layers.Layer`.

    Raises:
        ValueError: an unknown name, a negative weight, or shapes that do not fit.

    >>> MapLossHead("contour", weight=0.5).get_config()["loss"]
    'contour'
    """

    def __init__(
        self,
        loss: str,
        weight: float = 1.0,
        add_loss: bool = False,
        name: str | None = "mrcnn_mask_edge_loss",
        **kwargs: Any,
    ) -> None:
        super().__init__(weight=weight, add_loss=add_loss, name=name, **kwargs)
        self.loss = loss
        self._map_loss = get_map_loss(loss)

    def map_loss(self, y_true: Any, y_pred: Any) -> Any:
        """Return one value per map of `(..., H, W)`: `(...,)`, not yet weighted."""
        return self._map_loss(y_true, y_pred)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {**super().get_config(), "loss": self.loss}
