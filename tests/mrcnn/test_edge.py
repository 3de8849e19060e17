"""From a configuration to the loss on boundaries."""

import numpy as np
import pytest

from edge_agreement import MAP_LOSSES
from mrcnn.config import Config
from mrcnn.edge import edge_losses
from mrcnn.errors import InputError


def test_edge_losses_follow_the_configuration(tiny_config):
    assert edge_losses(tiny_config.update(EDGE_LOSS_FILTERS=[])) == {}
    (head,) = edge_losses(
        tiny_config.update(
            EDGE_LOSS_FILTERS=["laplace"],
            EDGE_LOSS_NORM=3,
            EDGE_LOSS_WEIGHT_FACTOR=0.5,
            EDGE_LOSS_SMOOTHING_GT=True,
        )
    ).values()
    settings = head.get_config()
    assert (settings["p"], settings["weight"]) == (3, 0.5)
    assert (settings["smooth_gt"], settings["smooth_pred"]) == (True, False)
    with pytest.raises(InputError, match="laplac"):
        edge_losses(tiny_config.update(EDGE_LOSS_FILTERS=["laplas"]))


def test_all_options_of_the_head_come_from_the_configuration(tiny_config):
    (head,) = edge_losses(
        tiny_config.update(
            EDGE_LOSS_FILTERS=["Sobel + prewitt-x"],
            EDGE_LOSS_MAGNITUDE=True,
            EDGE_LOSS_NORMALIZE=True,
            EDGE_LOSS_PADDING="edge",
            EDGE_LOSS_WEIGHT_ENTROPY="exp4",
        )
    ).values()
    settings = head.get_config()
    assert settings["filters"] == ["sobel", "prewitt-x"]
    assert (settings["magnitude"], settings["normalize"], settings["padding"]) == (
        True, True, "edge",
    )  # fmt: skip
    assert settings["weight_entropy"] == "exp4"
    plain = next(iter(edge_losses(tiny_config).values())).get_config()
    assert (plain["magnitude"], plain["normalize"], plain["padding"]) == (False, False, "zero")
    assert plain["weight_entropy"] is None


@pytest.mark.parametrize("name", list(MAP_LOSSES))
def test_another_loss_takes_the_place_of_the_filters(tiny_config, name):
    config = tiny_config.update(EDGE_LOSS_FILTERS=[name], EDGE_LOSS_WEIGHT_FACTOR=0.5)
    ((key, head),) = edge_losses(config).items()
    rng = np.random.default_rng(0)
    target, predicted = rng.integers(0, 2, (1, 2, 28, 28)), rng.uniform(0.1, 0.9, (1, 2, 28, 28, 3))
    ids = np.int32([[2, 0]])
    value = head(target.astype("float32"), ids, predicted.astype("float32"))
    wanted = MAP_LOSSES[name](target[0, 0].astype("float32"), predicted[0, 0, ..., 2])
    assert key == "mrcnn_mask_edge_loss"
    assert float(value) == pytest.approx(0.5 * float(wanted), rel=1e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"EDGE_LOSS_FILTERS": ["contour", "sobel"]}, "'contour' is a loss of its own and cannot"),
        ({"EDGE_LOSS_FILTERS": ["sobel+contour"]}, "cannot be combined"),
        ({"EDGE_LOSS_FILTERS": ["contour", "contour"]}, "cannot be combined"),
        ({"EDGE_LOSS_FILTERS": ["contur"]}, "laplace4.*signed-distance.*Did you mean 'contour'"),
        ({"EDGE_LOSS_FILTERS": ["sobbel"]}, "contour.*Did you mean 'sobel'"),
        ({"EDGE_LOSS_FILTERS": ["contour"], "EDGE_LOSS_NORM": 3}, "EDGE_LOSS_NORM .*'contour'"),
        ({"EDGE_LOSS_FILTERS": ["contour"], "EDGE_LOSS_PADDING": "edge"}, "EDGE_LOSS_PADDING"),
        ({"EDGE_LOSS_FILTERS": [], "EDGE_LOSS_WEIGHT_ENTROPY": "exp4"}, "EDGE_LOSS_FILTERS names"),
        ({"EDGE_LOSS_FILTERS": ["laplace"], "EDGE_LOSS_MAGNITUDE": True}, "magnitude"),
        (
            {"EDGE_LOSS_FILTERS": ["signed-distance"], "LOSS_WEIGHTING": "uncertainty"},
            "'uncertainty' needs losses of at least 0",
        ),
    ],
)
def test_edge_losses_that_cannot_be(tiny_config, settings, message):
    with pytest.raises(InputError, match=message):
        edge_losses(tiny_config.update(**settings))


def test_magnitudes_by_the_name_of_the_authors():
    def options(*filters, **settings):
        config = Config().update(EDGE_LOSS_FILTERS=list(filters), **settings)
        return edge_losses(config)["mrcnn_mask_edge_loss"].options

    found, expected = options("sobel-magnitude"), options("sobel", EDGE_LOSS_MAGNITUDE=True)
    assert found.magnitude and found.bank.names == expected.bank.names == ("sobel-x", "sobel-y")
    assert options("sobel-magnitude+laplace").bank.names == ("sobel-x", "sobel-y", "laplace")
    assert options("sobel-magnitude", "prewitt", EDGE_LOSS_MAGNITUDE=True).magnitude
    for filters, said in (
        (["sobel-magnitude", "prewitt"], "magnitudes of all filters or of none"),
        (["laplace-magnitude"], "'laplace' has no magnitude"),
        (["sobbel-magnitude"], "no filter or loss 'sobbel'"),
        (["sobel-magnitude", "sobel-x"], "sobel-x"),
    ):
        with pytest.raises(InputError, match=said):
            options(*filters)
