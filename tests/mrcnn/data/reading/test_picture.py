import numpy as np
import pytest
from PIL import ExifTags, Image, ImageOps, TiffImagePlugin

from mrcnn.data.reading.header import allow_pixels, allowed_pixels, read_size, read_sizes
from mrcnn.data.reading.labels import load_values
from mrcnn.data.reading.picture import load
from mrcnn.errors import InputError

LEFT_RED = np.zeros((20, 40, 3), np.uint8)
LEFT_RED[:, :20, 0] = 255


def save(path, pixels, orientation=None):
    exif = Image.Exif()
    if orientation:
        exif[ExifTags.Base.Orientation] = orientation
    Image.fromarray(pixels).save(path, exif=exif)
    return path


def test_load_gives_rgb(tmp_path):
    loaded = load(save(tmp_path / "a.png", LEFT_RED))
    assert loaded.dtype == np.uint8
    np.testing.assert_array_equal(loaded, LEFT_RED)


def test_load_turns_by_exif(tmp_path):
    # Orientation 6: the stored picture must be turned clockwise, so its left side comes on top.
    path = save(tmp_path / "a.png", LEFT_RED, orientation=6)
    loaded = load(path)
    assert loaded.shape == (40, 20, 3)
    assert loaded[:20, :, 0].min() == 255 and loaded[20:].max() == 0
    assert read_size(path) == (40, 20)


def test_load_leaves_pixels_that_were_annotated_as_stored(tmp_path):
    path = save(tmp_path / "a.png", LEFT_RED, orientation=6)
    np.testing.assert_array_equal(load(path, (20, 40)), LEFT_RED)
    assert load(path, (40, 20)).shape == (40, 20, 3)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1", "LA"])
def test_load_converts_other_modes(tmp_path, mode):
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    Image.fromarray(np.full((8, 9, 3), 255, np.uint8)).convert(mode).save(path)
    np.testing.assert_array_equal(load(path), np.full((8, 9, 3), 255))


def test_load_scales_16_bits(tmp_path):
    Image.fromarray(np.full((4, 5), 0x8040, np.uint16)).save(tmp_path / "a.png")
    np.testing.assert_array_equal(load(tmp_path / "a.png"), np.full((4, 5, 3), 0x80))


def test_load_names_the_file_that_does_not_open(tmp_path):
    (tmp_path / "text.jpg").write_text("not a picture")
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "whole.jpg")
    half = (tmp_path / "whole.jpg").read_bytes()[:2000]
    (tmp_path / "half.jpg").write_bytes(half)
    for name in ("text.jpg", "half.jpg", "missing.jpg"):
        with pytest.raises(InputError, match=name) as caught:
            load(tmp_path / name)
        assert "\n" not in str(caught.value)
    for name in ("text.jpg", "missing.jpg"):
        with pytest.raises(InputError, match=name):
            read_size(tmp_path / name)


def test_load_refuses_another_size(tmp_path):
    path = save(tmp_path / "a.png", LEFT_RED)
    with pytest.raises(InputError, match=r"a\.png is 40x20, its annotation says 30x20"):
        load(path, (20, 30))


@pytest.mark.parametrize("value", ["left", b"\x06", 9, 0, 6.0])
def test_an_orientation_that_exif_does_not_know_counts_as_upright(tmp_path, value):
    # Written with its type, as a camera or an editor may have done it.
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tag = int(ExifTags.Base.Orientation)
    tags.tagtype[tag] = {str: 2, bytes: 1, int: 3, float: 12}[type(value)]
    tags[tag] = value
    exif = b"Exif\0\0II*\0\x08\0\0\0" + tags.tobytes(offset=8)
    path = tmp_path / "a.jpg"
    Image.fromarray(LEFT_RED).save(path, exif=exif)
    with Image.open(path) as picture:
        assert tag in picture.getexif()
    assert load(path).shape == (20, 40, 3)
    assert read_sizes(path) == ((20, 40), (20, 40))


@pytest.mark.parametrize("number", range(1, 9))
def test_every_turn_is_that_of_pillow(tmp_path, number, rng):
    path = save(tmp_path / "a.png", rng.integers(0, 255, (5, 8, 3), np.uint8), number)
    with Image.open(path) as picture:
        expected = np.asarray(ImageOps.exif_transpose(picture))
    np.testing.assert_array_equal(load(path), expected)
    assert read_size(path) == expected.shape[:2]


@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
@pytest.mark.parametrize("mode", ["1", "L", "RGB", "I;16"])
def test_a_tiff_is_turned_as_any_other(tmp_path, mode, compression, rng):
    bits = rng.integers(0, 2, (5, 8, 3), np.uint8) * 255
    picture = Image.fromarray(bits) if mode == "RGB" else Image.fromarray(bits[..., 0])
    picture = picture if mode in ("L", "RGB") else picture.convert(mode)
    for number in range(1, 9):
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = number
        tiff, png = tmp_path / f"{number}.tif", tmp_path / f"{number}.png"
        picture.save(tiff, exif=exif, compression=compression)
        picture.save(png, exif=exif)
        np.testing.assert_array_equal(load(tiff), load(png))
        np.testing.assert_array_equal(load(tiff, (5, 8)), load(png, (5, 8)))
        if mode != "RGB":
            np.testing.assert_array_equal(load_values(tiff), load_values(png))
        assert read_sizes(tiff) == read_sizes(png) == ((8, 5) if number > 4 else (5, 8), (5, 8))


def test_the_limit_of_pixels_is_raised_knowingly(tmp_path, monkeypatch):
    path = save(tmp_path / "a.png", LEFT_RED)
    before = allowed_pixels()
    # Pillow's own, above which it takes a file for an attack.
    assert before == 2 * Image.MAX_IMAGE_PIXELS
    try:
        allow_pixels(799)
        for read in (load, read_size):
            with pytest.raises(InputError, match=r"40x20 = 800 pixels.* IMAGE_MAX_PIXELS 799"):
                read(path)
        allow_pixels(800)
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
        assert load(path).shape == (20, 40, 3)
        assert Image.MAX_IMAGE_PIXELS == 10
    finally:
        allow_pixels(before)
