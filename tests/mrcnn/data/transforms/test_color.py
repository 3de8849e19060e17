import colorsys

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from mrcnn.data.transforms.color import LUMA, recolor
from mrcnn.errors import InputError


@pytest.fixture
def image(rng):
    # Away from black and white, where values are cut off.
    return rng.integers(90, 160, (20, 30, 3), np.uint8)


def test_nothing_asked_nothing_changed(image):
    np.testing.assert_array_equal(recolor(image), image)


@pytest.mark.parametrize(
    ("name", "enhancer"),
    [
        ("brightness", ImageEnhance.Brightness),
        ("contrast", ImageEnhance.Contrast),
        ("saturation", ImageEnhance.Color),
    ],
)
@pytest.mark.parametrize("factor", [0.0, 0.6, 1.3])
def test_each_change_is_that_of_pillow(image, name, enhancer, factor):
    expected = np.asarray(enhancer(Image.fromarray(image)).enhance(factor), np.int64)
    # Pillow rounds the mean and the grey to whole numbers first.
    assert np.abs(recolor(image, **{name: factor}) - expected).max() <= 1


def test_hue_turns_at_the_same_brightness():
    colours = np.uint8([[[150, 110, 110], [110, 150, 110], [110, 110, 150], [128, 128, 128]]])
    for turns in (0.1, 1 / 3, 0.5, -0.25):
        turned = recolor(colours, hue=turns)
        np.testing.assert_allclose(turned @ LUMA, colours @ LUMA, atol=1)
        assert turned[0, 3].tolist() == [128, 128, 128]
    # A third of a turn makes red green, and green blue: the largest channel is the next one.
    third = recolor(colours, hue=1 / 3)
    assert third[0, :3].argmax(axis=1).tolist() == [1, 2, 0]
    hues = [colorsys.rgb_to_hsv(*(c / 255))[0] for c in recolor(colours, hue=0.05)[0, :3]]
    before = [colorsys.rgb_to_hsv(*(c / 255))[0] for c in colours[0, :3]]
    assert all(0.01 < (a - b) % 1 < 0.1 for a, b in zip(hues, before, strict=True))
    np.testing.assert_allclose(recolor(colours, hue=1.0), colours, atol=1)


def test_the_order_is_brightness_contrast_saturation_by_hand():
    image = np.uint8([[[100, 50, 0], [40, 40, 40]]])
    # Brightness 2: 200, 100, 0 and 80; greys 118.5 and 80, mean 99.25. Contrast 0.5: 149.6, 99.6,
    # 49.6 and 89.6; grey of the first 108.9. Saturation 0.5: half way to it.
    wanted = [[[129, 104, 79], [90, 90, 90]]]
    np.testing.assert_allclose(recolor(image, 2, 0.5, 0.5), wanted, atol=1)


def test_values_are_cut_off_not_wrapped():
    image = np.uint8([[[10, 128, 250]]])
    assert recolor(image, brightness=2).tolist() == [[[20, 255, 255]]]


def test_other_numbers_of_channels():
    image = np.uint8([[[100], [200]]])
    assert recolor(image, brightness=0.5).tolist() == [[[50], [100]]]
    # The mean is 150.
    assert recolor(image, contrast=0.5).tolist() == [[[125], [175]]]
    assert recolor(image, contrast=10).tolist() == [[[0], [255]]]
    with pytest.raises(InputError, match="uint8, got float32"):
        recolor(np.zeros((2, 2, 3), np.float32))
