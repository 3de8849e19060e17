import itertools
import random

import numpy as np
import pytest

from mrcnn.compat.generators import DataGenerator, data_generator
from mrcnn.data.datasets.dataset import Dataset
from mrcnn.errors import InputError


class Numbered(Dataset):
    """Images of one colour, their number; the first has no object, the last two."""

    def __init__(self, count, sides=(64, 64)):
        super().__init__()
        self.sides = sides
        for number in (1, 2, 3):
            self.add_class("drawn", number, f"class {number}")
        for index in range(count):
            self.add_image("drawn" if index % 2 else "plain", index, None)
        self.add_class("plain", 1, "class 1")
        del self.class_info[-1]
        self.prepare()
        self.source_class_ids["plain"] = [0]

    def load_image(self, image_id):
        height, width = self.sides if image_id != 2 else self.sides[::-1]
        return np.full((height, width, 3), image_id, np.uint8)

    def load_mask(self, image_id):
        height, width = self.load_image(image_id).shape[:2]
        count = min(image_id, 2)
        masks = np.zeros((height, width, count), bool)
        for index in range(count):
            masks[8 : 8 + 16, 20 * index : 20 * index + 16, index] = True
        return masks, np.arange(1, count + 1)


def numbers(batch, config):
    return [int(round(image[0, 0, 0] + config.MEAN_PIXEL[0])) for image in batch[0]]


def test_batches_of_the_original(tiny_config):
    stream = data_generator(Numbered(4), tiny_config, shuffle=False, batch_size=2)
    inputs, outputs = next(stream)
    assert outputs == []
    images, meta, match, deltas, class_ids, boxes, masks = inputs
    # 64 x 64: 16, 8, 4, 2 and 1 squared, three ratios.
    anchors = 3 * (256 + 64 + 16 + 4 + 1)
    assert images.shape == (2, 64, 64, 3) and images.dtype == np.float32
    assert meta.shape == (2, 12 + 4) and meta[:, 0].tolist() == [1, 2]
    assert match.shape == (2, anchors, 1) and match.dtype == np.int32
    assert deltas.shape == (2, 32, 4)
    assert class_ids.tolist() == [[1] + 7 * [0], [1, 2] + 6 * [0]] and class_ids.dtype == np.int32
    assert boxes.shape == (2, 8, 4) and boxes.dtype == np.int32
    assert boxes[1, :3].tolist() == [[8, 0, 24, 16], [8, 20, 24, 36], [0, 0, 0, 0]]
    assert masks.shape == (2, 56, 56, 8) and masks.dtype == bool
    assert masks[1, :, :, :2].all() and not masks[1, :, :, 2:].any()
    assert numbers(inputs, tiny_config) == [1, 2]
    sampled = (match[:, :, 0] != 0).sum(axis=1)
    assert sampled.tolist() == [32, 32]
    # Image 0 has no object; the batch goes on in the next epoch.
    assert numbers(next(stream)[0], tiny_config) == [3, 1]


def test_shuffle_shows_every_image(tiny_config):
    stream = data_generator(Numbered(9), tiny_config, batch_size=1)
    order = [numbers(next(stream)[0], tiny_config)[0] for _ in range(16)]
    assert sorted(order[:8]) == sorted(order[8:]) == list(range(1, 9))
    assert order[:8] != order[8:]


def test_more_objects_than_slots(tiny_config):
    config = tiny_config.update(MAX_GT_INSTANCES=1)
    stream = data_generator(Numbered(3), config, shuffle=False)
    seen = {tuple(inputs[4][0]) for inputs, _ in itertools.islice(stream, 40)}
    assert seen == {(1,), (2,)}


def test_sources_without_augmentation(tiny_config):
    def blacken(image, masks):
        return np.zeros_like(image), masks

    stream = data_generator(
        Numbered(4),
        tiny_config,
        shuffle=False,
        augmentation=blacken,
        no_augmentation_sources=["plain"],
    )
    assert [numbers(next(stream)[0], tiny_config)[0] for _ in range(3)] == [0, 2, 0]


def test_random_rois_and_their_targets(tiny_config):
    random.seed(0)
    asked = {"random_rois": 400, "detection_targets": True}
    config = tiny_config.update(IMAGES_PER_GPU=1)
    stream = data_generator(Numbered(4), config, shuffle=False, **asked)
    numbered = DataGenerator(Numbered(4), config, shuffle=False, **asked)
    for inputs, outputs in (next(stream), numbered[1]):
        assert [array.shape for array in inputs[7:]] == [(1, 400, 4), (1, 20, 4)]
        shapes = [array.shape for array in outputs]
        assert shapes == [(1, 20, 1), (1, 20, 4, 4), (1, 20, 28, 28, 4)]
        # Image 1 has one object, of class 1; its RoIs are the first of the sampled ones.
        assert set(outputs[0].ravel()) == {0, 1} and outputs[0][0, 0] == 1
        assert {tuple(roi) for roi in inputs[8][0]} <= {tuple(roi) for roi in inputs[7][0]}
    inputs, outputs = next(data_generator(Numbered(4), config, random_rois=5))
    assert len(inputs) == 8 and outputs == []


def test_what_is_not_supported(tiny_config):
    for make in (data_generator, DataGenerator):
        with pytest.raises(InputError, match="those of random_rois"):
            make(Numbered(4), tiny_config, detection_targets=True)
    with pytest.raises(InputError, match="no images"):
        data_generator(Numbered(0), tiny_config)
    with pytest.raises(InputError, match="no image of the dataset has an object"):
        next(data_generator(Numbered(1), tiny_config))


def test_images_of_other_shapes(tiny_config):
    config = tiny_config.update(IMAGE_RESIZE_MODE="canvas", IMAGE_MAX_DIM=96)
    stream = data_generator(Numbered(3, (64, 96)), config, shuffle=False)
    shapes = [next(stream)[0] for _ in range(2)]
    assert [inputs[0].shape for inputs in shapes] == [(1, 64, 96, 3), (1, 96, 64, 3)]
    with pytest.raises(InputError, match="differ in shape"):
        next(data_generator(Numbered(3, (64, 96)), config, shuffle=False, batch_size=2))


def test_generator_by_number(tiny_config):
    batches = DataGenerator(Numbered(5), tiny_config, shuffle=False)
    assert len(batches) == 3
    # Images without objects are served here.
    assert [numbers(inputs, tiny_config) for inputs, _ in batches] == [[0, 1], [2, 3], [4]]
    assert len(batches[0][0]) == 7 and batches[0][1] == []
    with pytest.raises(IndexError):
        batches[3]
    shuffled = DataGenerator(Numbered(30), tiny_config)
    first = shuffled.image_ids.copy()
    shuffled.on_epoch_end()
    assert sorted(first) == sorted(shuffled.image_ids) == list(range(30))
    assert (first != shuffled.image_ids).any() and (first != np.arange(30)).any()
