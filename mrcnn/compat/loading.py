"""Loading for code written for the original: one image with full ground truth, RPN targets.

Training here uses `mrcnn.data.pipeline.loader`, which needs neither. Random choices follow Python's
`random`: `random.seed` makes them repeatable.
"""

import random
from collections.abc import Sequence
from typing import Any

import numpy as np

from mrcnn.constants import CROWD_IOU, NEGATIVE_ANCHOR_IOU, POSITIVE_ANCHOR_IOU
from mrcnn.data import image as images
from mrcnn.data.boxes import compute_overlaps, deltas_between
from mrcnn.data.datasets.dataset import Dataset
from mrcnn.data.image import Box, Padding, compose_image_meta
from mrcnn.data.masks import extract_bboxes, fit_mask, minimize_mask, resize_mask
from mrcnn.data.pipeline.batch import active_classes, refuse_other_size
from mrcnn.data.resampling import resize_exact
from mrcnn.data.transforms.custom import augment as apply_augmentation


def generator() -> np.random.Generator:
    """Return a generator that follows from the state of Python's `random`."""
    return np.random.default_rng(random.getrandbits(64))


def log(text: str, array: np.ndarray | None = None) -> None:
    """Print a text and, of an array, its shape, smallest and largest value and type."""
    if array is not None:
        ends = f"min: {array.min():10.5f}  max: {array.max():10.5f}" if array.size else "empty"
        text = f"{text:25}  shape: {array.shape!s:20}  {ends}  {array.dtype}"
    print(text)


def resize_image(
    image: np.ndarray,
    min_dim: int | None = None,
    max_dim: int | None = None,
    min_scale: float | None = None,
    mode: str = "square",
) -> tuple[np.ndarray, Box, float, Padding, Box | None]:
    """Resize an image with the arithmetic of the original; crop at a random position.

    Args and returns: see `mrcnn.data.image.resize_image`.
    """
    rng = generator() if mode == "crop" else None
    return images.resize_image(image, min_dim, max_dim, min_scale, mode, rng, resize_exact)


def load_image_gt(
    dataset: Dataset,
    config: Any,
    image_id: int,
    augment: Any = False,
    augmentation: Any = None,
    use_mini_mask: bool | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Load an image and its ground truth in the size of the network's input.

    Args:
        dataset: A prepared dataset.
        config: A `mrcnn.config.Config`.
        image_id: Number of the image in the dataset.
        augment: True mirrors every other image, left to right. The last version of the original has
            `augmentation` in this place, and so it may stand here too.
        augmentation: An imgaug augmenter or a callable, see `mrcnn.data.transforms.custom`.
        use_mini_mask: Return mini masks; `config.USE_MINI_MASK` without it.

    Returns:
        image (H, W, C); image_meta (12 + num_classes,); class_ids (N,) int32; bbox (N, 4) int32,
        y1, x1, y2, x2 in pixels; mask, bool: (H, W, N), or (h, w, N) of `MINI_MASK_SHAPE`. Objects
        without a pixel left are dropped.

    Raises:
        InputError: The image or its annotation cannot be used, or the augmentation not.
    """
    if augmentation is None and not isinstance(augment, bool):
        augment, augmentation = False, augment
    original = dataset.load_image(image_id)
    mask, class_ids = dataset.load_mask(image_id)
    if len(class_ids):
        refuse_other_size(dataset, image_id, original, mask.shape[:2])
    image, window, scale, padding, crop = resize_image(
        original,
        config.IMAGE_MIN_DIM,
        config.IMAGE_MAX_DIM,
        config.IMAGE_MIN_SCALE,
        config.IMAGE_RESIZE_MODE,
    )
    if len(class_ids) == 0:  # the original's dataset returns np.empty([0, 0, 0])
        mask = np.zeros((*original.shape[:2], 0), bool)
    if crop is None:
        size = (window[2] - window[0], window[3] - window[1])
        mask = fit_mask(mask.astype(bool), size, padding)
    else:
        mask = resize_mask(mask.astype(bool), scale, padding, crop)
    if augment and random.random() < 0.5:
        image, mask = image[:, ::-1], mask[:, ::-1]
    if augmentation is not None:
        image, mask = apply_augmentation(augmentation, image, mask, generator())
    visible = np.any(mask, axis=(0, 1))
    mask, class_ids = mask[:, :, visible], np.asarray(class_ids, np.int32)[visible]
    bbox = extract_bboxes(mask)
    if config.USE_MINI_MASK if use_mini_mask is None else use_mini_mask:
        mask = minimize_mask(bbox, mask, config.MINI_MASK_SHAPE)
    active = active_classes(dataset, image_id, dataset.num_classes)
    meta = compose_image_meta(image_id, original.shape, image.shape, window, scale, active)
    return image, meta, class_ids, bbox, mask


def build_rpn_targets(
    image_shape: Sequence[int],
    anchors: np.ndarray,
    gt_class_ids: np.ndarray,
    gt_boxes: np.ndarray,
    config: Any,
) -> tuple[np.ndarray, np.ndarray]:
    """Match anchors with objects, and sample those that the RPN is trained on.

    An anchor is positive when its IoU with an object is at least 0.7 or no anchor overlaps that
    object more, also when several overlap it equally; negative when its IoU is below 0.3 with
    every object and below 0.001 with every crowd. At most half of the sampled are positive.

    Args:
        image_shape: Without effect, as in the original.
        anchors: (A, 4), y1, x1, y2, x2 in pixels.
        gt_class_ids: (N,), negative for crowds.
        gt_boxes: (N, 4), in pixels.
        config: A `mrcnn.config.Config`.

    Returns:
        rpn_match (A,) int32: 1 positive, -1 negative, 0 neither; and rpn_bbox
        (RPN_TRAIN_ANCHORS_PER_IMAGE, 4) float64: the deltas of the positive anchors in their order,
        divided by RPN_BBOX_STD_DEV, then zeros.
    """
    objects, crowds = gt_boxes[gt_class_ids > 0], gt_boxes[gt_class_ids < 0]
    match = np.zeros(len(anchors), np.int32)
    best_iou, best = np.zeros(len(anchors)), np.zeros(len(anchors), np.int64)
    forced = np.zeros(len(anchors), bool)
    if len(objects):
        overlaps = compute_overlaps(anchors, objects)
        best, best_iou = overlaps.argmax(axis=1), overlaps.max(axis=1)
        most = overlaps.max(axis=0)
        # Without the second condition, an object that no anchor touches would match all of them.
        forced = np.any((overlaps == most) & (most > 0), axis=1)
    apart = np.all(compute_overlaps(anchors, crowds) < CROWD_IOU, axis=1)
    match[(best_iou < NEGATIVE_ANCHOR_IOU) & apart] = -1
    match[forced | (best_iou >= POSITIVE_ANCHOR_IOU)] = 1

    total, rng = config.RPN_TRAIN_ANCHORS_PER_IMAGE, generator()
    _thin(match, 1, total // 2, rng)
    _thin(match, -1, total - int(np.sum(match == 1)), rng)

    positive = np.flatnonzero(match == 1)
    deltas = np.zeros((total, 4))
    if len(positive):
        targets = deltas_between(anchors[positive], objects[best[positive]])
        deltas[: len(positive)] = targets / np.asarray(config.RPN_BBOX_STD_DEV)
    return match, deltas


def _thin(match: np.ndarray, value: int, count: int, rng: np.random.Generator) -> None:
    """Set all but `count` of the entries that have a value to 0, in place."""
    positions = np.flatnonzero(match == value)
    if len(positions) > count:
        match[rng.choice(positions, len(positions) - count, replace=False)] = 0
