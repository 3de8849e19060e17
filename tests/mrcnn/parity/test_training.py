"""The same targets, losses and gradients as the original in a training step of ResNet-50."""

import functools
import json
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from mrcnn.backend import gradient_norms
from mrcnn.config import SETTINGS, Config
from mrcnn.modeling import boxes as box_ops
from mrcnn.modeling.network import Network
from mrcnn.modeling.targets import RoITargets
from mrcnn.weights.loading import load_weights, weighted_layers

pytestmark = pytest.mark.slow

LOSSES = (
    "rpn_class_loss",
    "rpn_bbox_loss",
    "mrcnn_class_loss",
    "mrcnn_bbox_loss",
    "mrcnn_mask_loss",
)
TARGETS = ("output_rois", "target_class_ids", "target_bbox", "target_mask_ids", "target_mask")
ANCHORS = {"indices": "int32", "labels": "int32", "used": "bool", "deltas": "float32"}


class ReplayedMasks(RoITargets):
    """Takes the target masks `(B, P, h, w)` from outside, where the backend rounds the rim of a
    RoI that touches its object's box otherwise than TensorFlow.
    """

    def __init__(self, config, masks):
        super().__init__(config, name="proposal_targets")
        self.masks = masks

    def call(self, *arguments):
        *others, masks = super().call(*arguments)
        # Keras tries the layer with other batch sizes too.
        rows = ops.arange(ops.shape(masks)[0]) % len(self.masks)
        return *others, ops.take(ops.convert_to_tensor(self.masks), rows, axis=0)


class ReplayedNetwork(Network):
    """Takes the sampled anchors, which the original drew outside the graph, as inputs."""

    def _training_inputs(self, shape):
        positives, negatives = slots(self.config.RPN_TRAIN_ANCHORS_PER_IMAGE)
        inputs = super()._training_inputs(shape)
        for name, dtype in ANCHORS.items():
            size = (positives, 4) if name == "deltas" else (positives + negatives,)
            inputs[name] = keras.Input(size, dtype=dtype, name=name)
        return inputs

    def _rpn_targets(self, inputs, gt_boxes):
        return [inputs[name] for name in ANCHORS]


def slots(count: int) -> tuple[int, int]:
    """Slots for positive and for negative anchors, as `RPNTargets` lays them out."""
    return count // 2, count


def sampled_anchors(match, bbox) -> dict[str, np.ndarray]:
    """Anchors with a label, in slots; the original lists the deltas of the positive ones first."""
    batch = len(bbox)
    positives, negatives = slots(bbox.shape[1])
    found = {
        "indices": np.zeros((batch, positives + negatives), "int32"),
        "labels": np.tile(np.int32([1] * positives + [0] * negatives), (batch, 1)),
        "used": np.zeros((batch, positives + negatives), bool),
        "deltas": bbox[:, :positives].astype("float32"),
    }
    for row, labels in enumerate(match[..., 0]):
        for label, start in ((1, 0), (-1, positives)):
            anchors = np.flatnonzero(labels == label)
            found["indices"][row, start : start + len(anchors)] = anchors
            found["used"][row, start : start + len(anchors)] = True
    return found


@contextmanager
def in_the_order_written():
    """Keep TensorFlow from reordering arithmetic: of a RoI that is its object's very box, rounding
    decides whether the last row of the mask lies inside, here as in the original.
    """
    if keras.backend.backend() != "tensorflow":
        yield
        return
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


class Step:
    """One training step of a bundle: the model, its batch, and the values of the original."""

    def __init__(self, parity_dir, weights, name: str, replay_masks: bool = False):
        settings = json.loads((parity_dir / "config.json").read_text())
        settings = {key: value for key, value in settings.items() if key in SETTINGS}
        given_rois = name == "train_ext"
        self.values = json.loads((parity_dir / f"{name}_resnet50.json").read_text())
        with np.load(parity_dir / f"{name}_resnet50.npz") as bundle:
            self.arrays = arrays = {key: bundle[key] for key in bundle.files}
        count = arrays["in_gt_class_ids"].shape[1]
        config = Config().update(
            **{
                **settings,
                "RANDOM_SAMPLING": False,
                "MAX_GT_INSTANCES": count,
                "USE_RPN_ROIS": not given_rois,
            }
        )
        self.network = ReplayedNetwork(config)
        if replay_masks:
            # Positive RoIs come first, here as there.
            masks = arrays["target_mask"][:, : config.POSITIVE_ROIS]
            self.network.builder.layers["proposal_targets"] = ReplayedMasks(config, masks)
        self.model = self.network.training(config.IMAGE_SHAPE)
        report = load_weights(weighted_layers(self.model), weights)
        assert not (report.missing or report.mismatched or report.unused)
        self.batch = {
            "input_image": arrays["in_image"],
            "input_image_meta": arrays["in_image_meta"].astype("float32"),
            "input_gt_class_ids": arrays["in_gt_class_ids"],
            "input_gt_boxes": arrays["in_gt_boxes"].astype("float32"),
            "input_gt_masks": arrays["in_gt_masks"].astype("uint8"),
            "input_gt_has_mask": arrays["in_gt_class_ids"] != 0,
            **sampled_anchors(arrays["in_rpn_match"], arrays["in_rpn_bbox"]),
        }
        if given_rois:
            self.batch["input_rois"] = arrays["in_rois"].astype("float32")
        self.variables = {v.path: v for v in self.model.trainable_variables}

    @functools.cached_property
    def outputs(self) -> dict[str, np.ndarray]:
        return {
            key: ops.convert_to_numpy(value)
            for key, value in self.model(self.batch, training=True).items()
        }

    @functools.cached_property
    def gradients(self) -> tuple[np.ndarray, np.ndarray]:
        """The five losses, and the norms `(5, V)` of their gradients."""
        norms = gradient_norms(self.model, LOSSES, list(self.variables.values()))
        with in_the_order_written():
            return norms(self.batch)

    @property
    def losses(self) -> list[float]:
        return [self.values["losses"][name] for name in LOSSES]

    @functools.cached_property
    def norms(self) -> np.ndarray:
        """The norms `(5, V)` of the original; 0 where a loss does not reach a variable."""
        expected = np.zeros((len(LOSSES), len(self.variables)))
        for row, name in enumerate(LOSSES):
            for column, path in enumerate(self.variables):
                layer, kind = path.split("/")[-2:]
                # Variables that a loss does not reach are not listed.
                norm = self.values["grad_norms"][name].get(f"{layer}/{kind}:0")
                expected[row, column] = norm or 0
        assert (expected > 0).sum() > 1000
        return expected

    def deviations(self, found) -> np.ndarray:
        """Relative deviations `(5, V)` of gradient norms from those of the original."""
        return np.abs(found - self.norms) / np.maximum(self.norms, 1e-7)

    @property
    def in_backbone(self) -> np.ndarray:
        names = [path.split("/")[0] for path in self.variables]
        return np.array([name.startswith(("conv1", "bn_conv1", "res")) for name in names])


def assert_targets_equal(step, outputs, on_the_rim: bool = True):
    """Slots of positive RoIs that stay empty come between positives and negatives here."""
    positives = step.network.config.POSITIVE_ROIS
    for row in range(2):
        expected = step.arrays["target_class_ids"][row]
        number = int((expected > 0).sum())
        filled = np.abs(step.arrays["output_rois"][row]).sum(axis=1) > 0
        negatives = int(filled.sum()) - number
        ours = {name: value[row] for name, value in outputs.items() if np.ndim(value) > 1}
        np.testing.assert_array_equal(ours["target_class_ids"][:number], expected[:number])
        assert not ours["target_class_ids"][number:].any()
        rois = step.arrays["output_rois"][row]
        np.testing.assert_allclose(ours["output_rois"][:number], rois[:number], atol=1e-5)
        start = positives
        np.testing.assert_allclose(
            ours["output_rois"][start : start + negatives],
            rois[number : number + negatives],
            atol=1e-5,
        )
        assert not ours["output_rois"][start + negatives :].any()
        np.testing.assert_allclose(
            ours["target_bbox"][:number], step.arrays["target_bbox"][row, :number], atol=1e-3
        )
        expected = step.arrays["target_mask"][row, :number]
        found = ours["target_mask"][:number]
        if on_the_rim:
            np.testing.assert_array_equal(found, expected)
        assert (found == expected).mean() > 0.99
        np.testing.assert_array_equal(found[:, 1:-1, 1:-1], expected[:, 1:-1, 1:-1])


@pytest.fixture(scope="module", params=["train_rpn", "train_ext"])
def step(request, parity_dir, parity_weights):
    return Step(parity_dir, parity_weights, request.param)


def test_roi_targets_equal_the_original(step):
    assert_targets_equal(step, step.outputs)


def test_losses_equal_the_original(step):
    found = [float(step.outputs[name]) for name in LOSSES]
    np.testing.assert_allclose(found, step.losses, rtol=1e-4)


def test_l2_term_equals_the_original(step):
    terms = [v.regularizer(v) for v in step.model.trainable_variables if v.regularizer]
    total = float(sum(ops.convert_to_numpy(term) for term in terms))
    assert total == pytest.approx(step.values["l2_reg_all_trainable"], rel=1e-4)


def assert_float32_norms_equal(step, found):
    """In float32 rounding decides, at each ReLU near zero and each pair of equal maxima, which way
    a gradient goes. In the heads, the RPN and the FPN that is not seen. In the backbone, moving
    the pixels of the image by one unit in the last place moves 113 to 196 of the 1330 norms by
    more than 1e-3, and one by 1.3 %, as far as the computation at hand is from the original. That
    the gradients are right is what the float64 test shows.
    """
    deviation = step.deviations(found)
    assert deviation[:, ~step.in_backbone].max() <= 1e-3
    assert np.median(deviation) < 5e-4
    assert (deviation <= 1e-3).mean() > 0.8
    assert deviation.max() <= 0.02


def test_gradient_norms_equal_the_original(step):
    if step.network.config.USE_RPN_ROIS:
        pytest.skip("gradients of the original flow through the RoI targets there: a fault of it")
    _, found = step.gradients
    assert_float32_norms_equal(step, found)


def test_every_gradient_norm_equals_the_original_without_rounding(parity_dir, parity_weights):
    """The layers in float64: all norms but one are within 1e-3 of the original's. That one, of the
    bias of conv1, is a sum that cancels: one unit in the last place of the image's pixels moves it
    by up to 0.6 % in float32, and the original's own float32 by 0.104 % from the true value.
    """
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float64")
    try:
        step = Step(parity_dir, parity_weights, "train_ext")
        values, found = step.gradients
    finally:
        keras.config.set_dtype_policy(before)
    assert all(v.dtype == "float64" for v in step.variables.values())
    np.testing.assert_allclose(values, step.losses, rtol=1e-5)
    deviation = step.deviations(found)
    beyond = {
        (LOSSES[row], list(step.variables)[column]): deviation[row, column]
        for row, column in np.argwhere(deviation > 1e-3)
    }
    assert set(beyond) <= {("mrcnn_mask_loss", "conv1/bias")}
    assert max(beyond.values(), default=0) < 1.1e-3


def write_step(parity_dir: str, weights: str, out: str) -> None:
    """RoI targets, losses and gradient norms of `train_ext`, by the backend of this process."""
    step = Step(Path(parity_dir), Path(weights), "train_ext", replay_masks=True)
    config, batch = step.network.config, step.batch
    scale = functools.partial(box_ops.normalize, shape=config.IMAGE_SHAPE[:2])
    targets = RoITargets(config)(
        scale(ops.convert_to_tensor(batch["input_rois"])),
        ops.any(ops.not_equal(batch["input_rois"], 0), axis=-1),
        ops.convert_to_tensor(batch["input_gt_class_ids"]),
        scale(ops.convert_to_tensor(batch["input_gt_boxes"])),
        ops.convert_to_tensor(batch["input_gt_masks"]),
        ops.convert_to_tensor(batch["input_gt_has_mask"]),
    )
    arrays = dict(zip(TARGETS, map(ops.convert_to_numpy, targets), strict=True))
    values, norms = step.gradients
    np.savez(out, backend=keras.backend.backend(), losses=values, norms=norms, **arrays)


def test_a_step_on_jax_equals_the_original(parity_dir, parity_weights, step, tmp_path):
    """Masks are compared inside their rim and then taken from the bundle: of a RoI that touches its
    object's box, rounding decides whether the last row or column of the mask lies inside.
    """
    if step.network.config.USE_RPN_ROIS:
        pytest.skip("gradients of the original flow through the RoI targets there: a fault of it")
    pytest.importorskip("jax")
    script = "import runpy, sys; runpy.run_path(sys.argv[1])['write_step'](*sys.argv[2:])"
    done = subprocess.run(
        [sys.executable, "-c", script, __file__, parity_dir, parity_weights, tmp_path / "jax.npz"],
        env={
            **os.environ,
            "KERAS_BACKEND": "jax",
            "JAX_PLATFORMS": "cpu",
            "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
        },
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    with np.load(tmp_path / "jax.npz") as found:
        assert found["backend"] == "jax"
        assert_targets_equal(step, found, on_the_rim=False)
        np.testing.assert_allclose(found["losses"], step.losses, rtol=1e-4)
        assert_float32_norms_equal(step, found["norms"])
        # 97 % and 2.8e-3 were measured.
        deviation = step.deviations(found["norms"])
    assert (deviation <= 1e-3).mean() > 0.9
    assert deviation.max() <= 0.01
