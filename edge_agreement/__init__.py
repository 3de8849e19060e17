"""Edge agreement losses for Keras 3 models: arXiv 1809.07069, and other boundary losses.

Three ways in: pure functions (`edge_maps`, `edge_agreement`), the layer `EdgeAgreementHead` for the
masks of regions of interest, and `EdgeAgreementLoss` for `model.compile`. It needs keras and numpy.
"""

from edge_agreement.boundary_losses import (
    MAP_LOSSES,
    boundary_dice_bce,
    boundary_weighted_bce,
    contour,
    get_map_loss,
    signed_distance,
)
from edge_agreement.filters import FILTER_NAMES, FilterBank, gaussian_kernel, parse_filters
from edge_agreement.functional import (
    edge_agreement,
    edge_error,
    edge_maps,
    edge_weighted_cross_entropy,
    smooth,
)
from edge_agreement.head import EdgeAgreementHead, MapLossHead
from edge_agreement.loss import EdgeAgreementLoss

__all__ = [
    "FILTER_NAMES",
    "MAP_LOSSES",
    "EdgeAgreementHead",
    "EdgeAgreementLoss",
    "FilterBank",
    "MapLossHead",
    "boundary_dice_bce",
    "boundary_weighted_bce",
    "contour",
    "edge_agreement",
    "edge_error",
    "edge_maps",
    "edge_weighted_cross_entropy",
    "gaussian_kernel",
    "get_map_loss",
    "parse_filters",
    "signed_distance",
    "smooth",
]
