"""Files for other programs: the original's layout to the letter, Keras 3, and ImageNet weights."""

import json

import h5py
import keras
import numpy as np
import pytest
from keras import ops

from mrcnn.config import Config
from mrcnn.constants import RPN_LAYERS
from mrcnn.errors import InputError
from mrcnn.modeling.backbone import RESNET_BLOCKS, build_backbone
from mrcnn.modeling.layers import Builder
from mrcnn.weights.file_formats import read_weights
from mrcnn.weights.guard import ALL_DIGESTS
from mrcnn.weights.keras_converter import (
    config_of,
    from_applications,
    known_layers,
    original_groups,
    weights_of,
    with_epsilon,
    write_keras,
    write_original,
)
from mrcnn.weights.loading import assign_weights, weighted_layers

# Widths of the heads: with those of the original a file has 181 MB.
SIZES = {256: 8, 512: 12, 1024: 16}
# Keras' own writer, under NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def layout_of(parity_dir, name):
    return json.loads((parity_dir / f"layout_{name}.json").read_text())


def drawn(layout, rng, narrow=True):
    """Random weights by layer and name for a layout, its heads narrow."""
    arrays = {}
    for group, weights in layout:
        is_head = group.startswith(("fpn_", "rpn_", "mrcnn_"))
        for path, shape in weights:
            layer, leaf = path.split(":")[0].split("/")
            if is_head and narrow:
                # Not the side that comes from the backbone.
                sizes = [SIZES.get(side, side) for side in shape]
                if group.startswith("fpn_c") and len(shape) == 4:
                    sizes[2] = shape[2]
                shape = sizes
            values = rng.standard_normal(shape, "float32")
            arrays.setdefault(layer, {})[leaf] = np.abs(values) if "variance" in leaf else values
    return arrays


def assert_same(found, expected):
    assert set(found) == set(expected)
    for layer, weights in expected.items():
        assert list(found[layer]) == list(weights)
        for name, array in weights.items():
            other = found[layer][name]
            assert (other.dtype, other.shape) == (array.dtype, array.shape), f"{layer}/{name}"
            assert other.tobytes() == array.tobytes(), f"{layer}/{name}"


@pytest.mark.parametrize("name", ["resnet50", "resnet101"])
def test_the_layout_of_the_original(parity_dir, name):
    layout = layout_of(parity_dir, name)
    assert original_groups(RESNET_BLOCKS[name]) == [group for group, _ in layout]
    for group, weights in layout:
        layers = RPN_LAYERS if group == "rpn_model" else [group]
        found = [f"{layer}/{leaf}:0" for layer in layers for leaf in weights_of(layer)]
        assert found == [path for path, _ in weights], group


def stored(path):
    """Attributes, groups and datasets of a file, as lines of the layout."""
    lines = set()
    with h5py.File(path, "r") as file:
        lines |= {f"# attr / {name}" for name in file.attrs}

        def visit(name, item):
            if isinstance(item, h5py.Dataset):
                lines.add(f"D /{name}  {item.shape} {item.dtype}")
            else:
                lines.add(f"G /{name}  attrs={list(item.attrs)}")

        file.visititems(visit)
    return lines


@pytest.mark.parametrize("name", ["resnet50", pytest.param("resnet101", marks=pytest.mark.slow)])
def test_a_written_file_is_one_of_the_original(tmp_path, parity_dir, name):
    """Every group, dataset, shape, type and attribute, the empty groups included."""
    layout = layout_of(parity_dir, name)
    arrays = {}
    for _, weights in layout:
        for path, shape in weights:
            layer, leaf = path.split(":")[0].split("/")
            # One number that looks like an array of the right shape.
            arrays.setdefault(layer, {})[leaf] = np.broadcast_to(np.float32(1), shape)
    path = tmp_path / "x.h5"
    assert write_original(arrays, path) == []
    expected = {
        line.split(" = ")[0]
        for line in (parity_dir / f"layout_{name}.txt").read_text().splitlines()
        if line.startswith(("G ", "D ", "# attr"))
    }
    # Readers of the layout pass over the mark of our digests.
    assert stored(path) == expected | {f"# attr / {ALL_DIGESTS}"}
    with h5py.File(path, "r") as file:
        assert [n.decode() for n in file.attrs["layer_names"]] == [group for group, _ in layout]
        assert file.attrs["backend"] == "tensorflow"
        assert file.attrs["layer_names"].dtype.kind == "S"
        for group, weights in layout:
            names = file[group].attrs["weight_names"]
            assert [n.decode() for n in names] == [p for p, _ in weights], group


@pytest.fixture(scope="module")
def arrays(parity_dir):
    return drawn(layout_of(parity_dir, "resnet50"), np.random.default_rng(0))


def test_round_trip_by_the_layout_of_the_original(tmp_path, arrays):
    path = tmp_path / "x.h5"
    write_original(arrays, path)
    assert_same(read_weights(path, known_layers()), arrays)
    assert [p.name for p in tmp_path.iterdir()] == ["x.h5"]


def test_round_trip_by_keras_3(tmp_path, arrays):
    """Through a file that Keras itself reads into another model."""
    path = tmp_path / "x.weights.h5"
    assert write_keras(arrays, path) == []
    assert [p.name for p in tmp_path.iterdir()] == ["x.weights.h5"]
    back = tmp_path / "back.h5"
    write_original(read_weights(path, known_layers()), back)
    assert_same(read_weights(back, known_layers()), arrays)

    from mrcnn.modeling.network import Network

    model = Network(config_of(arrays, "x")).inference((64, 64))
    model.load_weights(path)
    for layer, variables in weighted_layers(model).items():
        for variable in variables:
            found = ops.convert_to_numpy(ops.copy(variable))
            np.testing.assert_array_equal(found, arrays[layer][variable.name])


def test_the_configuration_of_weights(arrays):
    config = config_of(arrays, "x")
    assert (config.BACKBONE, config.NUM_CLASSES) == ("resnet50", 81)
    assert config.TOP_DOWN_PYRAMID_SIZE == 8
    assert config.RPN_CHANNELS == 12
    assert config.FPN_CLASSIF_FC_LAYERS_SIZE == 16
    assert config.MASK_HEAD_CHANNELS == 8
    assert len(config.RPN_ANCHOR_RATIOS) == 3


def test_more_than_the_layout_has_is_told(tmp_path, arrays):
    extra = {**arrays, "predictions": {"kernel": np.ones((2, 2), "float32")}}
    assert write_original(extra, tmp_path / "x.h5") == ["predictions/kernel"]
    assert_same(read_weights(tmp_path / "x.h5", known_layers()), arrays)


def test_what_is_missing_is_told_and_nothing_written(tmp_path, arrays):
    less = {name: dict(found) for name, found in arrays.items()}
    del less["mrcnn_mask"], less["bn3a_branch2a"]["beta"]
    with pytest.raises(
        InputError, match="a.h5 lacks bn3a_branch2a/beta, mrcnn_mask/kernel, mrcnn_"
    ):
        write_original(less, tmp_path / "x.h5", "a.h5")
    with pytest.raises(InputError, match="a.h5 does not fit the model: 3 missing"):
        write_keras(less, tmp_path / "x.weights.h5", source="a.h5")
    del less["mrcnn_class_logits"]
    with pytest.raises(InputError, match="a.h5 lacks mrcnn_class_logits, so the sizes"):
        write_keras(less, tmp_path / "x.weights.h5", source="a.h5")
    with pytest.raises(InputError, match="must be called .*got x.h5"):
        write_keras(arrays, tmp_path / "x.h5")
    with pytest.raises(InputError, match="a.h5 holds no ResNet-50 or ResNet-101"):
        write_original({"small_conv1": {}}, tmp_path / "x.h5", "a.h5")
    assert not list(tmp_path.iterdir())


def test_other_networks_need_a_configuration(tmp_path, tiny, network):
    model = network.inference((128, 128))
    arrays = {
        name: {v.name: ops.convert_to_numpy(ops.copy(v)) for v in variables}
        for name, variables in weighted_layers(model).items()
    }
    with pytest.raises(InputError, match="holds no ResNet-50"):
        write_keras(arrays, tmp_path / "x.weights.h5")
    write_keras(arrays, tmp_path / "x.weights.h5", tiny)
    found = read_weights(tmp_path / "x.weights.h5", arrays)
    for layer, weights in arrays.items():
        for ours, theirs in zip(weights.values(), found[layer].values(), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_epsilon_goes_into_gamma(rng):
    """gamma / sqrt(v + e) stays, by hand: v = 0.003, e = 0: sqrt(0.004 / 0.003) = 1.1547."""
    norm = {
        "gamma": np.array([2.0], "float32"),
        "beta": np.array([5.0], "float32"),
        "moving_mean": np.array([7.0], "float32"),
        "moving_variance": np.array([0.003], "float32"),
    }
    found = with_epsilon({"bn": norm, "fc": {"kernel": np.ones(1)}}, 0.0)
    assert found["bn"]["gamma"] == pytest.approx(2 * 1.1547005)
    assert (found["bn"]["beta"], found["bn"]["moving_variance"]) == (5, np.float32(0.003))
    assert norm["gamma"] == 2
    np.testing.assert_array_equal(with_epsilon({"bn": norm}, 1e-3)["bn"]["gamma"], [2])
    with pytest.raises(InputError, match="bn: a variance of 0 and epsilon 0"):
        with_epsilon({"bn": {**norm, "moving_variance": np.zeros(1, "float32")}}, 0)


def test_a_network_of_applications_computes_the_same_here(tmp_path, rng):
    """From its own file, with its own BGR preprocessing, to our RGB network."""
    reference = keras.applications.ResNet50(
        weights=None, include_top=False, input_shape=(64, 64, 3)
    )
    for layer in reference.layers:
        for variable in layer.weights:
            if variable.name == "moving_variance":
                variable.assign(rng.uniform(0.01, 0.5, variable.shape))
            elif variable.name != "kernel":
                variable.assign(rng.normal(0.3, 0.1, variable.shape))
    reference.save_weights(tmp_path / "x.weights.h5")
    arrays = from_applications(read_weights(tmp_path / "x.weights.h5", known_layers()))

    # The means of keras.applications' "caffe" mode, in RGB order.
    mean = np.array([123.68, 116.779, 103.939], "float32")
    image = rng.integers(0, 256, (1, 64, 64, 3)).astype("float32")
    inputs = keras.Input((64, 64, 3))
    arguments = {"symmetric_padding": True}
    stages = build_backbone(Builder(False, 0.0), inputs, "resnet50", arguments, mean)
    model = keras.Model(inputs, stages)
    assign_weights(weighted_layers(model), arrays, "x")
    found = [ops.convert_to_numpy(stage) for stage in model(image - mean, training=False)]

    taps = [reference.get_layer(f"conv{n}_block{k}_out").output for n, k in
            ((2, 3), (3, 4), (4, 6), (5, 3))]  # fmt: skip
    preprocessed = keras.applications.resnet50.preprocess_input(image.copy())
    outputs = keras.Model(reference.input, taps)(preprocessed, training=False)
    for ours, theirs in zip(found, map(ops.convert_to_numpy, outputs), strict=True):
        scale = np.abs(theirs).max()
        assert 0 < scale < np.inf
        np.testing.assert_allclose(ours, theirs, atol=1e-4 * scale, rtol=0)
    # What was read but not turned round does not: the channels are in the other order.
    plain = read_weights(tmp_path / "x.weights.h5", known_layers())
    np.testing.assert_array_equal(
        plain["conv1"]["kernel"][:, :, 0], arrays["conv1"]["kernel"][:, :, 2]
    )


def test_only_images_of_three_channels_are_turned_round(arrays):
    for layer in ({}, {"kernel": np.ones((7, 7, 1, 64), "float32")}):
        with pytest.raises(InputError, match="no conv1 for images of 3 channels"):
            from_applications({**arrays, "conv1": layer})


def test_a_backbone_alone_becomes_a_file_of_a_backbone(tmp_path, arrays):
    backbone = {
        name: found
        for name, found in arrays.items()
        if not name.startswith(("fpn_", "rpn_", "mrcnn_"))
    }
    write_original(backbone, tmp_path / "x.h5")
    assert_same(read_weights(tmp_path / "x.h5", known_layers()), backbone)
    with h5py.File(tmp_path / "x.h5", "r") as file:
        assert file.attrs["layer_names"][-1] == b"res5c_out"
        assert Config().BACKBONE and "fpn_p2" not in file
