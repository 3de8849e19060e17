import re

import keras
import pytest

from mrcnn.config import Config
from mrcnn.errors import InputError
from mrcnn.modeling.network import Network
from mrcnn.training.frozen import RandomStart, refuse_frozen
from mrcnn.training.schedule import Stage
from mrcnn.weights.loading import load_weights, save_weights, to_numpy, weighted_layers

# Of the network "small": its first layer, and three convolutions in each of stages 2 to 5.
LAYERS = 1 + 4 * 3


def stages(*layers):
    return [Stage(name, 5, 0.01) for name in layers]


@pytest.fixture(scope="module")
def network(tiny_settings):
    keras.utils.set_random_seed(1)
    network = Network(Config().update(**{**tiny_settings, "EDGE_LOSS_FILTERS": []}))
    network.training((64, 64))
    return network


def test_a_new_backbone_is_random_until_it_is_loaded(network, tmp_path):
    random = RandomStart(network)
    assert len(random.layers()) == LAYERS
    layers = weighted_layers(network.training((64, 64)))
    save_weights(layers, tmp_path / "same.h5")
    for name, variables in layers.items():
        if name.startswith("small_res2") and variables[0].name == "kernel":
            variables[0].assign(variables[0] * 2)
    assert len(random.layers()) == LAYERS - 3
    load_weights(layers, tmp_path / "same.h5")
    assert len(random.layers()) == LAYERS


def test_one_number_that_changed_is_enough(network):
    """Those of a channel that is always 0 stay as they were drawn, however long it is trained."""
    random, (kernel, *_) = RandomStart(network), network.builder.layers["small_res2_a"].weights
    drawn = to_numpy(kernel)
    changed = drawn.copy()
    changed[-1, -1, -1, -1] += 0.01
    kernel.assign(changed)
    assert len(random.layers()) == LAYERS - 1
    kernel.assign(drawn)
    assert len(random.layers()) == LAYERS


@pytest.mark.parametrize(
    ("schedule", "fault"),
    [
        (("heads",), "'heads' trains on features of a backbone that is random and frozen: 13 of"),
        (("4+", "all"), "random and frozen: 7 of its layers"),
        (("all", "heads"), ""),
        (("4+|.*", "heads"), ""),
        (
            ("5+", "4+", "heads"),
            "the stage '5+' trains on features of a backbone that is random and frozen: 10 of",
        ),
    ],
)
def test_a_schedule_that_freezes_random_layers_is_refused(network, schedule, fault):
    random = RandomStart(network)
    if not fault:
        refuse_frozen(random, stages(*schedule))
        return
    with pytest.raises(InputError, match=re.escape(fault)) as caught:
        refuse_frozen(random, stages(*schedule))
    for choice in ("--weights imagenet", "SCHEDULE=[[all", "--weights none"):
        assert choice in str(caught.value)


def test_the_backbone_of_keras_is_looked_into(tiny_settings):
    settings = {"BACKBONE": "MobileNet", "BACKBONE_ARGS": {"alpha": 0.25}, "EDGE_LOSS_FILTERS": []}
    network = Network(Config().update(**{**tiny_settings, **settings}))
    network.training((64, 64))
    random = RandomStart(network)
    # A convolution, and 13 blocks of a depthwise and a pointwise one.
    assert len(random.layers()) == 27
    assert random.frozen(stages("all")) == []
    assert [count for _, count in random.frozen(stages("heads"))] == [27]


def test_nothing_is_known_of_a_callable(tiny_settings):
    def backbone(image):
        outputs = []
        for strides in (4, 2, 2, 2):
            image = keras.layers.Conv2D(8, 3, strides, padding="same")(image)
            outputs.append(image)
        return outputs

    settings = {**tiny_settings, "BACKBONE": backbone, "EDGE_LOSS_FILTERS": []}
    network = Network(Config().update(**settings))
    network.training((64, 64))
    assert RandomStart(network).frozen(stages("heads")) == []
