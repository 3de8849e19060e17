"""The second of torchvision's networks, and its ResNets alone."""

import numpy as np
import pytest

from mrcnn.config_io import load_config
from mrcnn.errors import InputError
from mrcnn.modeling.network import Network
from mrcnn.weights.loading import weighted_layers
from mrcnn.weights.torchvision import from_torchvision, version_of
from tests.mrcnn.weights.torchvision_states import (
    BODY,
    CHANNELS,
    CLASSES,
    HEADS,
    WIDTH,
    make_state,
    second_version,
)


@pytest.fixture(scope="module")
def state():
    return make_state(np.random.default_rng(0))


def test_the_second_version_fits_its_configuration(state, rng):
    """That it computes the same is tested against torchvision itself, in tests/mrcnn/parity."""
    second = second_version(state, rng)
    assert version_of(second).name == "maskrcnn_resnet50_fpn_v2"
    arrays = from_torchvision(second)
    config = load_config("torchvision_resnet50_v2").update(
        BACKBONE="small", NUM_CLASSES=CLASSES, TOP_DOWN_PYRAMID_SIZE=CHANNELS,
        RPN_CHANNELS=CHANNELS, FPN_CLASSIF_FC_LAYERS_SIZE=WIDTH, MASK_HEAD_CHANNELS=CHANNELS,
        BACKBONE_ARGS={}, BACKBONE_WEIGHTS=None,
    )  # fmt: skip
    network = Network(config).inference((64, 64))
    of_network = {
        name for name in weighted_layers(network) if name.startswith(("fpn", "rpn", "mr"))
    }
    assert of_network == {name for name in arrays if name.startswith(("fpn", "rpn", "mr"))}
    # Its epsilon is that of the configuration, so norms stay as they are.
    place = f"{HEADS}.box_head.3.1.weight"
    np.testing.assert_array_equal(arrays["mrcnn_box_bn4"]["gamma"], second[place])
    assert config.NORM_EPSILON == version_of(second).norm_epsilon == version_of(second).epsilon
    kernel = second["rpn.head.conv.1.0.weight"].transpose(2, 3, 1, 0)
    np.testing.assert_array_equal(arrays["rpn_conv_shared2"]["kernel"], kernel)


def test_a_missing_norm_of_the_second_version_is_named(state, rng):
    second = second_version(state, rng)
    del second[f"{HEADS}.mask_head.2.1.running_var"]
    with pytest.raises(InputError, match=r"fpn_v2: it lacks roi_heads.mask_head.2.1.running_var"):
        from_torchvision(second)


def test_a_network_for_classes_of_images_gives_its_backbone(state):
    alone = {
        name.removeprefix(f"{BODY}."): array
        for name, array in state.items()
        if name.startswith(BODY)
    }
    alone |= {"fc.weight": np.ones((10, 2048), "float32"), "fc.bias": np.ones(10, "float32")}
    arrays, expected = from_torchvision(alone), from_torchvision(state, 1e-5)
    assert set(arrays) == {name for name in expected if name.startswith(("res", "bn", "conv1"))}
    for layer, found in arrays.items():
        for name, array in found.items():
            np.testing.assert_array_equal(array, expected[layer][name])
    del alone["layer2.0.bn1.bias"]
    with pytest.raises(InputError, match=r"of resnet50: it lacks backbone.body.layer2.0.bn1.bias"):
        from_torchvision(alone)
