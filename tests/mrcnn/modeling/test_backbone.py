"""Backbones: names and shapes of the original's layers, and networks of other makers."""

import json

import h5py
import keras
import numpy as np
import pytest
from keras import ops

from mrcnn.config import Config
from mrcnn.constants import RPN_LAYERS
from mrcnn.errors import InputError
from mrcnn.modeling.backbone import build_backbone, layer_stages
from mrcnn.modeling.layers import Builder
from mrcnn.modeling.network import Network
from mrcnn.weights.loading import load_weights, weighted_layers

MEAN = [123.7, 116.8, 103.9]


def to_numpy(variable):
    return ops.convert_to_numpy(ops.copy(variable))


def build(name, arguments=None, side=128, train_bn=False, decay=0.0):
    builder = Builder(train_bn, decay)
    image = keras.Input((side, side, 3))
    stages = build_backbone(builder, image, name, arguments or {}, MEAN)
    return builder, keras.Model(image, stages)


@pytest.mark.parametrize("name", ["resnet50", pytest.param("resnet101", marks=pytest.mark.slow)])
def test_layers_are_those_of_the_original(parity_dir, name):
    layout = json.loads((parity_dir / f"layout_{name}.json").read_text())
    expected = {}
    for group, weights in layout:
        for path, shape in weights:
            layer, weight = path.split(":")[0].split("/")[-2:]
            expected.setdefault(layer, []).append((weight, tuple(shape)))
            assert (group == "rpn_model") == (layer in RPN_LAYERS)
    network = Network(Config().update(BACKBONE=name, NUM_CLASSES=81))
    # The weights do not depend on the size of the image.
    found = {
        layer: [(v.name, tuple(v.shape)) for v in variables]
        for layer, variables in weighted_layers(network.inference((64, 64))).items()
    }
    assert found == expected


def test_resnet_stages():
    builder, model = build("resnet50", side=64)
    assert [tuple(s[1:]) for s in model.output_shape] == [
        (16, 16, 256),
        (8, 8, 512),
        (4, 4, 1024),
        (2, 2, 2048),
    ]
    stages = layer_stages(builder)
    assert (stages["conv1"], stages["bn_conv1"]) == (1, 1)
    assert (stages["res2a_branch1"], stages["bn3d_branch2c"], stages["res4f_branch2b"]) == (2, 3, 4)
    assert stages["res5c_branch2c"] == 5
    weighted = {name for name, layer in builder.layers.items() if layer.weights}
    assert weighted <= set(stages)


@pytest.mark.parametrize("stride_in_3x3", [False, True])
@pytest.mark.parametrize("symmetric_padding", [False, True])
def test_resnet_options(stride_in_3x3, symmetric_padding):
    """They move strides and padding and leave shapes and names of the weights."""
    arguments = {"stride_in_3x3": stride_in_3x3, "symmetric_padding": symmetric_padding}
    builder, model = build("resnet50", arguments, side=64)
    _, original = build("resnet50", side=64)
    assert model.output_shape == original.output_shape
    shapes = [
        {name: [tuple(v.shape) for v in variables] for name, variables in layers.items()}
        for layers in (weighted_layers(model), weighted_layers(original))
    ]
    assert shapes[0] == shapes[1]
    strides = {name: builder.layers[f"res3a_branch{name}"].strides for name in ("1", "2a", "2b")}
    assert strides == {
        "1": (2, 2),
        "2a": (1, 1) if stride_in_3x3 else (2, 2),
        "2b": (2, 2) if stride_in_3x3 else (1, 1),
    }
    assert ("pool1_pad" in builder.layers) == symmetric_padding
    assert ("res3a_branch2b_pad" in builder.layers) == (symmetric_padding and stride_in_3x3)


@pytest.mark.parametrize("arguments", [{"width": 8}, {"stride_in_3x3": 1}])
def test_bad_resnet_options_are_refused(arguments):
    with pytest.raises(InputError, match="BACKBONE_ARGS of 'resnet50' are stride_in_3x3 and"):
        build("resnet50", arguments)


@pytest.mark.parametrize("width", [8, 16])
def test_small_stages(width):
    builder, model = build("small", {"width": width})
    assert [tuple(s[1:]) for s in model.output_shape] == [
        (32, 32, 2 * width),
        (16, 16, 4 * width),
        (8, 8, 4 * width),
        (4, 4, 4 * width),
    ]
    stages = layer_stages(builder)
    weighted = {name for name, layer in builder.layers.items() if layer.weights}
    assert weighted <= set(stages)
    assert stages["small_conv1"] == 1
    assert {stages[name] for name in weighted if "res4" in name} == {4}


def test_application_by_name():
    builder, model = build("MobileNet", {"alpha": 0.25})
    assert [tuple(s[1:]) for s in model.output_shape] == [
        (32, 32, 32),
        (16, 16, 64),
        (8, 8, 128),
        (4, 4, 256),
    ]
    stages = layer_stages(builder)
    assert stages["conv_dw_13"] == 5
    assert stages["conv_pw_1"] == 2
    # Stage 1 and 2 of such a network are not told apart.
    assert stages["conv1"] <= 2


def test_application_computes_what_keras_computes(rng):
    builder, model = build("MobileNet", {"alpha": 0.25})
    reference = keras.applications.MobileNet(
        include_top=False, weights=None, input_shape=(128, 128, 3), alpha=0.25
    )
    inner = {layer.name: layer for layer in builder.layers["backbone"].layers}
    for layer in reference.layers:
        for index, variable in enumerate(layer.weights):
            values = rng.normal(size=variable.shape) * 0.2
            if variable.name in ("gamma", "moving_variance"):
                values = 1 + np.abs(values)
            variable.assign(values)
            inner[layer.name].weights[index].assign(values)
    rgb = rng.uniform(0, 255, (1, 128, 128, 3)).astype("float32")
    expected = ops.convert_to_numpy(reference(rgb / 127.5 - 1, training=False))
    found = model((rgb - np.array(MEAN, "float32")), training=True)[3]
    scale = np.abs(expected).max()
    assert scale > 0
    np.testing.assert_allclose(ops.convert_to_numpy(found), expected, atol=1e-4 * scale)


def test_application_takes_imagenet_weights_from_a_file(weights_dir):
    path = weights_dir / "mobilenet_7_5_224_tf_no_top.h5"
    builder, model = build("MobileNet", {"alpha": 0.75})
    report = load_weights(weighted_layers(model), path)
    assert not (report.missing or report.mismatched or report.unused)
    inner = {layer.name: layer for layer in builder.layers["backbone"].layers}
    with h5py.File(path, "r") as file:
        stored = {}
        file.visititems(
            lambda name, item: stored.update({name.split("/")[-2:][0] + "/" + name.split("/")[-1]:
                                              item[()]} if isinstance(item, h5py.Dataset) else {})
        )  # fmt: skip
    for name, kind in (("conv1", "kernel"), ("conv_dw_7", "kernel"), ("conv_pw_13", "kernel")):
        values = next(
            v for k, v in stored.items() if k.split("/")[0].startswith(name) and kind in k
        )
        np.testing.assert_array_equal(to_numpy(inner[name].weights[0]).ravel(), values.ravel())


def test_regularisation_of_an_application():
    decay = 0.5
    builder, model = build("MobileNet", {"alpha": 0.25}, decay=decay)
    expected = 0.0
    for layer in builder.layers["backbone"].layers:
        if not isinstance(layer, keras.layers.BatchNormalization):
            expected += sum(decay * np.mean(np.square(to_numpy(v))) for v in layer.weights)
    assert expected > 0
    assert float(sum(model.losses)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("resnet51", "Did you mean 'resnet50'"),
        ("MobilNet", "Did you mean 'MobileNet'"),
        ("smal", "Did you mean 'small'"),
    ],
)
def test_unknown_backbone_names_the_nearest(name, hint):
    with pytest.raises(InputError, match=f"BACKBONE '{name}' is unknown.*resnet101.*{hint}"):
        build(name)


def test_bad_arguments_of_an_application_are_refused():
    with pytest.raises(InputError, match="BACKBONE_ARGS .* do not fit MobileNet"):
        build("MobileNet", {"alfa": 0.25})


def plain(image):
    """C2 to C5 by strided convolutions."""
    outputs, x = [], keras.layers.Conv2D(4, 3, 2, "same", name="stem")(image)
    for stage in range(2, 6):
        x = keras.layers.Conv2D(4 * stage, 3, 2, "same", activation="relu", name=f"c{stage}")(x)
        outputs.append(x)
    return outputs


def test_callable_backbone():
    builder, model = build(plain, decay=0.1)
    assert [tuple(s[1:]) for s in model.output_shape] == [
        (32, 32, 8),
        (16, 16, 12),
        (8, 8, 16),
        (4, 4, 20),
    ]
    assert set(weighted_layers(model)) == {"stem", "c2", "c3", "c4", "c5"}
    stages = layer_stages(builder)
    assert [stages[f"c{n}"] for n in range(2, 6)] == [2, 3, 4, 5]
    assert len(model.losses) == 10


def test_callable_backbone_as_in_the_original():
    """It takes `stage5` and `train_bn`, and returns C1 to C5."""
    taken = []

    def five(image, stage5=False, train_bn=True):
        taken.append((stage5, train_bn))
        return [image, *plain(image)]

    _, model = build(five)
    assert len(model.output_shape) == 4 and taken == [(True, False)]


def test_callable_backbone_with_the_wrong_number_of_outputs_is_refused():
    with pytest.raises(InputError, match=r"returns \[C2, C3, C4, C5\]"):
        build(lambda image: plain(image)[1:])


def normed(image, train_bn=None):
    """As backbones written for the original: normalisation is called with `train_bn`."""
    outputs, x = [], keras.layers.Conv2D(4, 3, 2, "same", name="stem")(image)
    for stage in range(2, 6):
        x = keras.layers.Conv2D(4, 3, 2, "same", name=f"c{stage}")(x)
        x = keras.layers.BatchNormalization(momentum=0.5, name=f"bn{stage}")(x, training=train_bn)
        outputs.append(x)
    return outputs


def nested(image, train_bn=None):
    """A model inside the function."""
    inputs = keras.Input((None, None, 3))
    return keras.Model(inputs, normed(inputs, train_bn), name="inner")(image)


@pytest.mark.parametrize(
    ("name", "arguments"), [("MobileNet", {"alpha": 0.25}), (normed, None), (nested, None)]
)
def test_train_bn_acts_in_training_alone(name, arguments, rng):
    """None and True follow the mode of the call, False is frozen; detection is always the same."""
    images = rng.normal(0, 50, (3, 64, 64, 3)).astype("float32")
    found, weights = {}, None
    for train_bn in (False, None, True):
        _, model = build(name, arguments, side=64, train_bn=train_bn)
        if weights is None:
            weights = [to_numpy(v) for v in model.weights]
        for variable, value in zip(model.weights, weights, strict=True):
            variable.assign(value)
        calm = [ops.convert_to_numpy(v) for v in model(images, training=False)]
        alone = [ops.convert_to_numpy(v) for v in model(images[:1], training=False)]
        plain = [ops.convert_to_numpy(v) for v in model(images)]
        for whole, part, other in zip(calm, alone, plain, strict=True):
            np.testing.assert_allclose(part, whole[:1], rtol=1e-3, atol=1e-5)
            np.testing.assert_allclose(other, whole, rtol=1e-3, atol=1e-5)
        for variable, value in zip(model.weights, weights, strict=True):
            np.testing.assert_array_equal(to_numpy(variable), value)
        busy = [ops.convert_to_numpy(v) for v in model(images, training=True)]
        moved = [np.abs(to_numpy(v) - w).max() for v, w in zip(model.weights, weights, strict=True)]
        means = [v.name == "moving_mean" for v in model.weights]
        assert sum(means) >= 4
        for is_mean, distance in zip(means, moved, strict=True):
            assert (distance > 0) == (is_mean and train_bn is not False) or not is_mean
        same = np.allclose(busy[1], calm[1], rtol=1e-3, atol=1e-5)
        assert same == (train_bn is False)
        found[train_bn] = calm, busy
    for calm, busy in (found[None], found[True]):
        np.testing.assert_allclose(calm[3], found[False][0][3], rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(busy[3], found[None][1][3], rtol=1e-3, atol=1e-5)


def test_layers_of_a_second_image_size_are_shared():
    builder = Builder(False, 0.0)
    for side in ((128, 64), (64, 128)):
        build_backbone(builder, keras.Input((*side, 3)), "small", {"width": 8}, MEAN)
    kernels = [layer for layer in builder.layers.values() if hasattr(layer, "kernel")]
    assert len(kernels) == 1 + 4 * 3
