from dataclasses import replace

import numpy as np
import pytest

from mrcnn.cli.training.start import load_start
from mrcnn.constants import CLASS_LAYERS
from mrcnn.errors import InputError
from mrcnn.hub import sources
from mrcnn.hub.sources import Source
from mrcnn.model import MaskRCNN
from mrcnn.training.schedule import HEADS
from mrcnn.weights.loading import save_weights, to_numpy


@pytest.fixture(scope="module")
def models(tiny_settings, tmp_path_factory):
    """Two models of one architecture and other numbers, and one of more classes."""
    from mrcnn.config import Config

    folder = tmp_path_factory.mktemp("models")
    config = Config().update(**{**tiny_settings, "EDGE_LOSS_FILTERS": []})
    made = [config, config.update(SEED=7), config.update(NUM_CLASSES=6, SEED=7)]
    return [MaskRCNN("training", each, folder) for each in made]


@pytest.fixture
def model(models):
    """The first of them, as it was made."""
    before = {name: [to_numpy(v) for v in vs] for name, vs in models[0].layers().items()}
    yield models[0]
    for name, variables in models[0].layers().items():
        for variable, value in zip(variables, before[name], strict=True):
            variable.assign(value)


def loaded(model, source, layer):
    return np.array_equal(to_numpy(model.layers()[layer][0]), to_numpy(source.layers()[layer][0]))


def test_a_file_without_heads_is_that_of_a_backbone(models, model, tmp_path, capsys):
    path = tmp_path / "backbone.h5"
    layers = {n: v for n, v in models[1].layers().items() if not HEADS.fullmatch(n)}
    save_weights(layers, path)
    load_start(model, str(path))
    out = capsys.readouterr().out
    assert f"{path} holds a backbone alone; the heads start anew\n" in out
    assert f"loaded     {sum(map(len, layers.values())):5}" in out
    assert loaded(model, models[1], "small_conv1") and not loaded(model, models[1], "fpn_p2")
    assert model.random_start.layers() == set()
    with pytest.raises(InputError, match="--exclude is for whole models"):
        load_start(model, str(path), ["mrcnn_mask"])


def test_the_file_of_a_whole_model_is_loaded_whole(models, model, tmp_path, capsys):
    path = tmp_path / "whole.h5"
    models[1].save_weights(path)
    load_start(model, str(path), ["mrcnn_mask"])
    assert loaded(model, models[1], "fpn_p2") and not loaded(model, models[1], "mrcnn_mask")
    assert "missing        0" in capsys.readouterr().out


def test_nothing_is_loaded_without_weights(model):
    for weights in (None, "none"):
        load_start(model, weights)
        assert model.random_start.layers()
        with pytest.raises(InputError, match="--exclude needs --weights"):
            load_start(model, weights, ["mrcnn_mask"])


def test_coco_is_fetched_and_its_classes_start_anew(
    models, model, tmp_path, web_server, monkeypatch, capsys
):
    models[2].save_weights(tmp_path / "of_six_classes.h5")
    web_server.content = (tmp_path / "of_six_classes.h5").read_bytes()
    source = replace(sources.MODELS[0], url=f"{web_server.url}/coco.h5", size=None)
    monkeypatch.setattr(sources, "MODELS", (source,))
    monkeypatch.setenv("MRCNN_HOME", str(tmp_path))
    load_start(model, "coco")
    out = capsys.readouterr().out
    assert f"other classes: their layers start anew: {', '.join(CLASS_LAYERS)}" in out
    assert "mismatched     0" in out and "excluded       6" in out
    assert "note: coco weights were trained with BACKBONE resnet101" in out
    assert loaded(model, models[2], "mrcnn_mask_conv1") and not model.random_start.layers()
    assert (tmp_path / "weights" / "matterport" / "config.yaml").is_file()


def test_the_backbone_of_imagenet_is_fetched(models, model, tmp_path, web_server, monkeypatch):
    layers = {n: v for n, v in models[1].layers().items() if not HEADS.fullmatch(n)}
    save_weights(layers, tmp_path / "backbone.h5")
    web_server.content = (tmp_path / "backbone.h5").read_bytes()
    source = Source("imagenet", "small", f"{web_server.url}/small.h5", "MIT")
    monkeypatch.setattr(sources, "BACKBONES", (source,))
    monkeypatch.setenv("MRCNN_HOME", str(tmp_path))
    load_start(model, "imagenet")
    assert loaded(model, models[1], "small_conv1")
    model.layers()["small_conv1"][0].assign(model.layers()["small_conv1"][0] * 0)
    model.load_backbone("imagenet")
    assert loaded(model, models[1], "small_conv1") and len(web_server.requests) == 1


def test_a_word_that_is_no_name_gets_the_names(model):
    with pytest.raises(InputError) as caught:
        load_start(model, "imagnet")
    message = str(caught.value)
    assert "none, imagenet, imagenet-v2, coco, matterport, torchvision" in message
    assert "Did you mean 'imagenet'?" in message
    with pytest.raises(InputError, match="imagenet.h5 does not exist"):
        load_start(model, "imagenet.h5")
    with pytest.raises(InputError, match="no ImageNet weights are known of the backbone small"):
        load_start(model, "imagenet")
