"""The range of pixels and the limit of them reach whoever reads an image."""

from types import SimpleNamespace

import numpy as np
import pytest
import tifffile

from mrcnn.config import Config
from mrcnn.data.datasets.dataset import Dataset
from mrcnn.data.pipeline.loader import Loader
from mrcnn.data.reading.header import allow_pixels, allowed_pixels
from mrcnn.errors import InputError
from mrcnn.evaluation import detect_dataset


@pytest.fixture
def dataset(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.full((64, 64), 1000, np.uint16))
    dataset = Dataset()
    dataset.add_class("own", 1, "cell")
    dataset.add_image("own", 0, str(tmp_path / "a.tif"))
    dataset.prepare()
    return dataset


@pytest.fixture
def limit():
    before = allowed_pixels()
    yield
    allow_pixels(before)


def config(**settings):
    size = {"IMAGE_MIN_DIM": 64, "IMAGE_MAX_DIM": 64, "MEAN_PIXEL": [0, 0, 0]}
    return Config().update(NUM_CLASSES=2, IMAGES_PER_GPU=1, **size, **settings)


@pytest.mark.parametrize(("given", "value"), [("auto", 249), ([0, 2000], 128), ([500, 1500], 128)])
def test_a_loader_reads_by_its_configuration(dataset, given, value):
    batch = Loader(dataset, config(IMAGE_RANGE=given), flip=False).batch(0)
    np.testing.assert_array_equal(batch["input_image"], value)  # 1000 / 1023 * 255 = 249.3


def test_a_worker_reads_by_it_too(dataset, limit):
    settings = config(IMAGE_RANGE=[0, 2000], IMAGE_MAX_PIXELS=64 * 64)
    with Loader(dataset, settings, flip=False, workers=1).batches(0, 1) as batches:
        np.testing.assert_array_equal(next(batches)["input_image"], 128)
    settings = settings.update(IMAGE_MAX_PIXELS=64 * 64 - 1)
    with (
        Loader(dataset, settings, flip=False, workers=1).batches(0, 1) as batches,
        pytest.raises(InputError, match="more than IMAGE_MAX_PIXELS 4,095"),
    ):
        next(batches)


def test_detection_reads_by_the_configuration_of_the_model(dataset):
    model = SimpleNamespace(
        config=config(IMAGE_RANGE=[0, 2000]), detect=lambda images, verbose: [images[0].max()]
    )
    assert list(detect_dataset(model, dataset, progress=False)) == [(0, 128)]


def test_the_range_of_a_dataset_itself_stays(dataset):
    dataset.image_range = (0.0, 4000.0)
    batch = Loader(dataset, config(), flip=False).batch(0)
    np.testing.assert_array_equal(batch["input_image"], 64)
