"""RoIAlign and mask crops against SciPy's interpolation and TensorFlow's crop_and_resize."""

import keras
import numpy as np
import pytest
from keras import ops
from scipy.ndimage import map_coordinates

from mrcnn.modeling.fpn import flatten_levels, shapes_of
from mrcnn.modeling.roi_align import assign_levels, crop_masks, pyramid_roi_align

SIDE = 512
AREA = float(SIDE * SIDE)


@pytest.mark.parametrize(
    ("height", "width", "level"),
    [
        (224, 224, 4),
        (112, 448, 4),  # the same area
        (112, 112, 3),
        (448, 448, 5),
        (56, 56, 2),
        (10, 10, 2),  # would be -0.5
        (1000, 1000, 5),  # would be 6.2
        (291, 291, 4),  # 4.38
        (336, 336, 5),  # 4.58
        (0, 0, 2),
    ],
)
@pytest.mark.parametrize("image", [(1024, 1024), (800, 1024), (2048, 1024)])
def test_level_of_a_box_in_pixels(height, width, level, image):
    box = np.array([[[0, 0, height / image[0], width / image[1]]]], "float32")
    assert int(assign_levels(ops.convert_to_tensor(box), image[0] * image[1])[0, 0]) == level


@pytest.fixture(scope="module")
def pyramid():
    rng = np.random.default_rng(3)
    levels = [
        rng.normal(size=(2, SIDE // s, SIDE // s, 5)).astype("float32") for s in (4, 8, 16, 32)
    ]
    # Two boxes for each level and some that touch the border, in pixels.
    sizes = np.array([30, 60, 100, 130, 180, 240, 400, 512, 128, 20])
    corner = rng.uniform(0, 1, (2, len(sizes), 2)) * (SIDE - sizes)[None, :, None]
    extent = sizes[None, :, None] * rng.uniform(0.8, 1, (2, len(sizes), 2))
    boxes = np.concatenate([corner, corner + extent], axis=-1) / SIDE
    boxes[:, 7] = [0, 0, 1, 1]
    boxes[:, 8] = [0.75, 0.75, 1, 1]
    return levels, boxes.astype("float32")


def expected_level(box):
    """Equation 1 of the FPN paper."""
    size = np.sqrt((box[2] - box[0]) * (box[3] - box[1])) * SIDE
    return int(np.clip(4 + np.round(np.log2(size / 224)), 2, 5))


@pytest.mark.parametrize("pool", [1, 7, 14])
def test_roi_align_samples_at_the_corners_and_between(pyramid, pool):
    levels, boxes = pyramid
    tensors = [ops.convert_to_tensor(level) for level in levels]
    found = ops.convert_to_numpy(
        pyramid_roi_align(boxes, flatten_levels(tensors), shapes_of(tensors), pool, AREA)
    )
    assert found.shape == (2, 10, pool, pool, 5)
    used = set()
    for image in range(2):
        for index, box in enumerate(boxes[image].astype(float)):
            used.add(expected_level(box))
            features = levels[expected_level(box) - 2][image]
            y1, x1, y2, x2 = box * (features.shape[0] - 1)
            if pool == 1:
                y2, x2 = y1, x1
            grid = np.meshgrid(np.linspace(y1, y2, pool), np.linspace(x1, x2, pool), indexing="ij")
            for channel in range(5):
                expected = map_coordinates(features[..., channel], grid, order=1, mode="nearest")
                np.testing.assert_allclose(found[image, index, ..., channel], expected, atol=1e-4)
    assert used == {2, 3, 4, 5}


def test_roi_align_and_its_gradient_equal_crop_and_resize(pyramid, gradients):
    tf = pytest.importorskip("tensorflow")
    levels, boxes = pyramid
    pool = 7
    weights = np.random.default_rng(4).normal(size=(2, 10, pool, pool, 5)).astype("float32")
    variables = [keras.Variable(level) for level in levels]

    def ours():
        tensors = [ops.convert_to_tensor(v) for v in variables]
        found = pyramid_roi_align(
            ops.convert_to_tensor(boxes), flatten_levels(tensors), shapes_of(tensors), pool, AREA
        )
        return ops.sum(found * weights)

    value, grads = gradients(ours, variables)

    expected_value, expected = 0.0, [np.zeros_like(level) for level in levels]
    for image in range(2):
        for index, box in enumerate(boxes[image]):
            level = expected_level(box.astype(float)) - 2
            # One box a call: the kernel's gradient over several boxes has a race.
            features = tf.constant(levels[level][image : image + 1])
            with tf.GradientTape() as tape:
                tape.watch(features)
                crop = tf.image.crop_and_resize(features, box[None], [0], (pool, pool))
                part = tf.reduce_sum(crop[0] * weights[image, index])
            expected_value += float(part)
            expected[level][image] += tape.gradient(part, features)[0].numpy()
    np.testing.assert_allclose(value, expected_value, rtol=1e-4)
    for grad, reference in zip(grads, expected, strict=True):
        np.testing.assert_allclose(grad, reference, atol=1e-4)


def test_empty_boxes_read_the_corner_of_the_finest_level(pyramid):
    levels, _ = pyramid
    tensors = [ops.convert_to_tensor(level) for level in levels]
    found = pyramid_roi_align(
        ops.zeros((2, 1, 4)), flatten_levels(tensors), shapes_of(tensors), 3, AREA
    )
    expected = np.broadcast_to(levels[0][:, None, :1, :1], (2, 1, 3, 3, 5))
    np.testing.assert_allclose(ops.convert_to_numpy(found), expected)


def test_roi_align_keeps_the_dtype_of_the_features():
    levels = [ops.ones((1, s, s, 2), dtype="bfloat16") for s in (8, 4, 2, 1)]
    boxes = ops.convert_to_tensor([[[0.1, 0.1, 0.9, 0.9]]])
    found = pyramid_roi_align(boxes, flatten_levels(levels), shapes_of(levels), 2, 32.0 * 32)
    assert keras.backend.standardize_dtype(found.dtype) == "bfloat16"


BOXES = np.array(
    [
        [0, 0, 1, 1],
        [0.2, 0.3, 0.7, 0.6],
        [-0.3, -0.1, 0.5, 1.2],  # partly outside
        [1.1, 1.1, 1.4, 1.5],  # wholly outside
        [0.8, 0.9, 0.1, 0.2],  # upside down
        [0.5, 0.5, 0.5, 0.5],
    ],
    "float32",
)


@pytest.mark.parametrize("shape", [(28, 28), (14, 9), (1, 1)])
def test_crop_masks_equals_crop_and_resize(rng, shape):
    tf = pytest.importorskip("tensorflow")
    masks = rng.random((2, len(BOXES), 23, 31)).astype("float32")
    boxes = np.stack([BOXES, BOXES[::-1]])
    found = ops.convert_to_numpy(crop_masks(masks, ops.convert_to_tensor(boxes), shape))
    if shape == (1, 1):
        # crop_and_resize takes the centre of a box then; RoI masks are never that small.
        assert found.shape == (2, len(BOXES), 1, 1)
        return
    expected = tf.image.crop_and_resize(
        masks.reshape(-1, 23, 31, 1), boxes.reshape(-1, 4), range(2 * len(BOXES)), shape
    )
    np.testing.assert_allclose(found, expected.numpy().reshape(found.shape), atol=1e-5)
    assert not found[0, 3].any()


def test_crop_masks_by_hand():
    mask = np.array([[0, 1], [1, 1]], "float32")[None, None]
    box = ops.convert_to_tensor([[[0.0, -1.0, 1.0, 1.0]]])
    # Rows at 0, 1/2, 1; columns at -1, 0, 1, of which the first lies outside.
    found = ops.convert_to_numpy(crop_masks(mask, box, (3, 3)))[0, 0]
    np.testing.assert_allclose(found, [[0, 0, 1], [0, 0.5, 1], [0, 1, 1]])


def test_roi_align_gives_what_the_original_pooled(parity_dir):
    with np.load(parity_dir / "inference_resnet50.npz") as bundle:
        levels = [ops.convert_to_tensor(bundle[f"P{n}"]) for n in range(2, 6)]
        rois, detections = bundle["rpn_rois"], bundle["detections"]
        pooled = bundle["roi_align_classifier_first32"], bundle["roi_align_mask_first8"]
    flat_features, shapes = flatten_levels(levels), shapes_of(levels)
    for boxes, pool, expected in (
        (rois[:, :32], 7, pooled[0]),
        (detections[:, :8, :4], 14, pooled[1]),
    ):
        found = pyramid_roi_align(
            ops.convert_to_tensor(boxes), flat_features, shapes, pool, 320.0 * 320
        )
        np.testing.assert_allclose(ops.convert_to_numpy(found), expected, atol=2e-3, rtol=2e-3)
