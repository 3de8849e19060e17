from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
from PIL import Image

from mrcnn.config import Config
from mrcnn.data.checks.pixels import (
    deep_files,
    pixel_findings,
    pixel_words,
    settled_range,
    with_range,
)
from mrcnn.data.datasets.dataset import Dataset

DARK = np.array([[0, 500]], np.uint16)
BRIGHT = np.array([[10, 4000]], np.uint16)
SHARE = np.array([[0, 1]], np.float32)


@pytest.fixture
def photos(tmp_path):
    def of(*pictures):
        dataset = Dataset()
        for number, values in enumerate(pictures):
            path = tmp_path / f"{number}.tif"
            tifffile.imwrite(path, values)
            dataset.add_image("own", number, str(path))
        dataset.prepare()
        return dataset

    return of


def test_a_training_set_has_one_range(photos, capsys):
    dataset = photos(DARK, BRIGHT, np.zeros((2, 2), np.uint8))
    chosen, (line,) = settled_range(dataset)
    assert chosen == (0, 4095)
    assert line == (
        "pixels: 2 of 3 images have 16 bits, from 0 to 4000; read as 0 to 4095, also in detection; "
        "IMAGE_RANGE sets another range"
    )
    config = with_range(Config(), dataset)
    assert config.IMAGE_RANGE == (0, 4095) and line in capsys.readouterr().out
    # As it was trained, so it is read: the dark image stays dark, 500 / 4095 * 255 = 31.
    dataset.read_by(config)
    assert dataset.load_image(0).max() == 31
    # What is given is taken.
    given = Config().update(IMAGE_RANGE=[0, 1000])
    assert with_range(given, dataset) is given and dataset.load_image(0).max() == 128
    assert capsys.readouterr().out == ""


def test_images_of_unlike_ranges_are_read_one_by_one(photos, capsys):
    for other in (SHARE, BRIGHT.astype(np.int32)):
        dataset = photos(BRIGHT, other)
        config = Config()
        assert with_range(config, dataset) is config
        assert "of unlike ranges; each is read by its own" in capsys.readouterr().out
    # Floats of one kind, but 0 to 1 would be black among 0 to 4095.
    assert settled_range(photos(SHARE, BRIGHT.astype(np.float32)))[0] == "auto"
    assert settled_range(photos(SHARE, SHARE * 3))[0] == (0, 4)


def test_nothing_is_said_of_bytes(photos, tmp_path):
    dataset = photos(np.zeros((2, 2), np.uint8))
    assert settled_range(dataset) == ("auto", [])
    assert pixel_words(deep_files(dataset), 1) == "pixels: 8 bits (1)"


def test_findings(photos):
    broken = np.array([[np.nan, 0.5]], np.float32)
    full = np.array([[0, 65535]], np.uint16)
    dataset = photos(BRIGHT, broken, full)
    files = deep_files(dataset)
    assert [(f.kind, f.low, f.high, f.not_finite) for f in files] == [
        ("16 bits", 10, 4000, 0),
        ("float", 0.5, 0.5, 1),
        ("16 bits", 0, 65535, 0),
    ]
    found = list(pixel_findings(files, "train", lambda n: {"image": n}))
    assert [(f.code, f.image, f.severity) for f in found] == [
        ("pixel-range", 0, "note"),
        ("pixel-not-finite", 1, "warning"),
        ("pixel-ranges-differ", None, "warning"),
    ]
    assert pixel_words(files, 5) == (
        "pixels: 8 bits (2), 16 bits from 0 to 65535 (2), float from 0.5 to 0.5 (1)"
    )
    dataset.image_range = (0, 1000)
    found = list(pixel_findings(deep_files(dataset), "train", lambda n: {"image": n}))
    assert [(f.code, f.image) for f in found][0] == ("pixel-cut-off", 0)
    assert "pixel-range" not in {f.code for f in found}


def test_files_that_do_not_open_are_left_to_other_checks(tmp_path, photos):
    dataset = photos(BRIGHT)
    (tmp_path / "0.tif").write_bytes(b"II*")
    assert deep_files(dataset) == []
    Image.fromarray(BRIGHT).save(tmp_path / "0.tif")
    own = SimpleNamespace  # a dataset that reads images its own way knows what it does
    reader = type("Own", (Dataset,), {"load_image": lambda self, n: own})()
    reader.image_info = dataset.image_info
    assert deep_files(reader) == []
