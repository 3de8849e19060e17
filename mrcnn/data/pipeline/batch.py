"""From a dataset to the arrays of a training batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mrcnn.data.datasets.dataset import Dataset, Instances
from mrcnn.data.image import (
    canvas_shape,
    compose_image_meta,
    fitting_scale,
    place_image,
    resize,
    resize_image,
)
from mrcnn.data.masks import Segmentation
from mrcnn.data.mini_masks import mini_masks
from mrcnn.data.pipeline.batch_sampler import BatchSampler
from mrcnn.data.resampling import resize_linear_rounded
from mrcnn.data.resize import ResizeTransform
from mrcnn.data.transforms.custom import augment_sample
from mrcnn.data.transforms.geometric import Sample, cut
from mrcnn.data.transforms.random_augmentation import RandomAugmentation
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
    interpolation: str = "original"
    random_augmentation: RandomAugmentation = RandomAugmentation()

    @classmethod
    def of(
        cls,
        config: Any,
        flip: bool,
        seed: int,
        random_augmentation: RandomAugmentation | None = None,
    ) -> "BatchSettings":
        """Take the settings from a `mrcnn.config.Config`; without augmentation, only flips."""
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
            interpolation=config.IMAGE_INTERPOLATION,
            random_augmentation=random_augmentation or RandomAugmentation(),
        )

    @property
    def limits(self) -> tuple[int, int, float, str]:
        """What decides the size of a resized image, as `mrcnn.data.image.resize_image` takes it."""
        return self.min_dim, self.max_dim, self.min_scale, self.resize_mode

    def canvas(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return the canvas (height, width) of images of `size`."""
        height, width = size
        return canvas_shape(height, width, *self.limits)


@dataclass(frozen=True)
class View:
    """How an image is shown that may not have the size which its canvas was planned for.

    Attributes:
        canvas: Height and width that all images of its batch have.
        scale: Factor beside the one that fits the image to the canvas.
    """

    canvas: tuple[int, int]
    scale: float


@dataclass(frozen=True)
class BatchBuilder:
    """Maps a global step to its batch, images still uint8; equal arguments give equal batches.

    Attributes:
        dataset: The dataset.
        settings: The settings.
        sampler: Of the images in each batch.
        augmentation: None, or what `mrcnn.data.transforms.custom.augment` takes.
        plain_sources: Images of these sources are neither flipped nor changed otherwise.
    """

    dataset: Dataset
    settings: BatchSettings
    sampler: BatchSampler
    augmentation: Any = None
    plain_sources: frozenset[str] = frozenset()

    def __call__(self, step: int) -> Batch:
        """Return the batch of a step, see `mrcnn.data.pipeline.loader.Loader`."""
        epoch, positions = self.sampler.batch(int(step))
        image_ids = [int(self.dataset.image_ids[position]) for position in positions]
        return stack([self.example(image_id, epoch) for image_id in image_ids])

    def example(self, image_id: int, epoch: int) -> Batch:
        """Return an image with its ground truth: the arrays of a batch without their first axis."""
        settings, random_augmentation = self.settings, self.settings.random_augmentation
        rng = np.random.default_rng([settings.seed, epoch, image_id])
        sample = load_sample(self.dataset, image_id, settings.channels)
        active = active_classes(self.dataset, image_id, settings.num_classes)
        if self._source(image_id) in self.plain_sources:
            return make_example(sample, settings, image_id, active, rng)
        # The order is the same in every epoch, so a turned image is shown on the canvas that was
        # chosen from its size in the file.
        canvas = settings.canvas(sample.instances.size) if random_augmentation.moves else None
        sample = random_augmentation.apply(
            sample, rng, settings.flip, lambda: self._another(image_id, rng)
        )
        view = View(canvas, random_augmentation.draw_scale(rng)) if canvas else None
        return make_example(sample, settings, image_id, active, rng, view, self.augmentation)

    def _another(self, image_id: int, rng: np.random.Generator) -> Sample | None:
        """Return a random image, or None if that is the same, or its classes may be others."""
        other = int(rng.choice(self.dataset.image_ids))
        if other == image_id or self._source(other) != self._source(image_id):
            return None
        return load_sample(self.dataset, other, self.settings.channels)

    def _source(self, image_id: int) -> str:
        return str(self.dataset.image_info[image_id]["source"])


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
    refuse_other_size(dataset, image_id, image, instances.size)
    numbers = np.abs(instances.class_ids)
    if len(numbers) and not (numbers.min() > 0 and numbers.max() < dataset.num_classes):
        raise InputError(
            f"image {dataset.image_reference(image_id)} has the class ids "
            f"{sorted(set(instances.class_ids.tolist()))}; the dataset has 1 to "
            f"{dataset.num_classes - 1} (0 is the background), negative for crowds"
        )
    return Sample(image, instances)


def refuse_other_size(
    dataset: Dataset, image_id: int, image: np.ndarray, size: Sequence[int]
) -> None:
    """Refuse an image (H, W, C) whose masks have another size.

    Raises:
        InputError: They differ.
    """
    if tuple(size) != image.shape[:2]:
        raise InputError(
            f"image {dataset.image_reference(image_id)} is {image.shape[:2]}, "
            f"its masks are {tuple(size)} (height, width)"
        )


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
    view: View | None = None,
    augmentation: Any = None,
) -> Batch:
    """Resize a sample to the input of the network and pad its objects to `max_instances`.

    Objects that a crop leaves out are dropped. Of more than `max_instances` objects, `rng` picks
    those that stay. An augmentation acts on the resized image and on full masks of its size.
    """
    size = (sample.image.shape[0], sample.image.shape[1])
    if view is None:
        interpolate = resize_linear_rounded if settings.interpolation == "bilinear" else resize
        image, window, scale, _, part = resize_image(
            sample.image, *settings.limits, rng, interpolate
        )
    else:
        scale = fitting_scale(size, view.canvas, *settings.limits) * view.scale
        image, window, part = place_image(sample.image, scale, view.canvas, rng)
    transform = ResizeTransform.of(size, scale, window, part)
    instances = cut(sample.instances, transform.region) if part else sample.instances
    instances, boxes = _place(instances, transform)
    if len(instances) > settings.max_instances:
        chosen = np.sort(rng.choice(len(instances), settings.max_instances, replace=False))
        instances, boxes = instances.select(chosen), boxes[chosen]
    canvas = (image.shape[0], image.shape[1])
    if augmentation is not None:
        framed = Sample(image, _on_canvas(instances, boxes, transform, canvas))
        framed = augment_sample(augmentation, framed, rng)
        image, instances, boxes = framed.image, framed.instances, framed.instances.boxes
        transform = ResizeTransform.whole(canvas)

    count, slots = len(instances), settings.max_instances
    padded_boxes = np.zeros((slots, 4), np.float32)
    padded_boxes[:count] = boxes
    class_ids = np.zeros(slots, np.int32)
    class_ids[:count] = instances.class_ids
    has_mask = np.zeros(slots, bool)
    has_mask[:count] = instances.has_mask
    masks = np.zeros((*(settings.mini_mask_shape or canvas), slots), np.uint8)
    if settings.mini_mask_shape is None:
        for index, segmentation in enumerate(instances.segmentations):
            masks[:, :, index] = transform.draw(segmentation, canvas)
    else:
        drawn = mini_masks(instances.segmentations, boxes, transform, settings.mini_mask_shape)
        masks[:, :, :count] = np.moveaxis(drawn, 0, -1)
    # A mask without a pixel would teach that there is nothing in the box.
    has_mask &= masks.any(axis=(0, 1))
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


def _place(instances: Instances, transform: ResizeTransform) -> tuple[Instances, np.ndarray]:
    """Return the objects inside the window, and their boxes (N, 4) there, at least 1 pixel wide."""
    low, high = np.array(transform.window[:2]), np.array(transform.window[2:])
    boxes = transform.to_canvas(instances.boxes)
    start, end = boxes[:, :2].clip(low, high), boxes[:, 2:].clip(low, high)
    inside = (end > start).all(axis=1)
    start, end = start[inside], end[inside]
    # A box without extent would make the logarithm of its size infinite, and with it the loss.
    missing = (1 - (end - start)).clip(0) / 2
    start = (start - missing).clip(low, high - 1)
    end = np.maximum(end + missing, start + 1).clip(low, high)
    return instances.select(np.asarray(inside)), np.concatenate([start, end], axis=1)


def _on_canvas(
    instances: Instances, boxes: np.ndarray, transform: ResizeTransform, canvas: tuple[int, int]
) -> Instances:
    """Return objects in the pixels of the canvas, with full masks where they have one."""
    shapes: list[Segmentation] = [
        transform.draw(shape, canvas).astype(bool) if known else []
        for shape, known in zip(instances.segmentations, instances.has_mask, strict=True)
    ]
    return Instances(boxes.astype(np.float32), instances.class_ids, shapes, canvas)
