"""Published weights, from a server on this machine, in files that models load."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from mrcnn.config import Config
from mrcnn.config_io import load_config
from mrcnn.errors import InputError
from mrcnn.hub import sources
from mrcnn.model import MaskRCNN
from mrcnn.weights.file_formats import read_weights, write_groups
from mrcnn.weights.keras_converter import known_layers
from mrcnn.weights.loading import to_numpy
from mrcnn.weights.published import (
    differences,
    is_rescaled,
    network_settings,
    prepared,
    rescaled_variance,
)
from mrcnn.weights.torchvision import from_torchvision
from tests.mrcnn.weights.torchvision_states import make_state

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def serve(web_server, monkeypatch):
    """`serve(name, path)`: weights of a name are those of a file."""

    def change(name, path, network=None):
        web_server.files[f"/{path.name}"] = path.read_bytes()
        for table in ("MODELS", "BACKBONES"):
            changed = tuple(
                replace(source, url=f"{web_server.url}/{path.name}", size=None, sha256="", md5="")
                if source.name == name and network in (None, source.network)
                else source
                for source in getattr(sources, table)
            )
            monkeypatch.setattr(sources, table, changed)
        return web_server.requests

    return change


def test_a_state_dict_is_converted_once(serve, tmp_path, home, rng, capsys):
    state = make_state(rng, blocks=(3, 4, 6, 3), classes=91)
    np.savez(tmp_path / "theirs.npz", **state)
    requests = serve("torchvision", tmp_path / "theirs.npz")
    path = prepared("torchvision", Config())
    assert path == home / "weights" / "torchvision" / "theirs_1.h5"
    assert f"converted to {path}" in capsys.readouterr().out
    found, expected = read_weights(path, known_layers()), from_torchvision(state)
    assert len(found["mrcnn_class_logits"]["bias"]) == 81
    for layer, of_layer in expected.items():
        for name, array in of_layer.items():
            np.testing.assert_array_equal(found[layer][name], array)
    config = load_config(path.parent / "config.yaml")
    assert config.to_dict() == load_config("torchvision_resnet50").to_dict()
    # A file that is none is made anew.
    path.write_bytes(b"junk")
    assert prepared("torchvision", Config(), verbose=False) == path and len(requests) == 1
    assert len(read_weights(path, known_layers())) == len(found)
    # Neither fetched nor converted again, not even where the original is gone.
    (path.parent / "theirs.npz").unlink()
    assert prepared("torchvision", Config()) == path and len(requests) == 1
    assert capsys.readouterr().out == ""


def test_a_damaged_state_dict_leaves_nothing_that_is_taken_for_weights(serve, tmp_path, home, rng):
    state = make_state(rng, blocks=(3, 4, 6, 3), classes=91)
    state["rpn.head.cls_logits.bias"][0] = np.nan
    np.savez(tmp_path / "theirs.npz", **state)
    serve("torchvision", tmp_path / "theirs.npz")
    with pytest.raises(InputError, match=r"theirs.npz.*NaN"):
        prepared("torchvision", Config(), verbose=False)
    assert not list(home.rglob("*.h5")) and not list(home.rglob("config.yaml"))


def test_settings_of_the_models():
    assert network_settings("imagenet", Config()) == network_settings(None, Config()) == {}
    small = load_config("finetune")
    for name in ("coco", "matterport", "torchvision", "torchvision-v2"):
        needed = network_settings(name, small)
        assert needed["BACKBONE"] == (
            "resnet101" if "o" in name[:2] or name[0] == "m" else "resnet50"
        ) or (name.startswith("torchvision") and needed["BACKBONE"] == "resnet50")
        assert "IMAGE_MIN_DIM" not in needed and "SCHEDULE" not in needed
        config = small.update(**needed)
        assert network_settings(name, config) == {} and differences(name, config) == ""
    assert network_settings("torchvision", small)["ROI_ALIGN"] == "sampled"
    assert "ROI_ALIGN" not in network_settings("coco", small)


def test_what_is_computed_otherwise_is_said():
    config = load_config("torchvision_resnet50")
    words = differences("torchvision", config.update(ROI_ALIGN="crop"))
    assert words == "ROI_ALIGN sampled (configuration torchvision_resnet50)"
    assert " and " in differences("torchvision", Config())
    assert differences("imagenet", config) == differences("imagenet", Config()) == ""
    assert "MEAN_PIXEL [123.675" in differences("imagenet", config.update(MEAN_PIXEL=[1, 2, 3]))


def test_an_efficientnet_sees_what_it_learned_from(serve, tmp_path, rng):
    """Keras divides by the roots of ImageNet's deviations where it loads these weights itself."""
    assert is_rescaled("EfficientNetB3") and not is_rescaled("EfficientNetV2B0")
    deviations = np.array([0.229, 0.224, 0.225], "float32")
    np.testing.assert_allclose(rescaled_variance(deviations), deviations**2)
    # Of one that was trained here, or that is rescaled already.
    for other in (np.ones(3, "float32"), deviations**2, np.ones(4, "float32")):
        assert rescaled_variance(other) is other
    reference = keras.applications.EfficientNetB0(
        include_top=False, weights=None, input_shape=(64, 64, 3)
    )
    groups = {}
    for layer in reference.layers:
        name = "normalization" if layer.name.startswith("normalization") else layer.name
        for variable in layer.variables:
            if variable.name != "count":
                value = rng.uniform(0.5, 1, variable.shape).astype("float32")
                value = deviations if variable.name == "variance" else value
                variable.assign(value)
                groups.setdefault(name, []).append((f"{name}/{variable.name}:0", value))
        if name == "normalization":
            layer.finalize_state()
    path = tmp_path / "efficientnetb0_notop.h5"
    write_groups(path, groups, {"backend": "tensorflow", "keras_version": "2.4.0"})
    serve("imagenet", path, "EfficientNetB0")
    config = Config().update(
        BACKBONE="EfficientNetB0", NUM_CLASSES=2, IMAGE_MIN_DIM=64, IMAGE_MAX_DIM=64,
        RPN_ANCHOR_SCALES=[8, 16, 32, 64, 128], TOP_DOWN_PYRAMID_SIZE=16, RPN_CHANNELS=16,
        FPN_CLASSIF_FC_LAYERS_SIZE=16, MASK_HEAD_CHANNELS=16,
    )  # fmt: skip
    model = MaskRCNN("inference", config, tmp_path)
    for weights in ("imagenet", path):
        report = model.load_backbone(weights)
        assert report.missing == [] and report.loaded
        variance = to_numpy(model.layers()["normalization"][1])
        np.testing.assert_allclose(variance, deviations**2, rtol=1e-6)
    # Files of ours have what the network computes with.
    model.save_weights(tmp_path / "ours.h5")
    model.load_weights(tmp_path / "ours.h5", verbose=False)
    np.testing.assert_array_equal(to_numpy(model.layers()["normalization"][1]), variance)
    backbone = next(x for x in model.keras_model._flatten_layers() if x.name == "backbone")
    image = rng.integers(0, 256, (1, 64, 64, 3)).astype("float32")
    # The normalisation of Keras, and the layer that comes after it there.
    rescaled = keras.Sequential(
        [keras.layers.Rescaling([1 / std**0.5 for std in (0.229, 0.224, 0.225)])]
    )
    last = backbone.outputs[0]._keras_history.operation.name
    inner = keras.Model(
        reference.get_layer("stem_conv_pad").input, reference.get_layer(last).output
    )
    before = keras.Model(reference.input, reference.get_layer("stem_conv_pad").input)
    expected = keras.ops.convert_to_numpy(inner(rescaled(before(image)), training=False))
    found = keras.ops.convert_to_numpy(backbone(image, training=False)[0])
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())
