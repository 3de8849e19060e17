"""From images to the input of the network, and from its detections back to the images."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mrcnn.data.image import clear_padding, compose_image_meta, mold_image, resize_image
from mrcnn.data.masks import paste_padded, unmold_mask
from mrcnn.data.resampling import resize_exact, resize_linear
from mrcnn.errors import InputError


def mold_inputs(
    images: Sequence[np.ndarray], config: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Resize images to the network's input and take off the mean.

    Args:
        images: (H, W, C) each.
        config: A `mrcnn.config.Config`.

    Returns:
        Molded images (N, h, w, C) float32; image metas (N, 12 + NUM_CLASSES) float32; windows
        (N, 4), y1, x1, y2, x2 in pixels of the molded images.

    Raises:
        InputError: There is no image, one has another number of channels, they differ in shape once
            they are resized, or they would be cropped.
    """
    if config.IMAGE_RESIZE_MODE == "crop":
        raise InputError(
            "IMAGE_RESIZE_MODE 'crop' is for training alone, as in the original: "
            "it leaves out parts of an image; detect with 'square' or 'pad64'"
        )
    interpolate = resize_linear if config.IMAGE_INTERPOLATION == "bilinear" else resize_exact
    molded, metas, windows = [], [], []
    for image in images:
        if image.ndim != 3 or image.shape[2] != config.IMAGE_CHANNEL_COUNT:
            raise InputError(
                f"an image has the shape (height, width, {config.IMAGE_CHANNEL_COUNT}), "
                f"got {image.shape}"
            )
        resized, window, scale, _, _ = resize_image(
            image, config.IMAGE_MIN_DIM, config.IMAGE_MAX_DIM, config.IMAGE_MIN_SCALE,
            config.IMAGE_RESIZE_MODE, interpolate=interpolate
        )  # fmt: skip
        molded.append(mold_image(resized, config))
        if config.IMAGE_PAD_VALUE == "mean":
            clear_padding(molded[-1], window)
        active = np.zeros(config.NUM_CLASSES, np.int32)
        metas.append(compose_image_meta(0, image.shape, resized.shape, window, scale, active))
        windows.append(window)
    shapes = {image.shape for image in molded}
    if len(shapes) != 1:
        raise InputError(
            f"images must have one shape when they are resized, got {sorted(shapes)}: give those "
            f"of one shape alone, or another IMAGE_RESIZE_MODE than {config.IMAGE_RESIZE_MODE!r}"
        )
    return np.stack(molded), np.stack(metas).astype(np.float32), np.array(windows)


def unmold_detections(
    detections: np.ndarray,
    masks: np.ndarray,
    original_shape: Sequence[int],
    image_shape: Sequence[int],
    window: Sequence[int],
    *,
    coding: str = "inclusive",
    rounds: bool = True,
    paste: str = "box",
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """From the network's detections to those on the original image.

    Args:
        detections: (N, 6) as from the detection layer, empty slots last.
        masks: (N, h, w, C) probabilities.
        original_shape: H, W, C of the image.
        image_shape: H, W, C of the molded image.
        window: y1, x1, y2, x2 of the image in the molded image, in pixels.
        coding: `Config.BOX_CODING`.
        rounds: `Config.DETECTION_ROUND_BOXES`.
        paste: `Config.MASK_PASTE`.

    Returns:
        Boxes (N, 4) in pixels, int32, or float32 where they are not rounded; class ids (N,)
        int32, scores (N,) and masks (H, W, N) bool.
    """
    empty = np.flatnonzero(detections[:, 4] == 0)
    count = empty[0] if len(empty) else len(detections)
    boxes, class_ids = detections[:count, :4], detections[:count, 4].astype(np.int32)
    masks = masks[np.arange(count), :, :, class_ids]
    one = 1 if coding == "inclusive" else 0
    y1, x1, y2, x2 = _normalized(np.array(window, float), image_shape, one)
    boxes = (boxes - [y1, x1, y1, x1]) / [y2 - y1, x2 - x1, y2 - y1, x2 - x1]
    height, width = original_shape[:2]
    scale = np.array([height, width, height, width]) - one
    boxes = boxes * scale + [0, 0, one, one]
    boxes = np.around(boxes).astype(np.int32) if rounds else boxes.astype(np.float32)
    boxes = boxes.clip(0, np.array([height, width, height, width], boxes.dtype))
    kept = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    boxes, class_ids, masks = boxes[kept], class_ids[kept], masks[kept]
    full = np.zeros((height, width, len(boxes)), bool)
    put = paste_padded if paste == "padded" else unmold_mask
    for index, (mask, box) in enumerate(zip(masks, boxes, strict=True)):
        full[:, :, index] = put(mask, box, (height, width))
    return boxes, class_ids, detections[:count, 5][kept], full


def _normalized(box: np.ndarray, shape: Sequence[int], one: int) -> np.ndarray:
    height, width = shape[0] - one, shape[1] - one
    return (box - [0, 0, one, one]) / [height, width, height, width]
