"""From a configuration to the loss on mask boundaries."""

import mrcnn.backend  # noqa: F401 (before Keras, see mrcnn.backend.quiet)

# isort: split
from collections.abc import Callable

from edge_agreement import FILTER_NAMES, MAP_LOSSES, EdgeAgreementHead, MapLossHead
from edge_agreement.filters import parse_filters
from mrcnn.config import Config
from mrcnn.constants import EDGE_LOSS
from mrcnn.errors import InputError, nearest

# Behind the name of a filter, in the authors' code: EDGE_LOSS_MAGNITUDE for it.
MAGNITUDE = "-magnitude"
# Options that only the filters have.
FILTER_OPTIONS = (
    "EDGE_LOSS_NORM",
    "EDGE_LOSS_SMOOTHING_GT",
    "EDGE_LOSS_SMOOTHING_PREDICTIONS",
    "EDGE_LOSS_MAGNITUDE",
    "EDGE_LOSS_NORMALIZE",
    "EDGE_LOSS_PADDING",
    "EDGE_LOSS_WEIGHT_ENTROPY",
)


def edge_losses(config: Config) -> dict[str, Callable]:
    """The loss on mask boundaries that the configuration asks for, under its name; empty without
    filters.

    Either edge filters, or one of `edge_agreement.MAP_LOSSES` in their place. With
    `EDGE_LOSS_WEIGHT_ENTROPY` its value is the weighted cross entropy of the masks, and takes the
    place of `mrcnn_mask_loss` in the total (see `Config.LOSS_WEIGHTS`).

    Raises:
        InputError: A filter or loss does not exist, the two are mixed, or an option is out of range
            or without effect.
    """
    names = [part.strip().lower() for name in config.EDGE_LOSS_FILTERS for part in name.split("+")]
    families = [name.removesuffix(MAGNITUDE) for name in names if name.endswith(MAGNITUDE)]
    names = [name.removesuffix(MAGNITUDE) for name in names]
    if not names:
        if config.EDGE_LOSS_WEIGHT_ENTROPY:
            raise InputError(
                "EDGE_LOSS_WEIGHT_ENTROPY weights the cross entropy with the error of filters, "
                "but EDGE_LOSS_FILTERS names none"
            )
        return {}
    for name in names:
        if name not in FILTER_NAMES and name not in MAP_LOSSES:
            raise InputError(
                f"EDGE_LOSS_FILTERS has no filter or loss {name!r}; filters are "
                f"{', '.join(FILTER_NAMES)}, losses in their place {', '.join(MAP_LOSSES)}."
                f"{nearest(name, [*FILTER_NAMES, *MAP_LOSSES])}"
            )
    others = [name for name in names if name in MAP_LOSSES]
    if others:
        return {EDGE_LOSS: _boundary_loss(config, others[0], len(names))}
    try:
        _check_magnitudes(config, names, families)
        head = EdgeAgreementHead(
            filters=names,
            p=config.EDGE_LOSS_NORM,
            weight=config.EDGE_LOSS_WEIGHT_FACTOR,
            smooth_gt=config.EDGE_LOSS_SMOOTHING_GT,
            smooth_pred=config.EDGE_LOSS_SMOOTHING_PREDICTIONS,
            magnitude=config.EDGE_LOSS_MAGNITUDE or bool(families),
            normalize=config.EDGE_LOSS_NORMALIZE,
            padding=config.EDGE_LOSS_PADDING,
            weight_entropy=config.EDGE_LOSS_WEIGHT_ENTROPY,
            name=EDGE_LOSS,
        )
    except InputError:
        raise
    except (TypeError, ValueError) as error:
        raise InputError(f"EDGE_LOSS_FILTERS: {error}") from None
    return {EDGE_LOSS: head}


def _check_magnitudes(config: Config, names: list[str], families: list[str]) -> None:
    """Check that "-magnitude" stands behind every filter of two components, or only there."""
    of_all = config.EDGE_LOSS_MAGNITUDE
    for name in families:
        if not parse_filters(name).pairs:
            raise InputError(
                f"EDGE_LOSS_FILTERS: {name!r} has no magnitude, which needs both components of a "
                "filter: 'sobel-magnitude', for example"
            )
    if families and not of_all and len(parse_filters(list(names)).pairs) > len(families):
        raise InputError(
            "EDGE_LOSS_FILTERS: magnitudes of all filters or of none: add '-magnitude' to the "
            f"others, or set EDGE_LOSS_MAGNITUDE, got {config.EDGE_LOSS_FILTERS}"
        )


def _boundary_loss(config: Config, name: str, count: int) -> MapLossHead:
    if count > 1:
        raise InputError(
            f"EDGE_LOSS_FILTERS: {name!r} is a loss of its own and cannot be combined, "
            f"got {config.EDGE_LOSS_FILTERS}"
        )
    for option in FILTER_OPTIONS:
        if getattr(config, option) != getattr(Config, option):
            raise InputError(
                f"{option} belongs to edge filters and has no effect on {name!r}, "
                f"got {getattr(config, option)!r}"
            )
    if name == "signed-distance" and config.LOSS_WEIGHTING != "fixed":
        raise InputError(
            f"LOSS_WEIGHTING {config.LOSS_WEIGHTING!r} needs losses of at least 0, and "
            "'signed-distance' falls below: use 'fixed'"
        )
    return MapLossHead(name, weight=config.EDGE_LOSS_WEIGHT_FACTOR, name=EDGE_LOSS)
