"""Other losses on mask boundaries behind the interface of the edge agreement loss.

Each takes `(y_true, y_pred)`, both `(..., H, W)` with masks within 0..1 and probabilities, and
returns one float32 value per map, `(...,)`. They are written from the descriptions in the papers
for masks without a boundary branch; where that makes a difference the docstring says so.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Any

from keras import ops

from edge_agreement.checks import check_maps
from edge_agreement.distance import distance_to, has_boundary, signed_distance_map
from edge_agreement.functional import binary_cross_entropy, dilate, erode

MapLoss = Callable[[Any, Any], Any]


def soft_boundary(masks: Any) -> Any:
    """Return the inner boundary of each mask, `(..., H, W)` within 0..1: mask minus its erosion.

    On a mask of zeros and ones these are the pixels of the mask with a pixel outside among their 8
    neighbours (the border of the map counts as outside), which is where a Laplacian above 0 finds
    them; on probabilities it is the local contrast, with a gradient everywhere.
    """
    masks = _as_float32(masks)
    return masks - erode(masks)


def boundary_dice_bce(y_true: Any, y_pred: Any, *, smooth: float = 1.0) -> Any:
    """Return Dice loss plus binary cross entropy of the boundaries.

    Cheng et al., "Boundary-preserving Mask R-CNN", ECCV 2020 (arXiv 2007.08921): Dice with squares
    in the denominator and `smooth` added on both sides, plus cross entropy with the factor 1 (their
    code has no squares). There a branch predicts the boundary, and the true one is where a
    Laplacian is above 0.1; here both are `soft_boundary` of a mask.

    Args:
        y_true: `(..., H, W)` within 0..1.
        y_pred: `(..., H, W)` probabilities.
        smooth: added to both sides of the fraction, so that two empty maps agree; above 0.

    Returns:
        `(...,)`, at least 0.

    Raises:
        ValueError: `smooth` out of its range, or maps of different shapes.
    """
    if not smooth > 0:
        raise ValueError(f"smooth must be above 0, not {smooth!r}.")
    y_true, y_pred = _pair(y_true, y_pred)
    true, pred = soft_boundary(y_true), soft_boundary(y_pred)
    overlap = 2.0 * ops.sum(true * pred, axis=(-2, -1)) + smooth
    total = ops.sum(ops.square(true) + ops.square(pred), axis=(-2, -1)) + smooth
    return 1.0 - overlap / total + ops.mean(binary_cross_entropy(true, pred), axis=(-2, -1))


def signed_distance(y_true: Any, y_pred: Any) -> Any:
    """Return the mean over pixels of y_pred times the signed distance to the true boundary.

    Kervadec et al., "Boundary loss for highly unbalanced segmentation", MIDL 2019 (arXiv
    1812.07032). Distances are in pixels and negative inside the mask, so the value is lowest, and
    not above 0, for the true mask; meant to be added to a loss on regions.

    Args:
        y_true: `(..., H, W)`; 0.5 and above is inside. Without a boundary the value is 0.
        y_pred: `(..., H, W)` probabilities.

    Returns:
        `(...,)`, of either sign.

    Raises:
        ValueError: maps of different shapes; H or W is not known when the graph is built.
    """
    y_true, y_pred = _pair(y_true, y_pred)
    return ops.mean(signed_distance_map(y_true) * y_pred, axis=(-2, -1))


def contour(y_true: Any, y_pred: Any, *, steps: int = 5) -> Any:
    """Return how far the contours of the two masks are apart, in pixels, at most `steps` each way.

    After Guo et al., "Contour loss for instance segmentation via k-step distance transformation
    image", arXiv 2102.10854: both contours get a differentiable truncated distance image, and each
    contour is matched with the distance image of the other. Contours are those of `soft_boundary`;
    the distance image is the number of the first `steps` dilations (3 x 3 maxima) that have not
    reached a pixel, a chessboard distance. Each direction is divided by the length of its contour.

    Args:
        y_true: `(..., H, W)` within 0..1.
        y_pred: `(..., H, W)` probabilities.
        steps: where distances are cut off, at least 1.

    Returns:
        `(...,)` within 0..2 * steps.

    Raises:
        ValueError: `steps` out of its range, or maps of different shapes.
    """
    if not isinstance(steps, int) or steps < 1:
        raise ValueError(f"steps must be a whole number of at least 1, not {steps!r}.")
    y_true, y_pred = _pair(y_true, y_pred)
    true, pred = soft_boundary(y_true), soft_boundary(y_pred)
    return _mean_distance(pred, truncated_distance(true, steps)) + _mean_distance(
        true, truncated_distance(pred, steps)
    )


def truncated_distance(contours: Any, steps: int) -> Any:
    """Return min(chessboard distance to the contour, `steps`), soft where the contour is soft."""
    reached = _as_float32(contours)
    distance = 1.0 - reached
    for _ in range(steps - 1):
        reached = dilate(reached)
        distance = distance + (1.0 - reached)
    return distance


def boundary_weighted_bce(
    y_true: Any, y_pred: Any, *, factor: float = 10.0, sigma: float = 2.0
) -> Any:
    """Return the binary cross entropy with more weight near the true boundary.

    Ronneberger et al., "U-Net", MICCAI 2015, equation 2, for one object: the weight of a pixel is
    1 + factor * exp(-d^2 / (2 sigma^2)), d its distance from the boundary in pixels (0 for the
    pixels on both sides of it). The paper has sigma = 5 for images of 512 pixels; 2 suits maps of
    28. Without a boundary all weights are 1.

    Args:
        y_true: `(..., H, W)` within 0..1; 0.5 and above is inside.
        y_pred: `(..., H, W)` probabilities.
        factor: additional weight on the boundary, at least 0.
        sigma: width of the weighted band in pixels, above 0.

    Returns:
        `(...,)`, the mean over pixels, at least 0.

    Raises:
        ValueError: `factor` or `sigma` out of its range; maps of different shapes; H or W not known
            when the graph is built.
    """
    if not factor >= 0 or not sigma > 0:
        raise ValueError(f"factor must be >= 0 and sigma > 0, not {factor!r} and {sigma!r}.")
    y_true, y_pred = _pair(y_true, y_pred)
    inside = y_true >= 0.5
    distance = ops.where(inside, distance_to(ops.logical_not(inside)), distance_to(inside)) - 1.0
    near = ops.exp(-ops.square(distance) / (2.0 * sigma**2))
    weights = 1.0 + factor * ops.where(has_boundary(inside), near, 0.0)
    return ops.mean(ops.stop_gradient(weights) * binary_cross_entropy(y_true, y_pred), (-2, -1))


MAP_LOSSES: dict[str, MapLoss] = {
    "boundary-dice-bce": boundary_dice_bce,
    "signed-distance": signed_distance,
    "contour": contour,
    "boundary-weighted-bce": boundary_weighted_bce,
}
"""The losses of this file by name."""


def get_map_loss(name: str) -> MapLoss:
    """Return the loss called `name`.

    Raises:
        ValueError: no loss is called so.
    """
    if isinstance(name, str) and name in MAP_LOSSES:
        return MAP_LOSSES[name]
    near = difflib.get_close_matches(str(name), MAP_LOSSES, n=1, cutoff=0.4)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"unknown loss {name!r}; valid are: {', '.join(MAP_LOSSES)}.{hint}")


def _mean_distance(contours: Any, distances: Any) -> Any:
    """Return the mean of `distances` along soft contours; the 1 keeps gradients small near none."""
    length = ops.sum(contours, axis=(-2, -1))
    return ops.sum(contours * distances, axis=(-2, -1)) / (length + 1.0)


def _pair(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """Return both as float32 tensors, after a look at their shapes."""
    y_true, y_pred = _as_float32(y_true), _as_float32(y_pred)
    check_maps(y_true, y_pred)
    return y_true, y_pred


def _as_float32(maps: Any) -> Any:
    return ops.cast(ops.convert_to_tensor(maps), "float32")
