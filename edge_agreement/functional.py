"""The edge agreement loss as pure functions of maps: edges, error per pixel, one value per map.

Maps have the shape `(..., H, W)`, any number of leading axes, and are computed in float32.

A kernel is applied as a sum of shifted maps, not as a convolution: XLA fuses the sum into one loop,
and it stays exact where the GPU's convolutions round to TF32 (an error of 1e-3 in the edges).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from keras import ops

from edge_agreement.checks import check_maps, check_padding, check_weighting
from edge_agreement.filters import FilterBank, FilterSpec, gaussian_kernel
from edge_agreement.options import EdgeOptions, as_bank

__all__ = [
    "MAX_EXPONENT",
    "as_bank",
    "binary_cross_entropy",
    "dilate",
    "edge_agreement",
    "edge_error",
    "edge_maps",
    "edge_weighted_cross_entropy",
    "erode",
    "pad_maps",
    "pixel_errors",
    "shifted",
    "smooth",
    "weighted_cross_entropy",
]

MAX_EXPONENT = 45.0
"""Default bound of the exponent in `edge_weighted_cross_entropy`: e^45 = 3.5e19."""

# Keeps the gradient of the root finite where both components are 0; the magnitude there is 1e-6.
_MAGNITUDE_EPSILON = 1e-12
# Clip of probabilities in the cross entropy: the default of Keras, on which the values rest.
_PROBABILITY_EPSILON = 1e-7


def edge_maps(
    maps: Any,
    filters: FilterSpec | FilterBank = "sobel",
    *,
    magnitude: bool = False,
    normalize: bool = False,
    padding: str = "zero",
) -> Any:
    """Return the responses of the edge filters.

    Args:
        maps: `(..., H, W)`.
        filters: names, arrays or both, see `parse_filters`, or a ready `FilterBank`.
        magnitude: replace the two components of each family by the root of the sum of their
            squares (section 5.6 of the paper).
        normalize: scale the kernels, see `parse_filters`.
        padding: "zero" (the published one; it makes an edge where a map touches its border) or
            "edge" (the border is repeated outwards).

    Returns:
        `(..., H, W, F)` float32, F the number of channels: one per component, fewer with magnitude.

    Raises:
        ValueError: an unknown filter or padding, `magnitude` without a pair of components, or no
            maps.

    >>> step = [[0.0, 0.0, 1.0, 1.0]]
    >>> ops.convert_to_numpy(edge_maps(step, "sobel-x", padding="edge"))[0, :, 0].tolist()
    [0.0, -4.0, -4.0, 0.0]
    """
    options = EdgeOptions(filters, magnitude=magnitude, normalize=normalize, padding=padding)
    maps = _as_float32(maps)
    check_maps(maps)
    return ops.stack(_channels(maps, options), axis=-1)


def smooth(maps: Any, *, padding: str = "zero") -> Any:
    """Return `maps`, `(..., H, W)`, smoothed with the 3 x 3 Gaussian of `gaussian_kernel`.

    Raises:
        ValueError: an unknown padding, or no maps.
    """
    check_padding(padding)
    maps = _as_float32(maps)
    check_maps(maps)
    padded = pad_maps(maps, 1, padding)
    taps = np.ndenumerate(gaussian_kernel())
    return _sum_in_pairs([float(tap) * shifted(padded, i, j, 1) for (i, j), tap in taps])


def edge_error(
    y_true: Any,
    y_pred: Any,
    filters: FilterSpec | FilterBank = "sobel",
    p: float = 2.0,
    *,
    smooth_gt: bool = False,
    smooth_pred: bool = False,
    magnitude: bool = False,
    normalize: bool = False,
    padding: str = "zero",
) -> Any:
    """Return |edges(y_true) - edges(y_pred)|^p per pixel, `(..., H, W)`: the mean over channels.

    The arguments and errors are those of `edge_agreement`, which is the mean of this over pixels.
    """
    options = EdgeOptions(
        filters,
        p,
        smooth_gt=smooth_gt,
        smooth_pred=smooth_pred,
        magnitude=magnitude,
        normalize=normalize,
        padding=padding,
    )
    return pixel_errors(y_true, y_pred, options)


def edge_agreement(
    y_true: Any,
    y_pred: Any,
    filters: FilterSpec | FilterBank = "sobel",
    p: float = 2.0,
    *,
    smooth_gt: bool = False,
    smooth_pred: bool = False,
    magnitude: bool = False,
    normalize: bool = False,
    padding: str = "zero",
) -> Any:
    """Return the edge agreement loss of each map: mean over pixels and channels of |difference|^p.

    Zimmermann and Siems, "Faster Training of Mask R-CNN by Focusing on Instance Boundaries",
    arXiv 1809.07069, section 3: L^p = mean(|E(y_true) - E(y_pred)|^p), without a root.

    Args:
        y_true: `(..., H, W)`, for masks within 0..1.
        y_pred: `(..., H, W)`, for masks probabilities within 0..1.
        filters: names joined with "+", a list of names and arrays, or a `FilterBank`.
        p: the exponent, at least 1 (paper: 1 to 4; 2 by default).
        smooth_gt: smooth `y_true` with a 3 x 3 Gaussian first (figure 2).
        smooth_pred: smooth `y_pred` with it (section 5.2).
        magnitude: compare the magnitudes of the gradients instead of their components.
        normalize: scale the kernels, see `parse_filters`.
        padding: "zero" or "edge", see `edge_maps`.

    Returns:
        `(...,)` float32, one value per map; () for a single map.

    Raises:
        ValueError: an option out of its range, or maps of different shapes.

    >>> y_true = np.zeros((2, 28, 28))
    >>> y_true[:, 8:20, 8:20] = 1.0  # a square, and one that is half as bright
    >>> y_pred = y_true * [[[1.0]], [[0.5]]]
    >>> values = ops.convert_to_numpy(edge_agreement(y_true, y_pred, "sobel"))  # one per map
    >>> (values * 28 * 28).round().tolist()
    [0.0, 180.0]
    """
    options = EdgeOptions(
        filters,
        p,
        smooth_gt=smooth_gt,
        smooth_pred=smooth_pred,
        magnitude=magnitude,
        normalize=normalize,
        padding=padding,
    )
    return ops.mean(pixel_errors(y_true, y_pred, options), axis=(-2, -1))


def edge_weighted_cross_entropy(
    y_true: Any,
    y_pred: Any,
    weighting: str = "exp16",
    filters: FilterSpec | FilterBank = "sobel",
    p: float = 2.0,
    *,
    weight: float = 1.0,
    smooth_gt: bool = False,
    smooth_pred: bool = False,
    magnitude: bool = False,
    normalize: bool = False,
    padding: str = "zero",
    max_exponent: float = MAX_EXPONENT,
) -> Any:
    """Return the binary cross entropy of each map, weighted pixel by pixel with the edge error.

    Section 5.6 of the paper. With e the value of `edge_error` times `weight`, each pixel's cross
    entropy is multiplied by

        "product": e,    "exp4": exp(min(e / 4, max_exponent)),    "exp16": the same of e / 16.

    exp4 is in the paper's text, exp16 in the authors' code. Where smoothing is on, the cross
    entropy is that of the smoothed maps, as there. The gradient flows through both factors, save
    through an exponent at its bound, which is constant.

    Bound: the authors' exponential overflows for large p and weights. Here no weight exceeds
    exp(max_exponent). The default of 45 keeps every value that is finite in the authors' code with
    a finite gradient, and value and gradient with respect to `y_pred` are always finite. Squares of
    such gradients still overflow (global-norm clipping), so a training should bound it lower:
    `EdgeAgreementHead` does, at 20, above what any sensible setting reaches (Sobel, p = 2 and
    weight 1 stay below 4 with exp16).

    Args:
        y_true: `(..., H, W)` within 0..1.
        y_pred: `(..., H, W)` probabilities.
        weighting: "product", "exp4" or "exp16".
        filters: see `edge_agreement`; so the options that follow.
        p: the exponent of the edge error, at least 1.
        weight: factor of the edge error, not of the result; at least 0.
        smooth_gt: smooth `y_true` first.
        smooth_pred: smooth `y_pred` first.
        magnitude: compare the magnitudes of the gradients.
        normalize: scale the kernels.
        padding: "zero" or "edge".
        max_exponent: bound of the exponent, above 0 and at most 80 (exp(89) is no float32).

    Returns:
        `(...,)` float32, one value per map: the mean over pixels.

    Raises:
        ValueError: an option out of its range, or maps of different shapes.
    """
    options = EdgeOptions(
        filters,
        p,
        weight,
        smooth_gt=smooth_gt,
        smooth_pred=smooth_pred,
        magnitude=magnitude,
        normalize=normalize,
        padding=padding,
    )
    return weighted_cross_entropy(y_true, y_pred, options, weighting, max_exponent)


def pixel_errors(y_true: Any, y_pred: Any, options: EdgeOptions) -> Any:
    """Return what `edge_error` does, `(..., H, W)`, for options that are checked already."""
    y_true, y_pred = _as_float32(y_true), _as_float32(y_pred)
    check_maps(y_true, y_pred)
    y_true, y_pred = _smoothed(y_true, y_pred, options)
    # Each map is filtered by itself, as in the authors' code, which costs no measurable time. One
    # pass over the difference of the maps rounds differently: by up to 1.5e-5 of the value where
    # `edge_weighted_cross_entropy` has an exponent of 41.
    pairs = zip(_channels(y_true, options), _channels(y_pred, options), strict=True)
    differences = [true - pred for true, pred in pairs]
    return sum(_power(difference, options.p) for difference in differences) / len(differences)


def weighted_cross_entropy(
    y_true: Any, y_pred: Any, options: EdgeOptions, weighting: str, max_exponent: float
) -> Any:
    """Return what `edge_weighted_cross_entropy` does, `(...,)`, for an `EdgeOptions`."""
    check_weighting(weighting, max_exponent)
    error = options.weight * pixel_errors(y_true, y_pred, options)
    y_true, y_pred = _smoothed(_as_float32(y_true), _as_float32(y_pred), options)
    if weighting == "product":
        factor = error
    else:
        divisor = {"exp4": 4.0, "exp16": 16.0}[weighting]
        factor = ops.exp(ops.minimum(error / divisor, max_exponent))
    return ops.mean(binary_cross_entropy(y_true, y_pred) * factor, axis=(-2, -1))


def binary_cross_entropy(y_true: Any, y_pred: Any) -> Any:
    """Return the binary cross entropy per pixel of probabilities, clipped to 1e-7 .. 1 - 1e-7."""
    y_pred = ops.clip(y_pred, _PROBABILITY_EPSILON, 1.0 - _PROBABILITY_EPSILON)
    return -(y_true * ops.log(y_pred) + (1.0 - y_true) * ops.log(1.0 - y_pred))


def pad_maps(maps: Any, radius: int, padding: str = "zero") -> Any:
    """Return `maps`, `(..., H, W)`, with a border of `radius` pixels: zeros or repeated edges."""
    if padding == "zero":
        return ops.pad(maps, [[0, 0]] * (len(maps.shape) - 2) + [[radius, radius]] * 2)
    # ops.pad has no mode "edge" on TensorFlow.
    rows = [maps[..., :1, :]] * radius + [maps] + [maps[..., -1:, :]] * radius
    maps = ops.concatenate(rows, axis=-2)
    columns = [maps[..., :1]] * radius + [maps] + [maps[..., -1:]] * radius
    return ops.concatenate(columns, axis=-1)


def shifted(padded: Any, row: int, column: int, radius: int) -> Any:
    """Return the window of a map padded by `radius` whose corner is at (`row`, `column`)."""
    return padded[
        ...,
        row : (row - 2 * radius) or None,
        column : (column - 2 * radius) or None,
    ]


def dilate(maps: Any, radius: int = 1) -> Any:
    """Return the maximum over (2 radius + 1)^2 windows of `maps`, `(..., H, W)`; outside is 0."""
    return _window(ops.convert_to_tensor(maps), radius, ops.maximum)


def erode(maps: Any, radius: int = 1) -> Any:
    """Return the minimum over (2 radius + 1)^2 windows of `maps`, `(..., H, W)`; outside is 0."""
    return _window(ops.convert_to_tensor(maps), radius, ops.minimum)


def _as_float32(maps: Any) -> Any:
    return ops.cast(ops.convert_to_tensor(maps), "float32")


def _smoothed(y_true: Any, y_pred: Any, options: EdgeOptions) -> tuple[Any, Any]:
    if options.smooth_gt:
        y_true = smooth(y_true, padding=options.padding)
    if options.smooth_pred:
        y_pred = smooth(y_pred, padding=options.padding)
    return y_true, y_pred


def _channels(maps: Any, options: EdgeOptions) -> list[Any]:
    """Return the response of every component, in their order; magnitudes in place of pairs."""
    bank = options.bank
    padded = pad_maps(maps, bank.radius, options.padding)
    responses = [_apply(padded, bank.kernels[:, :, 0, channel]) for channel in range(len(bank))]
    if not options.magnitude:
        return responses
    partner = dict(bank.pairs)
    seconds = set(partner.values())
    return [
        _magnitude(responses[i], responses[partner[i]]) if i in partner else responses[i]
        for i in range(len(bank))
        if i not in seconds
    ]


def _magnitude(first: Any, second: Any) -> Any:
    return ops.sqrt(ops.square(first) + ops.square(second) + _MAGNITUDE_EPSILON)


def _apply(padded: Any, kernel: np.ndarray) -> Any:
    """Correlate a padded map with `kernel`, `(K, K)`; taps of zero cost nothing."""
    radius = kernel.shape[0] // 2
    total = None
    for (row, column), tap in np.ndenumerate(kernel):
        if tap == 0:
            continue
        window = shifted(padded, row, column, radius)
        if total is None:
            total = window if tap == 1 else float(tap) * window
        elif abs(tap) == 1:
            total = total + window if tap > 0 else total - window
        else:
            total = total + float(tap) * window
    return total


def _sum_in_pairs(terms: list[Any]) -> Any:
    """Return the sum of `terms`, added as a tree.

    One after the other, as in `_apply`, the Gaussian rounds further from the authors' fused
    convolution: weighted cross entropies come out up to 1.1e-5 off theirs, added so up to 7e-6.
    """
    while len(terms) > 1:
        pairs = zip(terms[::2], terms[1::2], strict=False)
        terms = [a + b for a, b in pairs] + terms[len(terms) & ~1 :]
    return terms[0]


def _window(maps: Any, radius: int, reduce: Callable[[Any, Any], Any]) -> Any:
    """Reduce windows of a map, padded with zeros: first along the height, then along the width."""
    padded = pad_maps(maps, radius)
    starts = range(2 * radius + 1)
    rows = [padded[..., start : (start - 2 * radius) or None, :] for start in starts]
    padded = functools.reduce(reduce, rows)
    columns = [padded[..., start : (start - 2 * radius) or None] for start in starts]
    return functools.reduce(reduce, columns)


def _power(difference: Any, p: float) -> Any:
    """Return |difference|^p with a gradient that is finite, and 0 where the difference is 0."""
    if p == 2:
        return ops.square(difference)
    if p == 4:
        return ops.square(ops.square(difference))
    # Not ops.abs, whose gradient at 0 is 1 on JAX: with p = 1 it would pull at maps that agree.
    absolute = difference * ops.stop_gradient(ops.sign(difference))
    if p == 1:
        return absolute
    if p == 3:
        return absolute * ops.square(difference)
    return ops.power(absolute, float(p))
