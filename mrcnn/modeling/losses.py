"""The five losses of Mask R-CNN (arXiv 1703.06870, section 3) as pure functions, the layer that
adds them up, and the model that reports them.

Means run over what was sampled in the whole batch; a loss over nothing is exactly 0.
"""

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from mrcnn.constants import MASK_RCNN_LOSSES

# As keras.config.epsilon(), by which the original clips probabilities.
EPSILON = 1e-7


def rpn_class_loss(labels, used, logits):
    """Cross entropy of object against background.

    Args:
        labels: `(B, K)` int32, 1 for objects.
        used: `(B, K)` bool.
        logits: `(B, K, 2)`.
    """
    log_probability = ops.log_softmax(logits, axis=-1)
    loss = -ops.where(labels > 0, log_probability[..., 1], log_probability[..., 0])
    return _mean(loss, used)


def rpn_bbox_loss(targets, used, deltas, beta: float = 1.0, sampled=None):
    """Smooth L1 of the positive anchors' deltas.

    Args:
        targets: `(B, K, 4)`.
        used: `(B, K)` bool.
        deltas: `(B, K, 4)`.
        beta: `Config.SMOOTH_L1_BETA`.
        sampled: The number that the sum is divided by; None for that of the deltas.
    """
    return _mean(_smooth_l1(targets - deltas, beta), used[..., None], sampled)


def mrcnn_class_loss(class_ids, counted, logits, active):
    """Cross entropy over classes.

    RoIs whose predicted class does not exist in the image's dataset are left out, as in the
    original.

    Args:
        class_ids: `(B, R)` int32, 0 for background.
        counted: `(B, R)` bool.
        logits: `(B, R, C)`.
        active: `(B, C)`, 1 for the classes of the image's dataset.
    """
    one_hot = ops.one_hot(class_ids, logits.shape[-1], dtype="float32")
    loss = -ops.sum(ops.log_softmax(logits, axis=-1) * one_hot, axis=-1)
    predicted = ops.one_hot(ops.argmax(logits, axis=-1), logits.shape[-1], dtype="float32")
    exists = ops.sum(predicted * ops.cast(active, "float32")[:, None], axis=-1) > 0
    return _mean(loss, ops.logical_and(exists, counted))


def mrcnn_bbox_loss(targets, class_ids, deltas, beta: float = 1.0, sampled=None):
    """Smooth L1 of the positive RoIs' deltas for their own class.

    Args:
        targets: `(B, P, 4)`.
        class_ids: `(B, P)` int32, 0 in empty slots.
        deltas: `(B, P, C, 4)`.
        beta: `Config.SMOOTH_L1_BETA`.
        sampled: The number that the sum is divided by; None for that of the deltas.
    """
    own = _of_class(ops.swapaxes(deltas, -1, -2), class_ids)
    return _mean(_smooth_l1(targets - own, beta), (class_ids > 0)[..., None], sampled)


def mrcnn_mask_loss(masks, class_ids, predicted):
    """Binary cross entropy of the positive RoIs' masks for their own class (arXiv 1703.06870,
    section 3).

    Args:
        masks: `(B, P, h, w)` of 0 and 1.
        class_ids: `(B, P)` int32, 0 in empty slots and for objects without a mask.
        predicted: `(B, P, h, w, C)` probabilities.
    """
    own = _clip(_of_class(predicted, class_ids), EPSILON, 1 - EPSILON)
    # The second epsilon is that of Keras 2.15; in float32 its place decides where p is almost 1.
    loss = -(masks * ops.log(own + EPSILON) + (1 - masks) * ops.log(1 + EPSILON - own))
    return _mean(loss, (class_ids > 0)[..., None, None])


def _clip(values, low, high):
    """As `ops.clip`, of which JAX halves the gradient where a value equals a limit: of saturated
    masks in float32 many do.
    """
    return ops.where(values < low, low, ops.where(values > high, high, values))


def _smooth_l1(difference, beta: float):
    """Half a square over `beta` below `beta`, a straight line beyond."""
    size = ops.abs(difference)
    return ops.where(size < beta, 0.5 / beta * ops.square(difference), size - 0.5 * beta)


def _of_class(values, class_ids):
    """Entries of `values` `(B, P, ..., C)` for the class of each `(B, P)`: `(B, P, ...)`."""
    one_hot = ops.one_hot(class_ids, values.shape[-1], dtype=values.dtype)
    for _ in range(len(values.shape) - 3):
        one_hot = one_hot[:, :, None]
    return ops.sum(values * one_hot, axis=-1)


def _mean(loss, used, count=None):
    """Mean of `loss` where `used` (of a shape that broadcasts), 0 when nothing is; or its sum there
    over `count`.
    """
    used = ops.broadcast_to(used, ops.shape(loss))
    count = ops.sum(ops.cast(used, "float32")) if count is None else count
    return ops.sum(ops.where(used, loss, 0.0)) / ops.maximum(count, 1.0)


def uncertainty_sum(losses, log_variances):
    """Homoscedastic uncertainty weighting (Kendall et al., arXiv 1705.07115, equation 10).

    sum over i of exp(-s_i) L_i + s_i / 2, where s_i is the logarithm of the variance. With s = 0 it
    is the plain sum. The equation has exp(-s_i) / 2 for regression; for the best s_i, which is
    log(2 L_i) here and log(L_i) there, the gradient is multiplied by 1 / (2 L_i) in both forms.

    A loss of exactly 0 comes from a batch without anything to compare. It is left out: its variance
    would only shrink.

    Args:
        losses: `(N,)`, none below 0.
        log_variances: `(N,)`.
    """
    terms = ops.exp(-log_variances) * losses + 0.5 * log_variances
    return ops.sum(ops.where(losses > 0, terms, 0.0))


class Losses(keras.layers.Layer):
    """Computes every loss and adds the weighted sum to the model.

    Args:
        weights: Weight of every loss by its name (`Config.LOSS_WEIGHTS`).
        mask_losses: Further losses by name, of target masks `(B, P, h, w)`, class ids `(B, P)` (0
            where there is no mask to learn) and predicted masks `(B, P, h, w, C)`.
        weighting: What else multiplies the losses that weigh more than 0: "fixed" (nothing),
            "uncertainty" (`uncertainty_sum`) or "gradnorm" (`factors`, which the training loop
            sets).
        beta: `Config.SMOOTH_L1_BETA`.
        box_mean: `Config.BOX_LOSS_MEAN`.
        class_rois: `Config.CLASS_LOSS_ROIS`.

    Call arguments:
        anchors: labels, used, deltas, predicted logits and predicted deltas of the sampled anchors.
        rois: class_ids `(B, R)`, deltas `(B, P, 4)`, mask_ids `(B, P)`, masks `(B, P, h, w)`,
            predicted logits `(B, R, C)`, deltas `(B, R, C, 4)` and masks `(B, P, h, w, C)`.
        gt_class_ids: `(B, G)`.
        active: `(B, C)`.
        filled: `(B, R)` bool, the slots of RoIs that are not empty; None for all.

    Returns:
        Dict of the unweighted losses.

    Attributes:
        weighted: Names of the losses that weigh more than 0, in the order of the variables.
        log_variances: `(N,)` for "uncertainty", trained with the network.
        factors, first_values: `(N,)` for "gradnorm", see `mrcnn.training.gradnorm`.
    """

    def __init__(
        self,
        weights: dict[str, float],
        mask_losses: dict[str, Callable],
        weighting: str = "fixed",
        beta: float = 1.0,
        box_mean: str = "positives",
        class_rois: str = "slots",
        **kwargs,
    ):
        super().__init__(dtype="float32", **kwargs)
        self.mask_losses = mask_losses
        names = [*MASK_RCNN_LOSSES, *mask_losses]
        self.loss_weights = {name: weights.get(name, 1.0) for name in names}
        self.weighting = weighting
        self.beta = beta
        self.over_sampled = box_mean == "sampled"
        self.filled_rois = class_rois == "filled"
        self.weighted = [name for name in names if self.loss_weights[name] > 0]
        if weighting == "uncertainty":
            self.log_variances = self._per_loss("log_variances", "zeros")
        elif weighting == "gradnorm":
            self.factors = self._per_loss("factors", "ones", trainable=False)
            self.first_values = self._per_loss("first_values", "zeros", trainable=False)

    def _per_loss(self, name: str, initializer: str, trainable: bool = True):
        shape = (len(self.weighted),)
        return self.add_weight(shape=shape, initializer=initializer, trainable=trainable, name=name)

    @property
    def balance(self) -> list[keras.Variable]:
        """The variables that weight the losses."""
        names = ("log_variances", "factors", "first_values")
        return [getattr(self, name) for name in names if hasattr(self, name)]

    def current_weights(self) -> dict[str, float]:
        """What each loss is multiplied by now; empty where that never changes."""
        if self.weighting == "uncertainty":
            moving = ops.exp(-self.log_variances)
        elif self.weighting == "gradnorm":
            moving = ops.copy(self.factors)
        else:
            return {}
        values = ops.convert_to_numpy(moving).tolist()
        return {
            name: self.loss_weights[name] * value
            for name, value in zip(self.weighted, values, strict=True)
        }

    def call(self, anchors, rois, gt_class_ids, active, filled=None):
        labels, used, anchor_targets, anchor_logits, anchor_deltas = anchors
        class_ids, box_targets, mask_ids, mask_targets, logits, deltas, masks = rois
        anchor_slots, roi_slots = anchor_targets.shape[1], box_targets.shape[1]
        positive_ids = class_ids[:, :roi_slots]
        filled = ops.ones_like(class_ids, dtype="bool") if filled is None else filled
        # An image without objects does not train RoIs: the original left such images out.
        has_objects = ops.any(gt_class_ids > 0, axis=1, keepdims=True)
        counted = filled if self.filled_rois else has_objects
        anchor_count = roi_count = None
        if self.over_sampled:
            anchor_count = ops.sum(ops.cast(used, "float32"))
            roi_count = ops.sum(ops.cast(filled, "float32"))
        values = {
            "rpn_class_loss": rpn_class_loss(labels, used, anchor_logits),
            "rpn_bbox_loss": rpn_bbox_loss(
                anchor_targets,
                used[:, :anchor_slots],
                anchor_deltas[:, :anchor_slots],
                self.beta,
                anchor_count,
            ),
            "mrcnn_class_loss": mrcnn_class_loss(class_ids, counted, logits, active),
            "mrcnn_bbox_loss": mrcnn_bbox_loss(
                box_targets, positive_ids, deltas[:, :roi_slots], self.beta, roi_count
            ),
            "mrcnn_mask_loss": mrcnn_mask_loss(mask_targets, mask_ids, masks),
        }
        for name, loss in self.mask_losses.items():
            values[name] = loss(mask_targets, mask_ids, masks)
        self.add_loss(self._total(values))
        return values

    def _total(self, values):
        if self.weighting == "fixed":
            return sum(self.loss_weights[name] * value for name, value in values.items())
        weighted = ops.stack([self.loss_weights[name] * values[name] for name in self.weighted])
        if self.weighting == "uncertainty":
            return uncertainty_sum(weighted, self.log_variances)
        return ops.sum(self.factors * weighted)


class TrainingModel(keras.Model):
    """A model that reports those of its outputs that are losses.

    Metrics are updated here and not in `Losses`, because on JAX the updates of a metric inside a
    layer are lost.

    Args:
        loss_names: Names of the outputs to report.
    """

    def __init__(self, inputs: Any, outputs: Any, loss_names: Sequence[str], **kwargs: Any):
        super().__init__(inputs, outputs, **kwargs)
        self.loss_trackers = [keras.metrics.Mean(name=name) for name in loss_names]

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        for tracker in self.loss_trackers:
            tracker.update_state(y_pred[tracker.name])
        return super().compute_metrics(x, y, y_pred, sample_weight)
