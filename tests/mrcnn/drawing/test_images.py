import numpy as np

from mrcnn.drawing.images import apply_mask, random_colors


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
