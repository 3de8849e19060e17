"""How well anchors fit the objects of a dataset, and anchors that fit better.

The network's anchors lie on a grid, the same for every image, so the best IoU of an object follows
from its box alone: of each shape, the anchor nearest to its centre. That is exact, and takes no
comparison with a quarter of a million anchors.
"""

import math
from typing import NamedTuple

import numpy as np

from mrcnn.data.boxes import iou

# Objects that a proposal is made from; more hardly change it.
SAMPLE = 4000
# Steps of the search, as factors of a scale or a ratio.
STEPS = (1.25, 1.1, 1.04)
_CHUNK = 20_000


class Anchors(NamedTuple):
    """The anchors of a configuration.

    Attributes:
        scales: Square roots of the areas in pixels, one for each level.
        ratios: Width / height.
        strides: Pixels between the cells of each level.
        every: Only every so many cells have anchors.
    """

    scales: tuple[float, ...]
    ratios: tuple[float, ...]
    strides: tuple[int, ...]
    every: int = 1


def best_iou(boxes: np.ndarray, canvases: np.ndarray, anchors: Anchors) -> np.ndarray:
    """Return the IoU (N,) of each box with the anchor that fits it best.

    Args:
        boxes: (N, 4), y1, x1, y2, x2 in pixels of the canvas.
        canvases: (N, 2), height and width of the canvas of each.
        anchors: The anchors.
    """
    best = np.zeros(len(boxes))
    for first in range(0, len(boxes), _CHUNK):
        part = slice(first, first + _CHUNK)
        best[part] = _best_iou(boxes[part], canvases[part], anchors)
    return best


def _best_iou(boxes: np.ndarray, canvases: np.ndarray, anchors: Anchors) -> np.ndarray:
    centers = (boxes[:, :2] + boxes[:, 2:]) / 2
    best = np.zeros(len(boxes))
    for scale, stride in zip(anchors.scales, anchors.strides, strict=True):
        cells = np.ceil(np.ceil(canvases / stride) / anchors.every)
        step = stride * anchors.every
        nearest = np.clip(np.rint(centers / step), 0, cells - 1) * step
        for ratio in anchors.ratios:
            half = np.array([scale / math.sqrt(ratio), scale * math.sqrt(ratio)]) / 2
            anchor = np.concatenate([nearest - half, nearest + half], axis=1)
            best = np.maximum(best, iou(boxes, anchor))
    return best


def propose(boxes: np.ndarray, canvases: np.ndarray, anchors: Anchors, seed: int = 0) -> Anchors:
    """Return anchors of as many scales and ratios that fit the objects better on average.

    The start are the centers of two k-means: of the logarithms of the objects' sizes and of those
    of their aspects, because two boxes of one center and aspect have the IoU
    exp(-2 |difference of the logarithms of their sizes|). From there, and from the present anchors,
    one scale or ratio at a time is made larger or smaller, as long as that raises the mean of the
    best IoUs; the better outcome is taken.

    Args:
        boxes: (N, 4) on their canvases; N is at least 1.
        canvases: (N, 2).
        anchors: The present ones.
        seed: Of the choice among many objects.
    """
    if len(boxes) > SAMPLE:
        chosen = np.random.default_rng(seed).choice(len(boxes), SAMPLE, replace=False)
        boxes, canvases = boxes[chosen], canvases[chosen]
    height, width = (boxes[:, 2:] - boxes[:, :2]).clip(1e-3).T
    started = anchors._replace(
        scales=tuple(np.exp(centers(np.log(height * width) / 2, len(anchors.scales)))),
        ratios=tuple(np.exp(centers(np.log(width / height), len(anchors.ratios)))),
    )
    found = [_climb(boxes, canvases, start) for start in (anchors, started)]
    return max(found, key=lambda candidate: best_iou(boxes, canvases, candidate).mean())


def centers(values: np.ndarray, count: int, rounds: int = 50) -> np.ndarray:
    """Return the centers (count,), in rising order, of a k-means of numbers (N,)."""
    found = np.quantile(values, (np.arange(count) + 0.5) / count)
    for _ in range(rounds):
        nearest = np.abs(values[:, None] - found).argmin(axis=1)
        moved = [values[nearest == k].mean() if (nearest == k).any() else c
                 for k, c in enumerate(found)]  # fmt: skip
        if np.allclose(moved, found):
            break
        found = np.array(moved)
    return np.sort(found)


def _climb(boxes: np.ndarray, canvases: np.ndarray, anchors: Anchors) -> Anchors:
    best = best_iou(boxes, canvases, anchors).mean()
    for step in STEPS:
        improved = True
        while improved:
            improved = False
            for candidate in _neighbours(anchors, step):
                mean = best_iou(boxes, canvases, candidate).mean()
                if mean > best + 1e-4:
                    anchors, best, improved = candidate, mean, True
                    break
    return _rounded(anchors)


def _neighbours(anchors: Anchors, step: float) -> list[Anchors]:
    """Return anchors with one number made larger or smaller; their order stays."""
    found = [anchors._replace(scales=changed) for changed in _changes(anchors.scales, step)]
    return found + [anchors._replace(ratios=changed) for changed in _changes(anchors.ratios, step)]


def _changes(numbers: tuple[float, ...], step: float) -> list[tuple[float, ...]]:
    order = np.argsort(numbers, kind="stable")
    found = []
    for index in range(len(numbers)):
        for factor in (step, 1 / step):
            changed = [n * factor if k == index else n for k, n in enumerate(numbers)]
            if (np.diff(np.array(changed)[order]) > 0).all():
                found.append(tuple(changed))
    return found


def _rounded(anchors: Anchors) -> Anchors:
    scales = tuple(float(max(1, round(scale))) for scale in anchors.scales)
    return anchors._replace(scales=scales, ratios=tuple(round(float(r), 2) for r in anchors.ratios))
