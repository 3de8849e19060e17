"""Mixed precision: features and kernels in half precision, boxes and losses as in float32."""

import keras
import numpy as np
import pytest
from keras import ops

from mrcnn.backend import non_max_suppression
from mrcnn.modeling import boxes as box_ops
from mrcnn.modeling.matching import match_anchors
from mrcnn.modeling.network import Network, RoIAlign, dummy_batch
from mrcnn.modeling.roi_align import assign_levels, crop_masks, pyramid_roi_align
from mrcnn.weights.loading import to_numpy

SIDE = 128
POLICIES = ["mixed_bfloat16", "mixed_float16"]
HALF = ["bfloat16", "float16"]


@pytest.fixture(params=POLICIES)
def policy(request):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(request.param)
    yield request.param
    keras.config.set_dtype_policy(before)


# Corners that no half type holds, the last two far below a pixel at 1024.
BOXES = np.array(
    [
        [0.123, 0.277, 0.531, 0.811],
        [0.119, 0.301, 0.547, 0.797],
        [0.5013, 0.5021, 0.5022, 0.5034],
        [0.9991, 0.0003, 0.9994, 0.0009],
    ],
    "float32",
)
DELTAS = np.array([[0.31, -0.13, 0.21, -0.47]] * 4, "float32")
IDS = ops.convert_to_tensor(np.array([[1, 2, 1, 3]], "int32"))


def maps(seed, shape):
    return ops.convert_to_tensor(np.random.default_rng(seed).random(shape).astype("float32"))


def pooled(boxes):
    shapes = [(256, 256), (128, 128), (64, 64), (32, 32)]
    rows = sum(height * width for height, width in shapes)
    return pyramid_roi_align(boxes, maps(1, (1, rows, 2)), shapes, 7, 1024.0 * 1024)


OPERATIONS = {
    "area": box_ops.area,
    "pairwise_iou": lambda boxes: box_ops.pairwise_iou(boxes, boxes),
    "apply_deltas": lambda boxes: box_ops.apply_deltas(
        boxes, ops.convert_to_tensor(DELTAS)[None]
    ),
    "apply_deltas, deltas in half": lambda boxes: box_ops.apply_deltas(
        ops.convert_to_tensor(BOXES)[None], boxes
    ),
    "deltas_between": lambda boxes: box_ops.deltas_between(boxes, boxes[:, ::-1]),
    "clip": lambda boxes: box_ops.clip(boxes, boxes[:, :1]),
    "normalize": lambda boxes: box_ops.normalize(boxes, (1024, 800)),
    "assign_levels": lambda boxes: assign_levels(boxes, 1024.0 * 1024),
    "pyramid_roi_align": pooled,
    "crop_masks": lambda boxes: crop_masks(maps(2, (1, 4, 56, 56)), boxes, (28, 28)),
    "match_anchors": lambda boxes: match_anchors(boxes[0], boxes[:, ::-1], IDS),
    "non_max_suppression": lambda boxes: non_max_suppression(
        boxes, ops.ones(boxes.shape[:2], "bool"), 0.5, 4
    ),
}  # fmt: skip


@pytest.mark.parametrize("dtype", HALF)
@pytest.mark.parametrize("name", OPERATIONS)
def test_what_reads_boxes_in_half_precision_computes_in_float32(name, dtype):
    boxes = ops.cast(ops.convert_to_tensor(BOXES)[None], dtype)
    found, expected = (OPERATIONS[name](b) for b in (boxes, ops.cast(boxes, "float32")))
    if not isinstance(found, tuple):
        found, expected = [found], [expected]
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype
        assert np.isfinite(to_numpy(ops.cast(one, "float32"))).all()
        np.testing.assert_array_equal(to_numpy(one), to_numpy(other))


def test_roi_align_samples_where_the_boxes_are(policy):
    """On a map of column numbers, at 1024 pixels, the samples are their own positions."""
    shapes = [(1024, 1024), (256, 256), (128, 128), (64, 64), (32, 32)]
    columns = [np.tile(np.arange(w, dtype="float32"), h) for h, w in shapes[1:]]
    features = np.concatenate(columns)[None, :, None]
    boxes = BOXES[None, :3]
    found = to_numpy(RoIAlign(2, shapes)(boxes, features))[0, :, 0, :, 0]
    last = np.array([[31], [31], [255]])  # P5 for 478 and 472 pixels, P2 for one
    np.testing.assert_allclose(found, BOXES[:3, [1, 3]] * last, atol=1e-3)


def fixed_proposals(network):
    """The same proposals and classes whatever the features are: RPN and classifier give their
    biases alone.
    """
    for name in ("rpn_class_raw", "rpn_bbox_pred", "mrcnn_class_logits", "mrcnn_bbox_fc"):
        kernel, bias = network.builder.layers[name].weights
        kernel.assign(ops.zeros(kernel.shape))
        # Sixteenths are exact in both half types.
        values = np.random.default_rng(4).integers(-16, 17, bias.shape) / 16
        bias.assign(values.astype("float32"))


def networks(config, policy, mode):
    """`Network` in float32 and under `policy` with the same weights, `mode` of each is built."""
    models = []
    for name in ("float32", policy):
        keras.config.set_dtype_policy(name)
        keras.utils.set_random_seed(6)
        network = Network(config)
        model = getattr(network, mode)((SIDE, SIDE))
        fixed_proposals(network)
        models.append(model)
    for one, other in zip(models[0].variables, models[1].variables, strict=True):
        other.assign(to_numpy(one))
    return models


@pytest.mark.parametrize("precision", HALF)
def test_the_precision_of_a_configuration_is_that_of_its_layers_alone(tiny, precision):
    network = Network(tiny.update(PRECISION=precision))
    network.training((SIDE, SIDE))
    detector = network.detector((SIDE, SIDE))
    assert keras.config.dtype_policy().name == "float32"
    for name in ("small_conv1", "fpn_p2", "mrcnn_mask", "rpn_conv_shared"):
        layer = network.builder.layers[name]
        assert (layer.compute_dtype, layer.variable_dtype) == (precision, "float32")
    detections, features = detector.outputs
    assert (detections.dtype, features.dtype) == ("float32", precision)
    masks = network.segmenter((SIDE, SIDE), 2)
    assert masks.inputs[1].dtype == precision
    exact = Network(tiny)
    exact.training((SIDE, SIDE))
    assert exact.builder.layers["fpn_p2"].compute_dtype == "float32"


def test_detection_finds_the_same_boxes(tiny, policy, eagerly):
    exact, mixed = networks(tiny, policy, "inference")
    batch = dummy_batch(tiny, 1, (SIDE, SIDE))
    inputs = [batch["input_image"], batch["input_image_meta"]]
    with eagerly():
        found, expected = ([to_numpy(x) for x in m(inputs)] for m in (mixed, exact))
    assert all(x.dtype == np.float32 for x in found)
    detections, _, _, masks, rois, _, _ = expected
    assert len(np.unique(rois[0], axis=0)) > 20 and (detections[0, :, 4] > 0).sum() > 3
    # A tenth of a thousandth of a pixel; rounding to bfloat16 moves a corner by up to a quarter.
    np.testing.assert_allclose(found[4], rois, atol=1e-6)
    np.testing.assert_allclose(found[0], detections, atol=1e-6)
    np.testing.assert_allclose(found[3], masks, atol=0.02)


def step(model, batch):
    """Losses, targets and how each variable moves in one step."""
    before = {v.path: to_numpy(v).copy() for v in model.trainable_variables}
    outputs = model(batch, training=True)
    targets = {name: to_numpy(outputs[name]) for name in ("output_rois", *TARGETS)}
    optimizer = keras.optimizers.SGD(0.01, global_clipnorm=5.0)
    model.compile(optimizer=optimizer, jit_compile=keras.backend.backend() == "jax")
    losses = model.train_on_batch(batch, return_dict=True)
    return losses, targets, [to_numpy(v) - before[v.path] for v in model.trainable_variables]


TARGETS = ("target_class_ids", "target_bbox", "target_mask_ids", "target_mask")


def near_proposals(model, batch):
    """Move the objects next to some proposals, so that these are positive."""
    rois = to_numpy(keras.Model(model.inputs, model.get_layer("ROI").output)(batch))
    batch["input_gt_boxes"][:, :4] = rois[:, [1, 9, 20, 31]] * (SIDE - 1) + [0.4, 0, 1.3, 1]


def test_a_training_step_is_the_same(tiny, policy, eagerly):
    exact, mixed = networks(tiny, policy, "training")
    batch = dummy_batch(tiny, 2, (SIDE, SIDE), objects=4)
    with eagerly():
        near_proposals(exact, batch)
        losses, targets, moves = step(exact, batch)
        found_losses, found_targets, found_moves = step(mixed, batch)
    assert (targets["target_mask_ids"] > 0).sum() > 4
    for name, expected in targets.items():
        np.testing.assert_allclose(found_targets[name], expected, atol=1e-5, err_msg=name)
    for name, expected in losses.items():
        assert found_losses[name] == pytest.approx(expected, rel=0.01), name
    # 0.013 with the 8 bits of bfloat16. With the 11 of float16, 0.002 where XLA turns operands into
    # float32, and 0.009 on processors that add in float16.
    moves, found_moves = (np.concatenate([x.ravel() for x in y]) for y in (moves, found_moves))
    bound = {"mixed_bfloat16": 0.03, "mixed_float16": 0.02}[policy]
    assert np.linalg.norm(found_moves - moves) < bound * np.linalg.norm(moves)
