"""Batches in the form of the original's generators, for code that takes them step by step.

Training here uses `mrcnn.data.pipeline.loader.Loader`: the graph computes RPN targets itself.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from mrcnn.compat.anchors import pixel_anchors
from mrcnn.compat.loading import build_rpn_targets, generator, load_image_gt
from mrcnn.compat.random_rois import build_detection_targets, generate_random_rois
from mrcnn.data.datasets.dataset import Dataset
from mrcnn.data.image import mold_image
from mrcnn.errors import InputError

GeneratorBatch = tuple[list[np.ndarray], list[np.ndarray]]
Example = tuple[np.ndarray, ...]


def data_generator(
    dataset: Dataset,
    config: Any,
    shuffle: bool = True,
    augment: bool = False,
    augmentation: Any = None,
    random_rois: int = 0,
    batch_size: int = 1,
    detection_targets: bool = False,
    no_augmentation_sources: Sequence[str] | None = None,
) -> Iterator[GeneratorBatch]:
    """Yield batches without end; images without an object that is no crowd are left out.

    Args:
        dataset: A prepared dataset.
        config: A `mrcnn.config.Config`.
        shuffle: A new order in every epoch.
        augment: Mirror half of the images.
        augmentation: See `mrcnn.data.transforms.custom`.
        random_rois: So many RoIs for each image, see `mrcnn.compat.random_rois`.
        batch_size: Images in a batch.
        detection_targets: Sample those RoIs and give them targets.
        no_augmentation_sources: Sources of the dataset whose images are not augmented.

    Yields:
        A list of images (B, H, W, C) float32 minus the mean; image_meta (B, META) float32;
        rpn_match (B, A, 1) int32; rpn_bbox (B, R, 4) float64; gt_class_ids (B, G) int32; gt_boxes
        (B, G, 4) int32, in pixels; gt_masks (B, h, w, G) bool; with `random_rois` N also rois (B,
        N, 4) int32, in pixels; and with `detection_targets` also R sampled ones (B, R, 4). Then a
        list that is empty without `detection_targets`, else class ids (B, R, 1) int32, deltas (B,
        R, C, 4) and masks (B, R, h, w, C) float32.

    Raises:
        InputError: `detection_targets` without `random_rois`, no image with an object, or an image
            whose files cannot be used.
    """
    _check(random_rois, detection_targets)
    image_ids = np.array(dataset.image_ids)
    if len(image_ids) == 0:
        raise InputError("the dataset has no images")
    return _batches(
        dataset,
        config,
        image_ids,
        shuffle,
        augment,
        augmentation,
        batch_size,
        frozenset(no_augmentation_sources or ()),
        random_rois,
        detection_targets,
    )


class DataGenerator:
    """The batches of an epoch by number, as `keras.utils.Sequence` has them.

    Args:
        dataset: A prepared dataset.
        config: A `mrcnn.config.Config`; a batch has `BATCH_SIZE` images.
        shuffle: A new order in every epoch, from `on_epoch_end` on.
        augmentation: See `mrcnn.data.transforms.custom`.
        random_rois: As for `data_generator`; an image without objects is an error then.
        detection_targets: As for `data_generator`.

    Raises:
        InputError: `detection_targets` without `random_rois`.
    """

    def __init__(
        self,
        dataset: Dataset,
        config: Any,
        shuffle: bool = True,
        augmentation: Any = None,
        random_rois: int = 0,
        detection_targets: bool = False,
    ) -> None:
        _check(random_rois, detection_targets)
        self.dataset = dataset
        self.config = config
        self.shuffle = shuffle
        self.augmentation = augmentation
        self.random_rois = random_rois
        self.detection_targets = detection_targets
        self.batch_size = config.BATCH_SIZE
        self.image_ids = np.array(dataset.image_ids)
        self.on_epoch_end()

    def __len__(self) -> int:
        """Batches in an epoch; the last one may be smaller."""
        return math.ceil(len(self.image_ids) / self.batch_size)

    def __getitem__(self, index: int) -> GeneratorBatch:
        """Return a batch in the form of `data_generator`, images without objects included."""
        if not 0 <= index < len(self):
            raise IndexError(f"batch {index} of {len(self)}")
        chosen = self.image_ids[index * self.batch_size : (index + 1) * self.batch_size]
        return _stack(
            [
                _example(
                    load_image_gt(
                        self.dataset, self.config, int(i), augmentation=self.augmentation
                    ),
                    self.config,
                    self.random_rois,
                    self.detection_targets,
                )
                for i in chosen
            ],
            self.detection_targets,
        )

    def on_epoch_end(self) -> None:
        """Shuffle the images."""
        if self.shuffle:
            generator().shuffle(self.image_ids)


def _batches(
    dataset: Dataset,
    config: Any,
    image_ids: np.ndarray,
    shuffle: bool,
    augment: bool,
    augmentation: Any,
    batch_size: int,
    plain_sources: frozenset[str],
    random_rois: int,
    detection_targets: bool,
) -> Iterator[GeneratorBatch]:
    examples: list[Example] = []
    while True:
        if shuffle:
            generator().shuffle(image_ids)
        found = False
        for image_id in image_ids:
            plain = dataset.image_info[image_id]["source"] in plain_sources
            loaded = load_image_gt(
                dataset,
                config,
                int(image_id),
                augment=augment and not plain,
                augmentation=None if plain else augmentation,
            )
            if not np.any(loaded[2] > 0):
                continue
            found = True
            examples.append(_example(loaded, config, random_rois, detection_targets))
            if len(examples) == batch_size:
                yield _stack(examples, detection_targets)
                examples = []
        if not found:
            raise InputError("no image of the dataset has an object that is no crowd")


def _check(random_rois: int, detection_targets: bool) -> None:
    if detection_targets and not random_rois:
        raise InputError("detection_targets are those of random_rois, got random_rois=0")


def _example(
    loaded: Example, config: Any, random_rois: int = 0, detection_targets: bool = False
) -> Example:
    """Add RPN targets and RoIs, take off the mean, pad to MAX_GT_INSTANCES."""
    image, meta, class_ids, boxes, masks = loaded
    anchors = pixel_anchors(image.shape, config)
    rpn_match, rpn_bbox = build_rpn_targets(image.shape, anchors, class_ids, boxes, config)
    rois, targets = (), ()
    if random_rois:
        drawn = generate_random_rois(image.shape, random_rois, class_ids, boxes)
        rois = (drawn,)
        if detection_targets:
            sampled, *targets = build_detection_targets(drawn, class_ids, boxes, masks, config)
            rois, targets = (drawn, sampled), (targets[0][:, None], *targets[1:])
    slots = config.MAX_GT_INSTANCES
    if len(class_ids) > slots:
        keep = generator().choice(len(class_ids), slots, replace=False)
        class_ids, boxes, masks = class_ids[keep], boxes[keep], masks[:, :, keep]
    missing = slots - len(class_ids)
    return (
        mold_image(image, config),
        meta,
        rpn_match[:, None],
        rpn_bbox,
        np.pad(class_ids, (0, missing)),
        np.pad(boxes, ((0, missing), (0, 0))),
        np.pad(masks, ((0, 0), (0, 0), (0, missing))),
        *rois,
        *targets,
    )


def _stack(examples: list[Example], detection_targets: bool = False) -> GeneratorBatch:
    shapes = {example[0].shape for example in examples}
    if len(shapes) > 1:
        raise InputError(
            f"images of one batch differ in shape: {sorted(shapes)}; use a batch size of 1, an "
            "IMAGE_RESIZE_MODE that makes them equal, or mrcnn.data.pipeline.loader.Loader"
        )
    arrays = [np.stack(values) for values in zip(*examples, strict=True)]
    return (arrays[:-3], arrays[-3:]) if detection_targets else (arrays, [])
