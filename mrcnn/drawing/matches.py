"""Predictions beside what is true: which belong together, what was missed, what is false."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mrcnn.data.datasets.dataset import Instances
from mrcnn.drawing.images import Color, apply_mask, to_rgb
from mrcnn.drawing.instances import as_boxes, caption, check_counts, check_masks
from mrcnn.drawing.raster import draw_instances
from mrcnn.drawing.style import (
    FALSE_COLOR,
    IGNORED_COLOR,
    MISSED_COLOR,
    ColorBy,
    Mark,
    Style,
    match_colors,
)
from mrcnn.evaluation.matching import compute_matches

# Pixels that belong to the object alone, and to the prediction alone: blue and orange are told
# apart with every kind of color vision, and differ in brightness.
LEFT_OUT, TOO_MUCH = (0.25, 0.55, 1.0), (1.0, 0.55, 0.0)
# A prediction with this share of its pixels in a crowd of its class is not false, as with COCO.
IN_CROWD = 0.5


@dataclass(frozen=True)
class ObjectSet:
    """Objects, or predictions, of one image.

    Attributes:
        boxes: (N, 4) pixels y1, x1, y2, x2.
        masks: (H, W, N) bool.
        class_ids: (N,) int; a negative one marks a crowd.
        scores: (N,) in [0, 1]; None for objects.
    """

    boxes: np.ndarray
    masks: np.ndarray
    class_ids: np.ndarray
    scores: np.ndarray | None = None

    @classmethod
    def of_truth(cls, instances: Instances) -> "ObjectSet":
        """The objects of an image, as of `Dataset.load_instances`."""
        masks = instances.masks().astype(bool)
        return cls(instances.boxes, masks, np.asarray(instances.class_ids))

    @classmethod
    def of_detections(cls, found: Mapping[str, np.ndarray], min_score: float = 0.0) -> "ObjectSet":
        """A result of `MaskRCNN.detect`, without those of a lower score."""
        sure = np.flatnonzero(found["scores"] >= min_score)
        return cls(
            found["rois"][sure],
            found["masks"][:, :, sure].astype(bool),
            found["class_ids"][sure],
            found["scores"][sure],
        )

    def captions(self, class_names: Sequence[str]) -> list[str]:
        """The label of each: its class, and its score where there are scores."""
        scores = [None] * len(self.class_ids) if self.scores is None else self.scores.tolist()
        pairs = zip(self.class_ids, scores, strict=True)
        return [caption(int(class_id), class_names, score) for class_id, score in pairs]


@dataclass(frozen=True)
class Matches:
    """Which prediction belongs to which object.

    Attributes:
        objects: (N,) the position of each object's prediction, -1 without one.
        predictions: (M,) the position of each prediction's object, -1 without one.
        overlaps: (M, N) IoU of the masks.
        crowds: (N,) bool, objects that are crowds: they are not missed.
        ignored: (M,) bool, predictions without an object that lie in a crowd: they are not false.
    """

    objects: np.ndarray
    predictions: np.ndarray
    overlaps: np.ndarray
    crowds: np.ndarray
    ignored: np.ndarray

    @property
    def missed(self) -> np.ndarray:
        """(N,) bool, the objects that no prediction was matched with."""
        return (self.objects < 0) & ~self.crowds

    @property
    def false(self) -> np.ndarray:
        """(M,) bool, the predictions that were matched with no object."""
        return (self.predictions < 0) & ~self.ignored

    @property
    def ious(self) -> np.ndarray:
        """(N,) the IoU of each object's mask with that of its prediction, 0 without one."""
        rows = np.maximum(self.objects, 0)
        columns = np.arange(len(self.objects))
        if not self.overlaps.size:
            return np.zeros(len(self.objects))
        return np.where(self.objects >= 0, self.overlaps[rows, columns], 0.0)


def match_instances(truth: ObjectSet, found: ObjectSet, iou_threshold: float = 0.5) -> Matches:
    """Match predictions with objects of their class, the highest score first.

    Args:
        truth: The objects.
        found: The predictions.
        iou_threshold: Least IoU of the masks of a match.

    Raises:
        InputError: Boxes, class ids, scores and masks differ in number.
    """
    size = truth.masks.shape[:2]
    truth_masks = _checked("gt", truth, size)
    found_masks = _checked("pred", found, size)
    count = len(found.boxes)
    order = np.argsort(-np.asarray(found.scores, np.float64), kind="stable")
    objects, predictions, overlaps = compute_matches(
        truth.boxes, np.asarray(truth.class_ids), truth_masks,
        found.boxes[order], np.asarray(found.class_ids)[order],
        np.arange(count, 0, -1),  # ranks: of equal scores, the first stays the first
        found_masks[:, :, order], iou_threshold=iou_threshold,
    )  # fmt: skip
    # compute_matches leaves padding out, counts predictions by rank and has no integers.
    places = np.full(count, -1)
    places[order[: len(predictions)]] = predictions.astype(int)
    ranks = np.append(order, -1)
    holders = np.full(len(truth.boxes), -1)
    holders[: len(objects)] = ranks[objects.astype(int)]
    table = np.zeros((count, len(truth.boxes)))
    rows, columns = overlaps.shape if overlaps.ndim == 2 else (0, 0)
    table[order[:rows], :columns] = overlaps
    crowds = np.asarray(truth.class_ids) < 0
    ignored = np.zeros(count, bool)
    for index in np.flatnonzero(places < 0):
        same = crowds & (np.asarray(truth.class_ids) == -abs(int(found.class_ids[index])))
        inside = truth_masks[:, :, same].any(axis=2) & found_masks[:, :, index]
        ignored[index] = inside.sum() > IN_CROWD * found_masks[:, :, index].sum()
    return Matches(holders, places, table, crowds, ignored)


def draw_matches(
    image: np.ndarray,
    truth: ObjectSet,
    found: ObjectSet,
    class_names: Sequence[str],
    style: Style | None = None,
    iou_threshold: float = 0.5,
    **sizes: Any,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the ground truth with what was missed marked, and predictions with what is false.

    Args:
        image: (H, W, 3) uint8, or as in `mrcnn.drawing.images.to_rgb`.
        truth: The objects.
        found: The predictions; those below the least score of the style are left out first.
        class_names: Name of each class id.
        style: What is drawn, and in which colors; None is all of it, by match.
        iou_threshold: Least IoU of the masks of a match.
        **sizes: `scale` and `font_size`, as of `draw_instances`.

    Returns:
        Two pictures, each as of `draw_instances`.

    Raises:
        InputError: As of `match_instances` and `draw_instances`.
    """
    style = style or Style(color_by=ColorBy.MATCH)
    check_counts("boxes", len(found.boxes), scores=found.scores)
    scores = np.asarray(found.scores)
    sure = np.flatnonzero(scores >= style.min_score)
    found = ObjectSet(
        as_boxes("boxes", found.boxes)[sure],
        found.masks[:, :, sure],
        np.asarray(found.class_ids)[sure],
        scores[sure],
    )
    matches = match_instances(truth, found, iou_threshold)
    by_match = style.color_by is ColorBy.MATCH
    drawn = []
    for instances, marks, colors in zip(
        (truth, found), match_marks(matches), colors_by_match(matches), strict=True
    ):
        captions = [
            f"{mark}: {text}" if mark else text
            for mark, text in zip(marks, instances.captions(class_names), strict=True)
        ]
        picture = draw_instances(
            image,
            instances.boxes,
            instances.masks,
            instances.class_ids,
            class_names,
            instances.scores,
            captions=captions,
            style=style,
            colors=colors if by_match else None,
            marks=marks,
            **sizes,
        )
        drawn.append(picture)
    return drawn[0], drawn[1]


def match_marks(matches: Matches) -> tuple[list[Mark], list[Mark]]:
    """The marks of all objects, and of all predictions."""
    missed = [Mark.MISSED if missed else Mark.NONE for missed in matches.missed]
    return missed, [Mark.FALSE if false else Mark.NONE for false in matches.false]


def colors_by_match(matches: Matches) -> tuple[list[Color], list[Color]]:
    """The colors of all objects, and of all predictions: those of a match have the same.

    An object has the same color with any predictions that it is matched with.
    """
    colors = match_colors(len(matches.objects))
    unmatched = [MISSED_COLOR if missed else IGNORED_COLOR for missed in matches.missed]
    objects = [
        colors[index] if holder >= 0 else unmatched[index]
        for index, holder in enumerate(matches.objects)
    ]
    predictions = [
        colors[place] if place >= 0 else FALSE_COLOR if false else IGNORED_COLOR
        for place, false in zip(matches.predictions, matches.false, strict=True)
    ]
    return objects, predictions


def wrong_pixels(
    truth: ObjectSet, found: ObjectSet, matches: Matches
) -> tuple[np.ndarray, np.ndarray]:
    """Where predictions and objects differ, each prediction compared with its object.

    Crowds, and predictions in them, are left out. All of a missed object is left out by the
    predictions, and all of a false prediction is too much.

    Returns:
        The pixels of objects that are left out, and those that are too much, each (H, W) bool.
    """
    size = truth.masks.shape[:2]
    left_out, too_much = np.zeros(size, bool), np.zeros(size, bool)
    nothing = np.zeros(size, bool)
    for index in np.flatnonzero(~matches.crowds):
        holder = matches.objects[index]
        covered = found.masks[:, :, holder] if holder >= 0 else nothing
        left_out |= truth.masks[:, :, index] & ~covered
    for index in np.flatnonzero(~matches.ignored):
        place = matches.predictions[index]
        right = truth.masks[:, :, place] if place >= 0 else nothing
        too_much |= found.masks[:, :, index] & ~right
    return left_out, too_much


def mark_errors(image: np.ndarray, left_out: np.ndarray, too_much: np.ndarray) -> np.ndarray:
    """Mark the wrong pixels of masks on a copy of an image that is faded to grey.

    Args:
        image: (H, W, 3) uint8, or as in `mrcnn.drawing.images.to_rgb`.
        left_out: (H, W) bool, as of `wrong_pixels`.
        too_much: (H, W) bool.

    Returns:
        (H, W, 3) uint8: blue where an object is left out, else orange where something is too much.
    """
    grey = to_rgb(image).mean(axis=2, keepdims=True)
    canvas = (0.4 * grey + 140).repeat(3, axis=2).astype(np.uint8)
    apply_mask(canvas, too_much, TOO_MUCH, alpha=1.0)
    return apply_mask(canvas, left_out, LEFT_OUT, alpha=1.0)


def _checked(name: str, instances: ObjectSet, size: tuple[int, ...]) -> np.ndarray:
    """The masks, once they fit to the other arrays.

    Raises:
        InputError: They do not.
    """
    count = len(instances.boxes)
    others = {"class_id": instances.class_ids, "score": instances.scores}
    named = {f"{name}_{other}": values for other, values in others.items()}
    check_counts(f"{name}_box", count, **named)
    return check_masks(instances.masks, size, count).astype(bool)
