"""The whole network, tiny: sharing, static shapes, losses that fall, and compilation."""

# Long because: all tests share models that take seconds to build and trace.

import gc
import json
import math
import os
import subprocess
import sys
import weakref
from contextlib import nullcontext

import keras
import numpy as np
import pytest
from keras import ops

from edge_agreement import EdgeAgreementHead
from mrcnn.data.image import compose_image_meta
from mrcnn.errors import InputError
from mrcnn.modeling.detection import DetectionRunner
from mrcnn.modeling.network import META_ACTIVE, META_WINDOW, Network, dummy_batch
from mrcnn.weights.loading import load_weights, save_weights, weighted_layers

SIDE = 128
SHAPE = (SIDE, SIDE)
LOSSES = {
    "rpn_class_loss",
    "rpn_bbox_loss",
    "mrcnn_class_loss",
    "mrcnn_bbox_loss",
    "mrcnn_mask_loss",
}
EDGE = "mrcnn_mask_edge_loss"


def to_numpy(variable):
    return ops.convert_to_numpy(ops.copy(variable))


def edge_head():
    return {EDGE: EdgeAgreementHead(filters=["sobel"], p=2, name=EDGE)}


def copy_weights(source, target, tmp_path):
    path = tmp_path / "copy.h5"
    save_weights(weighted_layers(source), path)
    load_weights(weighted_layers(target), path)


def shapes_batch(config, shape=SHAPE, objects=2):
    """Two images, each with rectangles of one colour per class on a grey background."""
    batch = dummy_batch(config, 2, shape, objects=0)
    rng = np.random.default_rng(5)
    image = rng.normal(0, 3, batch["input_image"].shape).astype("float32")
    corners = [[(12, 14), (66, 60)], [(60, 12), (10, 70)]]
    sizes = [(44, 40), (36, 52)]
    for i in range(2):
        for k in range(objects):
            (y, x), (h, w) = corners[i][k], sizes[k]
            class_id = 1 + (i + k) % 3
            image[i, y : y + h, x : x + w, class_id - 1] += 100
            batch["input_gt_boxes"][i, k] = [y, x, y + h, x + w]
            batch["input_gt_class_ids"][i, k] = class_id
            batch["input_gt_masks"][i, :, :, k] = 1
            batch["input_gt_has_mask"][i, k] = True
    batch["input_image"] = image
    return batch


def given_rois(config, boxes):
    """RoIs, half of them near an object, so that there are positive ones in every step."""
    rois = boxes[:, np.arange(config.POST_NMS_ROIS_TRAINING) % 4]
    noise = np.random.default_rng(0).normal(0, 2, rois.shape) * rois.any(axis=-1, keepdims=True)
    return (rois + noise).astype("float32")


@pytest.fixture(scope="module")
def training(network):
    return network.training(SHAPE)


@pytest.fixture(scope="module")
def inference(network):
    return network.inference(SHAPE)


def meta(config, shape=SHAPE, batch=1):
    values = np.zeros((batch, config.IMAGE_META_SIZE), "float32")
    values[:, 7:11] = [0, 0, *shape]
    values[:, 12:] = 1
    return values


def numpy(values):
    return [ops.convert_to_numpy(value) for value in values]


def test_models_are_built_once(network, training, inference):
    assert network.training((*SHAPE, 3)) is training
    assert network.inference(SHAPE) is inference


def test_inputs_are_named_as_in_the_original(training, inference):
    assert {t.name for t in training.inputs} == {
        "input_image",
        "input_image_meta",
        "input_gt_class_ids",
        "input_gt_boxes",
        "input_gt_masks",
        "input_gt_has_mask",
    }
    assert [t.name for t in inference.inputs] == ["input_image", "input_image_meta"]


def test_training_and_inference_share_their_weights(training, inference):
    trained, used = weighted_layers(training), weighted_layers(inference)
    assert set(trained) == set(used)
    for name, variables in trained.items():
        assert all(a is b for a, b in zip(variables, used[name], strict=True))


def test_both_orientations_share_their_weights(network, tiny):
    landscape, portrait = network.training((64, 128)), network.training((128, 64))
    assert landscape is not portrait
    one, other = weighted_layers(landscape), weighted_layers(portrait)
    assert set(one) == set(other)
    for name, variables in one.items():
        assert all(a is b for a, b in zip(variables, other[name], strict=True))
    assert landscape.output["rpn_class"].shape == portrait.output["rpn_class"].shape


def test_inference_shapes_are_static(inference, tiny):
    count, rois, anchors = 8, 32, 3 * (1024 + 256 + 64 + 16 + 4)
    assert [tuple(shape) for shape in inference.output_shape] == [
        (None, count, 6),
        (None, rois, 4),
        (None, rois, 4, 4),
        (None, count, 28, 28, 4),
        (None, rois, 4),
        (None, anchors, 2),
        (None, anchors, 4),
    ]


def test_training_shapes_are_static(training):
    shapes = {name: tuple(value.shape[1:]) for name, value in training.output.items()}
    assert shapes["mrcnn_class_logits"] == (16, 4)
    assert shapes["mrcnn_bbox"] == (16, 4, 4)
    assert shapes["mrcnn_mask"] == (5, 28, 28, 4)  # the positive slots alone
    assert shapes["target_bbox"] == (5, 4)
    assert shapes["target_mask"] == (5, 28, 28)
    assert set(shapes) >= LOSSES


def test_detections_are_well_formed(network, tiny, rng):
    image = rng.normal(0, 50, (2, *SHAPE, 3)).astype("float32")
    detections, probabilities, _, masks, rois, *_ = numpy(
        network.inference(SHAPE)([image, meta(tiny, batch=2)], training=False)
    )
    assert all(np.isfinite(v).all() for v in (detections, probabilities, masks, rois))
    assert 0 <= rois.min() <= rois.max() <= 1
    assert (np.diff(detections[..., 5], axis=1) <= 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=-1), 1, rtol=1e-5)


def test_detector_and_segmenter_are_the_inference_model_in_two_parts(network, tiny):
    image, window = shapes_batch(tiny)["input_image"], meta(tiny, batch=2)
    whole = numpy(network.inference(SHAPE)([image, window], training=False))
    found, flat_features = network.detector(SHAPE)([image, window], training=False)
    np.testing.assert_allclose(ops.convert_to_numpy(found), whole[0], atol=1e-5)
    masks = network.segmenter(SHAPE, 4)([found[:, :4], flat_features], training=False)
    np.testing.assert_allclose(ops.convert_to_numpy(masks), whole[3][:, :4], atol=1e-5)


def test_masks_are_those_of_the_positive_slots(tiny):
    """As the segmenter computes them for the same boxes."""
    config = tiny.update(USE_RPN_ROIS=False)
    network, batch = Network(config), shapes_batch(config)
    batch["input_rois"] = given_rois(config, batch["input_gt_boxes"])
    outputs = network.training(SHAPE)(
        {k: ops.convert_to_tensor(v) for k, v in batch.items()}, training=False
    )
    rois = outputs["output_rois"][:, : tiny.POSITIVE_ROIS]
    assert ops.convert_to_numpy(rois).any(axis=-1).all()
    inputs = [batch["input_image"], meta(tiny, batch=2)]
    _, flat_features = network.detector(SHAPE)(inputs, training=False)
    detections = ops.pad(rois, [[0, 0], [0, 0], [0, 2]])
    expected = network.segmenter(SHAPE, tiny.POSITIVE_ROIS)([detections, flat_features])
    np.testing.assert_allclose(*numpy((outputs["mrcnn_mask"], expected)), atol=1e-5)


def test_images_of_another_size_are_pooled_by_their_own_area(network, tiny, tmp_path):
    """A network that has built a small model first segments the same in a large image."""
    network.inference(SHAPE)
    shape, fresh = (256, 256), Network(tiny)
    segmenters = fresh.segmenter(shape, 2), network.segmenter(shape, 2)
    copy_weights(segmenters[1], segmenters[0], tmp_path)
    rng = np.random.default_rng(0)
    # 240 pixels belong to P4; they would belong to P3 in an image of 128 x 128.
    detections = np.array([[[0.0, 0.0, 0.94, 0.94, 1, 1], [0.05, 0.05, 1, 1, 2, 1]]], "float32")
    flat_features = rng.normal(size=(1, 64 * 64 + 32 * 32 + 16 * 16 + 8 * 8, 16)).astype("float32")
    expected, found = (
        ops.convert_to_numpy(model([detections, flat_features], training=False))
        for model in segmenters
    )
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_edge_loss_adds_no_parameters_and_changes_no_prediction(network, tiny, tmp_path):
    other = Network(tiny, edge_head())
    with_head, without = other.training(SHAPE), network.training(SHAPE)
    assert with_head.count_params() == without.count_params() > 10_000
    copy_weights(without, with_head, tmp_path)
    batch = shapes_batch(tiny)
    one = with_head({k: ops.convert_to_tensor(v) for k, v in batch.items()}, training=False)
    two = without({k: ops.convert_to_tensor(v) for k, v in batch.items()}, training=False)
    assert set(one) - set(two) == {EDGE}
    for name, value in two.items():
        np.testing.assert_array_equal(*numpy((one[name], value)), err_msg=name)
    inputs = [batch["input_image"], meta(tiny, batch=2)]
    results = [numpy(n.inference(SHAPE)(inputs, training=False)) for n in (other, network)]
    assert other.inference(SHAPE).count_params() == network.inference(SHAPE).count_params()
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)


def test_batch_without_objects(network, tiny, gradients):
    model = network.training(SHAPE)
    batch = dummy_batch(tiny, 2, SHAPE, objects=0)
    tensors = {k: ops.convert_to_tensor(v) for k, v in batch.items()}
    outputs = model(tensors, training=True)
    assert all(np.isfinite(ops.convert_to_numpy(value)).all() for value in outputs.values())
    for name in LOSSES - {"rpn_class_loss"}:
        assert float(outputs[name]) == 0.0, name
    assert float(outputs["rpn_class_loss"]) > 0

    def total():
        values = model(tensors, training=True)
        return sum(values[name] for name in sorted(LOSSES))

    _, grads = gradients(total, model.trainable_variables)
    assert all(np.isfinite(grad).all() for grad in grads)
    by_name = dict(zip((v.path for v in model.trainable_variables), grads, strict=True))
    assert np.abs(by_name["rpn_class_raw/kernel"]).max() > 0
    assert not any(grad.any() for path, grad in by_name.items() if path.startswith("mrcnn_"))


def test_crowds_alone_are_no_objects(network, tiny):
    batch = shapes_batch(tiny, objects=1)
    batch["input_gt_class_ids"] = -batch["input_gt_class_ids"]
    outputs = network.training(SHAPE)(
        {k: ops.convert_to_tensor(v) for k, v in batch.items()}, training=False
    )
    for name in LOSSES - {"rpn_class_loss"}:
        assert float(outputs[name]) == 0.0, name


def test_gradient_does_not_pass_through_the_proposals(network, tiny, gradients):
    """The heads' losses do not reach the RPN, as they do in the original."""
    model = network.training(SHAPE)
    tensors = {k: ops.convert_to_tensor(v) for k, v in shapes_batch(tiny).items()}
    names = [n for n in LOSSES if n.startswith("mrcnn")]
    _, grads = gradients(
        lambda: sum(model(tensors, training=True)[name] for name in names),
        model.trainable_variables,
    )
    by_name = dict(zip((v.path for v in model.trainable_variables), grads, strict=True))
    assert np.abs(by_name["fpn_p2/kernel"]).max() > 0
    assert not any(grad.any() for path, grad in by_name.items() if path.startswith("rpn_"))


def test_a_compiled_step_equals_one_step_by_step(tiny_config, shared_network, eagerly):
    """On this rests what other tests run eagerly."""
    batch = dummy_batch(tiny_config, 2, (64, 64), objects=2)
    losses, weights = [], []
    for mode in (nullcontext(), eagerly()):
        model = shared_network(tiny_config).training((64, 64))
        start = [to_numpy(v) for v in model.variables]
        with mode:
            optimizer = keras.optimizers.SGD(0.1, momentum=0.9, global_clipnorm=5.0)
            optimizer.build(model.trainable_variables)
            model.compile(optimizer, jit_compile=False)
            losses.append(model.train_on_batch(batch, return_dict=True))
        weights.append([to_numpy(v) for v in model.variables])
    assert set(losses[0]) == {"loss", *LOSSES, EDGE}
    for name, value in losses[0].items():
        assert losses[1][name] == pytest.approx(value, rel=1e-4), name
    moved = [np.abs(a - b).max() > 1e-4 for a, b in zip(weights[0], start, strict=True)]
    assert np.mean(moved) > 0.5
    for compiled_weight, eager_weight in zip(*weights, strict=True):
        np.testing.assert_allclose(eager_weight, compiled_weight, atol=1e-5)


@pytest.mark.usefixtures("eager")
def test_total_is_the_weighted_losses_and_the_decay(tiny):
    config = tiny.update(LOSS_WEIGHTS={"rpn_class_loss": 3.0}, WEIGHT_DECAY=0.01)
    model = Network(config).training(SHAPE)
    model.compile(optimizer=keras.optimizers.SGD(0.0), jit_compile=False)
    found = model.test_on_batch(shapes_batch(config), return_dict=True)
    assert set(found) == {"loss", *LOSSES}
    decay = sum(
        0.01 * np.mean(np.square(to_numpy(v)))
        for v in model.trainable_variables
        if v.name in ("kernel", "bias")
    )
    weighted = sum(found[name] * (3.0 if name == "rpn_class_loss" else 1.0) for name in LOSSES)
    assert found["loss"] == pytest.approx(weighted + decay, rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("head", [False, True], ids=["plain", "edge"])
def test_overfitting_one_batch_lowers_every_loss(tiny, head):
    keras.utils.set_random_seed(0)
    names = {*LOSSES, EDGE} if head else LOSSES
    config = tiny.update(USE_RPN_ROIS=False)
    model = Network(config, edge_head() if head else {}).training(SHAPE)
    model.compile(optimizer=keras.optimizers.Adam(1e-3), jit_compile=False)
    batch, history = shapes_batch(config), []
    batch["input_rois"] = given_rois(config, batch["input_gt_boxes"])
    for _ in range(80):
        model.reset_metrics()
        history.append(model.train_on_batch(batch, return_dict=True))
    assert set(history[0]) == {"loss", *names}
    for name in names:
        values = [float(step[name]) for step in history]
        assert all(map(math.isfinite, values)), name
        # A loss over RoIs is 0 in the steps that happen to have no positive one.
        values = [value for value in values if value > 0]
        assert len(values) >= 20, (name, len(values))
        assert np.mean(values[-5:]) < 0.6 * values[0], (name, values[0], values[-5:])


@pytest.mark.slow
def test_everything_compiles(tiny, monkeypatch, compiled):
    """Training and inference under XLA, which refuses shapes that are not static."""
    monkeypatch.setenv("MRCNN_JIT", "1")
    keras.utils.set_random_seed(3)
    config = tiny.update(RANDOM_SAMPLING=True)
    network = Network(config, edge_head())
    model = network.training(SHAPE)
    model.compile(
        optimizer=keras.optimizers.SGD(1e-3), jit_compile=keras.backend.backend() != "torch"
    )
    batch = shapes_batch(config)
    for _ in range(2):
        model.reset_metrics()
        found = model.train_on_batch(batch, return_dict=True)
    assert set(found) == {"loss", *LOSSES, EDGE}
    assert all(math.isfinite(value) for value in found.values())

    inference = network.inference(SHAPE)
    inputs = [batch["input_image"], meta(config, batch=2)]
    expected = numpy(inference(inputs, training=False))
    variables = [v.value for v in inference.variables]
    if keras.backend.backend() == "jax":
        function = compiled(lambda v, x: inference.stateless_call(v[0], v[1], x, training=False)[0])
        trainable = [v.value for v in inference.trainable_variables]
        rest = [v.value for v in inference.non_trainable_variables]
        outputs = function((trainable, rest), inputs)
    else:
        assert variables
        outputs = compiled(lambda *x: inference(list(x), training=False))(*inputs)
    for found, reference in zip(numpy(outputs), expected, strict=True):
        assert found.shape == reference.shape
    # Proposals and detections of near ties may change places: compare what comes before them.
    for index in (5, 6):
        np.testing.assert_allclose(numpy(outputs)[index], expected[index], atol=1e-3)


STEP = """
import json, sys
import keras, numpy as np
from edge_agreement import EdgeAgreementHead
from mrcnn.config import Config
from mrcnn.config_io import load_config
from mrcnn.modeling.network import Network, dummy_batch
from mrcnn.weights.loading import load_weights, save_weights, weighted_layers

config_path, batch_path, start, end = sys.argv[1:5]
config = load_config(config_path)
head = {"mrcnn_mask_edge_loss": EdgeAgreementHead(filters=["sobel"], name="mrcnn_mask_edge_loss")}
keras.utils.set_random_seed(7)
model = Network(config, head).training((128, 128))
layers = weighted_layers(model)
if keras.backend.backend() == "tensorflow":
    save_weights(layers, start)
load_weights(layers, start)
with np.load(batch_path) as bundle:
    batch = {name: bundle[name] for name in bundle.files}
optimizer = keras.optimizers.SGD(0.01, momentum=0.9, global_clipnorm=5.0)
model.compile(optimizer=optimizer, jit_compile=keras.backend.backend() == "jax")
losses = [model.train_on_batch(batch, return_dict=True)]
save_weights(layers, end)
print(json.dumps({name: float(value) for name, value in losses[0].items()}))
"""


@pytest.mark.slow
def test_one_step_is_the_same_on_tensorflow_and_jax(tiny, tmp_path):
    """Same weights, same batch, sampling in order: same losses and same updated weights."""
    pytest.importorskip("jax")
    pytest.importorskip("tensorflow")
    from mrcnn.config_io import save_config
    from mrcnn.weights.loading import read_weights

    config = tiny.update(POST_NMS_ROIS_TRAINING=300, PRE_NMS_LIMIT=1000)
    save_config(config, tmp_path / "config.yaml")
    np.savez(tmp_path / "batch.npz", **shapes_batch(config))
    (tmp_path / "step.py").write_text(STEP)
    losses, weights = {}, {}
    for backend in ("tensorflow", "jax"):
        end = tmp_path / f"{backend}.h5"
        arguments = ["step.py", "config.yaml", "batch.npz", "start.h5", end.name]
        environment = {
            **os.environ,
            "KERAS_BACKEND": backend,
            "TF_CPP_MIN_LOG_LEVEL": "2",
            "JAX_PLATFORMS": "cpu",
            "CUDA_VISIBLE_DEVICES": "",
            "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
        }
        environment.pop("MRCNN_JIT", None)
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=900,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        losses[backend] = json.loads(done.stdout.splitlines()[-1])
        weights[backend] = read_weights(end)
    assert set(losses["jax"]) == {"loss", *LOSSES, EDGE}
    assert all(value > 0 for value in losses["tensorflow"].values())
    for name, value in losses["tensorflow"].items():
        assert losses["jax"][name] == pytest.approx(value, rel=1e-3), name
    before = read_weights(tmp_path / "start.h5")
    assert set(weights["tensorflow"]) == set(weights["jax"]) == set(before)
    for layer, arrays in weights["tensorflow"].items():
        for kind, array in arrays.items():
            step, other = array - before[layer][kind], weights["jax"][layer][kind]
            scale = np.abs(step).max()
            np.testing.assert_allclose(
                other, array, atol=0.02 * scale + 1e-6, rtol=1e-5, err_msg=f"{layer}/{kind}"
            )
    moved = [
        np.abs(a - before[n][k]).max() for n, w in weights["jax"].items() for k, a in w.items()
    ]
    assert np.median(moved) > 1e-5


def test_parts_of_the_image_meta():
    values = compose_image_meta(7, (30, 40, 3), (64, 96, 3), (1, 2, 3, 4), 1.5, [1, 0, 5, 6])
    assert values[META_WINDOW].tolist() == [1, 2, 3, 4]
    assert values[META_ACTIVE].tolist() == [1, 0, 5, 6]


def test_given_rois_at_the_border_of_the_image_are_rois(tiny):
    """Where a side is 0; all four are 0 in empty slots."""
    config = tiny.update(USE_RPN_ROIS=False, POST_NMS_ROIS_TRAINING=8)
    batch = dummy_batch(config, 1, (64, 64), objects=0)
    boxes = [[0, 0, 20, 20], [0, 30, 20, 50], [30, 0, 50, 20]]
    batch["input_gt_boxes"][0, :3] = batch["input_rois"][0, :3] = boxes
    batch["input_gt_class_ids"][0, :3] = [1, 2, 3]
    outputs = Network(config).training((64, 64))(
        {k: ops.convert_to_tensor(v) for k, v in batch.items()}, training=False
    )
    ids = ops.convert_to_numpy(outputs["target_class_ids"])[0]
    assert ids.tolist() == [1, 2, 3] + [0] * 13
    # Negatives would fill up with the empty slots: there is none.
    assert not ops.convert_to_numpy(outputs["output_rois"])[0, 3:].any()


@pytest.mark.parametrize("mini", [True, False])
@pytest.mark.parametrize("proposals", [True, False])
def test_a_dummy_batch_fits_the_training_model(tiny, mini, proposals):
    config = tiny.update(USE_MINI_MASK=mini, USE_RPN_ROIS=proposals, MINI_MASK_SHAPE=(14, 28))
    inputs = Network(config)._training_inputs((64, 96))
    batch = dummy_batch(config, 2, (64, 96), objects=3)
    assert set(batch) == set(inputs)
    for name, tensor in inputs.items():
        assert batch[name].shape == (2, *tensor.shape[1:]), name
        assert batch[name].dtype == tensor.dtype, name
    masks = batch["input_gt_masks"]
    assert not masks[..., 3:].any()
    for index in range(3):
        y1, x1, y2, x2 = batch["input_gt_boxes"][1, index]
        rows, columns = np.nonzero(masks[1, :, :, index])
        if mini:
            # A seventh of 14 and of 28 is left out on each side.
            ends = rows.min(), columns.min(), rows.max(), columns.max()
            assert ends == (2, 4, 11, 23) and len(rows) == 10 * 20
        else:
            assert y1 <= rows.min() and rows.max() < y2 and x1 <= columns.min()
            assert columns.max() < x2 and len(rows) > 0.3 * (y2 - y1) * (x2 - x1)
    if not proposals:
        np.testing.assert_array_equal(batch["input_rois"][:, :3], batch["input_gt_boxes"][:, :3])
        assert not batch["input_rois"][:, 3:].any()


@pytest.mark.usefixtures("eager")
def test_models_of_many_sizes_are_not_all_kept(tiny, monkeypatch):
    """`pad64` detects on as many sizes as the images have."""
    monkeypatch.setattr("mrcnn.modeling.detection.KEPT_FUNCTIONS", 2)
    network, made = Network(tiny.update(DETECTION_MIN_CONFIDENCE=1.0)), []

    def build(shape, build=network._build_detector):
        model = build(shape)
        made.append((shape, weakref.ref(model)))
        return model

    monkeypatch.setattr(network, "_build_detector", build)
    runner = DetectionRunner(network)
    for shape in ((64, 64), (64, 96), (64, 64), (96, 64), (64, 64), (64, 96)):
        runner(np.zeros((1, *shape, 3), "float32"), meta(tiny, shape))
    # The size that was used least recently is made anew.
    assert [shape for shape, _ in made] == [(64, 64), (64, 96), (96, 64), (64, 96)]
    gc.collect()
    assert [model() is None for _, model in made] == [False, True, True, False]


def test_unknown_backbone_is_an_input_error(tiny):
    with pytest.raises(InputError, match="Did you mean 'resnet50'"):
        Network(tiny.update(BACKBONE="resnet5", BACKBONE_ARGS={})).inference(SHAPE)


def test_frozen_norm_of_an_application_stays_frozen_in_training(tiny):
    """TRAIN_BN = False: a training step leaves moving statistics alone and does not use the
    batch's.
    """
    config = tiny.update(BACKBONE="MobileNet", BACKBONE_ARGS={"alpha": 0.25})
    assert config.TRAIN_BN is False
    network = Network(config)
    network.training(SHAPE)
    backbone = network.builder.layers["backbone"]
    inputs = keras.Input((*SHAPE, 3))
    model = keras.Model(inputs, network._features(inputs))
    image = np.random.default_rng(0).normal(0, 50, (1, *SHAPE, 3)).astype("float32")
    before = [to_numpy(v).copy() for v in backbone.non_trainable_variables]
    assert len(before) > 20
    calm, training = (numpy(model(image, training=mode)) for mode in (False, True))
    for one, other in zip(calm, training, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    for variable, value in zip(backbone.non_trainable_variables, before, strict=True):
        np.testing.assert_array_equal(to_numpy(variable), value, err_msg=variable.path)
