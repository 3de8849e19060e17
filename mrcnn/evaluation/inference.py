"""A model over the images of a dataset."""

import sys
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import numpy as np
from tqdm import tqdm

from mrcnn.data.datasets.dataset import Dataset
from mrcnn.data.pipeline.loader import load_images
from mrcnn.errors import InputError


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

    Raises:
        InputError: An image cannot be read; `detect_readable` goes on with the others.
    """
    every = detect_readable(model, dataset, image_ids, progress=progress, workers=workers)
    for image_id, found in every:
        if isinstance(found, InputError):
            raise found
        yield image_id, found


def detect_readable(
    model: Detector,
    dataset: Any,
    image_ids: Iterable[int] | None = None,
    *,
    progress: bool = True,
    workers: int = 0,
) -> Iterator[tuple[int, dict[str, np.ndarray] | InputError]]:
    """Run a model as `detect_dataset` does, and pass over images that cannot be read.

    Args: see `detect_dataset`.

    Yields:
        The image id, and the model's detections in that image or why it cannot be read.
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
            if "error" in read:
                yield image_id, InputError(read["error"].tobytes().decode("utf-8"))
            else:
                yield image_id, model.detect([read["image"]], verbose=0)[0]


class Passed:
    """The images that were passed over, each named on stderr as it comes."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.ids: list[int] = []

    def __call__(self, image_id: int, error: InputError) -> None:
        """Note an image, and say why it is passed over."""
        self.ids.append(image_id)
        print(f"left out: {error}", file=sys.stderr)

    def __bool__(self) -> bool:
        return bool(self.ids)

    def __str__(self) -> str:
        return f"{len(self.ids)} of {self.total} images could not be read and were left out"
