import numpy as np
import pytest

from mrcnn.drawing.images import apply_mask, display_images, draw_box, random_colors, to_rgb
from mrcnn.errors import InputError


def test_random_colors_are_evenly_spread_hues_in_the_same_order_every_time():
    colors = random_colors(3)
    assert sorted(colors) == [(0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)]
    assert colors == random_colors(3)
    hues = random_colors(12)
    assert hues != sorted(hues) and hues != random_colors(6) * 2
    distances = [abs(np.subtract(a, b)).sum() for a, b in zip(hues, hues[1:], strict=False)]
    assert np.mean(distances) > 0.75  # neighbors in hue order differ by 0.5
    assert max(max(color) for color in random_colors(5, bright=False)) == 0.7
    assert random_colors(0) == []


def test_apply_mask_blends_in_place_by_hand():
    image = np.full((2, 2, 3), 100, np.uint8)
    mask = np.array([[1, 0], [0, 1]], np.uint8)
    assert apply_mask(image, mask, (1.0, 0.0, 0.5), alpha=0.25) is image
    # 0.75 * 100 + 0.25 * 255 * color
    expected = [[[138, 75, 106], [100] * 3], [[100] * 3, [138, 75, 106]]]
    np.testing.assert_array_equal(image, expected)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (np.array([[0, 200]], np.uint8), [0, 200]),
        (np.array([[False, True]]), [0, 255]),
        (np.array([[0.0, 0.2]]), [0, 51]),
        (np.array([[-3.0, 200.4]]), [0, 200]),
        (np.array([[np.nan, 300.0]], np.float32), [0, 255]),
        (np.array([[-5, 300]], np.int64), [0, 255]),
        (np.array([[256, 65535]], np.uint16), [1, 255]),
        (np.array([[1, 255]], np.uint16), [1, 255]),
    ],
)
@pytest.mark.parametrize("channels", [0, 1, 2, 3, 4])
def test_to_rgb_of_all_kinds_of_images(image, expected, channels):
    shaped = image if not channels else np.stack([image] * channels, axis=2)
    rgb = to_rgb(shaped)
    assert rgb.dtype == np.uint8 and rgb.shape == (1, 2, 3)
    np.testing.assert_array_equal(rgb, np.stack([[expected]] * 3, axis=2))
    assert not np.shares_memory(rgb, shaped)


def test_to_rgb_takes_the_first_channels_and_names_a_wrong_shape():
    image = np.arange(5, dtype=np.uint8).reshape(1, 1, 5)
    np.testing.assert_array_equal(to_rgb(image), [[[0, 1, 2]]])
    np.testing.assert_array_equal(to_rgb(image[..., 3:]), [[[3, 3, 3]]])
    with pytest.raises(InputError, match=r"got \(2, 2, 2, 2\)"):
        to_rgb(np.zeros((2, 2, 2, 2)))
    with pytest.raises(InputError, match=r"got \(2, 2, 0\)"):
        to_rgb(np.zeros((2, 2, 0)))


def test_apply_mask_to_floats_and_to_images_that_hold_no_color():
    mask = np.array([[1, 0]])
    floats = np.full((1, 2, 3), 0.5)
    assert apply_mask(floats, mask, (1, 0, 0, 0.3), alpha=0.5) is floats
    np.testing.assert_allclose(floats, [[[0.75, 0.25, 0.25], [0.5, 0.5, 0.5]]])
    for image in (np.zeros((1, 2), np.uint8), np.zeros((1, 2, 1), bool)):
        colored = apply_mask(image, mask, (1, 0, 0), alpha=0.5)
        np.testing.assert_array_equal(colored, [[[127, 0, 0], [0, 0, 0]]])
        assert not image.any()
    with pytest.raises(InputError, match=r"mask is \(1, 2\), the image \(2, 1\)"):
        apply_mask(np.zeros((2, 1, 3)), mask, (1, 0, 0))


def test_draw_box_by_hand():
    image = np.zeros((7, 8, 1), np.uint8)
    assert draw_box(image, [1, 1, 7, 7], 9) is image
    expected = np.zeros((7, 8), np.uint8)
    expected[1:7, 1:7] = 9
    expected[3:5, 3:5] = 0
    np.testing.assert_array_equal(image[..., 0], expected)
    # The left and upper sides lie outside of the image.
    image = draw_box(np.zeros((6, 6, 3), np.uint8), [-3, -3, 4, 4], (1, 2, 3))
    expected = np.zeros((6, 6, 3), np.uint8)
    expected[:4, :4] = (1, 2, 3)
    expected[:2, :2] = 0
    np.testing.assert_array_equal(image, expected)


def test_display_images_one_panel_each_in_rows():
    grey = np.array([[0.0, 7.0]])
    images = [np.zeros((2, 2, 3), np.uint8), grey, grey[..., None], np.ones((2, 2), bool)]
    figure = display_images(images, ["a", "b", 3, "d"], cols=3, cmap="gray")
    assert [ax.get_title() for ax in figure.axes] == ["a", "b", "3", "d"]
    assert figure.axes[3].get_subplotspec().get_gridspec().get_geometry() == (2, 3)
    shown = [ax.images[0] for ax in figure.axes]
    assert shown[0].get_array().shape == (2, 2, 3)
    for picture in shown[1:3]:
        np.testing.assert_array_equal(picture.get_array(), grey)
        assert picture.get_cmap().name == "gray"
    assert shown[3].get_clim() == (0, 1)  # a full mask is white, not black
    assert display_images([]).axes == []
    with pytest.raises(InputError, match="got 1 titles, 4 images"):
        display_images(images, ["a"])
    with pytest.raises(InputError, match="cols must be at least 1"):
        display_images(images, cols=0)
