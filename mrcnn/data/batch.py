"""From a dataset to the arrays of a training batch."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from mrcnn.data.dataset import Dataset, Instances
from mrcnn.data.image import compose_image_meta, resize_image
from mrcnn.data.masks import rasterize
from mrcnn.data.plan import BatchPlan
from mrcnn.data.transforms import Sample, flip_horizontal
from mrcnn.errors import InputError

Batch = dict[str, np.ndarray]


@dataclass(frozen=True)
class BatchSettings:
    """What of the configuration a batch depends on; it travels to worker processes."""

    num_classes: int
    channels: int
    min_dim: int
    max_dim: int
    min_scale: float
    resize_mode: str
    max_instances: int
    mini_mask_shape: tuple[int, int] | None
    flip: bool
    seed: int

    @classmethod
    def of(cls, config: Any, flip: bool, seed: int) -> "BatchSettings":
        """Take the settings from a `mrcnn.config.Config`."""
        return cls(
            num_classes=config.NUM_CLASSES,
            channels=len(config.MEAN_PIXEL),
            min_dim=config.IMAGE_MIN_DIM,
            max_dim=config.IMAGE_MAX_DIM,
            min_scale=config.IMAGE_MIN_SCALE,
            resize_mode=config.IMAGE_RESIZE_MODE,
            max_instances=config.MAX_GT_INSTANCES,
            mini_mask_shape=tuple(config.MINI_MASK_SHAPE) if config.USE_MINI_MASK else None,
            flip=flip,
            seed=seed,
        )


@dataclass(frozen=True)
class BatchBuilder:
    """Maps a global step to its batch, images still uint8; equal arguments give equal batches."""

    dataset: Dataset
    settings: BatchSettings
    plan: BatchPlan

    def __call__(self, step: int) -> Batch:
        """Return the batch of a step, see `mrcnn.data.loader.Loader`."""
        epoch, positions = self.plan.batch(int(step))
        image_ids = [int(self.dataset.image_ids[position]) for position in positions]
        return stack([self.example(image_id, epoch) for image_id in image_ids])

    def example(self, image_id: int, epoch: int) -> Batch:
        """Return an image with its ground truth: the arrays of a batch without their first axis."""
        rng = np.random.default_rng([self.settings.seed, epoch, image_id])
        sample = load_sample(self.dataset, image_id, self.settings.channels)
        if self.settings.flip and rng.random() < 0.5:
            sample = flip_horizontal(sample)
        active = active_classes(self.dataset, image_id, self.settings.num_classes)
        return make_example(sample, self.settings, image_id, active, rng)


def load_sample(dataset: Dataset, image_id: int, channels: int) -> Sample:
    """Read an image and its objects.

    Raises:
        InputError: Image and masks differ in size, the image has not `channels` channels, or an
            object is of a class that the dataset does not have.
    """
    image = dataset.load_image(image_id)
    if image.ndim != 3 or image.shape[2] != channels:
        raise InputError(
            f"image {dataset.image_reference(image_id)} has the shape {image.shape}; "
            f"the configuration wants (height, width, {channels})"
        )
    instances = dataset.load_instances(image_id)
    if tuple(instances.size) != image.shape[:2]:
        raise InputError(
            f"image {dataset.image_reference(image_id)} is {image.shape[:2]}, "
            f"its masks are {tuple(instances.size)} (height, width)"
        )
    numbers = np.abs(instances.class_ids)
    if len(numbers) and not (numbers.min() > 0 and numbers.max() < dataset.num_classes):
        raise InputError(
            f"image {dataset.image_reference(image_id)} has the class ids "
            f"{sorted(set(instances.class_ids.tolist()))}; the dataset has 1 to "
            f"{dataset.num_classes - 1} (0 is the background), negative for crowds"
        )
    return Sample(image, instances)


def active_classes(dataset: Dataset, image_id: int, num_classes: int) -> np.ndarray:
    """Return 1 for the classes that the source of an image annotates, (num_classes,), int32."""
    active = np.zeros(num_classes, np.int32)
    active[dataset.source_class_ids[dataset.image_info[image_id]["source"]]] = 1
    return active


def make_example(
    sample: Sample,
    settings: BatchSettings,
    image_id: int,
    active_class_ids: np.ndarray,
    rng: np.random.Generator,
) -> Batch:
    """Resize a sample to the input of the network and pad its objects to `max_instances`.

    Objects that a crop leaves out are dropped. Of more than `max_instances` objects, `rng` picks
    those that stay.
    """
    height, width = sample.image.shape[:2]
    image, window, scale, _, crop = resize_image(
        sample.image,
        settings.min_dim,
        settings.max_dim,
        settings.min_scale,
        settings.resize_mode,
        rng,
    )
    # Sides are rounded to whole pixels one by one, so the factors of the two axes differ a little.
    size = np.array([round(height * scale), round(width * scale)])
    factor = size / (height, width)
    offset = np.array(window[:2]) - (crop[:2] if crop else (0, 0))
    instances, boxes = _place(sample.instances, factor, offset, window)
    if len(instances) > settings.max_instances:
        chosen = np.sort(rng.choice(len(instances), settings.max_instances, replace=False))
        instances, boxes = instances.select(chosen), boxes[chosen]

    count, slots = len(instances), settings.max_instances
    padded_boxes = np.zeros((slots, 4), np.float32)
    padded_boxes[:count] = boxes
    class_ids = np.zeros(slots, np.int32)
    class_ids[:count] = instances.class_ids
    has_mask = np.zeros(slots, bool)
    has_mask[:count] = instances.has_mask
    masks = np.zeros((*(settings.mini_mask_shape or image.shape[:2]), slots), np.uint8)
    for index, segmentation in enumerate(instances.segmentations):
        if settings.mini_mask_shape is None:
            y1, x1, y2, x2 = window
            source = _to_image(np.array(window, np.float64), factor, offset)
            masks[y1:y2, x1:x2, index] = rasterize(segmentation, source, (y2 - y1, x2 - x1))
        else:
            source = _to_image(boxes[index], factor, offset)
            masks[:, :, index] = rasterize(segmentation, source, settings.mini_mask_shape)
    return {
        "input_image": image,
        "input_image_meta": compose_image_meta(
            image_id, sample.image.shape, image.shape, window, scale, active_class_ids
        ),
        "input_gt_class_ids": class_ids,
        "input_gt_boxes": padded_boxes,
        "input_gt_masks": masks,
        "input_gt_has_mask": has_mask,
    }


def stack(examples: list[Batch]) -> Batch:
    """Join examples to a batch.

    Raises:
        InputError: Their images differ in shape.
    """
    shapes = {example["input_image"].shape for example in examples}
    if len(shapes) > 1:
        raise InputError(
            f"images of one batch differ in shape: {sorted(shapes)}; "
            "height and width in image_info must be those of the image"
        )
    return {name: np.stack([example[name] for example in examples]) for name in examples[0]}


def _place(
    instances: Instances, factor: np.ndarray, offset: np.ndarray, window: tuple[int, int, int, int]
) -> tuple[Instances, np.ndarray]:
    """Return the objects inside the window, and their boxes (N, 4) there, at least 1 pixel wide."""
    low, high = np.array(window[:2]), np.array(window[2:])
    start = (instances.boxes[:, :2] * factor + offset).clip(low, high)
    end = (instances.boxes[:, 2:] * factor + offset).clip(low, high)
    inside = (end > start).all(axis=1)
    start, end = start[inside], end[inside]
    # A box without extent would make the logarithm of its size infinite, and with it the loss.
    missing = (1 - (end - start)).clip(0) / 2
    start = (start - missing).clip(low, high - 1)
    end = np.maximum(end + missing, start + 1).clip(low, high)
    return instances.select(inside), np.concatenate([start, end], axis=1)


def _to_image(box: np.ndarray, factor: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """Return a box (4,) on the canvas in the pixels of the image before it was resized."""
    return ((box.reshape(2, 2) - offset) / factor).ravel()
