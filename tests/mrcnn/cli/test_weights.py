"""The command that converts weight files: what it writes, and what it says about bad input."""

import os
from dataclasses import replace

import h5py
import numpy as np
import pytest

from mrcnn.hub import sources
from mrcnn.weights import torchvision
from mrcnn.weights.file_formats import read_weights
from mrcnn.weights.keras_converter import known_layers, original_groups, weights_of, write_original

# Keras' own writer, under NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture
def convert(command):
    return command("weights", "convert")


def channels(layer):
    """Input and output channels of the backbone's convolutions; the blocks of ResNet-50."""
    if layer == "conv1":
        return 3, 64
    stage, block, branch = int(layer[3]), layer[4], layer.split("_branch")[1]
    middle = 16 * 2**stage
    inputs = (64 if stage == 2 else 2 * middle) if block == "a" else 4 * middle
    return {
        "1": (inputs, 4 * middle),
        "2a": (inputs, middle),
        "2b": (middle, middle),
        "2c": (middle, 4 * middle),
    }[branch]


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    """A file of a ResNet-50's backbone alone."""
    rng, arrays = np.random.default_rng(0), {}
    for layer in original_groups((3, 4, 6, 3)):
        if layer.startswith("fpn_"):
            break
        if "kernel" in weights_of(layer):
            side = {"conv1": 7}.get(layer, 3 if layer.endswith("2b") else 1)
            inputs, outputs = channels(layer)
            kernel = rng.standard_normal((side, side, inputs, outputs), "float32")
            arrays[layer] = {"kernel": kernel, "bias": np.zeros(outputs, "float32")}
            norm = f"bn{layer.removeprefix('res')}" if layer != "conv1" else "bn_conv1"
            arrays[norm] = {
                name: np.full(outputs, value, "float32")
                for name, value in zip(weights_of(norm), (1, 0, 0, 0.25), strict=True)
            }
    path = tmp_path_factory.mktemp("backbone") / "resnet50.h5"
    write_original(arrays, path)
    return path


def test_a_backbone_for_rgb_images(tmp_path, backbone, convert, capsys):
    out = tmp_path / "made" / "rgb.h5"
    assert convert(str(backbone), str(out), "--to", "original", "--rgb") == 0
    before, after = read_weights(backbone, known_layers()), read_weights(out, known_layers())
    np.testing.assert_array_equal(
        after["conv1"]["kernel"], before["conv1"]["kernel"][:, :, [2, 1, 0]]
    )
    # sqrt((0.25 + 0.001) / (0.25 + 0.00001001))
    assert after["bn_conv1"]["gamma"][0] == pytest.approx(1.0019778, abs=1e-6)
    assert f"{out}: 318 weights of {backbone}" in capsys.readouterr().out


def test_both_ways_through_a_whole_model(tmp_path, convert, backbone, capsys):
    arrays = read_weights(backbone, known_layers())
    rng = np.random.default_rng(1)

    def conv(layer, *shape):
        kernel = rng.standard_normal(shape, "float32")
        outputs = shape[-2] if "deconv" in layer else shape[-1]
        arrays[layer] = {"kernel": kernel, "bias": rng.standard_normal(outputs, "float32")}

    for level in range(2, 6):
        conv(f"fpn_c{level}p{level}", 1, 1, 64 * 2**level, 8)
        conv(f"fpn_p{level}", 3, 3, 8, 8)
    conv("rpn_conv_shared", 3, 3, 8, 12)
    conv("rpn_class_raw", 1, 1, 12, 6)
    conv("rpn_bbox_pred", 1, 1, 12, 12)
    conv("mrcnn_class_conv1", 7, 7, 8, 16)
    conv("mrcnn_class_conv2", 1, 1, 16, 16)
    conv("mrcnn_class_logits", 16, 3)
    conv("mrcnn_bbox_fc", 16, 12)
    for n in range(1, 5):
        conv(f"mrcnn_mask_conv{n}", 3, 3, 8, 8)
    conv("mrcnn_mask_deconv", 2, 2, 8, 8)
    conv("mrcnn_mask", 1, 1, 8, 3)
    for norm, size in {"mrcnn_class_bn": 16, "mrcnn_mask_bn": 8}.items():
        for n in range(1, 3 if size == 16 else 5):
            arrays[f"{norm}{n}"] = {
                name: rng.uniform(0.5, 1, size).astype("float32") for name in weights_of("bn")
            }
    first, middle, last = (tmp_path / name for name in ("a.h5", "b.weights.h5", "c.h5"))
    write_original(arrays, first)
    with h5py.File(first, "r+") as file:
        # As our checkpoints have it.
        file["training_state/json"] = np.zeros(3, "uint8")
    assert convert(str(first), str(middle), "--to", "keras") == 0
    assert convert(str(middle), str(last), "--to", "original") == 0
    assert "left out" not in capsys.readouterr().out
    found = read_weights(last, known_layers())
    assert set(found) == set(arrays)
    for layer, weights in arrays.items():
        for name, array in weights.items():
            assert found[layer][name].tobytes() == array.tobytes(), f"{layer}/{name}"


@pytest.mark.parametrize(
    ("arguments", "options"),
    [([], (None, False)), (["--epsilon", "1e-5", "--gaps"], (1e-5, True))],
    ids=["coco", "other"],
)
@pytest.mark.parametrize("to", [[], ["--to", "original"]], ids=["as it is", "original"])
def test_state_dicts(tmp_path, monkeypatch, backbone, convert, to, arguments, options):
    def converted(state, epsilon, gaps):
        calls.append((list(state), (epsilon, gaps)))
        return read_weights(backbone, known_layers())

    calls = []
    monkeypatch.setattr(torchvision, "from_torchvision", converted)
    np.savez(tmp_path / "x.npz", **{"fc.weight": np.ones(1)})
    out = tmp_path / "out.h5"
    assert convert(str(tmp_path / "x.npz"), str(out), *to, *arguments) == 0
    assert calls == [(["fc.weight"], options)]
    if to:
        assert out.read_bytes() == backbone.read_bytes()
    found, expected = (read_weights(path, known_layers()) for path in (out, backbone))
    assert {name: list(of) for name, of in found.items()} == {
        name: list(of) for name, of in expected.items() if of
    }


def test_the_second_version_has_no_place_in_the_original_s_layout(
    tmp_path, monkeypatch, convert, capsys
):
    monkeypatch.setattr(torchvision, "from_torchvision", lambda *_: {})
    np.savez(tmp_path / "x.npz", **{"backbone.fpn.inner_blocks.0.1.weight": np.ones(1)})
    assert convert(str(tmp_path / "x.npz"), str(tmp_path / "x.h5"), "--to", "original") == 2
    assert "leave out --to original" in capsys.readouterr().err


def test_state_dict_of_another_network(tmp_path, convert, capsys):
    np.savez(tmp_path / "x.npz", a=np.ones(1))
    arguments = [str(tmp_path / "x.npz"), str(tmp_path / "x.h5"), "--to", "original"]
    assert convert(*arguments) == 2
    assert "not that of maskrcnn_resnet50_fpn" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.h5", "x.h5", "--to", "original"], "weight file none.h5 does not exist"),
        (["none.npz", "x.h5", "--to", "original"], "weight file none.npz does not exist"),
        (["IN", "x.h5", "--to", "keras"], "must be called *.weights.h5, got x.h5"),
        (["IN", "x.weights.h5", "--to", "keras"], "lacks mrcnn_class_logits"),
        (["IN", "x.h5", "--to", "original", "--epsilon", "0"], "--epsilon is for a state dict"),
        (["IN", "x.h5", "--to", "original", "--epsilon", "-1"], "at least 0, got -1"),
        (["IN", "x.h5", "--to", "original", "--config", "c.yaml"], "--config is for --to keras"),
        (["x.npz", "x.h5", "--to", "original", "--rgb"], "--rgb is for files of keras.app"),
        (["IN", "x.h5", "--gaps"], "--gaps is for a state dict"),
        (["IN", "x.weights.h5"], "OUT must be called *.h5, or say --to keras"),
        (["IN", "x"], "OUT must be called *.h5"),
        (["BAD", "x.h5", "--to", "original"], "cannot be read as a weight file"),
        (["BAD", "IN/x.h5", "--to", "original"], "error: "),
    ],
)
def test_bad_input_is_one_line(
    tmp_path, monkeypatch, backbone, convert, capsys, arguments, message
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.h5").write_bytes(b"no HDF5")
    places = {"IN": str(backbone), "BAD": "bad.h5", "IN/x.h5": "bad.h5/x.h5"}
    assert convert(*(places.get(a, a) for a in arguments)) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.h5"]


def test_list_names_what_can_be_fetched_and_what_is_here(command, tmp_path, capsys):
    cache, runs = tmp_path / "cache", tmp_path / "runs"
    (runs / "first").mkdir(parents=True)
    cache.mkdir()
    (cache / "mask_rcnn_coco.h5").touch()
    os.truncate(cache / "mask_rcnn_coco.h5", 257_557_808)
    (cache / "maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth").write_bytes(b"another file")
    (runs / "first" / "mask_rcnn_x_0000001.h5").write_bytes(bytes(1_500_000))
    assert command("weights", "list")("--folder", cache, "--runs", runs) == 0
    lines = capsys.readouterr().out.splitlines()
    (coco,) = [line for line in lines if line.startswith("matterport")]
    assert coco.endswith("MIT           here") and "258 MB" in coco
    (alpha,) = [line for line in lines if "MobileNet 0.75" in line]
    assert alpha.endswith("8 MB    sha256 353ac986  Apache-2.0")
    assert "mobilenet_7_5_224_tf_no_top.h5" in alpha
    (first,) = [line for line in lines if line.startswith("torchvision ")]
    assert first.endswith("BSD-3-Clause")
    (second,) = [line for line in lines if line.startswith("torchvision-v2")]
    assert "torchvision_resnet50_v2" in second and "sha256 73cbd019  BSD-3-Clause" in second
    assert lines[-1] == f"{runs / 'first' / 'mask_rcnn_x_0000001.h5'}  1.5 MB"


def test_fetch_downloads_once(command, tmp_path, web_server, monkeypatch, capsys):
    web_server.content = b"weights"
    url = f"{web_server.url}/mask_rcnn_coco.h5"
    monkeypatch.setattr(sources, "MODELS", (replace(sources.MODELS[0], url=url, size=7),))
    for _ in range(2):
        assert command("weights", "fetch")("coco", "--folder", tmp_path, "--quiet") == 0
        assert capsys.readouterr().out == f"{tmp_path / 'mask_rcnn_coco.h5'}\n"
    assert (tmp_path / "mask_rcnn_coco.h5").read_bytes() == b"weights"
    assert len(web_server.requests) == 1
    assert command("weights", "fetch")("imagenet", "--backbone", "resnet18") == 2
    assert "resnet18" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "file"),
    [
        (["--backbone", "mobilenet"], "mobilenet_7_5_224_tf_no_top.h5"),
        (["--backbone", "MobileNet"], "mobilenet_1_0_224_tf_no_top.h5"),
        (["--backbone", "mobilenetv2", "--alpha", "0.5"], "kernels_0.5_224_no_top.h5"),
        (["--backbone", "torchvision-resnet101"], "resnet101-63fe2227.pth"),
        (["--backbone", "EfficientNetB0", "--alpha", "2"], "--alpha is for a MobileNet"),
        (["--backbone", "torchvision-resnet18"], "no ImageNet weights are known"),
    ],
)
def test_fetch_takes_the_backbones_of_train(
    command, tmp_path, monkeypatch, capsys, arguments, file
):
    monkeypatch.setattr("mrcnn.hub.named.download", lambda url, path, **_: path)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    code = command("weights", "fetch")("imagenet", *arguments, "--folder", tmp_path, "--quiet")
    output = capsys.readouterr()
    assert (output.out.strip().endswith(file), code) == (True, 0) or (
        file in output.err and code == 2
    )


def test_show_prints_layers_and_shapes(command, backbone, tmp_path, capsys):
    assert command("weights", "show")(backbone) == 0
    lines = capsys.readouterr().out.splitlines()
    (first,) = [line for line in lines if line.startswith("conv1 ")]
    assert first.split(maxsplit=1)[1] == "kernel (7, 7, 3, 64), bias (64,)"
    np.savez(tmp_path / "x.npz", **{"a.weight": np.ones((2, 3)), "a.bias": np.ones(2)})
    assert command("weights", "show")(tmp_path / "x.npz") == 0
    assert capsys.readouterr().out == "a.weight  (2, 3)\na.bias    (2,)\n2 layers, 8 numbers\n"
    assert command("weights", "show")(tmp_path / "none.h5") == 2
    assert "does not exist" in capsys.readouterr().err
