"""A model over the images of a dataset."""

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import numpy as np
from tqdm import tqdm

from mrcnn.data.datasets.dataset import Dataset
from mrcnn.data.pipeline.loader import load_images


class Detector(Protocol):
    """Anything with the `detect` of `mrcnn.model.MaskRCNN`."""

    def detect(self, images: list[np.ndarray], verbose: int = 0) -> list[dict[str, np.ndarray]]:
        """Find the objects of `images`; one dict of rois, class_ids, scores and masks per image."""


def detect_dataset(
    model: Detector,
    dataset: Any,
    image_ids: Iterable[int] | None = None,
    *,
    progress: bool = True,
    workers: int = 0,
) -> Iterator[tuple[int, dict[str, np.ndarray]]]:
    """Run a model over images of a dataset, one at a time, so that full-size masks never pile up.

    The next few images are read while the model computes.

    Args:
        model: Its `detect([image])` returns one dict of `rois`, `class_ids`, `scores` and `masks`.
        dataset: A prepared `mrcnn.data.datasets.dataset.Dataset`. Its images are read by the
            configuration of the model, if that has one.
        image_ids: The dataset's own image ids (indices); None for all.
        progress: Show a progress bar on stderr.
        workers: Processes that read images; 0 uses threads.

    Yields:
        The image id and the model's detections in that image.
    """
    ids = [int(i) for i in (dataset.image_ids if image_ids is None else image_ids)]
    if hasattr(model, "config") and isinstance(dataset, Dataset):
        dataset.read_by(model.config)
    # Removed at the end, so that lines printed between two images do not break it.
    # None: no bar where there is no terminal.
    hidden = None if progress else True
    bar = tqdm(ids, desc="detect", unit="image", disable=hidden, leave=False)
    with load_images(dataset, ids, workers) as images:
        for image_id, read in zip(bar, images, strict=True):
            yield image_id, model.detect([read["image"]], verbose=0)[0]
