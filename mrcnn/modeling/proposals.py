"""Proposals: the RPN's best boxes after non-maximum suppression."""

from collections.abc import Iterator

import keras
import numpy as np
from keras import ops

from mrcnn.backend import non_max_suppression, top_slots
from mrcnn.modeling import anchors as anchor_ops
from mrcnn.modeling import boxes as box_ops
from mrcnn.modeling.fpn import take_rows


class Proposals(keras.layers.Layer):
    """Turns RPN outputs into `count` proposals, without gradient.

    Args:
        count: Number of proposals.
        config: The configuration.
        limit: So many anchors with the best scores are looked at, in each level apart with
            `PROPOSALS_BY_LEVEL`; None for `PRE_NMS_LIMIT`.

    Call arguments:
        scores: `(B, A, 2)` probabilities of background and object.
        deltas: `(B, A, 4)` in units of `RPN_BBOX_STD_DEV`.
        image: `(B, H, W, C)`, for its shape alone.
        window: `(B, 4)` normalised, to which boxes are clipped; None for all of the input.

    Returns:
        boxes `(B, count, 4)` normalised and clipped, zeros in empty slots; valid `(B, count)` bool;
        then what `STEPS` names, to look at: of the anchors with the best scores the boxes, the
        refined and the clipped ones, each `(B, N, 4)`, and of the first image the numbers of those
        that are kept, `(count,)`, 0 in empty slots.
    """

    STEPS = ("pre_nms_anchors", "refined_anchors", "refined_anchors_clipped", "kept")

    def __init__(self, count: int, config, limit: int | None = None, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.count = count
        self.config = config
        self.limit = limit or config.PRE_NMS_LIMIT

    def call(self, scores, deltas, image, window=None):
        config, shape = self.config, image.shape[1:3]
        anchors = anchors_for(config, shape)
        scores, deltas = ops.stop_gradient(scores), ops.stop_gradient(deltas)
        scores = _log_odds(scores) if config.PROPOSALS_BY_LEVEL else scores[..., 1]
        window = ops.convert_to_tensor([0.0, 0.0, 1.0, 1.0]) if window is None else window[:, None]
        parts = []
        for part in self._parts(shape):
            top, best = ops.top_k(scores[:, part], min(self.limit, part.stop - part.start))
            top = ops.sigmoid(top) if config.PROPOSALS_BY_LEVEL else top
            best = best + part.start
            moved = take_rows(deltas, best) * ops.convert_to_tensor(
                config.RPN_BBOX_STD_DEV, dtype="float32"
            )
            best_anchors = ops.take(ops.convert_to_tensor(anchors), best, axis=0)
            refined = box_ops.apply_deltas(best_anchors, moved)
            clipped = box_ops.clip(refined, window)
            valid = self._wanted(top, clipped, shape)
            count = self.count if not config.PROPOSALS_BY_LEVEL else min(self.count, top.shape[1])
            kept, found = non_max_suppression(clipped, valid, config.RPN_NMS_THRESHOLD, count)
            parts.append((top, best_anchors, refined, clipped, kept, found))
        *steps, kept, found = parts[0][1:] if len(parts) == 1 else self._best(parts)
        boxes = take_rows(steps[-1], kept) * ops.cast(found[..., None], "float32")
        return ops.stop_gradient(boxes), found, *steps, kept[0]

    def _parts(self, shape) -> Iterator[slice]:
        """The anchors that are compared with each other."""
        start, counts = 0, anchor_ops.anchors_per_level(self.config, shape)
        for count in counts if self.config.PROPOSALS_BY_LEVEL else [sum(counts)]:
            yield slice(start, start + count)
            start += count

    def _wanted(self, scores, boxes, shape):
        config = self.config
        wanted = scores >= config.PROPOSAL_MIN_SCORE
        if config.PROPOSAL_MIN_SIZE > 0:
            pixels = box_ops.to_pixels(boxes, shape, config.BOX_CODING)
            sides = pixels[..., 2:] - pixels[..., :2]
            wanted = wanted & ops.all(sides >= config.PROPOSAL_MIN_SIZE, axis=-1)
        return wanted

    def _best(self, parts):
        """What all levels keep, the best scores first."""
        scores, positions, start = [], [], 0
        for top, _, _, _, kept, found in parts:
            score = take_rows(top[..., None], kept)[..., 0]
            # Above 0, which `top_slots` leaves out.
            scores.append(ops.where(found, ops.maximum(score, 1e-30), 0.0))
            positions.append(kept + start)
            start += top.shape[1]
        best, found = top_slots(ops.concatenate(scores, axis=1), self.count)
        kept = take_rows(ops.concatenate(positions, axis=1)[..., None], best)[..., 0]
        columns = list(zip(*parts, strict=True))[1:4]
        return *(ops.concatenate(column, axis=1) for column in columns), kept, found


def _log_odds(probabilities):
    """The logits that `probabilities` `(..., 2)` are of: many that differ have a probability that
    is rounded to 1, and torchvision ranks anchors by logits.
    """
    logarithms = ops.log(ops.maximum(probabilities, 1e-37))
    return logarithms[..., 1] - logarithms[..., 0]


def anchors_for(config, image_shape) -> np.ndarray:
    """Normalised anchors `(A, 4)` of a network input of `image_shape` (height, width, ...)."""
    anchors = anchor_ops.config_anchors(config, image_shape)
    return anchor_ops.normalized(anchors, image_shape, config.BOX_CODING)
