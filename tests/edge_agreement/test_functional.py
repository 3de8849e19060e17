"""Edge maps, the loss per map and the weighted cross entropy: by hand and against SciPy."""

import keras
import numpy as np
import pytest
from scipy import ndimage

from edge_agreement import (
    FILTER_NAMES,
    edge_agreement,
    edge_error,
    edge_maps,
    edge_weighted_cross_entropy,
    gaussian_kernel,
    parse_filters,
    smooth,
)
from edge_agreement.functional import dilate, erode

SCIPY_MODE = {"zero": "constant", "edge": "nearest"}


def array(x):
    return keras.ops.convert_to_numpy(x)


def scipy_edges(maps, bank, padding):
    mode = SCIPY_MODE[padding]
    return np.stack(
        [
            np.stack([ndimage.correlate(m, kernel, mode=mode, cval=0.0) for m in maps])
            for kernel in np.moveaxis(bank.kernels[:, :, 0, :].astype("float64"), -1, 0)
        ],
        axis=-1,
    )


@pytest.mark.parametrize("padding", ["zero", "edge"])
@pytest.mark.parametrize(
    "spec", [*FILTER_NAMES, "roberts+sobel", [[[1.0, 2, 3, 4, -10]], "laplace"]]
)
def test_edge_maps_agree_with_scipy(spec, padding, mask_pair):
    maps = mask_pair[1].astype("float64")
    bank = parse_filters(spec)
    np.testing.assert_allclose(
        array(edge_maps(maps, spec, padding=padding)), scipy_edges(maps, bank, padding), atol=1e-5
    )


@pytest.mark.parametrize("padding", ["zero", "edge"])
@pytest.mark.parametrize("shape", [(3, 4), (1, 1), (1, 6)])
def test_kernels_may_be_larger_than_the_map(shape, padding, rng):
    maps, kernel = rng.random((2, *shape)), rng.normal(size=(9, 6))
    bank = parse_filters([kernel])
    got = array(edge_maps(maps, [kernel], padding=padding))
    np.testing.assert_allclose(got, scipy_edges(maps, bank, padding), atol=1e-5)


@pytest.mark.parametrize("padding", ["zero", "edge"])
def test_smooth_agrees_with_scipy(padding, mask_pair):
    kernel = np.array([0.077847, 0.123317, 0.077847])
    kernel = np.stack([kernel, [0.123317, 0.195346, 0.123317], kernel])
    expected = [ndimage.correlate(m, kernel, mode=SCIPY_MODE[padding]) for m in mask_pair[1]]
    np.testing.assert_allclose(array(smooth(mask_pair[1], padding=padding)), expected, atol=2e-6)


def test_step_by_hand():
    step = np.array([[0, 0, 1, 1]] * 4, "float32")
    response = array(edge_maps(step, "sobel-x", padding="edge"))[..., 0]
    np.testing.assert_array_equal(response, [[0, -4, -4, 0]] * 4)
    response = array(edge_maps(step, "sobel-x"))[..., 0]  # zeros beyond the border: 3 of 4 in the
    expected = [[0, -3, -3, 3], [0, -4, -4, 4], [0, -4, -4, 4], [0, -3, -3, 3]]  # corners
    np.testing.assert_array_equal(response, expected)


@pytest.mark.parametrize(
    ("padding", "expected"),
    # Sobel of a constant c on 28 x 28 with zeros outside: per component two lines of 26 pixels
    # with 4c and 2 with 3c: (26 * 16 + 2 * 9) * 2 * c^2 over 784 pixels.
    [("zero", (26 * 16 + 2 * 9) * 2 * 0.25 / 784), ("edge", 0.0)],
)
def test_constant_offset_costs_at_the_border_only(padding, expected):
    y_true = np.zeros((28, 28))
    value = edge_agreement(y_true, y_true + 0.5, "sobel", 2, padding=padding)
    np.testing.assert_allclose(array(value), expected, rtol=1e-6)


@pytest.mark.parametrize("p", [1, 1.5, 2, 3, 4, 5, np.float32(2.5)])
@pytest.mark.parametrize("smooth_gt", [False, True])
@pytest.mark.parametrize("smooth_pred", [False, True])
def test_value_is_the_mean_over_pixels_and_channels(p, smooth_gt, smooth_pred, mask_pair):
    y_true, y_pred = (m.astype("float64") for m in mask_pair)
    kernel = np.array([0.077847, 0.123317, 0.077847])
    kernel = np.stack([kernel, [0.123317, 0.195346, 0.1233179], kernel])
    value = array(
        edge_agreement(
            y_true, y_pred, "sobel+laplace", p, smooth_gt=smooth_gt, smooth_pred=smooth_pred
        )
    )
    if smooth_gt:
        y_true = np.stack([ndimage.correlate(m, kernel, mode="constant") for m in y_true])
    if smooth_pred:
        y_pred = np.stack([ndimage.correlate(m, kernel, mode="constant") for m in y_pred])
    bank = parse_filters("sobel+laplace")
    difference = scipy_edges(y_true, bank, "zero") - scipy_edges(y_pred, bank, "zero")
    expected = np.mean(np.abs(difference) ** float(p), axis=(1, 2, 3))
    assert value.shape == (5,)
    assert value.dtype == np.float32
    np.testing.assert_allclose(value, expected, rtol=2e-5)


def test_smoothing_pads_as_the_filters_do(mask_pair):
    options = {"smooth_gt": True, "smooth_pred": True, "padding": "edge"}
    y_true, y_pred = (
        np.stack([ndimage.correlate(m, gaussian_kernel(), mode="nearest") for m in maps])
        for maps in (each.astype("float64") for each in mask_pair)
    )
    bank = parse_filters("sobel")
    difference = scipy_edges(y_true, bank, "edge") - scipy_edges(y_pred, bank, "edge")
    error = np.square(difference).mean(axis=-1)
    value = array(edge_agreement(*mask_pair, **options))
    np.testing.assert_allclose(value, error.mean(axis=(1, 2)), rtol=2e-5)
    y_true = y_true.clip(0, 1)
    entropy = -y_true * np.log(y_pred) - (1 - y_true) * np.log(1 - y_pred)
    value = array(edge_weighted_cross_entropy(*mask_pair, "product", **options))
    np.testing.assert_allclose(value, (entropy * error).mean(axis=(1, 2)), rtol=2e-5)


def test_error_map_and_leading_axes(mask_pair):
    y_true, y_pred = (m[:4].reshape(2, 2, 28, 28) for m in mask_pair)
    error = array(edge_error(y_true, y_pred))
    assert error.shape == (2, 2, 28, 28)
    value = array(edge_agreement(y_true, y_pred))
    np.testing.assert_allclose(value, error.mean(axis=(-2, -1)), rtol=1e-6)
    single = edge_agreement(y_true[1, 0], y_pred[1, 0])
    assert single.shape == ()
    np.testing.assert_allclose(array(single), value[1, 0], rtol=1e-6)


def test_magnitude_replaces_pairs_and_keeps_the_rest(mask_pair):
    maps = mask_pair[1].astype("float64")
    raw = scipy_edges(maps, parse_filters("sobel+laplace"), "zero")
    expected = np.stack([np.hypot(raw[..., 0], raw[..., 1]), raw[..., 2]], axis=-1)
    got = array(edge_maps(maps, ["sobel-y", "laplace", "sobel-x"], magnitude=True))
    assert got.shape == (5, 28, 28, 2)
    # The magnitude stands where the first component of the family ("sobel-x") was.
    np.testing.assert_allclose(got[..., ::-1], expected, atol=1e-5)


def test_magnitude_does_not_see_the_direction():
    y_true = np.zeros((9, 9), "float32")
    y_true[3:6, 3:6] = 1
    kwargs = {"filters": "sobel", "padding": "edge"}
    assert array(edge_agreement(y_true, 1 - y_true, **kwargs)) > 1
    assert array(edge_agreement(y_true, 1 - y_true, magnitude=True, **kwargs)) < 1e-10


def test_normalize_scales_the_value(mask_pair):
    plain = array(edge_agreement(*mask_pair, "sobel", 2))
    scaled = array(edge_agreement(*mask_pair, "sobel", 2, normalize=True))
    np.testing.assert_allclose(scaled, plain / 16, rtol=1e-6)


@pytest.mark.parametrize("magnitude", [False, True])
@pytest.mark.parametrize("p", [1, 1.2, 2, 3, 3.5, 4])
@pytest.mark.parametrize("case", ["equal", "constant", "zero"])
def test_gradients_are_finite(case, p, magnitude, mask_pair, value_and_grad):
    y_true = mask_pair[0]
    y_pred = {"equal": y_true, "constant": np.full_like(y_true, 0.5), "zero": 0 * y_true}[case]
    value, grad = value_and_grad(
        lambda x: keras.ops.sum(edge_agreement(y_true, x, "sobel", p, magnitude=magnitude)), y_pred
    )
    assert np.isfinite(value)
    assert np.all(np.isfinite(grad))
    # The magnitude has no direction to go where both components are 0, so there its gradient is 0.
    assert np.any(grad) == (case == "constant" or (case == "zero" and not magnitude))


def test_gradient_by_hand(value_and_grad):
    # Laplacian, p = 2, one pixel of 1 in the middle of nothing: d/dx of (64 x^2 + 8 x^2) / 25.
    y_pred = np.zeros((5, 5), "float32")
    y_pred[2, 2] = 1
    value, grad = value_and_grad(lambda x: edge_agreement(0.0 * y_pred, x, "laplace", 2), y_pred)
    np.testing.assert_allclose(value, 72 / 25, rtol=1e-6)
    np.testing.assert_allclose(grad[2, 2], 144 / 25, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "uint8", "bool", "float64"])
def test_any_input_is_computed_in_float32(dtype):
    y_true = np.zeros((28, 28), "float32")
    y_true[5:9, 5:9] = 1
    maps = keras.ops.cast(y_true, dtype) if dtype == "bfloat16" else y_true.astype(dtype)
    value = edge_agreement(maps, maps * 0, "sobel", 2)
    assert keras.backend.standardize_dtype(value.dtype) == "float32"
    np.testing.assert_allclose(array(value), array(edge_agreement(y_true, 0 * y_true)), rtol=1e-6)


@pytest.mark.parametrize("padding", ["zero", "edge"])
def test_compiled_is_the_same(padding, mask_pair, compiled):
    def loss(y_true, y_pred):
        return edge_agreement(
            y_true, y_pred, "sobel+roberts", 1.5, smooth_gt=True, magnitude=True, padding=padding
        )

    y_true, y_pred = (keras.ops.convert_to_tensor(m) for m in mask_pair)
    np.testing.assert_allclose(
        array(compiled(loss)(y_true, y_pred)), array(loss(y_true, y_pred)), rtol=1e-5
    )


@pytest.mark.parametrize(
    ("weighting", "factor"),
    [
        ("product", lambda e: e),
        ("exp4", lambda e: np.exp(e / 4)),
        ("exp16", lambda e: np.exp(e / 16)),
    ],
)
@pytest.mark.parametrize("weight", [1.0, 0.25])
def test_weighted_cross_entropy_by_hand(weighting, factor, weight):
    # A pixel of probability 0.5 where 1 is right, alone on the map: its Laplacian error is
    # (8 / 2)^2 = 16, that of its 8 neighbours (1 / 2)^2; the other 16 pixels agree.
    y_true, y_pred = np.zeros((5, 5)), np.zeros((5, 5))
    y_true[2, 2], y_pred[2, 2] = 1, 0.5
    value = edge_weighted_cross_entropy(y_true, y_pred, weighting, "laplace", 2, weight=weight)
    expected = np.log(2) * factor(16 * weight) / 25
    np.testing.assert_allclose(array(value), expected, rtol=1e-5)


@pytest.mark.parametrize("weighting", ["exp4", "exp16"])
def test_exponent_is_bounded(weighting, mask_pair, value_and_grad):
    y_true = mask_pair[0]

    def loss(x):
        return keras.ops.sum(
            edge_weighted_cross_entropy(
                y_true, x, weighting, "kayyali", 5, weight=8.0, max_exponent=20.0
            )
        )

    y_pred = 1 - y_true  # everything wrong: the cross entropy is at most 16.2 a pixel
    value, grad = value_and_grad(loss, y_pred)
    assert np.exp(20) * 0.1 < value < 5 * 16.2 * np.exp(20)
    assert np.all(np.isfinite(grad))
    default = edge_weighted_cross_entropy(y_true, y_pred, weighting, "kayyali", 5, weight=8.0)
    assert np.all(np.isfinite(array(default)))


def test_dilate_and_erode_agree_with_scipy(mask_pair):
    for maps in mask_pair:
        for radius in (1, 2):
            size = 2 * radius + 1
            kwargs = {"size": (1, size, size), "mode": "constant", "cval": 0}
            np.testing.assert_array_equal(
                array(dilate(maps, radius)), ndimage.maximum_filter(maps, **kwargs)
            )
            np.testing.assert_array_equal(
                array(erode(maps, radius)), ndimage.minimum_filter(maps, **kwargs)
            )


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"p": 0.5}, "p must be a finite number of at least 1, not 0.5"),
        ({"p": float("inf")}, "p must be"),
        ({"p": float("nan")}, "p must be"),
        ({"p": "2"}, "p must be"),
        ({"p": True}, "p must be"),
        ({"padding": "same"}, "padding must be one of .*'zero', 'edge'.* not 'same'"),
        ({"filters": "laplace", "magnitude": True}, "magnitude=True needs both components"),
        ({"filters": "sobol"}, "unknown filter 'sobol'.*Did you mean 'sobel'"),
    ],
)
def test_bad_options_say_what_is_wrong(kwargs, message):
    with pytest.raises(ValueError, match=message):
        edge_agreement(np.zeros((3, 3)), np.zeros((3, 3)), **kwargs)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"weighting": "exp"}, "weighting must be one of .*'exp4'"),
        ({"weight": -1.0}, "weight must be a finite number of at least 0, not -1.0"),
        ({"weight": float("nan")}, "weight must be"),
        ({"max_exponent": 90.0}, "max_exponent must be above 0 and at most 80"),
        ({"max_exponent": 0}, "max_exponent"),
    ],
)
def test_bad_options_of_the_weighted_cross_entropy(kwargs, message):
    with pytest.raises(ValueError, match=message):
        edge_weighted_cross_entropy(np.zeros((3, 3)), np.zeros((3, 3)), **kwargs)


@pytest.mark.parametrize(
    ("true_shape", "pred_shape"),
    [
        ((3, 3), (4, 4)),
        ((1, 8), (8, 8)),  # NumPy would compare the row with all rows
        ((1, 8, 8), (5, 8, 8)),
        ((8, 8), (5, 8, 8)),
        ((8,), (8,)),
        ((), ()),
        ((2, 0, 8), (2, 0, 8)),
    ],
)
@pytest.mark.parametrize("function", [edge_agreement, edge_weighted_cross_entropy])
def test_shapes_that_do_not_fit(function, true_shape, pred_shape):
    with pytest.raises(ValueError, match=r"maps must be \(\.\.\., H, W\), of one shape") as error:
        function(np.zeros(true_shape), np.zeros(pred_shape))
    assert str(true_shape) in str(error.value) and str(pred_shape) in str(error.value)


def test_a_line_is_no_map():
    for function in (edge_maps, smooth):
        with pytest.raises(ValueError, match=r"maps must be .* got \(7,\)"):
            function(np.zeros(7))


def test_sizes_may_be_unknown():
    sizes = ((None, None), (None, 28), (28, 28))
    for true_size in sizes:
        for pred_size in sizes:
            y_true = keras.KerasTensor((None, *true_size))
            y_pred = keras.KerasTensor((None, *pred_size))
            assert edge_agreement(y_true, y_pred).shape == (None,)
    with pytest.raises(ValueError, match="maps must be"):
        edge_agreement(y_true, keras.KerasTensor((None, None, 27)))


def test_a_ready_bank_is_not_scaled(mask_pair):
    bank = parse_filters("sobel", normalize=True)
    expected = array(edge_agreement(*mask_pair, "sobel", normalize=True))
    np.testing.assert_array_equal(array(edge_agreement(*mask_pair, bank)), expected)
    with pytest.raises(ValueError, match="normalize=True cannot scale a ready FilterBank"):
        edge_agreement(*mask_pair, parse_filters("sobel"), normalize=True)


def test_bad_padding_of_maps():
    with pytest.raises(ValueError, match="padding must be"):
        edge_maps(np.zeros((3, 3)), padding="valid")
    with pytest.raises(ValueError, match="padding must be"):
        smooth(np.zeros((3, 3)), padding="valid")
