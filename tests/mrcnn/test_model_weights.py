"""What `MaskRCNN.load_weights` takes, beside files of the original's layout."""

import numpy as np
import pytest

from mrcnn.config import Config
from mrcnn.config_io import load_config
from mrcnn.errors import InputError
from mrcnn.model import MaskRCNN
from mrcnn.trained import config_of, load_model
from mrcnn.training.schedule import HEADS
from mrcnn.weights.file_formats import write_layers
from mrcnn.weights.loading import save_weights, to_numpy
from mrcnn.weights.published import network_settings
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


def test_the_depth_of_a_state_dict_decides_and_another_network_is_refused(tmp_path, rng, capsys):
    np.savez(tmp_path / "deep.npz", **make_state(rng, blocks=(3, 4, 23, 3), classes=5))
    config = config_of(tmp_path / "deep.npz")
    assert (config.BACKBONE, config.NUM_CLASSES) == ("resnet101", 5)
    shallow = Config().update(BACKBONE="resnet50")
    assert network_settings(str(tmp_path / "deep.npz"), shallow)["BACKBONE"] == "resnet101"
    with pytest.raises(InputError, match=r"deep.npz is of another network .* no layers res4g_b"):
        load_model(config.update(**SMALL, BACKBONE="resnet50"), tmp_path / "deep.npz")
    model = MaskRCNN("inference", config.update(**SMALL, BACKBONE="resnet50"), tmp_path)
    model.load_weights(tmp_path / "deep.npz")
    out = capsys.readouterr().out
    assert "note: " in out and "were trained with BACKBONE resnet101" in out
    assert "warning: the model has no layers res4g_branch2a" in out
    np.savez(tmp_path / "odd.npz", **make_state(rng, blocks=(2, 1, 1, 1), classes=5))
    with pytest.raises(InputError, match=r"odd.npz: the state dict is of a ResNet with blocks"):
        config_of(tmp_path / "odd.npz")


@pytest.mark.parametrize("epsilon", [1e-3, 1e-5])
def test_a_resnet_of_torchvision_fits_the_epsilon_of_the_model(tmp_path, rng, epsilon, capsys):
    whole = make_state(rng, blocks=(3, 4, 6, 3))
    state = {n.removeprefix("backbone.body."): x for n, x in whole.items() if "body" in n}
    state["fc.weight"], state["fc.bias"] = np.ones((9, 2048), "float32"), np.ones(9, "float32")
    np.savez(tmp_path / "body.npz", **state)
    config = Config().update(**SMALL, BACKBONE="resnet50", NUM_CLASSES=2, NORM_EPSILON=epsilon)
    model = MaskRCNN("training", config, tmp_path)
    model.load_weights(tmp_path / "body.npz")
    out = capsys.readouterr().out
    assert "note: " in out and "BACKBONE_ARGS {'stride_in_3x3': True" in out and "MEAN_PIXEL" in out
    layer = model.network.builder.layers["bn_conv1"]
    scale = to_numpy(layer.affine()[0])
    expected = state["bn1.weight"] / np.sqrt(state["bn1.running_var"] + 1e-5)
    np.testing.assert_allclose(scale, expected, rtol=1e-5)


def test_values_that_a_model_cannot_hold_are_refused(tiny_config, tmp_path):
    model = MaskRCNN("inference", tiny_config, tmp_path)
    arrays = {n: {v.name: to_numpy(v) for v in vs} for n, vs in model.layers().items()}
    arrays["fpn_p2"]["bias"] = np.full_like(arrays["fpn_p2"]["bias"], 1e300, "float64")
    write_layers(tmp_path / "large.h5", arrays)
    with pytest.raises(InputError, match="fpn_p2/bias has NaN or infinite values"):
        model.load_weights(tmp_path / "large.h5")
    arrays["fpn_p2"]["bias"] = np.zeros(arrays["fpn_p2"]["bias"].shape, "float32")
    arrays["mrcnn_mask_bn1"]["moving_variance"][0] = -1
    write_layers(tmp_path / "negative.h5", arrays)
    with pytest.raises(InputError, match="mrcnn_mask_bn1/moving_variance has negative values"):
        model.load_weights(tmp_path / "negative.h5")


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
    # Not even a checkpoint of that name is gone on with: its run had other classes.
    run = tmp_path / f"{tiny_config.NAME}20260101T0000"
    run.mkdir()
    source.save_weights(run / f"mask_rcnn_{tiny_config.NAME}_0007.h5")
    model.load_weights(run / f"mask_rcnn_{tiny_config.NAME}_0007.h5", verbose=False)
    assert model.epoch == 0
    source.load_weights(run / f"mask_rcnn_{tiny_config.NAME}_0007.h5", verbose=False)
    assert source.epoch == 7
    before, after = (to_numpy(m.layers()["small_conv1"][0]) for m in (source, model))
    np.testing.assert_allclose(after[:, :, 3], before.sum(axis=2) / 4, atol=1e-6)
    with pytest.raises(InputError, match="mismatched"):
        MaskRCNN("inference", other, tmp_path).load_weights(tmp_path / "three.h5")
