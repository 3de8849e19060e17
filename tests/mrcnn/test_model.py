import json
from pathlib import Path

import keras
import numpy as np
import pytest

from mrcnn.config import Config
from mrcnn.data.datasets.coco import CocoDataset
from mrcnn.data.datasets.toy_sample import generate_sample
from mrcnn.data.masks import decode
from mrcnn.errors import InputError
from mrcnn.model import MaskRCNN
from mrcnn.training.loop import Outcome
from mrcnn.training.schedule import Stage, parse_schedule, set_trainable
from mrcnn.weights.loading import to_numpy


@pytest.fixture(scope="module")
def tiny_settings(tiny_settings):
    """Those of the network, for the classes of the built-in sample."""
    return {**tiny_settings, "NUM_CLASSES": 6}


@pytest.fixture(scope="module")
def model(tiny_settings, tmp_path_factory):
    """An untrained model that takes whatever it finds for an object; no test changes it."""
    config = Config().update(**{**tiny_settings, "DETECTION_MIN_CONFIDENCE": 0.0})
    return MaskRCNN("inference", config, tmp_path_factory.mktemp("logs"))


@pytest.fixture(scope="module")
def only_learner(tiny_settings, tmp_path_factory):
    model = MaskRCNN("training", Config().update(**tiny_settings), tmp_path_factory.mktemp("logs"))
    return model, [to_numpy(variable) for variable in model.keras_model.variables]


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    """Datasets to train and to validate on."""
    folder = generate_sample(tmp_path_factory.mktemp("shapes"), train=6, val=4, size=64)
    return [CocoDataset.from_folder(folder, split) for split in ("train", "val")]


@pytest.fixture
def learner(only_learner, tmp_path):
    """A model to train, in a new folder; its weights come back after the test."""
    model, values = only_learner
    model.model_dir = tmp_path
    model.set_log_dir()
    yield model
    set_trainable(model.network, "all")
    for variable, value in zip(model.keras_model.variables, values, strict=True):
        variable.assign(value)


def test_modes_are_two(tiny_config, tmp_path):
    with pytest.raises(InputError, match="'training' or 'inference'"):
        MaskRCNN("train", tiny_config, tmp_path)


def test_detections_fit_the_image(model):
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, (h, w, 3), dtype=np.uint8) for h, w in ((50, 90), (64, 64))]
    results = model.detect(images)
    assert len(results) == 2
    for image, found in zip(images, results, strict=True):
        height, width = image.shape[:2]
        count = len(found["rois"])
        assert 0 < count <= model.config.DETECTION_MAX_INSTANCES
        assert found["rois"].dtype == found["class_ids"].dtype == np.int32
        assert found["masks"].shape == (height, width, count)
        assert found["masks"].dtype == bool
        y1, x1, y2, x2 = found["rois"].T
        assert (y1 >= 0).all() and (x1 >= 0).all() and (y1 < y2).all() and (x1 < x2).all()
        assert (y2 <= height).all() and (x2 <= width).all()
        assert set(found["class_ids"]) <= {1, 2, 3, 4, 5}
        assert (np.diff(found["scores"]) <= 0).all()
        for index, (a, b, c, d) in enumerate(found["rois"]):
            outside = found["masks"][:, :, index].copy()
            outside[a:c, b:d] = False
            assert not outside.any()


def test_images_together_and_encoded_are_found_as_alone(model, monkeypatch):
    """Three images of which the first two fit one batch; two of them have one canvas, as all."""
    rng = np.random.default_rng(2)
    images = [rng.integers(0, 255, (h, w, 3), dtype=np.uint8) for h, w in ((50, 90), (64, 64))]
    images.append(images[0][:, ::-1])
    alone = [model.detect([image])[0] for image in images]
    monkeypatch.setattr(model, "config", model.config.update(IMAGES_PER_GPU=2))
    together = model.detect(images, masks="rle")
    for image, one, found in zip(images, alone, together, strict=True):
        np.testing.assert_array_equal(found["rois"], one["rois"])
        np.testing.assert_array_equal(found["class_ids"], one["class_ids"])
        np.testing.assert_allclose(found["scores"], one["scores"], atol=1e-5)
        masks = [decode(mask, image.shape[:2]) for mask in found["masks"]]
        assert (np.stack(masks, axis=2) == one["masks"]).mean() > 0.999
        assert json.loads(json.dumps(found["masks"])) == found["masks"]
    with pytest.raises(InputError, match="'full' or 'rle', got 'png'"):
        model.detect(images, masks="png")


def test_detect_equals_the_whole_inference_model(model):
    """`detect` runs the mask head on few slots; the Keras model runs it on all of them."""
    image = np.random.default_rng(1).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    molded, metas, windows = model.mold_inputs([image])
    detections, _, _, masks, *_ = model.keras_model.predict_on_batch([molded, metas])
    rois, class_ids, scores, full = model.unmold_detections(
        detections[0], masks[0], image.shape, molded.shape[1:], windows[0]
    )
    (found,) = model.detect([image])
    np.testing.assert_array_equal(found["rois"], rois)
    np.testing.assert_array_equal(found["class_ids"], class_ids)
    np.testing.assert_allclose(found["scores"], scores, atol=1e-5)
    assert (found["masks"] == full).mean() > 0.999


def test_boxes_are_mapped_back_from_the_window(model):
    # A 100 x 50 image in the middle of a 64 x 64 input: scale 0.64, window columns 16 to 48.
    detections = np.zeros((2, 6), "float32")
    detections[0] = [0, 16 / 63, 1, 47 / 63, 2, 0.9]
    masks = np.ones((2, 28, 28, 4), "float32")
    rois, class_ids, scores, full = model.unmold_detections(
        detections, masks, (100, 50, 3), (64, 64, 3), (0, 16, 64, 48)
    )
    np.testing.assert_array_equal(rois, [[0, 0, 100, 50]])
    assert (class_ids.tolist(), scores.tolist()) == ([2], [pytest.approx(0.9)])
    # Outside the outermost mask pixels' centres the probability falls to zero.
    assert full[5:-5, 5:-5, 0].all()


def test_images_of_the_wrong_shape_are_refused(model):
    with pytest.raises(InputError, match=r"\(height, width, 3\), got \(10, 10\)"):
        model.detect([np.zeros((10, 10), np.uint8)])


def test_a_training_model_does_not_detect(learner, model):
    with pytest.raises(InputError, match="mode='inference'"):
        learner.detect([np.zeros((10, 10, 3), np.uint8)])
    with pytest.raises(InputError, match="mode='training'"):
        model.run(None, None, [])


@pytest.mark.usefixtures("eager")
def test_the_edge_head_costs_nothing_at_inference(model, learner, tiny_settings, tmp_path):
    """Same parameters, same predictions from the same weights, with and without the head."""
    settings = {**tiny_settings, "EDGE_LOSS_FILTERS": [], "DETECTION_MIN_CONFIDENCE": 0.0}
    assert learner.config.EDGE_LOSS_FILTERS == model.config.EDGE_LOSS_FILTERS == ["sobel"]
    config = Config().update(**settings)
    without, plain = (MaskRCNN(mode, config, tmp_path) for mode in ("training", "inference"))
    assert without.keras_model.count_params() == learner.keras_model.count_params()
    path = tmp_path / "w.h5"
    model.save_weights(path)
    without.load_weights(path, verbose=False)
    plain.load_weights(path, verbose=False)
    image = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    (expected,), (found,) = model.detect([image]), plain.detect([image])
    assert len(expected["scores"])
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value)


def test_weights_survive_a_round_trip(model, learner, tmp_path, capsys):
    model.save_weights(tmp_path / "w.h5")
    other = learner
    for variables in other.layers().values():
        for variable in variables:
            variable.assign(variable + 1)
    report = other.load_weights(tmp_path / "w.h5")
    assert "loaded" in capsys.readouterr().out
    assert not (report.missing or report.mismatched or report.unused)
    for name, variables in model.layers().items():
        for a, b in zip(variables, other.layers()[name], strict=True):
            np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_a_backbone_comes_from_its_own_file(tiny_settings, tmp_path):
    network = keras.applications.MobileNet(alpha=0.25, include_top=False, weights=None)
    settings = {**tiny_settings, "BACKBONE": "MobileNet", "BACKBONE_ARGS": {"alpha": 0.25}}
    model = MaskRCNN("inference", Config().update(**settings), tmp_path)
    variables = {layer.name: layer.weights for layer in network.layers if layer.weights}
    from mrcnn.weights.loading import save_weights

    save_weights(variables, tmp_path / "mobilenet.h5")
    before = model.layers()["fpn_p2"][0].numpy()
    model.load_backbone(tmp_path / "mobilenet.h5")
    np.testing.assert_array_equal(
        model.layers()["conv_pw_3"][0].numpy(), variables["conv_pw_3"][0].numpy()
    )
    np.testing.assert_array_equal(model.layers()["fpn_p2"][0].numpy(), before)


def test_uncertainty_weighting_stays_out_of_weight_files(tiny_settings, model, tmp_path):
    config = Config().update(**tiny_settings, LOSS_WEIGHTING="uncertainty")
    learner = MaskRCNN("training", config, tmp_path)
    learner.keras_model.get_layer("losses").log_variances.assign(np.arange(6))
    learner.save_weights(tmp_path / "w.h5")
    report = model.load_weights(tmp_path / "w.h5", verbose=False)
    assert not (report.missing or report.mismatched or report.unused)
    # And a file that knows nothing of it starts such a run.
    report = learner.load_weights(tmp_path / "w.h5", verbose=False)
    assert not (report.missing or report.unused)


@pytest.mark.usefixtures("eager")
def test_a_second_call_of_train_goes_on(learner, shapes, tmp_path, monkeypatch):
    """As in the original: heads first, then all; epochs count over both calls."""
    model, (train, val), config = learner, shapes, learner.config.update(STEPS_PER_EPOCH=2)
    monkeypatch.setattr(model, "config", config)
    first = model.train(train, val, learning_rate=0.01, epochs=2, layers="heads")
    assert (first.step, model.epoch) == (4, 2)
    heads = model.layers()["fpn_p2"][0].numpy()
    second = model.train(train, val, learning_rate=0.01, epochs=3, layers="all")
    assert (second.step, model.epoch) == (6, 3)
    assert model.find_last() == str(second.checkpoint)
    assert second.checkpoint.is_file() and first.checkpoint.is_file()
    assert np.abs(model.layers()["fpn_p2"][0].numpy() - heads).max() > 0
    rows = Path(model.log_dir, "log.csv").read_text().splitlines()
    steps = [int(row.split(",")[0]) for row in rows[1:] if ",train," in row]
    assert steps == [2, 4, 6]
    # A new process loads the last checkpoint, and goes on after it; with other classes it does not.
    again = MaskRCNN("training", config, tmp_path / "again")
    new = again.log_dir
    again.load_weights(model.find_last(), exclude=["mrcnn_mask"])
    assert (again.epoch, again.log_dir) == (0, new) and new != model.log_dir
    again.load_weights(model.find_last())
    assert (again.epoch, again.log_dir) == (3, model.log_dir)
    assert again._stages == [Stage("heads", 4, 0.01), Stage("all", 2, 0.01)]
    again.set_log_dir(tmp_path / "new")
    assert (again.epoch, again._stages, again.log_dir) == (0, [], str(tmp_path / "new"))


def test_epochs_that_a_callback_cuts_short_count(learner, monkeypatch):
    """As in the original: the next call trains as long as it would have without."""
    model, runs = learner, []

    def run(train, val, stages, start, **arguments):
        total = sum(stage.steps for stage in stages)
        runs.append((start, total, arguments))
        return Outcome(total - (6 if len(runs) == 1 else 0), None, None)

    monkeypatch.setattr(model, "run", run)
    callbacks = [keras.callbacks.EarlyStopping()]
    model.train(None, None, 0.1, 10, "heads", "an augmenter", callbacks, ["coco"], workers=2)
    model.train(None, None, 0.1, 12, "all")
    # STEPS_PER_EPOCH is 4: 10 epochs are 40 steps, the first run made 34; two epochs are 8 more.
    assert [(start, total) for start, total, _ in runs] == [(0, 40), (34, 42)]
    assert model.epoch == 12
    assert runs[1][2]["state"] == {"epochs": {"length": 4, "start": 34, "before": 10, "beyond": 0}}
    assert runs[0][2] == {
        "state": {"epochs": {"length": 4, "start": 0, "before": 0, "beyond": 0}},
        "workers": 2,
        "augmentation": "an augmenter",
        "custom_callbacks": callbacks,
        "no_augmentation_sources": ["coco"],
    }


def test_arguments_of_the_loader_are_passed(learner, monkeypatch):
    config = learner.config.update(CLASS_NAMES=["BG", *"abcde"])
    monkeypatch.setattr(learner, "config", config)
    seen = []

    def loader(dataset, config, **arguments):
        seen.append(arguments)
        raise InputError("enough")

    monkeypatch.setattr("mrcnn.model.Loader", loader)
    monkeypatch.setattr("mrcnn.model.with_range", lambda config, dataset: config)
    chosen = {"workers": 2, "augmentation": len, "no_augmentation_sources": ["coco"]}
    with pytest.raises(InputError, match="enough"):
        learner.run(None, None, [Stage("all", 1, 0.1)], **chosen)
    assert chosen.items() <= seen[0].items()


def test_layers_that_learn_are_those_of_the_whole_network(learner, capsys):
    model = learner
    model.set_trainable("mrcnn_mask_conv1")
    assert capsys.readouterr().out == "layers mrcnn_mask_conv1: 2 weights learn\n"
    learning = [layer.name for layer in model.get_trainable_layers() if layer.trainable_weights]
    assert learning == ["mrcnn_mask_conv1"]
    with pytest.raises(InputError, match="whole network"):
        model.set_trainable("all", keras_model=keras.Sequential())


def test_layers_without_weights_may_be_excluded(model, tmp_path):
    """`mrcnn_bbox` stands in the exclude list of every old script."""
    model.keras_model.save_weights(tmp_path / "old.h5")
    names = ["mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_bbox", "mrcnn_mask"]
    report = model.load_weights(tmp_path / "old.h5", by_name=True, exclude=names, verbose=False)
    assert len(report.excluded) == 6
    with pytest.raises(InputError, match="does not have: mrcnn_bboxes"):
        model.load_weights(tmp_path / "old.h5", exclude=["mrcnn_bboxes"])


def test_outputs_of_layers_have_the_shapes_of_the_original(model):
    layer = model.keras_model.get_layer
    assert layer("ROI").output.shape == (None, 50, 4)
    assert layer("mrcnn_class_logits").output.shape == (None, 50, 6)
    assert layer("mrcnn_bbox").output.shape == (None, 50, 6, 4)
    assert layer("mrcnn_detection").output.shape == (None, 10, 6)
    assert layer("mrcnn_mask").output.shape == (None, 10, 28, 28, 6)
    assert model.ancestor(layer("ROI").output, "rpn_class") is layer("rpn_class").output
    with pytest.raises(InputError, match="'nms' is None"):
        model.run_graph([], [("nms", model.ancestor(layer("ROI").output, "ROI/nms:0"))])


def test_backbone_shapes_of_the_configuration_are_compared(tiny_config, tmp_path):
    tiny_config.COMPUTE_BACKBONE_SHAPE = lambda shape: [[n, n] for n in (16, 8, 4, 2, 1)]
    MaskRCNN("inference", tiny_config, tmp_path)
    tiny_config.COMPUTE_BACKBONE_SHAPE = lambda shape: [[n, n] for n in (16, 8, 4, 2, 2)]
    with pytest.raises(InputError, match=r"\[2, 2\]\], P2 to P6 are .*\[1, 1\]\]"):
        MaskRCNN("inference", tiny_config, tmp_path)


@pytest.mark.usefixtures("eager")
def test_training_on_augmented_images(learner, shapes, monkeypatch):
    train = shapes[0]
    config = learner.config.update(
        AUGMENT_FLIP_VERTICAL=True,
        AUGMENT_ROTATE_90=True,
        AUGMENT_CROP=(0.5, 1),
        AUGMENT_COPY_PASTE=0.8,
        AUGMENT_COLOR_JITTER=(0.4, 0.4, 0.4, 0.1),
        AUGMENT_SCALE=(0.5, 2),
    )
    shapes = []

    def note(image, masks, rng):
        shapes.append((image.shape, masks.shape[:2]))
        step = int(rng.integers(9))
        return np.roll(image, step, axis=0), np.roll(masks, step, axis=0)

    model = learner
    monkeypatch.setattr(model, "config", config)
    before = model.layers()["fpn_p2"][0].numpy()
    stages = parse_schedule([("heads", 4, 0.005)])
    with pytest.raises(InputError, match="no_augmentation_sources .* coco; got"):
        model.run(train, None, stages, no_augmentation_sources=["shapes"])
    outcome = model.run(train, None, stages, quiet=True, augmentation=note)
    # A loss that is not finite would have ended it.
    assert outcome.step == 4
    assert np.abs(model.layers()["fpn_p2"][0].numpy() - before).max() > 0
    assert len(shapes) >= 8 and set(shapes) == {((64, 64, 3), (64, 64))}


def test_strides_are_those_of_the_network(tiny_config, tmp_path):
    with pytest.raises(InputError, match="BACKBONE_STRIDES"):
        MaskRCNN("inference", tiny_config.update(BACKBONE_STRIDES=(4, 8, 16, 32, 32)), tmp_path)


def test_detect_molded_finds_what_detect_finds(model):
    image = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    molded, metas, _ = model.mold_inputs([image])
    whole, again = model.detect([image])[0], model.detect_molded(molded, metas)[0]
    assert len(whole["scores"])
    for name, value in whole.items():
        np.testing.assert_array_equal(again[name], value)


def test_heads_on_a_random_backbone_are_warned_of(tiny_config, tmp_path, monkeypatch, capsys):
    """A line, not an error: scripts for the original may do so."""
    model = MaskRCNN("training", tiny_config, tmp_path)
    monkeypatch.setattr(
        model,
        "run",
        lambda train, val, stages, **_: Outcome(sum(s.steps for s in stages), None, None),
    )
    model.train(None, None, 0.1, 1, "heads")
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("warning: the stage 'heads' trains on features of a backbone that is")
    assert "load_weights" in line
    model.train(None, None, 0.1, 2, "all")
    for name, variables in model.layers().items():
        if name.startswith("small_"):
            variables[0].assign(variables[0] + 1)
    model.train(None, None, 0.1, 3, "heads")
    assert capsys.readouterr().out == ""


def test_epochs_of_the_data_are_worked_out(tiny_config, tmp_path, monkeypatch):
    config = tiny_config.update(SCHEDULE_UNIT="epochs", IMAGES_PER_GPU=4, STEPS_PER_EPOCH=1000)
    model = MaskRCNN("training", config, tmp_path)
    totals = []

    def run(train, val, stages, **_):
        totals.append(sum(stage.steps for stage in stages))
        return Outcome(totals[-1], None, None)

    class Nine:
        image_ids = range(9)

    monkeypatch.setattr(model, "run", run)
    model.train(Nine, None, 0.1, 2, "all")
    model.train(Nine, None, 0.1, 5, "all")
    assert totals == [6, 15] and model.epoch == 5
