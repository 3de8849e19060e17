"""Weight files of other writers: Keras 1, 2 and 3, the original, keras.applications."""

import json
import zipfile

import h5py
import keras
import numpy as np
import pytest
from keras import ops

from mrcnn.config import Config
from mrcnn.errors import InputError
from mrcnn.modeling.backbone import build_backbone
from mrcnn.modeling.layers import Builder
from mrcnn.modeling.network import Network
from mrcnn.weights.file_formats import match_names, read_weights, write_groups
from mrcnn.weights.loading import load_weights, weighted_layers

# Keras' own writer, under NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
NORM = ("gamma", "beta", "moving_mean", "moving_variance")


def to_numpy(variable):
    return ops.convert_to_numpy(ops.copy(variable))


def flat(arrays):
    return {f"{layer}/{name}": a for layer, found in arrays.items() for name, a in found.items()}


def assert_equal(found, expected):
    assert list(found) == list(expected)
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)


def original_file(path, groups):
    """`{group: {path: array}}`, with names as bytes, as Keras 2 wrote them."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [name.encode() for name in groups]
        for name, weights in groups.items():
            group = file.create_group(name)
            group.attrs["weight_names"] = [weight.encode() for weight in weights]
            for weight, array in weights.items():
                group.create_dataset(weight, data=array)
    return path


@pytest.mark.parametrize("name", ["resnet50", pytest.param("resnet101", marks=pytest.mark.slow)])
def test_files_of_the_original_are_loaded_whole(tmp_path, parity_dir, name):
    """Every weight of the layout has a number of its own, and each arrives where it belongs."""
    layout = json.loads((parity_dir / f"layout_{name}.json").read_text())
    path, numbers = tmp_path / "original.h5", {}
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [group.encode() for group, _ in layout]
        for group_name, weights in layout:
            group = file.create_group(group_name)
            group.attrs["weight_names"] = [weight.encode() for weight, _ in weights]
            for weight, shape in weights:
                number = numbers[weight.split(":")[0]] = float(len(numbers) + 1)
                # The fill value stands for all entries, so that the file is small.
                group.create_dataset(weight, shape, "float32", fillvalue=number)
    network = Network(Config().update(BACKBONE=name, NUM_CLASSES=81))
    layers = weighted_layers(network.inference((64, 64)))
    report = load_weights(layers, path)
    assert sorted(report.loaded) == sorted(numbers)
    assert not (report.missing or report.mismatched or report.unused)
    for layer, variables in layers.items():
        for variable in variables:
            values = to_numpy(variable)
            assert values.min() == values.max() == numbers[f"{layer}/{variable.name}"]


def test_imagenet_weights_with_names_of_keras_1(tmp_path, rng):
    """Groups without a nested path, suffixes, W and running_std, as in the original's ImageNet
    file.
    """
    conv = {"kernel": rng.normal(size=(1, 1, 2, 3)), "bias": rng.normal(size=3)}
    norm = {name: rng.normal(size=3) for name in NORM}
    path = original_file(
        tmp_path / "old.h5",
        {
            "input_1": {},
            "res2a_branch2a": {
                "res2a_branch2a_W_1:0": conv["kernel"],
                "res2a_branch2a_b_1:0": conv["bias"],
            },
            "bn2a_branch2a": {
                "bn2a_branch2a_gamma_1:0": norm["gamma"],
                "bn2a_branch2a_beta_1:0": norm["beta"],
                "bn2a_branch2a_running_mean_1:0": norm["moving_mean"],
                "bn2a_branch2a_running_std_1:0": norm["moving_variance"],
            },
        },
    )
    assert_equal(flat(read_weights(path)), flat({"res2a_branch2a": conv, "bn2a_branch2a": norm}))


def random_application(rng):
    """A ResNet-50 of keras.applications with random weights, its batch norms included."""
    network = keras.applications.ResNet50(weights=None, include_top=False, input_shape=(64, 64, 3))
    for layer in network.layers:
        for variable in layer.weights:
            if variable.name in ("gamma", "moving_variance"):
                variable.assign(rng.uniform(0.3, 1.2, variable.shape))
            elif variable.name != "kernel":
                variable.assign(rng.normal(0, 0.1, variable.shape))
    return network


@pytest.fixture(scope="module")
def application(tmp_path_factory):
    """The network, files of it in every format that Keras 3 writes, and our own to read them."""
    folder = tmp_path_factory.mktemp("application")
    network = random_application(np.random.default_rng(0))
    network.save_weights(folder / "x.weights.h5")
    network.save(folder / "x.keras")
    network.save(folder / "x.h5")
    return network, folder, build_resnet50()


def expected_backbone(network):
    """By our names: conv2_block1_0 is the shortcut of block a, 1 to 3 are its convolutions."""
    result = {}
    for layer in network.layers:
        if not layer.weights:
            continue
        parts = layer.name.split("_")
        prefix = {"conv": "res", "bn": "bn"}[parts[-1]]
        if len(parts) == 2:
            name = {"res": "conv1", "bn": "bn_conv1"}[prefix]
        else:
            block = parts[0].removeprefix("conv") + "abcdef"[int(parts[1][5:]) - 1]
            name = f"{prefix}{block}_branch" + ("1", "2a", "2b", "2c")[int(parts[2])]
        result[name] = [to_numpy(v) for v in layer.weights]
    return result


@pytest.mark.parametrize("file", ["x.weights.h5", "x.keras", "x.h5"])
def test_applications_in_every_format_of_keras_3(application, file):
    network, folder, model = application
    expected = expected_backbone(network)
    for variable in model.variables:
        variable.assign(np.full(variable.shape, -1))
    report = load_weights(weighted_layers(model), folder / file)
    assert not (report.missing or report.mismatched or report.unused)
    found = weighted_layers(model)
    assert set(found) == set(expected)
    for name, arrays in expected.items():
        for variable, array in zip(found[name], arrays, strict=True):
            np.testing.assert_array_equal(to_numpy(variable), array, err_msg=name)


def build_resnet50(arguments=None):
    image = keras.Input((64, 64, 3))
    stages = build_backbone(Builder(False, 0.0), image, "resnet50", arguments or {}, [0, 0, 0])
    return keras.Model(image, stages)


def test_a_network_of_ours_saved_by_keras(tmp_path, network, tiny):
    """Training and inference models have other paths in such a file, but the same layer names."""
    saved = weighted_layers(network.training((128, 128)))
    network.training((128, 128)).save_weights(tmp_path / "x.weights.h5")
    keras.utils.set_random_seed(5)
    layers = weighted_layers(Network(tiny).inference((128, 128)))
    report = load_weights(layers, tmp_path / "x.weights.h5")
    assert not (report.missing or report.mismatched or report.unused)
    for name, variables in layers.items():
        for variable, expected in zip(variables, saved[name], strict=True):
            np.testing.assert_array_equal(to_numpy(variable), to_numpy(expected), err_msg=name)


def test_numbers_become_names_where_one_kind_of_layer_has_them(tmp_path):
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 1, name="conv")(inputs)
    x = keras.layers.BatchNormalization(name="norm")(x)
    # These two have two vectors each, of other names.
    x = keras.layers.GroupNormalization(2, name="group")(x)
    x = keras.layers.BatchNormalization(center=False, scale=False, name="plain")(x)
    x = keras.layers.SeparableConv2D(2, 3, name="separable")(x)
    model = keras.Model(inputs, keras.layers.Dense(2, name="fc")(x))
    model.save_weights(tmp_path / "x.weights.h5")
    found = read_weights(tmp_path / "x.weights.h5")
    assert {layer: list(arrays) for layer, arrays in found.items()} == {
        "conv": ["kernel", "bias"],
        "norm": list(NORM),
        "group": ["0", "1"],
        "plain": ["0", "1"],
        "separable": ["0", "1", "2"],
        "fc": ["kernel", "bias"],
    }
    report = load_weights(
        weighted_layers(keras.models.clone_model(model)), tmp_path / "x.weights.h5"
    )
    assert len(report.loaded) == 15
    assert not report.unused


def test_networks_inside_of_networks(tmp_path, rng):
    inner = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="a")], name="inner")
    inputs = keras.Input((3,))
    x = keras.layers.Dense(2, name="b")(inner(inputs))
    model = keras.Model(inputs, keras.layers.Dropout(0.5, seed=1)(x))
    model.compile("adam", "mse")
    model.fit(rng.normal(size=(4, 3)), rng.normal(size=(4, 2)), verbose=0)
    for file in ("x.weights.h5", "x.keras"):
        (model.save_weights if "weights" in file else model.save)(tmp_path / file)
        target = weighted_layers(keras.models.clone_model(model))
        report = load_weights(target, tmp_path / file)
        # Neither the optimizer nor the random state of the dropout is a weight.
        assert report.loaded == ["a/kernel", "a/bias", "b/kernel", "b/bias"]
        assert not report.unused
        np.testing.assert_array_equal(to_numpy(target["b"][0]), to_numpy(model.layers[2].kernel))


def test_names_of_a_keras_2_file_in_pieces(tmp_path, rng):
    """Keras 2 and 3 write lists of names beyond 64 KiB as layer_names0, layer_names1, ..."""
    path, names = tmp_path / "many.h5", [f"a_layer_with_a_long_name_{n:04d}" for n in range(7)]
    with h5py.File(path, "w") as file:
        file.attrs["layer_names0"] = [name.encode() for name in names[:3]]
        file.attrs["layer_names1"] = [name.encode() for name in names[3:5]]
        file.attrs["layer_names2"] = [name.encode() for name in names[5:]]
        for name in names:
            group = file.create_group(name)
            group.attrs["weight_names0"] = [b"kernel:0"]
            group.attrs["weight_names1"] = [b"bias:0"]
            group["kernel:0"], group["bias:0"] = rng.normal(size=(2, 2)), rng.normal(size=2)
    found = read_weights(path)
    assert list(found) == names
    assert all(list(arrays) == ["kernel", "bias"] for arrays in found.values())


def test_long_lists_of_names_are_written_in_pieces(tmp_path):
    """And Keras' own reader finds them."""
    from keras.src.legacy.saving.legacy_h5_format import load_attributes_from_hdf5_group

    path = tmp_path / "long.h5"
    groups = {f"layer_{n:04d}_{'x' * 80}": [("a/kernel:0", np.ones(1))] for n in range(1600)}
    write_groups(path, groups, {"backend": "tensorflow"})
    with h5py.File(path, "r") as file:
        assert "layer_names" not in file.attrs
        assert load_attributes_from_hdf5_group(file, "layer_names") == list(groups)
    assert list(read_weights(path)) == list(groups)


def test_weights_of_one_name_in_one_group_are_all_kept(tmp_path):
    path = original_file(
        tmp_path / "nested.h5",
        {"rpn_model": {"a/kernel:0": np.ones(1), "b/kernel:0": np.ones(2)}},
    )
    assert {k: len(v) for k, v in read_weights(path)["rpn_model"].items()} == {
        "kernel": 1,
        "b/kernel:0": 2,
    }


def test_unknown_names_count_by_order_and_known_ones_do_not():
    one, two = np.zeros(1), np.zeros(2)
    assert match_names({"0": one, "1": two}, ["kernel", "bias"]) == {"kernel": one, "bias": two}
    assert match_names({"bias": one, "kernel": two}, ["kernel", "bias"])["kernel"] is two
    # A norm must not become a convolution.
    assert match_names({"gamma": one, "beta": two}, ["kernel", "bias"]) == {
        "kernel": None,
        "bias": None,
    }
    assert match_names({"0": one}, ["kernel", "bias"]) == {"kernel": None, "bias": None}
    assert match_names({"kernel": one, "x": two}, ["kernel", "bias"])["bias"] is None


@pytest.fixture
def keras_file(tmp_path):
    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Dense(2, name="fc")(inputs))
    model.save_weights(tmp_path / "x.weights.h5")
    return tmp_path / "x.weights.h5"


def without_name(path):
    with h5py.File(path, "r+") as file:
        del file["layers/dense/vars"].attrs["name"]


def one_name_twice(path):
    with h5py.File(path, "r+") as file:
        file.copy("layers/dense", "layers/dense_1")


def missing_number(path):
    with h5py.File(path, "r+") as file:
        file.move("layers/dense/vars/0", "layers/dense/vars/2")


def external_link(path):
    with h5py.File(path, "r+") as file:
        file["layers/dense_1"] = h5py.ExternalLink("other.h5", "/layers/dense")


def external_link_to_all_layers(path):
    with h5py.File(path, "r+") as file:
        del file["layers"]
        file["layers"] = h5py.ExternalLink("other.h5", "/layers")


def soft_link_in_a_circle(path):
    with h5py.File(path, "r+") as file:
        file["layers/dense/again"] = h5py.SoftLink("/layers")


def pickled_object(path):
    """An opaque type is how pickles and other bytes lie in HDF5."""
    with h5py.File(path, "r+") as file:
        del file["layers/dense/vars/0"]
        file["layers/dense/vars/0"] = np.void(b"\x80\x04\x95 a pickle")


def strings(path):
    with h5py.File(path, "r+") as file:
        del file["layers/dense/vars/0"]
        file["layers/dense/vars"].create_dataset("0", data=["a"], dtype=h5py.string_dtype())


def truncated(path):
    path.write_bytes(path.read_bytes()[:-100])


def shrunken_zeros(path):
    with h5py.File(path, "r+") as file:
        del file["layers/dense/vars/0"]
        file["layers/dense/vars"].create_dataset(
            "0", (1 << 16, 1 << 16, 2), "float32", chunks=(1, 1 << 16, 1), compression="gzip"
        )


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (without_name, "does not tell the names of its layers .* layers/dense"),
        (one_name_twice, "two layers of the name fc"),
        (missing_number, "is damaged: it lists 0"),
        (external_link, "dense_1 is a link"),
        (external_link_to_all_layers, "is a link"),
        (soft_link_in_a_circle, "again is a link"),
        (pickled_object, "0 is no array of numbers"),
        (strings, "0 is no array of numbers"),
        (truncated, "cannot be read"),
        (shrunken_zeros, "claim far more bytes than the file has"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_bad_files_of_keras_3_are_refused(keras_file, damage, message):
    damage(keras_file)
    with pytest.raises(InputError, match=message) as caught:
        read_weights(keras_file)
    assert str(keras_file) in str(caught.value)
    assert "\n" not in str(caught.value)


def archive(path, member, content, **kwargs):
    with zipfile.ZipFile(path, "w", **kwargs) as file:
        file.writestr(member, content)


def test_bad_archives_are_refused(tmp_path, keras_file):
    path = tmp_path / "x.keras"
    archive(path, "model.weights.npz", b"")
    with pytest.raises(InputError, match="zip archive without model.weights.h5"):
        read_weights(path)
    archive(path, "model.weights.h5", b"no HDF5")
    with pytest.raises(InputError, match="x.keras cannot be read"):
        read_weights(path)
    archive(path, "model.weights.h5", bytes(1 << 20), compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(InputError, match="claims 1048576 bytes"):
        read_weights(path)
    # A byte of the stored weights is another one than the archive's checksum tells.
    archive(path, "model.weights.h5", keras_file.read_bytes())
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)
    with pytest.raises(InputError, match="x.keras cannot be read.*CRC"):
        read_weights(path)


def test_an_archive_is_not_unpacked(tmp_path, keras_file):
    path = tmp_path / "sub" / "x.keras"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("../escaped.txt", b"x")
        file.writestr("model.weights.h5", keras_file.read_bytes())
    assert list(read_weights(path)) == ["fc"]
    assert [p.name for p in path.parent.iterdir()] == ["x.keras"]
    assert not (tmp_path / "escaped.txt").exists()
