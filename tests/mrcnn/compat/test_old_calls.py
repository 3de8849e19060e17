"""Calls of scripts for the original on the model, its Keras model and its run folder."""

import os
import random
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from mrcnn import model as modellib
from mrcnn import utils
from mrcnn.config import Config
from mrcnn.data.datasets.coco import CocoDataset
from mrcnn.data.datasets.toy_sample import generate_sample
from mrcnn.errors import InputError
from mrcnn.model import MaskRCNN
from mrcnn.weights.loading import save_weights

# Keras reads through tf.data, which is compiled whatever `eager` says.
DATA_IS_COMPILED = pytest.mark.filterwarnings("ignore:Even though the `tf.config.experimental_run")


@pytest.fixture(scope="module")
def settings(tiny_settings):
    return {**tiny_settings, "NUM_CLASSES": 6, "STEPS_PER_EPOCH": 2}


@pytest.fixture(scope="module")
def model(settings, tmp_path_factory):
    """An untrained model that takes whatever it finds for an object; no test changes it."""
    config = Config().update(**{**settings, "DETECTION_MIN_CONFIDENCE": 0.0})
    return MaskRCNN("inference", config, tmp_path_factory.mktemp("logs"))


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    folder = generate_sample(tmp_path_factory.mktemp("shapes"), train=6, val=4, size=64)
    return CocoDataset.from_folder(folder, "train")


@pytest.fixture
def learner(settings, tmp_path):
    return MaskRCNN("training", Config().update(**settings), tmp_path / "logs")


@pytest.mark.usefixtures("eager")
def test_run_graph_gives_inner_values(model):
    images = list(np.random.default_rng(0).integers(0, 255, (2, 64, 64, 3), np.uint8))
    outputs = [(name, model.keras_model.get_layer(name).output) for name in ("rpn_class", "fpn_p5")]
    found = model.run_graph(images, outputs)
    assert list(found) == ["rpn_class", "fpn_p5"]
    assert found["fpn_p5"].shape == (2, 2, 2, 16)
    molded, metas, _ = model.mold_inputs(images)
    rpn_class = model.keras_model.predict_on_batch([molded, metas])[5]
    np.testing.assert_allclose(found["rpn_class"], rpn_class, atol=1e-6)
    # Another size of the input: a model of that size is looked into.
    part = model.run_graph(molded[:, :32], outputs, metas)
    assert part["fpn_p5"].shape == (2, 1, 2, 16)
    whole = model.network.inference((32, 64)).predict_on_batch([molded[:, :32], metas])
    np.testing.assert_allclose(part["rpn_class"], whole[5], atol=1e-6)
    with pytest.raises(InputError, match="'other' is not a tensor of keras_model"):
        model.run_graph(molded[:, :32], [("other", keras.Input((2,)))], metas)


def test_anchors_are_normalised_and_kept_in_pixels(model):
    anchors = model.get_anchors((64, 64, 3))
    # Three ratios at 16 x 16, 8 x 8, 4 x 4, 2 x 2 and 1 x 1 positions.
    assert anchors.shape == model.anchors.shape == (3 * (256 + 64 + 16 + 4 + 1), 4)
    y1, x1, y2, x2 = model.anchors[0]
    np.testing.assert_allclose(anchors[0], np.array([y1, x1, y2 - 1, x2 - 1]) / 63, atol=1e-6)


def test_anchors_are_those_of_the_last_image(model):
    whole = model.network.config
    assert len(model.anchors) > 0 and model.anchors.dtype == np.float64
    model.detect([np.zeros((64, 64, 3), np.uint8)])
    expected = utils.generate_pyramid_anchors(
        whole.RPN_ANCHOR_SCALES,
        whole.RPN_ANCHOR_RATIOS,
        [[16, 16], [8, 8], [4, 4], [2, 2], [1, 1]],
        whole.BACKBONE_STRIDES,
        1,
    )
    np.testing.assert_array_equal(model.anchors, expected)


@DATA_IS_COMPILED
@pytest.mark.usefixtures("eager")
def test_a_model_of_pad64_takes_every_multiple_of_64(settings, tmp_path):
    config = Config().update(
        **{**settings, "IMAGE_RESIZE_MODE": "pad64", "DETECTION_MIN_CONFIDENCE": 0.0}
    )
    model = MaskRCNN("inference", config, tmp_path)
    image = np.random.default_rng(0).integers(0, 255, (64, 150, 3), np.uint8)
    pillar = model.keras_model.get_layer("ROI").output
    outputs = [
        ("detections", model.keras_model.get_layer("mrcnn_detection").output),
        ("refined", model.ancestor(pillar, "ROI/refined_anchors:0")),
    ]
    found = model.run_graph([image], outputs)
    molded, metas, _ = model.mold_inputs([image])
    assert molded.shape == (1, 64, 192, 3)
    anchors = model.get_anchors(molded.shape[1:])
    given = [molded, metas, np.broadcast_to(anchors, (1, *anchors.shape))]
    predicted = model.keras_model.predict(given, verbose=0)
    np.testing.assert_allclose(found["detections"], predicted[0], atol=1e-5)
    assert found["refined"].shape == (1, 200, 4)
    assert model.detect([image])[0]["masks"].shape[:2] == (64, 150)
    assert len(model.anchors) == len(anchors)


@pytest.mark.usefixtures("eager")
def test_steps_of_the_proposals_are_found_as_in_inspect_model(model):
    image = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    pillar = model.keras_model.get_layer("ROI").output
    names = ("pre_nms_anchors", "refined_anchors", "refined_anchors_clipped")
    nodes = [(name, model.ancestor(pillar, f"ROI/{name}:0")) for name in names]
    for name in ("", "/NonMaxSuppressionV2", "/NonMaxSuppressionV3"):
        assert model.ancestor(pillar, f"ROI/rpn_non_max_suppression{name}:0") is not None
    nodes += [
        ("kept", model.ancestor(pillar, "ROI/rpn_non_max_suppression:0")),
        ("proposals", pillar),
        ("scores", model.keras_model.get_layer("rpn_class").output),
        ("deltas", model.keras_model.get_layer("rpn_bbox").output),
    ]
    found = model.run_graph([image], nodes)
    best = np.argsort(-found["scores"][0, :, 1], kind="stable")[:200]
    np.testing.assert_allclose(
        utils.denorm_boxes(found["pre_nms_anchors"][0], (64, 64)),
        np.around(model.anchors[best]),
        atol=1,
    )
    deltas = found["deltas"][0, best] * model.config.RPN_BBOX_STD_DEV
    refined = utils.apply_box_deltas(found["pre_nms_anchors"][0], deltas)
    np.testing.assert_allclose(found["refined_anchors"][0], refined, atol=1e-4)
    np.testing.assert_array_equal(
        found["refined_anchors_clipped"], found["refined_anchors"].clip(0, 1)
    )
    chosen = found["refined_anchors_clipped"][0][found["kept"]]
    real = found["proposals"][0].any(axis=1)
    np.testing.assert_array_equal(chosen[real], found["proposals"][0][real])


def test_the_rpn_has_one_name(model, learner, tmp_path):
    for owner in (model, learner):
        rpn = owner.keras_model.get_layer("rpn_model")
        sizes = sorted(array.size for array in rpn.get_weights())
        # 3 x 3 x 16 x 16 and 16; 16 x 6 and 6; 16 x 12 and 12.
        assert sizes == [6, 12, 16, 96, 192, 2304] and rpn.count_params() == sum(sizes)
    before = learner.layers()["rpn_class_raw"][0].numpy()
    model.save_weights(tmp_path / "w.h5")
    report = learner.load_weights(tmp_path / "w.h5", exclude=["rpn_model"], verbose=False)
    assert len(report.excluded) == 6
    np.testing.assert_array_equal(learner.layers()["rpn_class_raw"][0].numpy(), before)
    learner.keras_model.get_layer("rpn_model").trainable = False
    assert not learner.keras_model.get_layer("rpn_conv_shared").trainable
    logits, probabilities, deltas = model.keras_model.get_layer("rpn_model")(
        np.zeros((1, 4, 4, 16))
    )
    assert logits.shape == probabilities.shape == (1, 48, 2) and deltas.shape == (1, 48, 4)


def test_a_folder_of_the_run_is_there_at_once(learner, model, settings, tmp_path):
    assert isinstance(learner.log_dir, str) and isinstance(learner.model_dir, str)
    assert os.path.isdir(learner.log_dir)
    with open(learner.log_dir + "/configuration.log", "w") as file:
        learner.config.display(file=file)
    assert learner.checkpoint_path.format(epoch=7) == learner.log_dir + "/mask_rcnn_tiny_0007.h5"
    assert not os.path.exists(model.log_dir)
    # It goes, with the folders made for it, where the run goes elsewhere; not with a file in it.
    kept = learner.log_dir
    learner.log_dir = tmp_path / "else" / "where"
    assert (tmp_path / "else" / "where").is_dir()
    learner.set_log_dir(tmp_path / "there")
    assert os.path.isdir(kept)
    assert not (tmp_path / "else").exists() and not (tmp_path / "there").exists()
    with pytest.raises(FileNotFoundError, match="no checkpoint"):
        learner.find_last()


def test_names_of_runs(settings, tmp_path):
    config = Config().update(**settings)
    config.RUN_NAME = "Sobel 2"
    assert Path(MaskRCNN("inference", config, tmp_path).log_dir).name.startswith("tiny_sobel_2_20")


@pytest.mark.usefixtures("eager")
def test_training_is_counted_in_epochs(learner, shapes, capsys):
    learner.train(shapes, shapes, 0.001, 2, "heads")
    names = sorted(path.name for path in Path(learner.log_dir).glob("*.h5"))
    assert names == ["mask_rcnn_tiny_0001.h5", "mask_rcnn_tiny_0002.h5"]
    history = learner.keras_model.history
    assert history.epoch == [0, 1]
    assert len(history.history["loss"]) == len(history.history["val_mrcnn_mask_loss"]) == 2
    # A script that is started again, on the newest checkpoint.
    again = MaskRCNN("training", learner.config, learner.model_dir)
    again.load_weights(again.find_last(), by_name=True)
    assert (again.epoch, again.log_dir) == (2, learner.log_dir)
    capsys.readouterr()
    for epochs in (1, 2):
        outcome = again.train(shapes, None, 0.001, epochs, "heads")
        assert (outcome.step, outcome.checkpoint, outcome.signal) == (4, None, None)
        assert (
            capsys.readouterr().out == f"2 epochs are done, so nothing is left of these {epochs}\n"
        )
    outcome = again.train(shapes, None, 0.001, 3, "all")
    assert outcome.checkpoint.name == "mask_rcnn_tiny_0003.h5"


@pytest.mark.usefixtures("eager")
def test_files_of_the_original_set_epoch_and_folder(learner, shapes, tmp_path):
    run = tmp_path / "logs" / "tiny20200101T1200"
    run.mkdir(parents=True)
    save_weights(learner.layers(), run / "mask_rcnn_tiny_0005.h5")
    learner.load_weights(learner.find_last(), by_name=True)
    assert (learner.epoch, learner.log_dir) == (5, str(run))
    learner.train(shapes, None, 0.001, 5, "heads")
    outcome = learner.train(shapes, None, 0.001, 6, "heads")
    assert (outcome.step, outcome.checkpoint.name) == (2, "mask_rcnn_tiny_0006.h5")
    assert learner.find_last() == str(outcome.checkpoint)
    learner.set_log_dir(outcome.checkpoint)
    assert learner.epoch == 6
    # Another model's file only gives its weights.
    other = run.parent / "coco20200101T1200" / "mask_rcnn_coco_0009.h5"
    other.parent.mkdir()
    save_weights(learner.layers(), other)
    learner.set_log_dir()
    learner.load_weights(other, by_name=True)
    assert learner.epoch == 0 and learner.log_dir != str(other.parent)
    learner.set_log_dir(str(other))
    assert (learner.epoch, learner.log_dir) == (9, str(other.parent))


def test_a_file_without_heads_is_taken_by_name(learner, tmp_path, capsys):
    layers = learner.layers()
    backbone = {name: v for name, v in layers.items() if name.startswith("small_")}
    assert backbone
    path = tmp_path / "imagenet.h5"
    save_weights(backbone, path)
    report = learner.load_weights(path)
    assert len(report.loaded) == sum(map(len, backbone.values())) and report.missing == []
    assert f"{path} holds a backbone alone; the heads start anew" in capsys.readouterr().out
    report = learner.load_weights(path, by_name=True)
    assert len(report.loaded) == sum(map(len, backbone.values()))
    assert len(report.missing) == sum(map(len, layers.values())) - len(report.loaded)
    assert f"{len(report.missing)} weights are not in the file" in capsys.readouterr().out
    learner.keras_model.load_weights(path, by_name=True)
    # Another shape, and a file that fills nothing, stay errors.
    with h5py.File(path, "r+") as file:
        name, group = next(
            (f"{layer}/{weight.decode()}", layer)
            for layer in backbone
            for weight in file[layer].attrs["weight_names"]
        )
        del file[name]
        file[name] = np.zeros((1, 2, 3, 4), "float32")
    with pytest.raises(InputError, match=f"1 mismatched .*; to train these anew, exclude {group}"):
        learner.load_weights(path, by_name=True)
    save_weights({"unknown": next(iter(backbone.values()))}, path)
    with pytest.raises(InputError, match="holds no weight of this model"):
        learner.load_weights(path, by_name=True)


@DATA_IS_COMPILED
@pytest.mark.usefixtures("eager")
def test_the_training_model_takes_what_generators_make(learner, shapes):
    random.seed(0)
    learner.set_trainable(".*", verbose=0)
    learner.compile(0.001, 0.9)
    keras_model, config = learner.keras_model, learner.config
    generator = modellib.data_generator(shapes, config, batch_size=2)
    losses = keras_model.train_on_batch(*next(generator))
    assert np.isfinite(losses).all()
    # The same as from the loader's dict of the same arrays.
    (images, metas, _, _, class_ids, boxes, masks), _ = next(generator)
    named = {
        "input_image": images,
        "input_image_meta": metas,
        "input_gt_class_ids": class_ids,
        "input_gt_boxes": boxes.astype("float32"),
        "input_gt_masks": masks.astype("uint8"),
        "input_gt_has_mask": class_ids > 0,
    }
    listed = [images, metas, None, None, class_ids, boxes, masks]
    seeds = [v for v in keras_model.variables if v.path.endswith("seed_generator_state")]
    values = [v.numpy() for v in seeds]
    first = keras_model.test_on_batch(listed, [], return_dict=True)
    keras_model.reset_metrics()
    for variable, value in zip(seeds, values, strict=True):
        variable.assign(value)
    assert keras_model.test_on_batch(named, return_dict=True) == pytest.approx(first, rel=1e-5)
    with pytest.raises(InputError, match="that data_generator makes; got 2 arrays"):
        keras_model.train_on_batch([images, metas], [])

    history = keras_model.fit(
        generator,
        initial_epoch=1,
        epochs=3,
        steps_per_epoch=2,
        validation_data=modellib.data_generator(shapes, config, batch_size=2),
        validation_steps=1,
        max_queue_size=100,
        workers=2,
        use_multiprocessing=False,
        verbose=0,
    )
    assert history.epoch == [1, 2] and len(history.history["val_loss"]) == 2
    batches = modellib.DataGenerator(shapes, config)
    history = keras_model.fit(batches, validation_data=batches, epochs=1, verbose=0)
    assert np.isfinite(history.history["loss"] + history.history["val_loss"]).all()


@pytest.mark.usefixtures("eager")
def test_rois_of_a_generator_are_given_to_the_model(settings, shapes, tmp_path):
    config = Config().update(**{**settings, "USE_RPN_ROIS": False})
    learner = MaskRCNN("training", config, tmp_path)
    learner.compile(0.001, 0.9)
    for count in (30, config.POST_NMS_ROIS_TRAINING):
        batch = next(modellib.data_generator(shapes, config, random_rois=count, batch_size=2))
        assert np.isfinite(learner.keras_model.train_on_batch(*batch)).all()
    with pytest.raises(InputError, match="random_rois"):
        learner.keras_model.train_on_batch(*next(modellib.data_generator(shapes, config)))


def test_a_build_of_ones_own_is_warned_of(settings, tmp_path):
    class Own(MaskRCNN):
        def build(self, mode, config):
            raise AssertionError

    with pytest.warns(UserWarning, match="Own.build is not called: .*Coming from matterport"):
        Own("inference", Config().update(**settings), tmp_path)


def test_settings_that_were_changed_are_checked_when_a_model_is_made(settings, tmp_path):
    config = Config().update(**settings)
    config.IMAGE_MAX_DIM = 32
    with pytest.raises(InputError, match="IMAGE_MIN_DIM 64 is larger than IMAGE_MAX_DIM 32"):
        MaskRCNN("inference", config, tmp_path)
    config.IMAGE_MIN_DIM = 32
    model = MaskRCNN("inference", config, tmp_path)
    assert model.keras_model.inputs[0].shape == (None, 32, 32, 3)
    assert keras.ops.shape(model.keras_model.outputs[0])[1] == 10
