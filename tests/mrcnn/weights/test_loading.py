"""Weight files: the original's layout, nothing loaded in silence, nothing read from elsewhere."""

# Long because: every test damages or reads the same good file.

import json

import h5py
import keras
import numpy as np
import pytest
from keras import ops

from mrcnn.constants import RPN_LAYERS
from mrcnn.errors import InputError
from mrcnn.modeling.network import Network
from mrcnn.weights.loading import (
    load_weights,
    read_weights,
    save_weights,
    weighted_layers,
)


def to_numpy(variable):
    return ops.convert_to_numpy(ops.copy(variable))


def variables(**layers):
    """Layers of variables filled with one number each: `conv1={"kernel": ((2, 3), 1.0)}`."""
    return {
        layer: [
            keras.Variable(np.full(shape, value, "float32"), name=name)
            for name, (shape, value) in weights.items()
        ]
        for layer, weights in layers.items()
    }


def small(value=0.0, classes=3):
    return variables(
        conv1={"kernel": ((1, 1, 3, 2), value), "bias": ((2,), value + 1)},
        bn_conv1={
            "gamma": ((2,), value + 2),
            "beta": ((2,), value + 3),
            "moving_mean": ((2,), value + 4),
            "moving_variance": ((2,), value + 5),
        },
        mrcnn_class_logits={"kernel": ((2, classes), value + 6), "bias": ((classes,), value + 7)},
    )


def firsts(layers):
    return {
        f"{layer}/{v.name}": float(to_numpy(v).ravel()[0])
        for layer, vs in layers.items()
        for v in vs
    }


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "weights.h5"
    save_weights(small(10.0), path)
    return path


def test_round_trip(path):
    model = small()
    report = load_weights(model, path)
    assert firsts(model) == firsts(small(10.0))
    assert report.loaded == list(firsts(model))
    assert not (report.missing or report.mismatched or report.unused or report.excluded)


def test_no_partial_file_is_left(path):
    assert [p.name for p in path.parent.iterdir()] == ["weights.h5"]


def test_layout_of_a_file_is_the_originals(tmp_path, network, tiny):
    """Groups, paths and order as a reader of the original's files expects them."""
    path = tmp_path / "tiny.h5"
    save_weights(weighted_layers(network.inference((128, 128))), path)
    with h5py.File(path, "r") as file:
        names = [name.decode() for name in file.attrs["layer_names"]]
        assert set(names) == set(file)
        assert not set(RPN_LAYERS) & set(names)
        paths = [p.decode() for p in file["rpn_model"].attrs["weight_names"]]
        assert paths == [f"{layer}/{kind}:0" for layer in RPN_LAYERS for kind in ("kernel", "bias")]
        assert file["rpn_model/rpn_conv_shared/kernel:0"].shape == (3, 3, 16, 16)
        paths = [p.decode() for p in file["mrcnn_class_bn1"].attrs["weight_names"]]
        assert paths == [
            f"mrcnn_class_bn1/{kind}:0"
            for kind in ("gamma", "beta", "moving_mean", "moving_variance")
        ]
        assert file["mrcnn_mask_deconv/mrcnn_mask_deconv/kernel:0"].shape == (2, 2, 16, 16)


def test_heads_lie_where_the_original_has_them(tmp_path, network, parity_dir):
    path = tmp_path / "tiny.h5"
    save_weights(weighted_layers(network.inference((128, 128))), path)
    layout = {
        group: [p for p, _ in weights]
        for group, weights in json.loads((parity_dir / "layout_resnet50.json").read_text())
    }
    heads = [g for g in layout if g.startswith(("fpn_", "rpn_", "mrcnn_")) and layout[g]]
    assert len(heads) == 8 + 1 + 2 + 2 + 2 + 8 + 2
    with h5py.File(path, "r") as file:
        for group in heads:
            assert [p.decode() for p in file[group].attrs["weight_names"]] == layout[group], group


def test_round_trip_of_a_network(tmp_path, network, tiny):
    path = tmp_path / "tiny.h5"
    save_weights(weighted_layers(network.training((128, 128))), path)
    keras.utils.set_random_seed(99)
    other = Network(tiny).inference((128, 128))
    layers = weighted_layers(other)
    saved = weighted_layers(network.training((128, 128)))
    assert set(layers) == set(saved)
    different = [n for n in layers if (to_numpy(layers[n][0]) != to_numpy(saved[n][0])).any()]
    assert len(different) > 20
    report = load_weights(layers, path)
    assert len(report.loaded) == sum(map(len, layers.values()))
    for name, values in layers.items():
        for variable, expected in zip(values, saved[name], strict=True):
            np.testing.assert_array_equal(to_numpy(variable), to_numpy(expected))


def original_file(path, groups):
    """A file with `{group: {path: array}}`, names as str as newer h5py versions wrote them."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = list(groups)
        for name, weights in groups.items():
            group = file.create_group(name)
            group.attrs["weight_names"] = list(weights)
            for weight, array in weights.items():
                group.create_dataset(weight, data=array)
    return path


def test_suffixes_of_a_second_model_and_nested_groups(tmp_path):
    path = original_file(
        tmp_path / "suffix.h5",
        {
            "conv1": {"conv1_1/kernel:0": np.full((2,), 3.0), "conv1_1/bias:0": np.full((2,), 4.0)},
            "pool": {},
            "rpn_model": {"rpn_class_raw_2/kernel:0": np.full((1,), 5.0)},
        },
    )
    model = variables(
        conv1={"kernel": ((2,), 0), "bias": ((2,), 0)}, rpn_class_raw={"kernel": ((1,), 0)}
    )
    load_weights(model, path)
    assert firsts(model) == {"conv1/kernel": 3, "conv1/bias": 4, "rpn_class_raw/kernel": 5}


def test_file_saved_as_a_whole_model(tmp_path):
    path = tmp_path / "whole.h5"
    with h5py.File(path, "w") as file:
        root = file.create_group("model_weights")
        root.attrs["layer_names"] = [b"conv1"]
        root.create_group("conv1").attrs["weight_names"] = [b"conv1/kernel:0"]
        root["conv1"].create_dataset("conv1/kernel:0", data=np.full((2,), 3.0))
    model = variables(conv1={"kernel": ((2,), 0)})
    load_weights(model, path)
    assert firsts(model) == {"conv1/kernel": 3}


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_other_floats_are_converted(tmp_path, dtype):
    path = original_file(tmp_path / "i.h5", {"a": {"a/kernel:0": np.array([7], dtype)}})
    model = variables(a={"kernel": ((1,), 0)})
    load_weights(model, path)
    assert to_numpy(model["a"][0]).dtype == "float32"
    assert firsts(model) == {"a/kernel": 7}


@pytest.mark.parametrize("dtype", ["int8", "uint64"])
def test_whole_numbers_are_no_kernels(tmp_path, dtype):
    path = original_file(tmp_path / "i.h5", {"a": {"a/kernel:0": np.array([7], dtype)}})
    with pytest.raises(InputError, match=f"a/kernel: {dtype} in place of floating point"):
        load_weights(variables(a={"kernel": ((1,), 0)}), path)


def test_report_of_a_file_that_does_not_fit(path):
    model = small()
    model["mrcnn_class_logits"] = small(classes=4)["mrcnn_class_logits"]
    model["fpn_p2"] = variables(fpn_p2={"kernel": ((1,), -1)})["fpn_p2"]
    del model["bn_conv1"]
    report = load_weights(model, path, strict=False)
    assert report.missing == ["fpn_p2/kernel"]
    assert report.mismatched == [
        "mrcnn_class_logits/kernel: file (2, 3), model (2, 4)",
        "mrcnn_class_logits/bias: file (3,), model (4,)",
    ]
    assert sorted(report.unused) == [
        f"bn_conv1/{kind}" for kind in ("beta", "gamma", "moving_mean", "moving_variance")
    ]
    assert report.loaded == ["conv1/kernel", "conv1/bias"]
    lines = str(report).splitlines()
    assert lines[:5] == [
        "loaded         2",
        "missing        1",
        "mismatched     2",
        "unused         4",
        "excluded       0",
    ]
    assert "  missing: fpn_p2/kernel" in lines


def test_strict_loading_tells_what_is_missing_and_assigns_nothing(path):
    model = small()
    model["fpn_p2"] = variables(fpn_p2={"kernel": ((1,), 0)})["fpn_p2"]
    before = firsts(model)
    with pytest.raises(InputError, match=r"1 missing \(fpn_p2/kernel\)"):
        load_weights(model, path)
    assert firsts(model) == before


def test_one_renamed_layer(path):
    with h5py.File(path, "r+") as file:
        file.move("conv1", "convolution1")
        file.move("convolution1/conv1", "convolution1/convolution1")
        file["convolution1"].attrs["weight_names"] = [
            b"convolution1/kernel:0",
            b"convolution1/bias:0",
        ]
        file.attrs["layer_names"] = [b"convolution1", b"bn_conv1", b"mrcnn_class_logits"]
    with pytest.raises(InputError, match=r"2 missing \(conv1/kernel, conv1/bias\)"):
        load_weights(small(), path)
    report = load_weights(small(), path, strict=False)
    assert report.missing == ["conv1/kernel", "conv1/bias"]
    assert report.unused == ["convolution1/kernel", "convolution1/bias"]


def test_wrong_shape_says_what_to_exclude(path):
    model = small(classes=5)
    with pytest.raises(InputError, match="2 mismatched.*exclude mrcnn_class_logits"):
        load_weights(model, path)
    report = load_weights(model, path, exclude=["mrcnn_class_logits"])
    assert report.excluded == ["mrcnn_class_logits/kernel", "mrcnn_class_logits/bias"]
    assert firsts(model)["conv1/kernel"] == 10
    assert firsts(model)["mrcnn_class_logits/kernel"] == 6


def test_exclude_of_an_unknown_layer_is_refused(path):
    with pytest.raises(InputError, match="does not have: mrcnn_clas_logits"):
        load_weights(small(), path, exclude=["mrcnn_clas_logits"])


def test_file_of_another_model_is_refused(path):
    model = variables(stem={"kernel": ((1,), 0)})
    with pytest.raises(InputError, match="holds no weight of this model"):
        load_weights(model, path, strict=False)


def truncated(path):
    path.write_bytes(path.read_bytes()[:-600])


def emptied(path):
    path.write_bytes(b"")


def not_hdf5(path):
    path.write_bytes(b"PK\x03\x04" + bytes(4000))


def without_names(path):
    with h5py.File(path, "r+") as file:
        del file.attrs["layer_names"]


def names_of_numbers(path):
    with h5py.File(path, "r+") as file:
        file.attrs["layer_names"] = np.arange(3)


def names_a_number(path):
    with h5py.File(path, "r+") as file:
        file.attrs["layer_names"] = 3


def group_is_missing(path):
    with h5py.File(path, "r+") as file:
        del file["conv1"]


def group_is_a_dataset(path):
    with h5py.File(path, "r+") as file:
        del file["conv1"]
        file["conv1"] = np.arange(3)
        file["conv1"].attrs["weight_names"] = [b"conv1/kernel:0"]


def dataset_is_missing(path):
    with h5py.File(path, "r+") as file:
        del file["conv1/conv1/kernel:0"]


def dataset_is_a_group(path):
    with h5py.File(path, "r+") as file:
        del file["conv1/conv1/kernel:0"]
        file.create_group("conv1/conv1/kernel:0")


def external_link(path):
    other = path.with_name("other.h5")
    save_weights(small(77.0), other)
    with h5py.File(path, "r+") as file:
        del file["conv1"]
        file["conv1"] = h5py.ExternalLink("other.h5", "/conv1")


def external_link_to_one_array(path):
    save_weights(small(77.0), path.with_name("other.h5"))
    with h5py.File(path, "r+") as file:
        del file["conv1/conv1/kernel:0"]
        file["conv1/conv1/kernel:0"] = h5py.ExternalLink("other.h5", "/conv1/conv1/kernel:0")


def external_link_to_everything(path):
    path.rename(path.with_name("other.h5"))
    with h5py.File(path, "w") as file:
        file["model_weights"] = h5py.ExternalLink("other.h5", "/")


def soft_link(path):
    with h5py.File(path, "r+") as file:
        del file["conv1"]
        file["conv1"] = h5py.SoftLink("/bn_conv1")


def external_storage(path):
    raw = path.with_name("raw.bin")
    raw.write_bytes(np.zeros(6, "float32").tobytes())
    with h5py.File(path, "r+") as file:
        del file["conv1/conv1/kernel:0"]
        file["conv1/conv1"].create_dataset(
            "kernel:0", (1, 1, 3, 2), "float32", external=[(str(raw), 0, 24)]
        )


def virtual_dataset(path):
    save_weights(small(77.0), path.with_name("other.h5"))
    layout = h5py.VirtualLayout((1, 1, 3, 2), "float32")
    layout[:] = h5py.VirtualSource("other.h5", "/conv1/conv1/kernel:0", (1, 1, 3, 2))
    with h5py.File(path, "r+") as file:
        del file["conv1/conv1/kernel:0"]
        file["conv1/conv1"].create_virtual_dataset("kernel:0", layout)


def objects(path):
    with h5py.File(path, "r+") as file:
        del file["conv1/conv1/kernel:0"]
        file["conv1/conv1"].create_dataset("kernel:0", data=["a"] * 6, dtype=h5py.string_dtype())


def complex_numbers(path):
    with h5py.File(path, "r+") as file:
        del file["conv1/conv1/kernel:0"]
        file["conv1/conv1"].create_dataset("kernel:0", data=np.ones((1, 1, 3, 2), "complex64"))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (truncated, "cannot be read"),
        (emptied, "cannot be read"),
        (not_hdf5, "cannot be read"),
        (without_names, "no weight file in the layout"),
        (names_of_numbers, "weights.h5"),
        (names_a_number, "layer_names is no list of names"),
        (group_is_missing, "conv1"),
        (group_is_a_dataset, "conv1"),
        (dataset_is_missing, "conv1/kernel:0"),
        (dataset_is_a_group, "conv1/kernel:0 is no array of numbers"),
        (external_link, "conv1 is a link"),
        (external_link_to_one_array, "conv1/kernel:0 is a link"),
        (external_link_to_everything, "model_weights is a link"),
        (soft_link, "conv1 is a link"),
        (external_storage, "takes its data from another file"),
        (virtual_dataset, "takes its data from another file"),
        (objects, "is no array of numbers"),
        (complex_numbers, "is no array of numbers"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_bad_files_are_refused(path, damage, message):
    damage(path)
    model = small()
    before = firsts(model)
    with pytest.raises(InputError, match=message) as caught:
        load_weights(model, path)
    assert path.name in str(caught.value)
    assert firsts(model) == before


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="none.h5 does not exist"):
        read_weights(tmp_path / "none.h5")
    with pytest.raises(InputError, match="a folder, not a file"):
        read_weights(tmp_path)


def test_huge_array_that_is_not_stored_is_refused(path):
    """A few bytes of file may claim an array of many terabytes."""
    with h5py.File(path, "r+") as file:
        del file["conv1/conv1/kernel:0"]
        file["conv1/conv1"].create_dataset("kernel:0", (1 << 22, 1 << 22), "float32", chunks=True)
    with pytest.raises(InputError):
        load_weights(small(), path)
