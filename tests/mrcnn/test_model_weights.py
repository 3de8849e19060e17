"""What `MaskRCNN.load_weights` takes, beside files of the original's layout."""

import numpy as np
import pytest

from mrcnn.config_io import load_config
from mrcnn.errors import InputError
from mrcnn.model import MaskRCNN
from mrcnn.trained import config_of, load_model
from mrcnn.training.schedule import HEADS
from mrcnn.weights.loading import save_weights, to_numpy
from mrcnn.weights.torchvision import from_torchvision
from tests.mrcnn.weights.torchvision_states import CHANNELS, WIDTH, make_state

SMALL = {
    "TOP_DOWN_PYRAMID_SIZE": CHANNELS,
    "RPN_CHANNELS": CHANNELS,
    "FPN_CLASSIF_FC_LAYERS_SIZE": WIDTH,
    "MASK_HEAD_CHANNELS": CHANNELS,
    "IMAGE_RESIZE_MODE": "square",
    "IMAGE_MIN_DIM": 64,
    "IMAGE_MAX_DIM": 64,
    "RPN_ANCHOR_SCALES": [8, 16, 32, 64, 128],
}


@pytest.fixture(scope="module")
def state_dict(tmp_path_factory):
    """A file with a state dict of torchvision's first version, of small widths, and it."""
    state = make_state(np.random.default_rng(0), blocks=(3, 4, 6, 3), classes=91)
    path = tmp_path_factory.mktemp("state") / "theirs.npz"
    np.savez(path, **state)
    return path, state


def test_a_state_dict_is_loaded_by_one_call(state_dict, capsys):
    path, state = state_dict
    config = config_of(path)
    assert config.ROI_ALIGN == "sampled" and config.NUM_CLASSES == 81
    model = load_model(config.update(**SMALL), path)
    for gaps, classes in ((False, 81), (True, 91)):
        if gaps:
            model = MaskRCNN("inference", config.update(**SMALL, NUM_CLASSES=91), path.parent)
            model.load_weights(path)
            assert "missing        0" in capsys.readouterr().out
        expected = from_torchvision(state, gaps=gaps)
        layers = model.layers()
        assert layers["mrcnn_class_logits"][1].shape == (classes,)
        for layer, arrays in expected.items():
            for variable in layers[layer]:
                np.testing.assert_array_equal(to_numpy(variable), arrays[variable.name])


def test_a_state_dict_of_something_else_is_refused_by_name(tmp_path, state_dict, rng):
    path, state = state_dict
    np.savez(tmp_path / "other.npz", a=np.ones(2))
    with pytest.raises(InputError, match=r"not that of maskrcnn_resnet50_fpn"):
        config_of(tmp_path / "other.npz").update(**SMALL)
    for name, change, message in (
        ("less", {"rpn.head.bbox_pred.bias": None}, "rpn.head.bbox_pred.bias"),
        ("off", {"rpn.head.bbox_pred.bias": np.ones(11, "float32")}, "rpn.head.bbox_pred.bias"),
        ("nan", {"rpn.head.bbox_pred.bias": np.full(12, np.nan, "float32")}, "rpn_bbox_pred/bias"),
    ):
        changed = {k: v for k, v in {**state, **change}.items() if v is not None}
        np.savez(tmp_path / f"{name}.npz", **changed)
        with pytest.raises(InputError, match=message):
            config = load_config("torchvision_resnet50").update(**SMALL, NUM_CLASSES=81)
            load_model(config, tmp_path / f"{name}.npz")


def test_a_backbone_alone_detects_nothing(tiny_config, tmp_path):
    model = MaskRCNN("inference", tiny_config, tmp_path)
    layers = {n: v for n, v in model.layers().items() if not HEADS.fullmatch(n)}
    save_weights(layers, tmp_path / "backbone.h5")
    with pytest.raises(InputError, match=r"backbone.h5 holds a backbone alone, which finds noth"):
        load_model(tiny_config, tmp_path / "backbone.h5")


def test_other_classes_and_channels_are_fitted_in_training_alone(tiny_config, tmp_path, capsys):
    source = MaskRCNN("training", tiny_config, tmp_path)
    source.save_weights(tmp_path / "three.h5")
    other = tiny_config.update(
        NUM_CLASSES=tiny_config.NUM_CLASSES + 4,
        MEAN_PIXEL=[100.0] * 4,
        IMAGE_CHANNEL_COUNT=4,
        SEED=9,
    )
    model = MaskRCNN("training", other, tmp_path)
    report = model.load_weights(tmp_path / "three.h5")
    out = capsys.readouterr().out
    assert "other classes: their layers start anew: mrcnn_class_logits, mrcnn_bbox_fc" in out
    assert len(report.excluded) == 6 and report.missing == report.mismatched == []
    (inflated,) = report.inflated
    assert inflated.startswith("small_conv1/kernel: file (3, 3, 3, ")
    assert f"inflated: {inflated}" in out
    before, after = (to_numpy(m.layers()["small_conv1"][0]) for m in (source, model))
    np.testing.assert_allclose(after[:, :, 3], before.sum(axis=2) / 4, atol=1e-6)
    with pytest.raises(InputError, match="mismatched"):
        MaskRCNN("inference", other, tmp_path).load_weights(tmp_path / "three.h5")
