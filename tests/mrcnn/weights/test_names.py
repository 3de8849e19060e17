"""Names of other writers of weight files."""

import json

import keras
import pytest

from mrcnn.weights.names import application_name, our_name, weight_name


@pytest.mark.parametrize(
    ("layer", "name", "expected"),
    [
        ("conv1", "kernel:0", "kernel"),
        ("conv1", "kernel", "kernel"),
        ("conv1", "conv1_W_1:0", "kernel"),
        ("conv1", "conv1_b:0", "bias"),
        ("bn2a_branch2a", "bn2a_branch2a_gamma_1:0", "gamma"),
        ("bn2a_branch2a", "bn2a_branch2a_beta_1:0", "beta"),
        ("bn2a_branch2a", "bn2a_branch2a_running_mean_1:0", "moving_mean"),
        ("bn2a_branch2a", "bn2a_branch2a_running_std_1:0", "moving_variance"),
        ("bn_conv1", "moving_variance:0", "moving_variance"),
        ("conv_dw_1", "depthwise_kernel:0", "depthwise_kernel"),
        ("x", "recurrent_kernel_3:0", "recurrent_kernel_3"),
    ],
)
def test_weight_names(layer, name, expected):
    assert weight_name(layer, name) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("conv1_conv", "conv1"),
        ("conv1_bn", "bn_conv1"),
        ("conv2_block1_0_conv", "res2a_branch1"),
        ("conv2_block1_0_bn", "bn2a_branch1"),
        ("conv3_block4_1_conv", "res3d_branch2a"),
        ("conv4_block6_2_bn", "bn4f_branch2b"),
        ("conv4_block23_3_conv", "res4w_branch2c"),
        ("conv4_block27_3_conv", None),
        ("conv5_block0_3_conv", None),
        ("conv6_block1_3_conv", None),
        ("conv2_block1_4_conv", None),
        ("conv2_block1_preact_bn", None),
        ("fpn_p2", None),
    ],
)
def test_names_of_applications(name, expected):
    assert application_name(name) == expected


def test_a_layer_that_the_model_has_keeps_its_name():
    known = {"conv1_conv", "conv1", "bn_conv1"}
    assert our_name("conv1_conv", known) == "conv1_conv"
    assert our_name("conv1_bn", known) == "bn_conv1"
    assert our_name("conv2_block1_0_conv", known) == "conv2_block1_0_conv"


@pytest.mark.parametrize(
    ("make", "layout"),
    [
        (keras.applications.ResNet50, "resnet50"),
        pytest.param(keras.applications.ResNet101, "resnet101", marks=pytest.mark.slow),
    ],
)
def test_every_layer_of_an_application_has_its_place_in_the_original(parity_dir, make, layout):
    groups = json.loads((parity_dir / f"layout_{layout}.json").read_text())
    heads = ("fpn_", "rpn_", "mrcnn_")
    expected = {
        name: [tuple(shape) for _, shape in weights]
        for name, weights in groups
        if weights and not name.startswith(heads)
    }
    network = make(weights=None, include_top=False, input_shape=(32, 32, 3))
    found = {
        application_name(layer.name): [tuple(v.shape) for v in layer.weights]
        for layer in network.layers
        if layer.weights
    }
    assert found == expected
