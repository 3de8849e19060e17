"""Resize modes and numbers of channels, through training and detection."""

import numpy as np
import pytest

from mrcnn.data.datasets.dataset import Dataset
from mrcnn.data.pipeline.detections import mold_inputs
from mrcnn.data.pipeline.loader import Loader
from mrcnn.errors import InputError
from mrcnn.model import MaskRCNN


class Noise(Dataset):
    """Images of the given sizes, with one object in the middle of each."""

    def __init__(self, sizes, channels=3):
        super().__init__()
        self.channels = channels
        for number in (1, 2, 3):
            self.add_class("noise", number, f"class {number}")
        for number, (height, width) in enumerate(sizes):
            self.add_image("noise", number, None, height=height, width=width)
        self.prepare()

    def load_image(self, image_id):
        shape = (*self.image_size(image_id), self.channels)
        return np.random.default_rng(image_id).integers(0, 255, shape, np.uint8)

    def load_mask(self, image_id):
        height, width = self.image_size(image_id)
        masks = np.zeros((height, width, 1), bool)
        masks[height // 4 : -height // 4, width // 4 : -width // 4] = True
        return masks, np.array([1])


@pytest.mark.slow
def test_two_shapes_of_four_channels_are_trained_and_detected(tiny_config, tmp_path):
    settings = {"IMAGE_RESIZE_MODE": "none", "IMAGE_CHANNEL_COUNT": 4, "MEAN_PIXEL": 4 * [100.0]}
    config = tiny_config.update(**settings, STEPS_PER_EPOCH=2, DETECTION_MIN_CONFIDENCE=0.0)
    dataset = Noise([(64, 64), (64, 96)] * 2, channels=4)
    model = MaskRCNN("training", config, tmp_path)
    outcome = model.train(dataset, None, 0.001, epochs=1, layers="all")
    used = {key[1:] for key in model.network._models if key[0] == "training"}
    assert outcome.step == 2 and used == {(64, 64), (64, 96)}
    finder = MaskRCNN("inference", config, tmp_path)
    finder.load_weights(outcome.checkpoint, verbose=False)
    images = [dataset.load_image(number) for number in (0, 1)]
    for image, found in zip(images, finder.detect(images), strict=True):
        assert found["masks"].shape[:2] == image.shape[:2] and len(found["scores"])
    with pytest.raises(InputError, match=r"\(height, width, 4\), got \(64, 64, 3\)"):
        finder.detect([images[0][..., :3]])
    with pytest.raises(InputError, match=r"divide by 32, got \(70, 64\)"):
        finder.detect([np.zeros((70, 64, 4), np.uint8)])


@pytest.mark.parametrize(
    ("mode", "shapes"),
    [
        # 50 x 70 is enlarged to 64 x 90; 64 x 130 stays; padded to multiples of 64.
        ("pad64", {(50, 70): (64, 128), (64, 130): (64, 192), (128, 64): (128, 64)}),
        ("square", {(50, 70): (96, 96), (200, 130): (96, 96)}),
        ("canvas", {(50, 70): (64, 96), (200, 130): (96, 64)}),
        ("none", {(64, 96): (64, 96), (32, 160): (32, 160)}),
    ],
)
def test_training_and_detection_see_the_same_shapes(tiny_config, mode, shapes):
    config = tiny_config.update(IMAGE_RESIZE_MODE=mode, IMAGE_MAX_DIM=96, IMAGES_PER_GPU=1)
    dataset = Noise(list(shapes))
    loader = Loader(dataset, config, shuffle=False, flip=False)
    for number, shape in enumerate(shapes.values()):
        batch = next(
            batch
            for batch in map(loader.batch, range(len(shapes)))
            if batch["input_image_meta"][0, 0] == number
        )
        molded, metas, windows = mold_inputs([dataset.load_image(number)], config)
        assert molded.shape[1:3] == batch["input_image"].shape[1:3] == shape
        # Id and active classes belong to the dataset alone.
        np.testing.assert_array_equal(metas[0, 1:12], batch["input_image_meta"][0, 1:12])
        np.testing.assert_array_equal(windows[0], metas[0, 7:11])


def test_crops_are_for_training_alone(tiny_config):
    config = tiny_config.update(IMAGE_RESIZE_MODE="crop", IMAGE_MAX_DIM=96)
    dataset = Noise([(50, 70), (200, 130)])
    assert Loader(dataset, config).batch(0)["input_image"].shape == (2, 64, 64, 3)
    with pytest.raises(InputError, match="'crop' is for training alone"):
        mold_inputs([dataset.load_image(0)], config)


def test_images_that_cannot_be_one_batch(tiny_config):
    images = [np.zeros((64, 64, 3), np.uint8), np.zeros((64, 96, 3), np.uint8)]
    with pytest.raises(InputError, match=r"one shape .* another IMAGE_RESIZE_MODE than 'none'"):
        mold_inputs(images, tiny_config.update(IMAGE_RESIZE_MODE="none"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"IMAGE_RESIZE_MODE": "pad64", "IMAGE_MIN_DIM": 32}, "'pad64', got 32"),
        ({"IMAGE_RESIZE_MODE": "none", "IMAGE_MAX_DIM": 100}, r"divide by 32, got \(100, 100\)"),
        ({"IMAGE_CHANNEL_COUNT": 4}, "MEAN_PIXEL needs 4 values, one per channel, got 3"),
    ],
)
def test_settings_that_disagree(tiny_config, settings, message):
    with pytest.raises(InputError, match=message):
        tiny_config.update(**settings)


def test_datasets_that_disagree(tiny_config):
    loader = Loader(Noise([(64, 64)], channels=1), tiny_config)
    with pytest.raises(InputError, match=r"\(64, 64, 1\); the configuration wants .*, 3\)"):
        loader.batch(0)
