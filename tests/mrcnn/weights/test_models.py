import keras
import numpy as np
import pytest

from mrcnn.errors import InputError
from mrcnn.weights.file_formats import read_weights
from mrcnn.weights.models import MaskModel


def make(seed, width=2):
    keras.utils.set_random_seed(seed)
    image = keras.Input((4,), name="image")
    one = keras.layers.Dense(3, name="one")(image)
    two = keras.layers.Dense(width, name="two")(one)
    return MaskModel(image, [two, keras.layers.Dense(1, name="aside")(image)])


# Keras 3.15 converts variables themselves to NumPy where it writes its own layout.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("name", ["mask_rcnn_shapes.h5", "own.weights.h5"])
def test_weights_of_old_scripts_and_of_keras(tmp_path, name):
    model, other = make(1), make(2)
    model.save_weights(str(tmp_path / name))
    other.load_weights(str(tmp_path / name), by_name=True)
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    # The original's layout names the layers; that of Keras may not.
    if name == "mask_rcnn_shapes.h5":
        assert set(read_weights(tmp_path / name)) == {"one", "two", "aside"}


@pytest.mark.parametrize("name", ["x.keras", "x.h5"])
def test_a_whole_model_is_not_saved_and_the_error_says_what_is(tmp_path, name):
    model, path = make(1), tmp_path / name
    with pytest.raises(InputError, match=r"save_weights.*load_weights.*keras_model\.export"):
        model.save(path)
    assert not path.exists()
    with pytest.raises(InputError, match="save_weights"):
        keras.saving.save_model(model, tmp_path / "y.keras")


def test_weights_that_do_not_fit(tmp_path):
    model, wide = make(1), make(2, width=5)
    model.save_weights(tmp_path / "a.h5")
    before = wide.get_weights()
    with pytest.raises(InputError, match="2 mismatched"):
        wide.load_weights(tmp_path / "a.h5")
    for a, b in zip(before, wide.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    wide.load_weights(tmp_path / "a.h5", skip_mismatch=True)
    np.testing.assert_array_equal(wide.get_weights()[0], model.get_weights()[0])
    with pytest.raises(InputError, match="exists already"):
        model.save_weights(tmp_path / "a.h5", overwrite=False)
