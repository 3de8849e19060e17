"""Detections from the network's input back to the image."""

import numpy as np
import pytest

from mrcnn.config import Config
from mrcnn.data import encodings
from mrcnn.data.pipeline import detections as pipeline
from mrcnn.data.pipeline.detections import unmold_detections


def unmold(boxes, shape, image_shape, window):
    """Boxes and masks on the image, of detections whose masks are full."""
    detections = np.zeros((len(boxes) + 1, 6), np.float32)
    detections[:-1, :4] = boxes
    detections[:-1, 4:] = [1, 0.9]
    masks = np.ones((len(detections), 28, 28, 2), np.float32)
    rois, _, scores, full = unmold_detections(detections, masks, shape, image_shape, window)
    assert len(rois) == len(scores) == full.shape[-1]
    return rois, full


def test_boxes_are_rounded_to_the_nearest_pixel():
    """The image fills the input, so that one pixel is 1 / 100 of it."""
    boxes = [[0.104, 0.206, 0.397, 0.5025], [0.096, 0.2, 0.4, 0.4975]]
    rois, full = unmold(boxes, (101, 101, 3), (101, 101, 3), (0, 0, 101, 101))
    # 10.4, 20.6, 39.7 + 1 and 50.25 + 1; 9.6, 20, 40 + 1 and 49.75 + 1.
    assert rois.dtype == np.int32
    assert rois.tolist() == [[10, 21, 41, 51], [10, 20, 41, 51]]
    assert full.shape == (101, 101, 2)


def test_boxes_end_at_the_border_of_the_image():
    """An image in the middle of the input, rows 25 to 76 of 101, and boxes that reach beyond it."""
    boxes = [[0.2, 0.1, 0.9, 0.3], [0.5, 0.0, 0.6, 1.0], [0.0, 0.1, 0.1, 0.3], [0.76, 0, 0.9, 1]]
    rois, full = unmold(boxes, (51, 101, 3), (101, 101, 3), (25, 0, 76, 101))
    # Row y of the input is y - 25 of the image; the last two boxes lie outside.
    assert rois.tolist() == [[0, 10, 51, 31], [25, 0, 36, 101]]
    assert full.shape == (51, 101, 2)
    assert full[25:36, 5:95, 1].all() and not full[:25, :, 1].any()


@pytest.mark.parametrize("paste", ["box", "padded"])
def test_encodings_are_those_of_the_full_masks(rng, paste):
    """Also of boxes of which a part or nothing is on the image, and of empty masks."""
    count = 12
    detections = np.zeros((count, 6), np.float32)
    detections[:, :2] = rng.uniform(-0.3, 0.9, (count, 2))
    detections[:, 2:4] = detections[:, :2] + rng.uniform(0.02, 0.6, (count, 2))
    detections[:, 4:] = [1, 0.9]
    masks = rng.random((count, 28, 28, 2)).astype(np.float32)
    masks[0] = 0
    shape = (90, 130, 3)
    found = pipeline.unmold(detections, masks, shape, (128, 128, 3), (4, 0, 120, 128), paste=paste)
    full, runs = found.masks(), found.encodings()
    assert full.shape[2] == len(runs) == len(found.boxes) > 6
    for index, run in enumerate(runs):
        assert full[:, :, index].flags.f_contiguous
        assert run == encodings.as_text(encodings.encode(full[:, :, index]))


def test_images_of_one_shape_are_molded_into_batches():
    config = Config().update(
        IMAGE_RESIZE_MODE="canvas", IMAGE_MIN_DIM=64, IMAGE_MAX_DIM=128, IMAGES_PER_GPU=2
    )
    sizes = [(40, 80), (30, 60), (20, 40), (80, 40), (40, 80)]
    images = [np.full((*size, 3), number, np.uint8) for number, size in enumerate(sizes)]
    batches = list(pipeline.mold_alike(images, config))
    assert [molded.shape[:3] for molded, _, _ in batches] == [
        (2, 64, 128), (1, 64, 128), (1, 128, 64), (1, 64, 128),
    ]  # fmt: skip
    for part in range(3):
        together = [row for batch in batches for row in batch[part]]
        for row, image in zip(together, images, strict=True):
            np.testing.assert_array_equal(row, pipeline.mold_inputs([image], config)[part][0])
