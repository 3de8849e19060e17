"""Proposals: the RPN's best boxes after non-maximum suppression."""

import keras
import numpy as np
from keras import ops

from mrcnn.backend import non_max_suppression
from mrcnn.modeling import anchors as anchor_ops
from mrcnn.modeling import boxes as box_ops
from mrcnn.modeling.fpn import take_rows


class Proposals(keras.layers.Layer):
    """Turns RPN outputs into `count` proposals, without gradient.

    Args:
        count: Number of proposals.
        config: The configuration.

    Call arguments:
        scores: `(B, A, 2)` probabilities of background and object.
        deltas: `(B, A, 4)` in units of `RPN_BBOX_STD_DEV`.
        image: `(B, H, W, C)`, for its shape alone.

    Returns:
        boxes `(B, count, 4)` normalised and clipped to the image, zeros in empty slots; valid `(B,
        count)` bool; then what `STEPS` names, to look at: of the anchors with the best scores the
        boxes, the refined and the clipped ones, each `(B, N, 4)`, and of the first image the
        numbers of those that are kept, `(count,)`, 0 in empty slots.
    """

    STEPS = ("pre_nms_anchors", "refined_anchors", "refined_anchors_clipped", "kept")

    def __init__(self, count: int, config, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.count = count
        self.config = config

    def call(self, scores, deltas, image):
        config = self.config
        anchors = anchors_for(config, image.shape[1:3])
        scores, deltas = ops.stop_gradient(scores), ops.stop_gradient(deltas)
        _, best = ops.top_k(scores[..., 1], min(config.PRE_NMS_LIMIT, anchors.shape[0]))
        deltas = take_rows(deltas, best) * ops.convert_to_tensor(
            config.RPN_BBOX_STD_DEV, dtype="float32"
        )
        best_anchors = ops.take(ops.convert_to_tensor(anchors), best, axis=0)
        refined = box_ops.apply_deltas(best_anchors, deltas)
        boxes = clipped = box_ops.clip(refined, ops.convert_to_tensor([0.0, 0.0, 1.0, 1.0]))
        valid = ops.ones_like(boxes[..., 0], dtype="bool")
        kept, found = non_max_suppression(boxes, valid, config.RPN_NMS_THRESHOLD, self.count)
        boxes = take_rows(boxes, kept) * ops.cast(found[..., None], "float32")
        return ops.stop_gradient(boxes), found, best_anchors, refined, clipped, kept[0]


def anchors_for(config, image_shape) -> np.ndarray:
    """Normalised anchors `(A, 4)` of a network input of `image_shape` (height, width, ...)."""
    return anchor_ops.normalized(anchor_ops.config_anchors(config, image_shape), image_shape)
