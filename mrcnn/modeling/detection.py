"""From class scores and deltas of proposals to detections, and a network that is run for them."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import keras
import numpy as np
from keras import ops

from mrcnn.backend import compiled, suppress, top_slots
from mrcnn.modeling import boxes as box_ops
from mrcnn.modeling.fpn import take_rows

# The mask head runs on so many detections at a time as the image with the most has, rounded up to
# one of these.
SLOTS = (8, 16, 32, 64)
# Compiled functions that are kept, those that were used last. Mode "square" needs at most 6; the
# other modes may need some for every image, at 35 MB a size for a tiny network.
KEPT_FUNCTIONS = 32


# Pairs of a RoI and a class that are compared with each other with `DETECTION_CLASSES: all`, those
# of the best scores. Fewer would do where 100 detections are wanted: the images of COCO have some
# hundreds above a score of 0.05.
CANDIDATES = 2048


class Detections(keras.layers.Layer):
    """Refines proposals, drops background and low scores, suppresses overlaps within each class.

    A RoI becomes a detection of its best class, or one of every class that is likely enough
    (`DETECTION_CLASSES`).

    Args:
        config: The configuration.
        image_shape: Height and width of the network's input, for `DETECTION_MIN_SIZE`.

    Call arguments:
        rois `(B, N, 4)` normalised, valid `(B, N)` bool, probabilities `(B, N, C)`, deltas `(B, N,
        C, 4)` in units of `BBOX_STD_DEV`, window `(B, 4)` normalised, to which boxes are clipped.

    Returns:
        `(B, DETECTION_MAX_INSTANCES, 6)`: y1, x1, y2, x2 (normalised), class id, score; highest
        score first, zeros in empty slots.
    """

    def __init__(self, config, image_shape: tuple[int, int] = (1, 1), **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.every_class = config.DETECTION_CLASSES == "all"
        self.min_size = config.DETECTION_MIN_SIZE
        self.coding = config.BOX_CODING
        self.image_shape = image_shape
        self.count = config.DETECTION_MAX_INSTANCES
        self.min_confidence = config.DETECTION_MIN_CONFIDENCE
        self.iou_threshold = config.DETECTION_NMS_THRESHOLD
        self.std_dev = config.BBOX_STD_DEV

    def call(self, rois, valid, probabilities, deltas, window):
        choose = self._candidates if self.every_class else self._best_classes
        boxes, class_ids, scores, wanted = choose(rois, valid, probabilities, deltas, window)
        same_class = class_ids[:, :, None] == class_ids[:, None]
        conflict = same_class & (box_ops.pairwise_iou(boxes, boxes) > self.iou_threshold)
        kept, found = suppress(conflict, wanted, self.count)
        detections = ops.concatenate(
            [
                take_rows(boxes, kept),
                ops.cast(take_rows(class_ids[..., None], kept), "float32"),
                take_rows(scores[..., None], kept),
            ],
            axis=-1,
        )
        return ops.where(found[..., None], detections, 0.0)

    def _refine(self, rois, deltas, window):
        std_dev = ops.convert_to_tensor(self.std_dev, dtype="float32")
        return box_ops.clip(box_ops.apply_deltas(rois, deltas * std_dev), window)

    def _large(self, boxes):
        """Which boxes are wanted by their size."""
        if not self.min_size:
            return True
        pixels = box_ops.to_pixels(boxes, self.image_shape, self.coding)
        return ops.all(pixels[..., 2:] - pixels[..., :2] >= self.min_size, axis=-1)

    def _candidates(self, rois, valid, probabilities, deltas, window):
        """Boxes `(B, K, 4)`, class ids, scores and whether they count `(B, K)` of the likeliest
        pairs of a RoI and a class, the best first.
        """
        classes = probabilities.shape[-1]
        boxes = self._refine(rois[:, :, None], deltas, window[:, None, None])
        wanted = valid[..., None] & (probabilities >= self.min_confidence) & self._large(boxes)
        # The background is class 0; a score above 0, which `top_slots` leaves out.
        wanted = ops.logical_and(wanted, ops.arange(classes) > 0)
        scores = ops.where(wanted, ops.maximum(probabilities, 1e-30), 0.0)
        count = min(CANDIDATES, scores.shape[1] * classes)
        pairs, found = top_slots(ops.reshape(scores, (-1, scores.shape[1] * classes)), count)
        boxes = take_rows(ops.reshape(boxes, (-1, scores.shape[1] * classes, 4)), pairs)
        scores = ops.reshape(scores, (-1, scores.shape[1] * classes, 1))
        return boxes, pairs % classes, take_rows(scores, pairs)[..., 0], found

    def _best_classes(self, rois, valid, probabilities, deltas, window):
        """The same of each RoI's best class, `(B, N, ...)`."""
        class_ids = ops.cast(ops.argmax(probabilities, axis=-1), "int32")
        scores = ops.max(probabilities, axis=-1)
        one_hot = ops.one_hot(class_ids, probabilities.shape[-1], dtype="float32")
        deltas = ops.sum(deltas * one_hot[..., None], axis=2)
        boxes = self._refine(rois, deltas, window[:, None])
        wanted = valid & (class_ids > 0) & (scores >= self.min_confidence) & self._large(boxes)

        # Of equal scores the first comes first, as in the original.
        order = ops.cast(ops.argsort(ops.where(wanted, -scores, 1.0), axis=-1), "int32")
        boxes = take_rows(boxes, order)
        class_ids = take_rows(class_ids[..., None], order)[..., 0]
        scores = take_rows(scores[..., None], order)[..., 0]
        wanted = take_rows(ops.cast(wanted, "int32")[..., None], order)[..., 0] > 0
        return boxes, class_ids, scores, wanted


class DetectionRunner:
    """Boxes and classes first, then masks for as few detections as the images have.

    Args:
        network: A `mrcnn.modeling.network.Network`. Its weights may change between two calls.
    """

    def __init__(self, network: Any):
        self.network = network
        self._function = lru_cache(maxsize=KEPT_FUNCTIONS)(self._compile)

    def __call__(self, molded: np.ndarray, metas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Find objects.

        Args:
            molded: `(B, H, W, C)` float32.
            metas: `(B, META)` float32.

        Returns:
            Detections `(B, S, 6)` and their masks `(B, S, h, w, C)`, S as small as the detections
            allow.
        """
        shape = molded.shape[1:3]
        found, flat_features = self._function("detector", shape)([molded, metas])
        detections = ops.convert_to_numpy(found)
        count = int((detections[..., 4] > 0).sum(axis=1).max())
        if not count:
            config = self.network.config
            return detections, np.zeros(
                (len(detections), 0, *config.MASK_SHAPE, config.NUM_CLASSES)
            )
        slots = min([s for s in SLOTS if s >= count] + [detections.shape[1]])
        segmenter = self._function("segmenter", shape, slots)
        masks = segmenter([found[:, :slots], flat_features])
        return detections[:, :slots], ops.convert_to_numpy(masks)

    def _compile(self, name: str, shape: tuple[int, ...], *arguments: int) -> Callable:
        return compiled(getattr(self.network, name)(shape, *arguments))
