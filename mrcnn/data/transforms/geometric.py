"""Samples, and transforms of them: pure functions from a sample to a sample."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from mrcnn.data.datasets.dataset import Instances
from mrcnn.data.encodings import decode_inside, encode_part
from mrcnn.data.image import Box, place_image
from mrcnn.data.masks import Segmentation, encode
from mrcnn.data.resize import ResizeTransform
from mrcnn.data.transforms.clipping import Region, visible_box

Move = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Sample:
    """An image with its objects, both in the pixels of the image.

    Attributes:
        image: (H, W, C), uint8.
        instances: The objects; `instances.size` is (H, W).
    """

    image: np.ndarray
    instances: Instances


def flip_horizontal(sample: Sample) -> Sample:
    """Mirror a sample left to right."""
    width = sample.instances.size[1]
    return _moved(
        sample,
        Image.Transpose.FLIP_LEFT_RIGHT,
        lambda array: array[:, ::-1],
        lambda points: np.stack([width - points[:, 0], points[:, 1]], axis=1),
    )


def flip_vertical(sample: Sample) -> Sample:
    """Mirror a sample top to bottom."""
    height = sample.instances.size[0]
    return _moved(
        sample,
        Image.Transpose.FLIP_TOP_BOTTOM,
        lambda array: array[::-1],
        lambda points: np.stack([points[:, 0], height - points[:, 1]], axis=1),
    )


def rotate_90(sample: Sample, turns: int = 1) -> Sample:
    """Turn a sample counterclockwise by 90 degrees, `turns` times."""
    for _ in range(turns % 4):
        sample = _turned(sample)
    return sample


def crop(sample: Sample, window: Box) -> Sample:
    """Cut out a window y1, x1, y2, x2 (whole pixels, inside the image, ends exclusive).

    Boxes become those of what is left of the objects; objects of which nothing is left are dropped.
    """
    y1, x1, y2, x2 = window
    kept = cut(sample.instances, window)
    segmentations: list[Segmentation] = [
        [points - (x1, y1) for points in segmentation]
        if isinstance(segmentation, list)
        else _cropped(segmentation, window)
        for segmentation in kept.segmentations
    ]
    boxes = kept.boxes - np.array([y1, x1, y1, x1], np.float32)
    inside = Instances(boxes, kept.class_ids, segmentations, (y2 - y1, x2 - x1))
    return Sample(np.ascontiguousarray(sample.image[y1:y2, x1:x2]), inside)


def rescale(
    sample: Sample, scale: float, size: tuple[int, int], rng: np.random.Generator
) -> Sample:
    """Resize a sample by a factor and show it in an image of `size` (H, W), 0 around it.

    `rng` chooses the place in the image; of a sample that is larger than it, the part.
    """
    image, window, part = place_image(sample.image, scale, size, rng)
    transform = ResizeTransform.of(sample.instances.size, scale, window, part)
    factor, offset = transform.factor[::-1], transform.offset[::-1]  # of x, y
    kept = cut(sample.instances, transform.region)
    segmentations: list[Segmentation] = [
        [points * factor + offset for points in segmentation]
        if isinstance(segmentation, list)
        else encode(transform.draw(segmentation, size), size)
        for segmentation in kept.segmentations
    ]
    boxes = transform.to_canvas(kept.boxes).astype(np.float32)
    return Sample(image, Instances(boxes, kept.class_ids, segmentations, size))


def cut(instances: Instances, region: Region) -> Instances:
    """Reduce boxes to what is visible of their objects in a region of the image.

    Objects of which nothing is are dropped; the segmentations of the others stay as they are.

    Args:
        instances: The objects.
        region: y1, x1, y2, x2 in pixels, inside the image.
    """
    low, high = np.array(region[:2]), np.array(region[2:])
    boxes = instances.boxes.clip(np.tile(low, 2), np.tile(high, 2)).astype(np.float32)
    touched = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    crossing = touched & (boxes != instances.boxes).any(axis=1) & instances.has_mask
    for index in np.flatnonzero(crossing):
        boxes[index] = visible_box(instances.segmentations[index], region)
    reduced = Instances(boxes, instances.class_ids, instances.segmentations, instances.size)
    return reduced.select(np.all(boxes[:, 2:] > boxes[:, :2], axis=1))


def _turned(sample: Sample) -> Sample:
    width = sample.instances.size[1]
    return _moved(
        sample,
        Image.Transpose.ROTATE_90,
        np.rot90,
        lambda points: np.stack([points[:, 1], width - points[:, 0]], axis=1),
    )


def _moved(sample: Sample, transpose: Image.Transpose, array: Move, points: Move) -> Sample:
    """Mirror or turn a sample: its masks by `array`, points (K, 2) of x, y by `points`."""
    before = sample.instances
    corners = points(before.boxes[:, [1, 0, 3, 2]].reshape(-1, 2)).reshape(-1, 2, 2)
    boxes = np.concatenate([corners.min(axis=1)[:, ::-1], corners.max(axis=1)[:, ::-1]], axis=1)
    if sample.image.shape[2] == 3 and sample.image.dtype == np.uint8:
        # Half the time of NumPy, which copies pixel by pixel.
        image = np.asarray(Image.fromarray(sample.image).transpose(transpose))
    else:
        image = np.ascontiguousarray(array(sample.image))
    size = (image.shape[0], image.shape[1])
    segmentations: list[Segmentation] = [
        [points(polygon) for polygon in segmentation]
        if isinstance(segmentation, list)
        else _moved_pixels(segmentation, array, points, size)
        for segmentation in before.segmentations
    ]
    return Sample(image, Instances(boxes, before.class_ids, segmentations, size))


def _moved_pixels(
    segmentation: dict[str, Any] | np.ndarray, array: Move, points: Move, size: tuple[int, int]
) -> Segmentation:
    """Mirror or turn a mask or an encoding; of an encoding only the inside of its box is decoded,
    because full masks of a thousand objects fill the memory.
    """
    if isinstance(segmentation, np.ndarray):
        return np.ascontiguousarray(array(segmentation))
    part, (y, x) = decode_inside(segmentation, (0, 0, *segmentation["size"]))
    height, width = part.shape
    left, top = points(np.array([[x, y], [x + width, y + height]])).min(axis=0)
    return encode_part(array(part), (int(top), int(left)), size)


def _cropped(segmentation: dict[str, Any] | np.ndarray, window: Box) -> Segmentation:
    """Cut a window out of a mask or an encoding."""
    y1, x1, y2, x2 = window
    if isinstance(segmentation, np.ndarray):
        return np.ascontiguousarray(segmentation[y1:y2, x1:x2])
    part, (top, left) = decode_inside(segmentation, window)
    return encode_part(part, (top - y1, left - x1), (y2 - y1, x2 - x1))
