from types import SimpleNamespace

import numpy as np
import pytest
import skimage.transform

from mrcnn.data import image as images
from mrcnn.data.resampling import resize_exact
from mrcnn.errors import InputError

# Image (h, w), arguments, then by hand: canvas (h, w), window, scale.
CASES = [
    # 480 x 640 to a longer side of 1024: factor 1.6, 768 rows, 128 above and below.
    ((480, 640), (800, 1024, 0, "square"), (1024, 1024), (128, 0, 896, 1024), 1.6),
    # The shorter side reaches 800 first: factor 800/750, 853 columns (853.33), pad 85 and 86.
    ((750, 800), (800, 1024, 0, "square"), (1024, 1024), (112, 85, 912, 938), 800 / 750),
    # Larger than the canvas: shrunk.
    ((3000, 1500), (800, 1024, 0, "square"), (1024, 1024), (0, 256, 1024, 768), 1024 / 3000),
    # No minimum: never enlarged.
    ((100, 50), (0, 256, 0, "square"), (256, 256), (78, 103, 178, 153), 1),
    # A minimum factor of 2.
    ((100, 50), (0, 256, 2, "square"), (256, 256), (28, 78, 228, 178), 2),
    # Landscape canvas: min(800/480, 1024/640) = 1.6, 768 rows, 16 above and below.
    ((480, 640), (800, 1024, 0, "canvas"), (800, 1024), (16, 0, 784, 1024), 1.6),
    # Portrait canvas: min(1024/640, 800/480) = 1.6.
    ((640, 480), (800, 1024, 0, "canvas"), (1024, 800), (0, 16, 1024, 784), 1.6),
    # A square image counts as landscape.
    ((500, 500), (800, 1024, 0, "canvas"), (800, 1024), (0, 112, 800, 912), 1.6),
    # 128 / 100: 128 x 256 are multiples of 64 already; 90 rows give 142 (142.2), padded to 192.
    ((100, 200), (128, None, 0, "pad64"), (128, 256), (0, 0, 128, 256), 1.28),
    ((100, 90), (128, None, 0, "pad64"), (192, 128), (25, 0, 167, 128), 128 / 90),
    ((30, 40), (64, 64, 0, "none"), (30, 40), (0, 0, 30, 40), 1),
]


@pytest.mark.parametrize(("size", "arguments", "canvas", "window", "scale"), CASES)
def test_resize(size, arguments, canvas, window, scale):
    white = np.full((*size, 3), 255, np.uint8)
    resized, got_window, got_scale, padding, crop = images.resize_image(white, *arguments)
    assert resized.shape == (*canvas, 3) and resized.dtype == np.uint8
    assert got_window == window
    assert got_scale == pytest.approx(scale)
    assert crop is None
    top, left, bottom, right = window
    assert padding == [(top, canvas[0] - bottom), (left, canvas[1] - right), (0, 0)]
    assert resized[top:bottom, left:right].min() == 255
    assert resized.sum() == 255 * 3 * (bottom - top) * (right - left)
    min_dim, max_dim, min_scale, mode = arguments
    assert images.canvas_shape(*size, min_dim or 0, max_dim or 0, min_scale, mode) == canvas


def test_resize_crop():
    rows = np.broadcast_to(np.arange(100, dtype=np.uint8)[:, None, None], (100, 64, 3))
    centre, window, scale, padding, crop = images.resize_image(rows, 64, mode="crop")
    assert crop == (18, 0, 64, 64) and window == (0, 0, 64, 64) and scale == 1
    assert padding == [(0, 0), (0, 0), (0, 0)]
    np.testing.assert_array_equal(centre, rows[18:82])
    seen = set()
    for seed in range(40):
        rng = np.random.default_rng(seed)
        part, *_, crop = images.resize_image(rows, 64, mode="crop", rng=rng)
        np.testing.assert_array_equal(part, rows[crop[0] : crop[0] + 64])
        seen.add(crop[0])
    assert min(seen) < 8 and max(seen) > 28 and max(seen) <= 36


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize(("size", "arguments", "canvas", "window", "scale"), CASES)
def test_resize_with_the_arithmetic_of_the_original(
    rng, size, arguments, canvas, window, scale, channels
):
    image = rng.integers(0, 256, (*size, channels)).astype(np.uint8)[:200, :200]
    # The window and the rest of the canvas are those of the other interpolation, tested above.
    other, *geometry = images.resize_image(image, *arguments)
    resized, *exact_geometry = images.resize_image(image, *arguments, interpolate=resize_exact)
    assert exact_geometry == geometry and resized.shape == other.shape
    top, left, bottom, right = geometry[0]
    expected = skimage.transform.resize(
        image,
        (bottom - top, right - left),
        order=1,
        mode="constant",
        preserve_range=True,
        anti_aliasing=False,
    ).astype(np.uint8)
    inside = resized[top:bottom, left:right]
    assert (inside == expected).mean() > 0.99
    assert np.abs(inside.astype(int) - expected).max() <= 1
    assert resized.sum() == inside.sum()


def test_resize_refuses():
    image = np.zeros((10, 10, 3), np.uint8)
    with pytest.raises(ValueError, match="square, canvas"):
        images.resize_image(image, 64, 64, mode="sqare")
    with pytest.raises(ValueError, match="divide by 64"):
        images.resize_image(image, 100, mode="pad64")
    with pytest.raises(ValueError, match="needs a size"):
        images.resize_image(image, 64, mode="canvas")


def test_resize_other_channels_and_types():
    four = np.zeros((10, 20, 4), np.uint8)
    four[:, :, 3] = 200
    resized = images.resize(four, (20, 40))
    assert resized.shape == (20, 40, 4) and resized.dtype == np.uint8
    np.testing.assert_array_equal(resized[:, :, 3], 200)
    depth = np.full((10, 20, 1), 40_000, np.uint16)
    np.testing.assert_array_equal(images.resize(depth, (5, 10)), np.full((5, 10, 1), 40_000))


def test_mold_and_unmold():
    config = SimpleNamespace(MEAN_PIXEL=[1.5, 2.0, 250.0])
    pixels = np.random.default_rng(0).integers(0, 255, (2, 3, 4, 3), np.uint8)
    molded = images.mold_image(pixels, config)
    assert molded.dtype == np.float32
    np.testing.assert_array_equal(molded, pixels.astype(np.float32) - np.float32([1.5, 2, 250]))
    np.testing.assert_array_equal(images.unmold_image(molded, config), pixels)
    with pytest.raises(InputError, match="3 values, the image has 4"):
        images.mold_image(np.zeros((5, 5, 4)), config)


def test_meta_round_trip():
    meta = images.compose_image_meta(
        7, (480, 640, 3), (800, 1024, 3), (16, 0, 784, 1024), 1.6, np.array([1, 0, 1])
    )
    assert meta.dtype == np.float32
    np.testing.assert_allclose(
        meta, [7, 480, 640, 3, 800, 1024, 3, 16, 0, 784, 1024, 1.6, 1, 0, 1], rtol=1e-6
    )
    parsed = images.parse_image_meta(meta[None])
    assert parsed["image_id"].tolist() == [7]
    assert parsed["original_image_shape"].tolist() == [[480, 640, 3]]
    assert parsed["image_shape"].tolist() == [[800, 1024, 3]]
    assert parsed["window"].tolist() == [[16, 0, 784, 1024]]
    assert parsed["scale"].tolist() == pytest.approx([1.6])
    assert parsed["active_class_ids"].tolist() == [[1, 0, 1]]


class Highest:
    """Stands in for a generator: always the highest number."""

    def integers(self, end):
        return end - 1


def test_an_image_is_placed_by_hand(rng):
    image = rng.integers(1, 255, (10, 20, 3), np.uint8)
    # As wide as the canvas and half as high: down by up to 10 rows.
    canvas, window, part = images.place_image(image, 1.0, (20, 20), Highest())
    assert (window, part) == ((10, 0, 20, 20), None)
    np.testing.assert_array_equal(canvas[10:], image)
    assert not canvas[:10].any()
    # Twice as large: 20 x 40, of which the right part is shown.
    canvas, window, part = images.place_image(image, 2.0, (24, 30), Highest())
    assert (window, part) == ((4, 0, 24, 30), (0, 10, 20, 30))
    whole = images.resize(image, (20, 40)).astype(int)
    assert np.abs(canvas[4:, 1:] - whole[:, 11:]).max() <= 1
    assert not canvas[:4].any()


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_resizing_a_part_is_resizing_what_was_cut_out(channels, rng):
    image = rng.integers(0, 255, (12, 16, channels), np.uint8)
    part = images.resize(image, (8, 10), (2, 4, 10, 14))
    np.testing.assert_array_equal(part, image[2:10, 4:14])
    enlarged = images.resize(image, (16, 20), (2, 4, 10, 14)).astype(int)
    expected = images.resize(np.ascontiguousarray(image[2:10, 4:14]), (16, 20))
    # At the border, pixels beyond the part count too, or they do not.
    assert np.abs(enlarged - expected)[2:-2, 2:-2].max() <= 1


@pytest.mark.parametrize(
    ("size", "canvas", "mode", "scale"),
    [
        # The canvas of the image itself: the factor of `resize_image`.
        ((50, 100), (64, 128), "canvas", 1.28),
        ((50, 100), (128, 128), "square", 1.28),
        ((50, 100), (64, 64), "crop", 1.28),
        ((50, 100), (64, 128), "pad64", 1.28),
        ((50, 100), (50, 100), "none", 1.0),
        # That of an image that lay on its side.
        ((100, 50), (64, 128), "canvas", 0.64),
        ((100, 50), (128, 128), "square", 1.28),
        ((100, 50), (64, 64), "crop", 1.28),
        ((100, 50), (64, 128), "pad64", 0.64),
        ((100, 50), (50, 100), "none", 0.5),
        # A cut out part grows to the size of the whole, but where nothing is resized.
        ((25, 50), (64, 128), "canvas", 2.56),
        ((25, 50), (50, 100), "none", 1.0),
    ],
)
def test_factors_fit_a_canvas_that_was_planned(size, canvas, mode, scale):
    assert images.fitting_scale(size, canvas, 64, 128, 0, mode) == pytest.approx(scale)
