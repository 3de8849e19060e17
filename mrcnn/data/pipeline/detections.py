"""From images to the input of the network, and from its detections back to the images."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Any

import numpy as np

from mrcnn.data import masks as masks_of
from mrcnn.data.encodings import as_text, encode_part
from mrcnn.data.image import clear_padding, compose_image_meta, mold_image, resize_image
from mrcnn.data.masks import Part, put_part
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


def mold_alike(
    images: Sequence[np.ndarray], config: Any
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Mold images, and put those that follow each other and have one shape then into one batch.

    Args: see `mold_inputs`.

    Yields:
        What `mold_inputs` returns, for up to `BATCH_SIZE` images.
    """
    molded = (mold_inputs([image], config) for image in images)
    for _, alike in groupby(molded, key=lambda arrays: arrays[0].shape):
        while batch := list(islice(alike, config.BATCH_SIZE)):
            pixels, metas, windows = zip(*batch, strict=True)
            yield np.concatenate(pixels), np.concatenate(metas), np.concatenate(windows)


@dataclass(frozen=True)
class Found:
    """The objects that were found on an image of `size` (H, W).

    Attributes:
        size: Height and width of the image.
        boxes: (N, 4) y1, x1, y2, x2 in pixels, int32, or float32 where they are not rounded.
        class_ids: (N,) int32.
        scores: (N,) float32.
        parts: The pixels of each mask inside its box, and where they begin.
    """

    size: tuple[int, int]
    boxes: np.ndarray
    class_ids: np.ndarray
    scores: np.ndarray
    parts: list[Part]

    def masks(self) -> np.ndarray:
        """Return the full masks (H, W, N), bool. Each is in one piece of memory, column by column,
        as their encodings are: to fill, to encode and to look at one alone is then fast.
        """
        full = np.zeros((*self.size, len(self.parts)), bool, order="F")
        for index, part in enumerate(self.parts):
            put_part(full[:, :, index], part)
        return full

    def encodings(self) -> list[dict[str, Any]]:
        """Return the masks as COCO's run-length encodings, ready for JSON; no full mask is made."""
        return [as_text(encode_part(*part, self.size)) for part in self.parts]


def unmold(
    detections: np.ndarray,
    masks: np.ndarray,
    original_shape: Sequence[int],
    image_shape: Sequence[int],
    window: Sequence[int],
    *,
    coding: str = "inclusive",
    rounds: bool = True,
    paste: str = "box",
) -> Found:
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
    put = masks_of.paste_padded if paste == "padded" else masks_of.paste
    size = (int(height), int(width))
    parts = [put(mask, box, size) for mask, box in zip(masks, boxes, strict=True)]
    return Found(size, boxes, class_ids, detections[:count, 5][kept], parts)


def unmold_detections(
    *arguments: Any, **settings: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return boxes, class ids, scores and full masks (H, W, N) of what `unmold` finds."""
    found = unmold(*arguments, **settings)
    return found.boxes, found.class_ids, found.scores, found.masks()


def _normalized(box: np.ndarray, shape: Sequence[int], one: int) -> np.ndarray:
    height, width = shape[0] - one, shape[1] - one
    return (box - [0, 0, one, one]) / [height, width, height, width]
