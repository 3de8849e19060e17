import numpy as np
import pytest
import tifffile
from PIL import Image

from mrcnn.data.reading.labels import load_shape, load_values
from mrcnn.errors import InputError

SHAPE = np.zeros((6, 9), bool)
SHAPE[1:4, 2:7] = True
WHITE, BLACK, GREY = (np.full((6, 9), value, np.uint8) for value in (255, 0, 128))


def write(path, array, mode=None):
    Image.fromarray(array, mode).save(path) if mode else Image.fromarray(array).save(path)
    return path


@pytest.mark.parametrize("value", [1, 200, 255, 256, 65535])
@pytest.mark.parametrize("kind", [np.uint16, np.int32, np.float32, np.uint32])
def test_any_value_but_0_is_the_object(tmp_path, value, kind):
    values = np.where(SHAPE, value, 0).astype(kind)
    tifffile.imwrite(tmp_path / "a.tif", values)
    np.testing.assert_array_equal(load_shape(tmp_path / "a.tif"), SHAPE)
    np.testing.assert_array_equal(load_values(tmp_path / "a.tif"), np.where(SHAPE, value, 0))
    if kind == np.uint16:
        np.testing.assert_array_equal(load_shape(write(tmp_path / "a.png", values)), SHAPE)


def test_small_fractions_are_the_object_and_nan_is_not(tmp_path):
    values = np.where(SHAPE, 1e-6, np.nan).astype(np.float32)
    tifffile.imwrite(tmp_path / "a.tif", values)
    np.testing.assert_array_equal(load_shape(tmp_path / "a.tif"), SHAPE)
    with pytest.raises(InputError, match="not whole numbers"):
        load_values(tmp_path / "a.tif")
    tifffile.imwrite(tmp_path / "b.tif", np.where(SHAPE, 3, np.nan).astype(np.float32))
    np.testing.assert_array_equal(load_values(tmp_path / "b.tif"), 3 * SHAPE)


@pytest.mark.parametrize(
    "channels",
    [
        (WHITE, WHITE, WHITE, "alpha"),
        (BLACK, BLACK, BLACK, "alpha"),
        (WHITE, "alpha"),
        ("alpha", WHITE),
        ("alpha", "alpha"),
        ("alpha", BLACK, BLACK),
        (BLACK, "alpha", BLACK, WHITE),
        ("alpha", "alpha", "alpha", GREY),
    ],
)
def test_the_shape_is_what_is_seen(tmp_path, channels):
    mask = SHAPE * np.uint8(255)
    stacked = np.stack([mask if isinstance(c, str) else c for c in channels], axis=2)
    np.testing.assert_array_equal(load_shape(write(tmp_path / "a.png", stacked)), SHAPE)


def test_empty_and_full_masks_stay_so(tmp_path):
    empty = np.stack([BLACK, BLACK, BLACK, WHITE], axis=2)
    assert not load_shape(write(tmp_path / "a.png", empty)).any()
    full = np.stack([WHITE, WHITE], axis=2)
    assert load_shape(write(tmp_path / "a.png", full)).all()


def palette(path, indices, colors, **options):
    picture = Image.fromarray(indices)
    picture.putpalette([value for color in colors for value in color])
    picture.save(path, **options)
    return path


def test_palettes(tmp_path):
    ones = SHAPE.astype(np.uint8)
    path = tmp_path / "a.png"
    # By colors, so that white may be number 0.
    palette(path, 1 - ones, [(255, 255, 255), (0, 0, 0)])
    np.testing.assert_array_equal(load_shape(path), SHAPE)
    # No color at all: by numbers.
    palette(path, ones, [(0, 0, 0), (0, 0, 0)])
    np.testing.assert_array_equal(load_shape(path), SHAPE)
    # A transparent number.
    palette(path, ones, [(255, 255, 255), (255, 255, 255)], transparency=0)
    np.testing.assert_array_equal(load_shape(path), SHAPE)
    np.testing.assert_array_equal(load_values(path), ones)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_grey_of_few_bits_keeps_its_numbers(tmp_path, write_png, bits):
    values = (np.arange(54).reshape(6, 9) % 2**bits).astype(np.uint8)
    path = tmp_path / "a.png"
    write_png(path, values, bits)
    np.testing.assert_array_equal(load_values(path), values)
    np.testing.assert_array_equal(load_shape(path), values > 0)


def test_grey_as_rgb_is_taken_and_colors_are_not(tmp_path):
    grey = np.repeat((SHAPE * 7).astype(np.uint8)[:, :, None], 3, axis=2)
    np.testing.assert_array_equal(load_values(write(tmp_path / "a.png", grey)), SHAPE * 7)
    grey[1, 2, 0] = 8
    with pytest.raises(InputError, match="pixels of the kind RGB"):
        load_values(write(tmp_path / "a.png", grey))
    seen = np.stack([GREY, SHAPE.astype(np.uint8)], axis=2)
    np.testing.assert_array_equal(load_values(write(tmp_path / "a.png", seen)), SHAPE * 128)
