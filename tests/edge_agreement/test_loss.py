"""The loss for model.compile: forms of targets, pixels without a target, files."""

import keras
import numpy as np
import pytest

from edge_agreement import EdgeAgreementLoss, edge_agreement


def array(x):
    return keras.ops.convert_to_numpy(x)


@pytest.fixture
def labels(rng):
    return rng.integers(0, 3, (2, 12, 16)).astype("int32")


@pytest.fixture
def probabilities(rng):
    raw = rng.random((2, 12, 16, 3)).astype("float32")
    return raw / raw.sum(axis=-1, keepdims=True)


def per_image(y_true, y_pred, **options):
    """Return the mean of the loss over channels, one value per image."""
    return array(
        edge_agreement(np.moveaxis(y_true, -1, 1), np.moveaxis(y_pred, -1, 1), **options)
    ).mean(axis=1)


def test_one_value_per_image_and_its_mean(rng):
    y_true, y_pred = rng.random((2, 3, 8, 9, 2)).astype("float32")
    options = {"filters": "sobel+laplace", "p": 3, "smooth_gt": True, "padding": "edge"}
    expected = 0.5 * per_image(y_true, y_pred, **options)
    loss = EdgeAgreementLoss(weight=0.5, reduction=None, **options)
    np.testing.assert_allclose(array(loss(y_true, y_pred)), expected, rtol=1e-5)
    loss = EdgeAgreementLoss(weight=0.5, **options)
    np.testing.assert_allclose(array(loss(y_true, y_pred)), expected.mean(), rtol=1e-5)
    weighted = loss(y_true, y_pred, sample_weight=np.array([1.0, 0.0, 0.0]))
    np.testing.assert_allclose(array(weighted), expected[0] / 3, rtol=1e-5)


@pytest.mark.parametrize("option", ["magnitude", "normalize", "smooth_gt", "smooth_pred"])
def test_options_are_those_of_the_function(option, rng):
    y_true, y_pred = rng.random((2, 3, 8, 9)).astype("float32")
    expected = array(edge_agreement(y_true, y_pred, **{option: True}))
    got = EdgeAgreementLoss(reduction=None, **{option: True})(y_true, y_pred)
    np.testing.assert_allclose(array(got), expected, rtol=1e-6)
    assert np.all(np.abs(expected / array(edge_agreement(y_true, y_pred)) - 1) > 1e-3)


def test_a_single_channel_may_be_left_out(rng):
    y_true, y_pred = rng.random((2, 3, 8, 9)).astype("float32")
    expected = array(edge_agreement(y_true, y_pred)).mean()
    for a in (y_true, y_true[..., None]):
        for b in (y_pred, y_pred[..., None]):
            np.testing.assert_allclose(array(EdgeAgreementLoss()(a, b)), expected, rtol=1e-5)


def test_sparse_targets_are_class_maps(labels, probabilities):
    expected = per_image(np.eye(3)[labels], probabilities).mean()
    loss = EdgeAgreementLoss(sparse=True)
    np.testing.assert_allclose(array(loss(labels, probabilities)), expected, rtol=1e-5)
    np.testing.assert_allclose(array(loss(labels[..., None], probabilities)), expected, rtol=1e-5)


def test_sparse_with_one_channel_is_label_one(labels, probabilities):
    binary = (labels > 0).astype("int32")
    y_pred = probabilities[..., :1]
    expected = array(edge_agreement(binary, y_pred[..., 0])).mean()
    loss = EdgeAgreementLoss(sparse=True)
    np.testing.assert_allclose(array(loss(binary, y_pred)), expected, rtol=1e-5)


def test_logits(labels, probabilities):
    logits = np.log(probabilities)
    expected = array(EdgeAgreementLoss(sparse=True)(labels, probabilities))
    got = EdgeAgreementLoss(sparse=True, from_logits=True)(labels, logits)
    np.testing.assert_allclose(array(got), expected, rtol=1e-5)
    one = probabilities[..., :1]
    expected = array(EdgeAgreementLoss()(labels, one))
    got = EdgeAgreementLoss(from_logits=True)(labels, np.log(one / (1 - one)))
    np.testing.assert_allclose(array(got), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("smoothing", "reach"),
    [({}, 1), ({"smooth_gt": True}, 2), ({"smooth_pred": True}, 2)],
    ids=["sharp", "smooth-gt", "smooth-pred"],
)
@pytest.mark.parametrize("value", [255, float("nan"), -1.0])
def test_ignored_pixels_and_their_neighbours_do_not_count(value, smoothing, reach, rng):
    y_true, y_pred = rng.random((2, 1, 12, 16)).astype("float32")
    y_true[0, 5, 7] = value
    loss = EdgeAgreementLoss(ignore_value=value, weight=0.5, **smoothing)
    # By hand: the mean over all pixels further than `reach` from the one without a target.
    known = y_true.copy()
    known[0, 5, 7] = 0.0
    from edge_agreement import edge_error

    error = array(edge_error(known, y_pred, **smoothing))[0]
    counted = np.ones((12, 16), bool)
    counted[5 - reach : 6 + reach, 7 - reach : 8 + reach] = False
    np.testing.assert_allclose(array(loss(y_true, y_pred)), 0.5 * error[counted].mean(), rtol=1e-5)


def test_a_pixel_counts_where_every_channel_has_a_target(rng):
    y_true, y_pred = rng.random((2, 2, 8, 9, 3)).astype("float32")
    one, every = y_true.copy(), y_true.copy()
    one[:, 3, 4, 1], every[:, 3, 4] = -1, -1
    loss = EdgeAgreementLoss(ignore_value=-1)
    np.testing.assert_allclose(array(loss(one, y_pred)), array(loss(every, y_pred)), rtol=1e-6)


def test_what_is_predicted_at_ignored_pixels_does_not_matter(labels, probabilities, value_and_grad):
    labels = labels.copy()
    labels[:, 3:7, 4:9] = 255
    loss = EdgeAgreementLoss(sparse=True, ignore_value=255)
    value, grad = value_and_grad(lambda x: loss(labels, x), probabilities)
    np.testing.assert_array_equal(grad[:, 3:7, 4:9], 0)
    assert np.any(grad)
    for instead in ([1, 0, 0], [np.nan, np.inf, 0]):
        other = probabilities.copy()
        other[:, 3:7, 4:9] = instead
        np.testing.assert_allclose(array(loss(labels, other)), value, rtol=1e-6)


def test_nothing_valid_is_zero_with_a_finite_gradient(value_and_grad, rng):
    y_true = np.full((2, 8, 8, 1), np.nan, "float32")
    y_pred = rng.random((2, 8, 8, 1))
    loss = EdgeAgreementLoss(ignore_value=float("nan"))
    value, grad = value_and_grad(lambda x: loss(y_true, x), y_pred)
    assert value == 0
    np.testing.assert_array_equal(grad, 0)


def test_valid_channel_is_the_same_as_an_ignored_value(rng):
    depth, y_pred = rng.uniform(1, 9, (2, 2, 12, 16)).astype("float32")
    valid = rng.random((2, 12, 16)) > 0.03
    assert np.any(~valid)
    expected = EdgeAgreementLoss(ignore_value=0.0)(np.where(valid, depth, 0), y_pred)
    stacked = np.stack([depth, valid], axis=-1).astype("float32")
    got = EdgeAgreementLoss(valid_channel=True)(stacked, y_pred)
    assert array(expected) > 0
    np.testing.assert_allclose(array(got), array(expected), rtol=1e-6)
    # Both together: what either leaves out does not count.
    elsewhere = depth.copy()
    elsewhere[:, 2, 3] = 0
    expected = EdgeAgreementLoss(ignore_value=0.0)(np.where(valid, elsewhere, 0), y_pred)
    stacked = np.stack([elsewhere, valid], axis=-1).astype("float32")
    got = EdgeAgreementLoss(valid_channel=True, ignore_value=0.0)(stacked, y_pred)
    np.testing.assert_allclose(array(got), array(expected), rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "true_shape", "pred_shape", "message"),
    [
        ({}, (2, 8, 8, 3), (2, 8, 8, 2), "with targets of 2 channel"),
        ({"sparse": True}, (2, 8, 8, 3), (2, 8, 8, 3), "with targets of 1 channel"),
        ({}, (2, 8), (2, 8), "maps must be"),
        ({"valid_channel": True}, (2, 8, 8), (2, 8, 8), "wants y_true"),
        ({}, (2, 3, 8, 9), (2, 8, 9, 3), "of one size"),  # channels first
        ({}, (2, 1, 8, 3), (2, 8, 8, 3), "of one size"),  # else every row would meet this one
        ({}, (1, 8, 8, 3), (2, 8, 8, 3), "of one size"),
        ({"sparse": True}, (2, 8, 7), (2, 8, 8, 3), "of one size"),
        ({}, (2, 8, 8, 0), (2, 8, 8, 0), "targets of 0 channel"),
    ],
)
def test_shapes_that_do_not_fit(options, true_shape, pred_shape, message):
    with pytest.raises(ValueError, match=message):
        EdgeAgreementLoss(**options)(np.zeros(true_shape), np.zeros(pred_shape))


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"p": 0}, "p must be"),
        ({"weight": float("inf")}, "weight must be"),
        ({"padding": None}, "padding must be"),
        ({"filters": "lapalce"}, "Did you mean 'laplace'"),
        ({"ignore_value": "255"}, "ignore_value must be a number or None, not '255'"),
        ({"ignore_value": [0, 255]}, "ignore_value must be"),
    ],
)
def test_bad_options_say_what_is_wrong(kwargs, message):
    with pytest.raises(ValueError, match=message):
        EdgeAgreementLoss(**kwargs)


def test_config_round_trip():
    import inspect

    loss = EdgeAgreementLoss(
        ["roberts", np.eye(3)], 1.5, 2.0, True, True, True, True, "edge", True, True, 255, name="e"
    )
    config = loss.get_config()
    again = EdgeAgreementLoss.from_config(config)
    assert again.get_config() == config
    np.testing.assert_array_equal(again.bank.kernels, loss.bank.kernels)
    assert set(inspect.signature(EdgeAgreementLoss).parameters) - {"dtype"} <= set(config)


@pytest.mark.filterwarnings(
    # Keras 3.15 saving its own variables under NumPy 2.
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning",
    # PyTorch 2.13 on its own use of TorchScript.
    "ignore:.torch.jit:DeprecationWarning",
)
@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_compiled_model_trains_and_survives_a_file(policy, tmp_path, rng):
    x = rng.random((4, 12, 12, 3)).astype("float32")
    y = (x.sum(axis=-1) > 1.5).astype("uint8")
    y[:, :2] = 255
    before = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy(policy)
        model = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(2, 1)])
        model.compile(
            keras.optimizers.SGD(0.01),
            loss=EdgeAgreementLoss(
                "sobel+laplace", sparse=True, from_logits=True, ignore_value=255
            ),
            jit_compile=keras.backend.backend() != "torch",
        )
        history = model.fit(x, y, epochs=4, batch_size=4, verbose=0).history["loss"]
        assert history[-1] < history[0]
        model.save(tmp_path / "model.keras")
        again = keras.models.load_model(tmp_path / "model.keras")
    finally:
        keras.config.set_dtype_policy(before)
    assert again.loss.get_config() == model.loss.get_config()
    np.testing.assert_allclose(
        again.evaluate(x, y, verbose=0), model.evaluate(x, y, verbose=0), rtol=1e-5
    )


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_predictions_of_half_precision_are_compared_in_float32(dtype, rng):
    y_true, y_pred = 3 * rng.random((2, 2, 8, 9, 1)).astype("float32")
    loss = EdgeAgreementLoss("kayyali", p=5)  # far beyond the range of float16
    half = keras.ops.cast(y_pred, dtype)
    expected = array(loss(y_true, array(keras.ops.cast(half, "float32"))))
    assert expected > 65504
    np.testing.assert_allclose(array(loss(y_true, half)), expected, rtol=1e-5)
