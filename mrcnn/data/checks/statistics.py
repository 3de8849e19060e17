"""The objects of a dataset in numbers, as the network sees them: after resizing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from mrcnn.constants import NEGATIVE_ANCHOR_IOU, POSITIVE_ANCHOR_IOU
from mrcnn.data.checks.anchors import Anchors, best_iou, propose
from mrcnn.data.checks.objects import Place, kept_objects
from mrcnn.data.datasets.dataset import Dataset
from mrcnn.data.findings import Finding, found
from mrcnn.data.image import canvas_shape, resize_boxes

# Of the mean of the best IoUs. Less than that is not worth weights that no longer fit.
GAIN = 0.01


class InputSize(NamedTuple):
    """How images are resized, see `mrcnn.data.image.resize_image`."""

    min_dim: int
    max_dim: int
    min_scale: float
    mode: str


@dataclass(frozen=True)
class ObjectNumbers:
    """The N objects of a dataset of I images; crowds are not among them.

    Attributes:
        image: (N,), the number of the image of each.
        number: (N,), its own number on it.
        class_id: (N,).
        boxes: (N, 4), y1, x1, y2, x2 in pixels of the resized image.
        canvas: (N, 2), height and width of that.
        per_image: (I,), objects on each image.
    """

    image: np.ndarray
    number: np.ndarray
    class_id: np.ndarray
    boxes: np.ndarray
    canvas: np.ndarray
    per_image: np.ndarray

    def __len__(self) -> int:
        return len(self.image)

    @property
    def size(self) -> np.ndarray:
        """Square roots of the areas (N,) of the boxes, in pixels."""
        return np.sqrt(np.prod(self.boxes[:, 2:] - self.boxes[:, :2], axis=1))

    @property
    def aspect(self) -> np.ndarray:
        """Width / height (N,)."""
        height, width = (self.boxes[:, 2:] - self.boxes[:, :2]).clip(1e-3).T
        return width / height


def measure(dataset: Dataset, size: InputSize) -> ObjectNumbers:
    """Return the objects of a dataset once its images are resized."""
    boxes, canvases, images, numbers, classes = [], [], [], [], []
    counts = np.zeros(len(dataset.image_info), np.int64)
    for image, own_numbers, instances in kept_objects(dataset):
        chosen = instances.class_ids > 0
        counts[image] = count = int(chosen.sum())
        height, width = (int(side) for side in instances.size)
        boxes.append(resize_boxes(instances.boxes[chosen], height, width, *size))
        canvas = canvas_shape(height, width, *size)
        canvases.append(np.full((count, 2), canvas))
        images.append(np.full(count, image))
        numbers.append(np.array(own_numbers, np.int64)[chosen])
        classes.append(instances.class_ids[chosen])
    if not counts.any():
        empty = np.zeros(0, np.int64)
        return ObjectNumbers(empty, empty, empty, np.zeros((0, 4)), np.zeros((0, 2)), counts)
    return ObjectNumbers(
        np.concatenate(images),
        np.concatenate(numbers),
        np.concatenate(classes),
        np.concatenate(boxes),
        np.concatenate(canvases),
        counts,
    )


def small_findings(
    numbers: ObjectNumbers, ious: np.ndarray, anchors: Anchors, subset: str, place: Place
) -> Iterator[Finding]:
    """Yield objects smaller than the smallest anchor, if it is background there."""
    smallest = min(anchors.scales)
    sizes = numbers.size
    for index in np.flatnonzero((ious < NEGATIVE_ANCHOR_IOU) & (sizes < smallest)):
        message = (
            f"{sizes[index]:.1f} pixels (root of the area) after resizing, its best anchor of "
            f"{smallest:g} overlaps it by {ious[index]:.2f}, below {NEGATIVE_ANCHOR_IOU:g}"
        )
        where = place(int(numbers.image[index]), int(numbers.number[index]))
        yield found("small-object", message, subset=subset, **where)


@dataclass(frozen=True)
class AnchorFit:
    """How present and proposed anchors fit.

    Attributes:
        anchors: The present ones, and those proposed.
        ious: For each, the best IoU (N,) of the objects.
    """

    anchors: tuple[Anchors, Anchors]
    ious: tuple[np.ndarray, np.ndarray]

    @property
    def better(self) -> bool:
        """Whether those proposed fit so much better that a change is worth it."""
        before, after = self.ious
        return bool(len(before) and after.mean() >= before.mean() + GAIN)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        names = ("present", "proposed")
        return {
            name: {
                "RPN_ANCHOR_SCALES": list(anchors.scales),
                "RPN_ANCHOR_RATIOS": list(anchors.ratios),
                **{key: round(value, 4) for key, value in shares(ious).items()},
            }
            for name, anchors, ious in zip(names, self.anchors, self.ious, strict=True)
        } | {"better": self.better}


def fit_anchors(numbers: ObjectNumbers, anchors: Anchors) -> AnchorFit:
    """Return how the present anchors fit the objects, and better ones."""
    boxes, canvas = numbers.boxes, numbers.canvas
    proposed = propose(boxes, canvas, anchors) if len(numbers) else anchors
    both = (anchors, proposed)
    return AnchorFit(both, (best_iou(boxes, canvas, both[0]), best_iou(boxes, canvas, both[1])))


def shares(ious: np.ndarray) -> dict[str, float]:
    """Return the mean of the best IoUs and the shares of objects that reach a threshold."""
    if not len(ious):
        return {}
    return {
        "mean": float(ious.mean()),
        "at least 0.5": float((ious >= 0.5).mean()),
        f"at least {POSITIVE_ANCHOR_IOU:g}": float((ious >= POSITIVE_ANCHOR_IOU).mean()),
        f"below {NEGATIVE_ANCHOR_IOU:g}": float((ious < NEGATIVE_ANCHOR_IOU).mean()),
    }


def distribution(values: np.ndarray) -> dict[str, float]:
    """Return mean and percentiles of numbers (N,)."""
    if not len(values):
        return {}
    percentiles = np.percentile(values, (0, 5, 25, 50, 75, 95, 100))
    names = ("least", "5 %", "25 %", "median", "75 %", "95 %", "most")
    return {"mean": round(float(values.mean()), 2)} | {
        name: round(float(value), 2) for name, value in zip(names, percentiles, strict=True)
    }


def statistics(numbers: ObjectNumbers, class_names: Sequence[str]) -> dict[str, Any]:
    """Return the numbers of a dataset as JSON has them."""
    per_class = np.bincount(numbers.class_id, minlength=len(class_names))[1:]
    return {
        "images": len(numbers.per_image),
        "objects": len(numbers),
        "objects per image": distribution(numbers.per_image),
        "size (root of the area in pixels, resized)": distribution(numbers.size),
        "aspect (width / height)": distribution(numbers.aspect),
        # Pairs: two classes may have one name.
        "objects per class": [
            [name, int(count)] for name, count in zip(class_names[1:], per_class, strict=True)
        ],
    }
