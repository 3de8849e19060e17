"""The layers for regions of interest: selection, averaging, files, precision, compilation."""

import keras
import numpy as np
import pytest

from edge_agreement import MAP_LOSSES, EdgeAgreementHead, MapLossHead, edge_agreement
from edge_agreement.functional import edge_weighted_cross_entropy
from edge_agreement.head import select_class_masks


def array(x):
    return keras.ops.convert_to_numpy(x)


@pytest.fixture
def rois(rng):
    """Two images with five RoIs, of which three and two are positive; four classes."""
    masks = (rng.random((2, 5, 28, 28)) > 0.5).astype("float32")
    ids = np.array([[1, 0, 3, 2, 0], [0, 0, 0, 1, 3]], "int32")
    pred = rng.uniform(0.01, 0.99, (2, 5, 28, 28, 4)).astype("float32")
    return masks, ids, pred


def positives(masks, ids, pred):
    """Return the pairs that count, picked one by one."""
    where = list(zip(*np.nonzero(ids > 0), strict=True))
    return np.stack([masks[i] for i in where]), np.stack([pred[i][..., ids[i]] for i in where])


def test_class_masks_are_picked_exactly(rois):
    _, ids, pred = rois
    got = array(select_class_masks(ids, pred))
    for i in np.ndindex(ids.shape):
        expected = pred[i][..., ids[i]] if ids[i] > 0 else 0
        np.testing.assert_array_equal(got[i], expected * np.ones((28, 28)))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"filters": "sobel+laplace", "p": 1, "smooth_gt": True},
        {"filters": "prewitt", "p": 3, "magnitude": True, "padding": "edge"},
        {"smooth_pred": True, "normalize": True},
    ],
)
def test_value_is_the_mean_over_positives(options, rois):
    expected = 0.5 * array(edge_agreement(*positives(*rois), **options)).mean()
    value = EdgeAgreementHead(weight=0.5, **options)(*rois)
    assert value.shape == ()
    np.testing.assert_allclose(array(value), expected, rtol=1e-5)


def test_leading_axes_do_not_matter(rois):
    masks, ids, pred = rois
    flat = (masks.reshape(10, 28, 28), ids.reshape(10), pred.reshape(10, 28, 28, 4))
    head = EdgeAgreementHead()
    np.testing.assert_allclose(array(head(*flat)), array(EdgeAgreementHead()(*rois)), rtol=1e-6)


def test_one_channel_is_the_mask_of_every_class(rois):
    masks, ids, pred = rois
    pairs = positives(masks, ids, np.repeat(pred[..., :1], 4, axis=-1))
    value = EdgeAgreementHead()(masks, ids, pred[..., :1])
    np.testing.assert_allclose(array(value), array(edge_agreement(*pairs)).mean(), rtol=1e-5)


@pytest.mark.parametrize(
    "head",
    [
        EdgeAgreementHead(p=1, magnitude=True),
        EdgeAgreementHead(weight_entropy="exp16"),
        *(MapLossHead(name) for name in MAP_LOSSES),
    ],
    ids=["edge", "exp16", *MAP_LOSSES],
)
def test_nothing_positive_is_zero_with_a_gradient_of_zero(head, rois, value_and_grad):
    masks, ids, pred = rois
    for nothing in (0 * ids, -ids):
        value, grad = value_and_grad(lambda x, ids=nothing: head(masks, ids, x), pred)
        assert value == 0
        np.testing.assert_array_equal(grad, 0)


def test_gradient_reaches_the_masks_that_count_only(rois, value_and_grad):
    masks, ids, pred = rois
    _, grad = value_and_grad(lambda x: EdgeAgreementHead()(masks, ids, x), pred)
    for i in np.ndindex(ids.shape):
        for c in range(4):
            assert np.any(grad[i][..., c]) == (ids[i] > 0 and c == ids[i])


@pytest.mark.parametrize("weighting", ["product", "exp4", "exp16"])
def test_weighted_cross_entropy(weighting, rois):
    # The weight belongs to the edge error, not to the value.
    options = {"filters": "laplace", "p": 2, "smooth_gt": True}
    expected = edge_weighted_cross_entropy(*positives(*rois), weighting, weight=0.25, **options)
    head = EdgeAgreementHead(weight=0.25, weight_entropy=weighting, **options)
    np.testing.assert_allclose(array(head(*rois)), array(expected).mean(), rtol=1e-5)


def test_weighted_cross_entropy_cannot_overflow(rois, value_and_grad):
    masks, ids, pred = rois
    head = EdgeAgreementHead("kayyali", p=5, weight=16.0, weight_entropy="exp16")
    value, grad = value_and_grad(lambda x: head(masks, ids, x), pred)
    assert 1e6 < value < 17 * np.exp(20)
    assert np.isfinite(np.sum(np.square(grad), dtype="float32"))


@pytest.mark.parametrize("name", MAP_LOSSES)
def test_map_losses_average_over_positives(name, rois):
    expected = 2 * array(MAP_LOSSES[name](*positives(*rois))).mean()
    np.testing.assert_allclose(array(MapLossHead(name, weight=2.0)(*rois)), expected, rtol=1e-5)


def model_with(head, rois, dtype=None):
    """Return a compiled model whose mask branch has five RoIs of 28 x 28, and its inputs."""
    masks, ids, pred = rois
    features = keras.Input((5, 28, 28, 4), name="features")
    target_masks = keras.Input((5, 28, 28), name="target_masks")
    target_class_ids = keras.Input((5,), dtype="int32", name="target_class_ids")
    predicted = keras.layers.Dense(4, activation="sigmoid", dtype=dtype)(features)
    value = head(target_masks, target_class_ids, predicted)
    model = keras.Model([features, target_masks, target_class_ids], [predicted, value])
    return model, [pred, masks, ids]


@pytest.mark.filterwarnings(
    # Keras 3.15 saving its own variables under NumPy 2.
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning",
    # PyTorch 2.13 on its own use of TorchScript.
    "ignore:.torch.jit:DeprecationWarning",
)
@pytest.mark.parametrize(
    "head",
    [
        lambda: EdgeAgreementHead(["sobel-x", np.eye(3)], 1.5, 0.5, smooth_gt=True, add_loss=True),
        lambda: MapLossHead("contour", weight=0.5, add_loss=True),
    ],
    ids=["edge", "map-loss"],
)
def test_compiled_model_trains_and_survives_a_file(head, rois, tmp_path):
    model, inputs = model_with(head(), rois)
    assert len(model.layers[-1].weights) == 0
    model.compile("sgd", jit_compile=keras.backend.backend() != "torch")
    before = model.evaluate(inputs, verbose=0)
    value = array(model(inputs)[1])
    np.testing.assert_allclose(before, value, rtol=1e-5)
    model.fit(inputs, epochs=3, batch_size=2, verbose=0)
    assert model.evaluate(inputs, verbose=0) < before
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(array(again(inputs)[1]), array(model(inputs)[1]), rtol=1e-6)
    np.testing.assert_allclose(
        again.evaluate(inputs, verbose=0), model.evaluate(inputs, verbose=0), rtol=1e-6
    )


def test_it_adds_no_loss_unless_asked_to(rois):
    for add_loss, count in ((False, 0), (True, 1)):
        model, inputs = model_with(EdgeAgreementHead(add_loss=add_loss), rois)
        value = model(inputs)[1]
        assert len(model.losses) == count
        if add_loss:
            np.testing.assert_array_equal(array(model.losses[0]), array(value))


def test_config_round_trip():
    head = EdgeAgreementHead(
        filters=["sobel", np.array([[1.0, -1.0]])],
        p=3,
        weight=8,
        smooth_gt=True,
        smooth_pred=True,
        magnitude=True,
        normalize=True,
        padding="edge",
        weight_entropy="exp4",
        max_exponent=10,
        add_loss=True,
    )
    config = head.get_config()
    again = EdgeAgreementHead.from_config(config)
    assert again.get_config() == config
    assert again.name == "mrcnn_mask_edge_loss"
    np.testing.assert_array_equal(again.bank.kernels, head.bank.kernels)
    import inspect

    arguments = set(inspect.signature(EdgeAgreementHead).parameters) - {"kwargs"}
    assert arguments <= set(config)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_is_computed_in_float32(policy, rois):
    before = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy(policy)
        head = EdgeAgreementHead("kayyali", p=5)  # thousands of times the range of float16
        model, inputs = model_with(head, rois)
        predicted, value = model(inputs)
    finally:
        keras.config.set_dtype_policy(before)
    assert head.compute_dtype == "float32"
    half = policy.removeprefix("mixed_")
    assert keras.backend.standardize_dtype(predicted.dtype) == half
    assert keras.backend.standardize_dtype(value.dtype) == "float32"
    exact = EdgeAgreementHead("kayyali", p=5)(
        rois[0], rois[1], array(keras.ops.cast(predicted, "float32"))
    )
    np.testing.assert_allclose(array(value), array(exact), rtol=1e-5)


def test_targets_of_few_bits_are_fine(rois):
    masks, ids, pred = rois
    expected = array(EdgeAgreementHead()(masks, ids, pred))
    got = EdgeAgreementHead()(masks.astype("bool"), ids.astype("float32"), pred)
    np.testing.assert_allclose(array(got), expected, rtol=1e-6)


def test_compiled_is_the_same(rois, compiled):
    tensors = [keras.ops.convert_to_tensor(x) for x in rois]
    for head in (
        EdgeAgreementHead("sobel+roberts", 1.5, magnitude=True, weight_entropy="exp4"),
        *(MapLossHead(name) for name in MAP_LOSSES),
    ):
        expected = array(head(*tensors))
        np.testing.assert_allclose(array(compiled(head)(*tensors)), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"p": 0.9}, "p must be a finite number of at least 1, not 0.9"),
        ({"weight": -1}, "weight must be a finite number of at least 0, not -1"),
        ({"padding": "reflect"}, "padding must be one of"),
        ({"filters": "sobell"}, "Did you mean 'sobel'"),
        ({"filters": "laplace", "magnitude": True}, "magnitude=True"),
        ({"weight_entropy": "exp"}, "weighting must be one of"),
        ({"weight_entropy": "exp4", "max_exponent": -1}, "max_exponent"),
    ],
)
def test_bad_options_say_what_is_wrong(kwargs, message):
    with pytest.raises(ValueError, match=message) as error:
        EdgeAgreementHead(**kwargs)
    assert "\n" not in str(error.value)


def test_bad_map_loss_says_what_is_right():
    with pytest.raises(ValueError, match="unknown loss 'contur'.*Did you mean 'contour'"):
        MapLossHead("contur")


@pytest.mark.parametrize(
    ("masks", "ids", "pred"),
    [
        ((5, 28, 28), (4,), (5, 28, 28, 3)),
        ((5, 14, 14), (5,), (5, 28, 28, 3)),
        ((5, 28, 28), (5,), (5, 28, 28)),
        ((28, 28), (5,), (5, 28, 28, 3)),
    ],
)
def test_shapes_that_do_not_fit(masks, ids, pred):
    with pytest.raises(ValueError, match=r"wants target_masks \(\.\.\., H, W\)"):
        EdgeAgreementHead()(np.zeros(masks), np.zeros(ids, "int32"), np.zeros(pred))
