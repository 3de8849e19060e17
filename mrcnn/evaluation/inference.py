"""A model over the images of a dataset."""

import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Protocol

from tqdm import tqdm

from mrcnn.data.datasets.dataset import Dataset
from mrcnn.data.pipeline.loader import load_images
from mrcnn.errors import InputError


class Detector(Protocol):
    """Anything with the `detect` of `mrcnn.model.MaskRCNN`."""

    @property
    def detect(self) -> Callable[..., list[dict[str, Any]]]:
        """`detect(images, verbose=0)` finds objects: a dict of rois, class_ids, scores and masks
        for each image.
        """


def detect_dataset(
    model: Detector,
    dataset: Any,
    image_ids: Iterable[int] | None = None,
    *,
    progress: bool = True,
    workers: int = 0,
    **options: Any,
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Run a model over images of a dataset, a batch at a time, so that masks never pile up.

    The next few images are read while the model computes.

    Args:
        model: Its `detect([image, ...])` returns a dict of `rois`, `class_ids`, `scores` and
            `masks` for each image. It gets as many as its configuration has in a batch; one, if it
            has no configuration.
        dataset: A prepared `mrcnn.data.datasets.dataset.Dataset`. Its images are read by the
            configuration of the model, if that has one.
        image_ids: The dataset's own image ids (indices); None for all.
        progress: Show a progress bar on stderr.
        workers: Processes that read images; 0 uses threads.
        options: For `detect`, such as `masks="rle"`.

    Yields:
        The image id and the model's detections in that image.

    Raises:
        InputError: An image cannot be read; `detect_readable` goes on with the others.
    """
    settings: dict[str, Any] = {"progress": progress, "workers": workers, **options}
    for image_id, found in detect_readable(model, dataset, image_ids, **settings):
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
    **options: Any,
) -> Iterator[tuple[int, dict[str, Any] | InputError]]:
    """Run a model as `detect_dataset` does, and pass over images that cannot be read.

    Args: see `detect_dataset`.

    Yields:
        The image id, and the model's detections in that image or why it cannot be read.
    """
    ids = [int(i) for i in (dataset.image_ids if image_ids is None else image_ids)]
    config = getattr(model, "config", None)
    if config is not None and isinstance(dataset, Dataset):
        dataset.read_by(config)
    # Removed at the end, so that lines printed between two images do not break it.
    # None: no bar where there is no terminal.
    hidden = None if progress else True
    bar = tqdm(total=len(ids), desc="detect", unit="image", disable=hidden, leave=False)
    size = 1 if config is None else config.BATCH_SIZE
    with bar, load_images(dataset, ids, workers) as images:
        for batch in batched(zip(ids, images, strict=True), size):
            readable = [read["image"] for _, read in batch if "error" not in read]
            found = iter(model.detect(readable, verbose=0, **options) if readable else ())
            for image_id, read in batch:
                bar.update()
                if "error" in read:
                    yield image_id, InputError(read["error"].tobytes().decode("utf-8"))
                else:
                    yield image_id, next(found)


def batched(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Lists of up to `size` items that follow each other."""
    waiting = iter(items)
    while batch := list(islice(waiting, size)):
        yield batch


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
