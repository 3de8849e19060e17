"""Pictures of more than 8 bits; the files are written by tifffile, or byte by byte."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from mrcnn.data.reading import pixels
from mrcnn.data.reading.header import open_picture
from mrcnn.data.reading.picture import load

RAMP = np.linspace(0, 1, 256).reshape(16, 16)


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch):
    monkeypatch.setattr(pixels, "_said", set())


@pytest.mark.parametrize(
    ("values", "assumed"),
    [
        (RAMP.astype(np.float32), ""),
        ((RAMP * 4095).astype(np.float32), "0 to 4095"),
        ((RAMP * 1.5).astype(np.float32), "0 to 2"),
        ((RAMP * 65535).astype(np.int32), "0 to 65535"),
        ((RAMP * 4095).astype(np.uint16), "0 to 4095"),
        ((RAMP * 1023).astype(np.uint16), "0 to 1023"),
        ((RAMP * 65535).astype(np.uint16), ""),
        ((RAMP * 2 - 1).astype(np.float32), "-1 to 1"),
        ((RAMP * 3000 - 1000).astype(np.int16), "-1023 to 4095"),
    ],
)
def test_values_are_scaled_and_what_was_assumed_is_said_once(tmp_path, capsys, values, assumed):
    tifffile.imwrite(tmp_path / "a.tif", values)
    shown = load(tmp_path / "a.tif")
    load(tmp_path / "a.tif")
    low, high = map(float, (assumed or f"0 to {65535 if values.max() > 1 else 1}").split(" to "))
    expected = (values.astype(np.float64) - low) / (high - low) * 255
    assert shown.dtype == np.uint8
    assert np.abs(shown - expected[:, :, None]).max() <= 0.51
    assert len(np.unique(shown)) > 120
    said = capsys.readouterr().err
    assert said.count("\n") == bool(assumed)
    if assumed:
        assert f"assumed to be {assumed}, file by file; IMAGE_RANGE sets it" in said


@pytest.mark.parametrize("kind", ["png", "<", ">", "compressed"])
def test_several_channels_of_16_bits(tmp_path, rng, write_png, kind):
    values = rng.integers(0, 4096, (7, 9, 3), np.uint16)
    values[0, 0] = 4095
    path = tmp_path / "a"
    if kind == "png":
        write_png(path, values, 16)
    elif kind == "compressed":
        tifffile.imwrite(path, values, compression="zlib")
    else:
        tifffile.imwrite(path, values, byteorder=kind)
    found = pixels.deep_pixels(path, *open_picture(path))
    np.testing.assert_array_equal(found.values, values)
    assert np.abs(load(path) - values / 4095 * 255).max() <= 0.51


def test_a_range_that_is_given_is_taken_and_what_it_cuts_off_is_said(tmp_path, capsys):
    tifffile.imwrite(tmp_path / "a.tif", np.array([[100, 200, 300, 400]], np.uint16))
    assert load(tmp_path / "a.tif", None, (100, 300))[0, :, 0].tolist() == [0, 128, 255, 255]
    assert "from 100 to 400 in" in capsys.readouterr().err
    assert load(tmp_path / "a.tif", None, (0, 1000))[0, :, 0].tolist() == [26, 51, 76, 102]
    assert capsys.readouterr().err == ""
    # Of 8 bits nothing is unknown.
    Image.fromarray(np.full((2, 2), 50, np.uint8)).save(tmp_path / "b.png")
    assert load(tmp_path / "b.png", None, (0, 1000)).max() == 50


def test_nan_is_black_and_said(tmp_path, capsys):
    values = np.array([[np.nan, 0.5, np.inf, 1]], np.float32)
    tifffile.imwrite(tmp_path / "a.tif", values)
    assert load(tmp_path / "a.tif")[0, :, 0].tolist() == [0, 128, 255, 255]
    assert "2 pixels of" in capsys.readouterr().err
    tifffile.imwrite(tmp_path / "b.tif", np.full((2, 2), np.nan, np.float32))
    assert not load(tmp_path / "b.tif").any()


def test_byte_orders(tmp_path):
    values = np.array([[0, 65535, 0x8040]], np.uint16)
    for order in "<>":
        tifffile.imwrite(tmp_path / "a.tif", values, byteorder=order)
        assert load(tmp_path / "a.tif")[0, :, 0].tolist() == [0, 255, 128]
