import numpy as np
import pytest
import skimage.transform

from mrcnn.data.resampling import resize_exact

SIZES = [
    ((48, 64), (77, 102)),  # grows
    ((100, 90), (31, 45)),  # shrinks
    ((30, 40), (60, 20)),  # both
    ((17, 23), (17, 40)),  # one axis alone
    ((1, 5), (7, 7)),
    ((9, 9), (1, 1)),
]


def reference(image, size):
    return skimage.transform.resize(
        image, size, order=1, mode="constant", preserve_range=True, anti_aliasing=False
    )


@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize(("before", "after"), SIZES)
@pytest.mark.parametrize("lowest", [0, 60])
def test_equals_scikit_image(rng, before, after, channels, lowest):
    # `lowest` above 0: scikit-image clips the dark border to the range of the image.
    image = rng.integers(lowest, 256, (*before, channels)).astype(np.uint8)
    found = resize_exact(image, after)
    expected = reference(image, after)
    assert found.dtype == np.uint8 and found.shape == expected.shape
    # A value may fall on the other side of a whole number, no more.
    below = expected.astype(np.uint8).astype(int)
    assert np.abs(found - below).max() <= 1
    assert (found == below).mean() > 0.98


def test_a_photograph_sized_image_is_equal_to_the_last_pixel(rng):
    image = rng.integers(0, 256, (240, 320, 3)).astype(np.uint8)
    # Weights of a factor 1.6 are exact in both precisions.
    np.testing.assert_array_equal(
        resize_exact(image, (384, 512)), reference(image, (384, 512)).astype(np.uint8)
    )


def test_zeros_lie_outside():
    # Growing by 2, the outermost centre lies a quarter of a pixel outside: 3/4 of 80, and
    # in a corner 3/4 of 3/4. The inner zero keeps the clipping off.
    image = np.full((4, 4, 1), 80.0)
    image[2, 2] = 0
    found = resize_exact(image, (8, 8))[:, :, 0]
    np.testing.assert_allclose(found[0, :4], [45, 60, 60, 60])
    np.testing.assert_allclose(found[1:3, 0], 60)
    assert found[2, 2] == 80


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32, np.float64])
def test_keeps_type_and_range(rng, dtype):
    image = (rng.random((20, 30, 2)) * 50_000).astype(dtype)
    found = resize_exact(image, (33, 21))
    assert found.dtype == dtype
    np.testing.assert_allclose(found, reference(image.astype(float), (33, 21)), rtol=1e-5, atol=1)


def test_masks_become_shares():
    found = resize_exact(np.array([[True, False]]), (1, 4))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [[0.75, 0.75, 0.25, 0]])


def test_a_window_is_that_part_of_the_whole(rng):
    image = rng.integers(60, 256, (30, 40, 3)).astype(np.uint8)
    found = resize_exact(image, (60, 90), (10, 20, 60, 50))
    np.testing.assert_array_equal(found, resize_exact(image, (60, 90))[10:60, 20:50])
    np.testing.assert_array_equal(resize_exact(image, (30, 40), (1, 2, 5, 9)), image[1:5, 2:9])
