"""The input pipeline: batches in a fixed order, prepared ahead in threads or processes."""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mrcnn.data.datasets.dataset import Dataset
from mrcnn.data.image import clear_padding, mold_image, parse_image_meta
from mrcnn.data.pipeline.batch import Batch, BatchBuilder, BatchSettings, stack
from mrcnn.data.pipeline.batch_sampler import BatchSampler
from mrcnn.data.pipeline.read_ahead import BatchIterator, read_ahead
from mrcnn.data.transforms.custom import check_augmentation
from mrcnn.data.transforms.random_augmentation import RandomAugmentation
from mrcnn.errors import InputError, nearest

_ENDLESS = 2**40


class Loader:
    """Serves the batches of a dataset.

    The batch of global step s is a pure function of the dataset, the configuration, the seed and s:
    it does not depend on the number of workers nor on where the run was started. An epoch shows
    every image; a batch holds images of one canvas only, so the last batch of a canvas is filled up
    with the first images of its epoch again.

    A batch is a dict of the inputs of the network:

    - `input_image` (B, H, W, C) float32, RGB minus `MEAN_PIXEL`, where the padding was 0 before
      (with `IMAGE_PAD_VALUE: mean` it is 0 afterwards),
    - `input_image_meta` (B, 12 + NUM_CLASSES) float32,
    - `input_gt_class_ids` (B, G) int32, negative for crowds, 0 where there is no object,
    - `input_gt_boxes` (B, G, 4) float32, y1, x1, y2, x2 in pixels of the canvas,
    - `input_gt_masks` (B, h, w, G) uint8, 0 or 1, the inside of each box (all of the canvas without
      `USE_MINI_MASK`),
    - `input_gt_has_mask` (B, G) bool, False where there is no object, or one with a box alone.

    Args:
        dataset: A prepared dataset. Its `load_` methods are called from several threads at a time.
        config: A `mrcnn.config.Config`.
        batch_size: Images in a batch; `config.BATCH_SIZE` without it.
        shuffle: A new order in each epoch. Otherwise images keep the order of the dataset as far as
            their canvases allow.
        seed: Of the order, the transforms, and of the choice among more than `MAX_GT_INSTANCES`
            objects; `config.SEED` without it.
        flip: Mirror half of the images.
        workers: Processes that prepare batches; with 0, threads of this process do. Processes are
            started anew (not forked), so the main script needs its `if __name__ == "__main__"`.
        random_augmentation: Transforms beside the flip; `RandomAugmentation.of(config)` takes the
            `AUGMENT_` keys of the configuration, without it there are none.
        augmentation: An imgaug augmenter or a callable (image, masks) -> (image, masks), which acts
            after all else on the image in the size of the network's input; see
            `mrcnn.data.transforms.custom.augment`. A callable with a parameter `rng` gets the
            generator of the image; one that takes its random numbers elsewhere makes batches that
            cannot be repeated. With workers it must be picklable, as lambdas and closures are here.
        no_augmentation_sources: Sources of the dataset whose images are neither flipped nor changed
            otherwise.
        shard: Index and count of the part of every batch that this loader makes, for runs on
            several hosts or replicas: `batch_size` counts the images of all of them. With the same
            seed, the parts of all indices together are the batch of a loader without shards, so
            the step of two replicas is that of one.

    Raises:
        InputError: The dataset is empty or has another number of classes than the configuration, a
            number is out of range, an augmentation cannot be used, or a source does not exist.

    Example::

        loader = Loader(dataset, config, workers=2)
        with loader.batches(start_step=0, num_steps=1000) as batches:
            for batch in batches:
                ...
    """

    def __init__(
        self,
        dataset: Dataset,
        config: Any,
        batch_size: int | None = None,
        shuffle: bool = True,
        seed: int | None = None,
        flip: bool = True,
        workers: int = 0,
        random_augmentation: RandomAugmentation | None = None,
        augmentation: Any = None,
        no_augmentation_sources: Sequence[str] | None = None,
        shard: tuple[int, int] = (0, 1),
    ) -> None:
        self.batch_size = config.BATCH_SIZE if batch_size is None else batch_size
        self.workers = workers
        seed = config.SEED if seed is None else seed
        for name, value, least in (
            ("batch_size", self.batch_size, 1),
            ("seed", seed, 0),
            ("workers", workers, 0),
        ):
            if value < least:
                raise InputError(f"{name} must be at least {least}, got {value}")
        index, count = shard
        if not 0 <= index < count:
            raise InputError(f"shard is (index, count) with 0 <= index < count, got {shard}")
        if self.batch_size % count:
            raise InputError(
                f"batch_size must divide by the number of shards, {count}, got {self.batch_size}"
            )
        if len(dataset.image_ids) == 0:
            raise InputError("the dataset has no images")
        if dataset.num_classes != config.NUM_CLASSES:
            raise InputError(
                f"NUM_CLASSES is {config.NUM_CLASSES}, but the dataset has {dataset.num_classes} "
                "classes with the background"
            )
        if augmentation is not None:
            check_augmentation(augmentation)
        dataset.read_by(config)
        settings = BatchSettings.of(config, flip, seed, random_augmentation)
        sampler = BatchSampler(_canvases(dataset, settings), self.batch_size, shuffle, seed, shard)
        plain = _sources(dataset, no_augmentation_sources or ())
        self._build = BatchBuilder(dataset, settings, sampler, augmentation, plain)
        self._mold = _Mold(tuple(config.MEAN_PIXEL), config.IMAGE_PAD_VALUE == "mean")

    def __len__(self) -> int:
        """Steps in an epoch."""
        return len(self._build.sampler)

    def batch(self, step: int) -> Batch:
        """Return the batch of one global step, without reading ahead."""
        return self._mold(self._build(step))

    def example(self, image_id: int, epoch: int = 0) -> Batch:
        """Return what one image is in an epoch, as a batch of one."""
        return self._mold(stack([self._build.example(image_id, epoch)]))

    def reordered(self, order: int) -> "Loader":
        """Return a loader of the same images in another order, which follows from its number; 0
        is the order of this one.
        """
        other = copy(self)
        other._build = replace(self._build, sampler=self._build.sampler.reordered(order))
        return other

    def names(self, batch: Batch) -> list[str]:
        """Return the ids and files of the images of a batch, such as `17 (b.jpg)`."""
        dataset, names = self._build.dataset, []
        for image_id in parse_image_meta(batch["input_image_meta"])["image_id"]:
            info = dataset.image_info[int(image_id)]
            file = f" ({Path(info['path']).name})" if info.get("path") else ""
            names.append(f"{info['id']}{file}")
        return names

    def batches(self, start_step: int = 0, num_steps: int | None = None) -> BatchIterator:
        """Return an iterator over the batches from a global step on, that reads ahead.

        Args:
            start_step: The first global step. To go on with a run, give the number of steps done.
            num_steps: How many batches; without it, there is no end.
        """
        steps = _ENDLESS if num_steps is None else num_steps
        return read_ahead(
            self._build, range(start_step, start_step + steps), self.workers, self._mold
        )


def load_images(dataset: Dataset, image_ids: Sequence[int], workers: int = 0) -> BatchIterator:
    """Return an iterator over the images of a dataset, read ahead in threads or processes.

    A few images wait in front of the consumer, whatever their number in all.

    Args:
        dataset: A prepared dataset. Its `load_image` is called from several threads at a time.
        image_ids: The images, in their order.
        workers: Processes that read; with 0, threads of this process do.

    Yields:
        A dict of `image`, what `dataset.load_image` returns; or of `error`, the UTF-8 bytes of its
        InputError, so that one bad image does not end the reading.

    Raises:
        InputError: `workers` is negative.
    """
    if workers < 0:
        raise InputError(f"workers must be at least 0, got {workers}")
    ids = tuple(int(image_id) for image_id in image_ids)
    return read_ahead(_ReadImage(dataset, ids), range(len(ids)), workers)


@dataclass(frozen=True)
class _ReadImage:
    """Maps a step to its image."""

    dataset: Dataset
    image_ids: tuple[int, ...]

    def __call__(self, step: int) -> Batch:
        try:
            return {"image": self.dataset.load_image(self.image_ids[int(step)])}
        except InputError as error:
            text = str(error).encode("utf-8", "replace")
            return {"error": np.frombuffer(text, np.uint8)}


@dataclass(frozen=True)
class _Mold:
    """Takes the mean off. It runs here, not in the workers: these ship a quarter of the bytes."""

    MEAN_PIXEL: tuple[float, ...]
    clears_padding: bool = False

    def __call__(self, batch: Batch) -> Batch:
        images = mold_image(batch["input_image"], self)
        if self.clears_padding:
            windows = parse_image_meta(batch["input_image_meta"])["window"]
            for image, window in zip(images, windows, strict=True):
                clear_padding(image, window)
        return {**batch, "input_image": images}


def _canvases(dataset: Dataset, settings: BatchSettings) -> list[tuple[int, int]]:
    """Return the canvas of every image."""
    if settings.resize_mode in ("square", "crop"):
        return [(0, 0)] * len(dataset.image_ids)
    return [settings.canvas(dataset.image_size(image_id)) for image_id in dataset.image_ids]


def _sources(dataset: Dataset, names: Sequence[str]) -> frozenset[str]:
    """Return the names of sources as a set."""
    known = sorted({str(info["source"]) for info in dataset.image_info})
    for name in [names] if isinstance(names, str) else names:
        if isinstance(names, str) or name not in known:
            raise InputError(
                f"no_augmentation_sources must be a list of sources of the dataset's images, "
                f"{', '.join(known)}; got {names!r}.{nearest(str(name), known)}"
            )
    return frozenset(names)
