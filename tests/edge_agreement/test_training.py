"""What the loss is for: sharper edges in small models, on images they were not trained with."""

import keras
import numpy as np

from edge_agreement import EdgeAgreementLoss

SIZE = 24
TRAIN, HELD_OUT = 64, 32
IGNORED = 255


def array(x):
    return keras.ops.convert_to_numpy(x)


def scenes(seed, count):
    """Return noisy images of a box or a disc and their class maps (1 box, 2 disc).

    Shapes: `(count, 24, 24, 1)` float32 and int32.
    """
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIZE, :SIZE]
    labels = np.zeros((count, SIZE, SIZE, 1), "int32")
    for i in range(count):
        top, left = rng.uniform(7, 16, 2)
        a, b = rng.uniform(3, 7, 2)
        if i % 2:
            inside = (abs(y - top) <= a) & (abs(x - left) <= b)
        else:
            inside = np.hypot(y - top, x - left) <= a
        labels[i, inside] = 1 + (i + 1) % 2
    brightness = np.array([0.0, 1.0, -1.0])[labels]
    return (brightness + 0.7 * rng.standard_normal(labels.shape)).astype("float32"), labels


def predictions(loss, channels, x, y, new):
    """Return what a small model predicts for `new` after a training that is always the same."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 1)),
            keras.layers.Conv2D(8, 5, padding="same", activation="relu"),
            keras.layers.Conv2D(channels, 5, padding="same"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.01), loss=loss)
    model.fit(x, y, epochs=10, batch_size=16, shuffle=False, verbose=0)
    return array(model(new))


def test_segmentation():
    x, labels = scenes(1, TRAIN)
    new, truth = scenes(2, HELD_OUT)
    labels[:, :, 20:] = IGNORED
    edges = EdgeAgreementLoss("sobel", sparse=True, from_logits=True, ignore_value=IGNORED)
    # From probabilities, that of Keras 3.15 cannot be differentiated on PyTorch.
    cross_entropy = keras.losses.SparseCategoricalCrossentropy(True, ignore_class=IGNORED)

    def both(y_true, y_pred):
        return cross_entropy(y_true, y_pred) + edges(y_true, y_pred)

    without = predictions(cross_entropy, 3, x, labels, new)
    beside = predictions(both, 3, x, labels, new)
    error, error_without = (array(edges(truth, pred)) for pred in (beside, without))
    print(f"segmentation: edge error {error:.4f}, without the loss {error_without:.4f}")
    assert error < 0.93 * error_without


def test_depth():
    depths = np.array([3.0, 1.5, 2.0], "float32")  # background, box, disc
    x, labels = scenes(1, TRAIN)
    new, truth = scenes(2, HELD_OUT)
    valid = (np.random.default_rng(3).random(labels.shape) > 0.02).astype("float32")
    y = np.concatenate([depths[labels] * valid, valid], axis=-1)
    edges = EdgeAgreementLoss("sobel", valid_channel=True, padding="edge", weight=0.25)

    def absolute_error(y_true, y_pred):
        return keras.ops.mean(keras.ops.abs(y_true[..., :1] - y_pred) * y_true[..., 1:])

    def both(y_true, y_pred):
        return absolute_error(y_true, y_pred) + edges(y_true, y_pred)

    without = predictions(absolute_error, 1, x, y, new)
    beside = predictions(both, 1, x, y, new)
    everywhere = np.concatenate([depths[truth], np.ones_like(new)], axis=-1)
    error, error_without = (array(edges(everywhere, pred)) for pred in (beside, without))
    print(f"depth: edge error {error:.4f}, without the loss {error_without:.4f}")
    assert error < 0.93 * error_without
