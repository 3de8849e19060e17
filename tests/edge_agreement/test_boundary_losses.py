"""The other boundary losses against hand-derived values and SciPy."""

import keras
import numpy as np
import pytest
from scipy import ndimage

from edge_agreement import (
    MAP_LOSSES,
    boundary_dice_bce,
    boundary_weighted_bce,
    contour,
    get_map_loss,
    signed_distance,
)
from edge_agreement.boundary_losses import soft_boundary, truncated_distance


def array(x):
    return keras.ops.convert_to_numpy(x)


def square(size, top, left, side):
    mask = np.zeros((size, size), "float32")
    mask[top : top + side, left : left + side] = 1
    return mask


def test_boundary_of_a_mask_is_where_the_laplacian_finds_it(mask_pair):
    laplacian = np.array([[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]])
    expected = [ndimage.correlate(m, laplacian, mode="constant") > 0.1 for m in mask_pair[0]]
    np.testing.assert_array_equal(array(soft_boundary(mask_pair[0])), expected)


def test_boundary_dice_bce_by_hand():
    y_true, y_pred = square(9, 3, 3, 3), 0.5 * square(9, 3, 3, 3)
    # 8 boundary pixels, predicted at a half: overlap 2 * 4 + 1, total 8 + 2 + 1.
    expected = 1 - 9 / 11 + 8 * np.log(2) / 81
    np.testing.assert_allclose(array(boundary_dice_bce(y_true, y_pred)), expected, rtol=1e-5)
    np.testing.assert_allclose(array(boundary_dice_bce(y_true, y_true)), 0, atol=1e-6)
    nothing = np.zeros((9, 9))
    np.testing.assert_allclose(array(boundary_dice_bce(nothing, nothing)), 0, atol=1e-6)


def test_signed_distance_by_hand():
    y_true = square(5, 1, 1, 3)
    # Inside, only the centre is not 0: its distance to the outside is 2, minus 1.
    np.testing.assert_allclose(array(signed_distance(y_true, y_true)), -1 / 25, rtol=1e-6)
    y_pred = np.zeros((5, 5))
    y_pred[0, 0] = 0.5  # a corner, diagonal neighbour of the mask
    expected = 0.5 * np.sqrt(2) / 25
    np.testing.assert_allclose(array(signed_distance(y_true, y_pred)), expected, rtol=1e-6)
    assert array(signed_distance(0 * y_true, y_pred)) == 0


@pytest.mark.parametrize("steps", [1, 3, 8])
def test_truncated_distance_is_scipys_chessboard(steps, mask_pair):
    outlines = array(soft_boundary(mask_pair[0][:3]))
    expected = [
        np.minimum(ndimage.distance_transform_cdt(m == 0, "chessboard"), steps) for m in outlines
    ]
    np.testing.assert_array_equal(array(truncated_distance(outlines, steps)), expected)


def test_contour_by_hand():
    # Concentric squares with sides of 3 and 7 (8 and 24 contour pixels), 2 pixels apart.
    small, large = square(13, 5, 5, 3), square(13, 3, 3, 7)
    expected = (8 * 2) / 9 + (24 * 2) / 25
    np.testing.assert_allclose(array(contour(small, large)), expected, rtol=1e-6)
    expected = (8 * 1) / 9 + (24 * 1) / 25
    np.testing.assert_allclose(array(contour(small, large, steps=1)), expected, rtol=1e-6)
    assert array(contour(large, large)) == 0
    nothing = 0 * small  # every contour pixel is at the largest distance from an empty map
    np.testing.assert_allclose(array(contour(small, nothing)), 8 * 5 / 9, rtol=1e-6)


def test_boundary_weighted_bce_by_hand():
    y_true = np.zeros((3, 4), "float32")
    y_true[:, 2:] = 1
    y_pred = np.full((3, 4), 0.5)
    # Distances of the columns from the boundary: 1, 0, 0, 1.
    weights = 1 + 10 * (2 + 2 * np.exp(-1 / 8)) / 4
    value = boundary_weighted_bce(y_true, y_pred)
    np.testing.assert_allclose(array(value), weights * np.log(2), rtol=1e-5)
    value = boundary_weighted_bce(y_true, y_pred, factor=0.0)
    np.testing.assert_allclose(array(value), np.log(2), rtol=1e-5)
    value = boundary_weighted_bce(0 * y_true, y_pred)  # no boundary: no more weight
    np.testing.assert_allclose(array(value), np.log(2), rtol=1e-5)


@pytest.mark.parametrize("name", MAP_LOSSES)
def test_one_value_per_map_lowest_for_the_right_one(name, mask_pair):
    y_true, y_pred = mask_pair
    loss = get_map_loss(name)
    value = array(loss(y_true, y_pred))
    assert value.shape == (5,)
    assert value.dtype == np.float32
    nested = array(loss(y_true[:4].reshape(2, 2, 28, 28), y_pred[:4].reshape(2, 2, 28, 28)))
    np.testing.assert_allclose(nested, value[:4].reshape(2, 2), rtol=1e-5)
    right = array(loss(y_true, y_true))
    assert np.all(right <= value)
    assert np.all(right[:3] < value[:3])


@pytest.mark.parametrize("name", MAP_LOSSES)
def test_no_map_has_no_value(name):
    none = np.zeros((0, 28, 28), "float32")
    assert array(MAP_LOSSES[name](none, none)).shape == (0,)


@pytest.mark.parametrize("name", MAP_LOSSES)
@pytest.mark.parametrize("case", ["equal", "wrong", "half", "empty"])
def test_gradients_are_finite(name, case, mask_pair, value_and_grad):
    y_true = mask_pair[0]
    y_pred = {"equal": y_true, "wrong": 1 - y_true, "half": 0 * y_true + 0.5, "empty": 0 * y_true}
    loss = MAP_LOSSES[name]
    value, grad = value_and_grad(lambda x: keras.ops.sum(loss(y_true, x)), y_pred[case])
    assert np.isfinite(value)
    assert np.all(np.isfinite(grad))


@pytest.mark.parametrize("name", MAP_LOSSES)
def test_descent_comes_nearer_to_the_mask(name, value_and_grad):
    y_true = square(28, 8, 8, 12)
    start = np.clip(0.5 + 0.4 * (square(28, 9, 10, 12) - 0.5), 0, 1)
    loss = MAP_LOSSES[name]
    y_pred = start
    for _ in range(10):
        _, grad = value_and_grad(lambda x: loss(y_true, x), y_pred)
        y_pred = np.clip(y_pred - 0.05 * grad / np.abs(grad).max(), 0.02, 0.98)
    assert array(loss(y_true, y_pred)) < array(loss(y_true, start))
    assert np.abs(y_pred - y_true).mean() < np.abs(start - y_true).mean()


@pytest.mark.parametrize("name", MAP_LOSSES)
@pytest.mark.parametrize(
    ("true_shape", "pred_shape"),
    [((3, 3), (4, 4)), ((1, 4), (4, 4)), ((1, 3, 3), (2, 3, 3)), ((3,), (3,)), ((0, 3), (0, 3))],
)
def test_shapes_that_do_not_fit(name, true_shape, pred_shape):
    with pytest.raises(ValueError, match=r"maps must be \(\.\.\., H, W\), of one shape"):
        MAP_LOSSES[name](np.zeros(true_shape), np.zeros(pred_shape))


@pytest.mark.parametrize(
    ("loss", "options", "message"),
    [
        (contour, {"steps": 0}, "steps must be a whole number of at least 1, not 0"),
        (contour, {"steps": 2.5}, "steps must be a whole number of at least 1, not 2.5"),
        (boundary_weighted_bce, {"sigma": 0}, "factor must be >= 0 and sigma > 0, not 10.0 and 0"),
        (boundary_weighted_bce, {"factor": np.nan}, "factor must be >= 0 and sigma > 0, not nan"),
        (boundary_dice_bce, {"smooth": 0.0}, "smooth must be above 0, not 0.0"),
    ],
)
def test_bad_options_say_what_is_wrong(loss, options, message):
    with pytest.raises(ValueError, match=message):
        loss(np.zeros((3, 3)), np.zeros((3, 3)), **options)


def test_unknown_names_say_what_is_right():
    with pytest.raises(ValueError, match=r"valid are: .*contour.*Did you mean 'signed-distance'"):
        get_map_loss("signed_distance")
    with pytest.raises(ValueError, match="unknown loss .*valid are"):
        get_map_loss(["contour"])
