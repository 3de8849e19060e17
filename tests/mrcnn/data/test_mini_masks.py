"""Mini masks against the original's way over full masks, and against the segmentation."""

import numpy as np
import pytest
from pycocotools import mask as reference

from mrcnn.data.datasets.coco import CocoDataset
from mrcnn.data.image import resize_image
from mrcnn.data.masks import extract_bboxes, minimize_mask, rasterize, resize_mask
from mrcnn.data.mini_masks import mini_masks, resized_values
from mrcnn.data.resampling import resize_exact
from mrcnn.data.resize import ResizeTransform

MINI = (56, 56)


def polygon(y1, x1, y2, x2):
    return [np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]], np.float64)]


def box_of(*sides) -> np.ndarray:
    return np.array([sides], np.float64)


@pytest.mark.parametrize("dims", [(800, 1024), (256, 320)])
def test_in_the_originals_boxes_the_values_are_those_of_the_original(coco_dir, dims):
    """Growing and shrinking, where rows and columns of the image are left out."""
    dataset = CocoDataset.from_folder(coco_dir, "val", limit=12)
    compared = 0
    for image_id in dataset.image_ids:
        instances = dataset.load_instances(int(image_id))
        blank = np.zeros((*instances.size, 1), np.uint8)
        _, window, scale, padding, _ = resize_image(blank, *dims, 0, "canvas")
        full = resize_mask(instances.masks(), scale, padding)
        boxes = extract_bboxes(full)
        kept = np.flatnonzero(boxes.any(axis=1) & instances.has_mask)
        shapes = [instances.segmentations[index] for index in kept]
        transform = ResizeTransform.of(instances.size, scale, window, None)
        values = resized_values(shapes, boxes[kept], transform, MINI)
        theirs = minimize_mask(boxes[kept], full[:, :, kept], MINI)
        np.testing.assert_array_equal(np.around(values).transpose(1, 2, 0), theirs)
        for found, (y1, x1, y2, x2), index in zip(values, boxes[kept], kept, strict=True):
            wanted = resize_exact(full[y1:y2, x1:x2, index], MINI)
            np.testing.assert_allclose(found, wanted, atol=1e-6)
            compared += 1
    assert compared > 50


def test_in_a_part_of_the_image_too(rng):
    """A crop of 64 x 64 out of an image that was resized by 1.6."""
    corners = rng.uniform(0, 60, (20, 2))
    size, scale, part, window = (60, 70), 1.6, (13, 21, 64, 64), (0, 0, 64, 64)
    full = np.zeros((*size, 20), bool)
    for index, (y, x) in enumerate(np.floor(corners).astype(int)):
        full[y : y + 25, x : x + 19, index] = True
    cropped = resize_mask(full, scale, [(0, 0)] * 3, part)
    boxes = extract_bboxes(cropped)
    seen = np.flatnonzero(boxes.any(axis=1))
    assert len(seen) > 10
    transform = ResizeTransform.of(size, scale, window, part)
    values = resized_values([full[:, :, i] for i in seen], boxes[seen], transform, (28, 28))
    wanted = minimize_mask(boxes[seen], cropped[:, :, seen], (28, 28))
    np.testing.assert_array_equal(np.around(values).transpose(1, 2, 0), wanted)


def test_the_segmentation_decides_on_the_border_alone():
    # A diagonal through 8 x 8 pixels, on a grid of 56 x 56: in whole pixels a staircase of steps of
    # 7 cells. The polygon cuts the steps where they are nearer to it than the bilinear ramp ends.
    triangle = [np.array([[4.0, 4.0], [12.0, 12.0], [4.0, 12.0]])]
    transform = ResizeTransform.whole((16, 16))
    box = box_of(4, 4, 12, 12)
    (values,) = resized_values([triangle], box, transform, MINI)
    (mask,) = mini_masks([triangle], box, transform, MINI)
    drawn = rasterize(triangle, box[0], MINI).astype(bool)
    border = (values >= 0.25) & (values <= 0.75)
    assert 56 < border.sum() < 800
    np.testing.assert_array_equal(mask[border], drawn[border])
    np.testing.assert_array_equal(mask[~border], values[~border] > 0.5)


def test_boxes_between_pixels_move_the_grid():
    # The left half of the box is covered. Its sides lie in the middle of pixels.
    half = polygon(10.5, 20.5, 30.5, 30.5)
    (mask,) = mini_masks(
        [half], box_of(10.5, 20.5, 30.5, 40.5), ResizeTransform.whole((50, 60)), (20, 20)
    )
    wanted = np.zeros((20, 20), bool)
    wanted[:, :10] = True
    assert (mask != wanted).sum() <= 20 and mask.dtype == bool


def test_an_object_that_fills_its_box_does_so_where_the_pixels_are_shifted():
    # 12 rows to 38: the nearest of the last row in the box, 15 * 11 / 37, is one further down.
    transform = ResizeTransform.of((12, 20), 3.2, (13, 0, 51, 64), None)
    boxes = transform.to_canvas(box_of(1, 2, 5, 8))
    shape = polygon(1, 2, 5, 8)
    assert not (resized_values([shape], boxes, transform, MINI) > 0.5).all()
    assert mini_masks([shape], boxes, transform, MINI).all()


@pytest.mark.parametrize("form", ["polygon", "rle", "mask"])
@pytest.mark.parametrize("line", [(0, 300, 500, 301), (300, 0, 301, 500), (7, 9, 8, 10)])
def test_a_line_of_one_pixel_fills_its_box(form, line):
    y1, x1, y2, x2 = line
    full = np.zeros((500, 500), bool)
    full[y1:y2, x1:x2] = True
    packed = reference.encode(np.asfortranarray(full, np.uint8))
    shape = {"polygon": polygon(*line), "rle": packed, "mask": full}[form]
    for error in (0, 1e-6, -1e-6):
        box = np.array(line) + np.array([error, error, -error, -error])
        arguments = [shape], box.clip(0)[None], ResizeTransform.whole((500, 500)), MINI
        assert (resized_values(*arguments) == 1).all() and mini_masks(*arguments).all()


@pytest.mark.parametrize("form", ["rle", "mask"])
def test_lines_of_pixels_stay_in_large_boxes(form):
    """A frame of one pixel around 600 x 600 lies between the pixels that the original looks at."""
    frame = np.zeros((600, 620), bool)
    frame[0, 10:610] = frame[-1, 10:610] = frame[:, 10] = frame[:, 609] = True
    shape = reference.encode(np.asfortranarray(frame, np.uint8)) if form == "rle" else frame
    box = box_of(0, 10, 600, 610)
    (mask,) = mini_masks([shape], box, ResizeTransform.whole((600, 620)), MINI)
    wanted = np.ones(MINI, bool)
    wanted[1:-1, 1:-1] = False
    np.testing.assert_array_equal(mask, wanted)


def test_an_object_that_the_pixels_miss_is_drawn_as_its_segmentation():
    # 0.02 pixels along the diagonal, beside the centres of all pixels.
    line = [np.array([[0.0, 0.3], [55.7, 56.0], [55.72, 56.0], [0.02, 0.3]])]
    (mask,) = mini_masks([line], box_of(0, 0, 56, 56), ResizeTransform.whole((56, 56)), MINI)
    assert mask.sum() >= 28
    assert (np.abs(np.subtract(*np.nonzero(mask))) <= 1).all()


def test_an_object_of_which_the_pixels_keep_little_is_drawn_as_its_segmentation():
    # y = x + 0.5, 0.3 pixels wide, is between all pixels, but not between cells of half a pixel. A
    # square of 4 x 4 cells beside it has pixels.
    line = np.array([[0.0, 0.35], [27.0, 27.35], [27.0, 27.65], [0.0, 0.65]])
    shape, box = [line, *polygon(0, 24, 2, 26)], box_of(0, 0, 28, 28)
    transform = ResizeTransform.whole((28, 28))
    assert (resized_values([shape], box, transform, MINI) > 0.5).sum() == 16
    (mask,) = mini_masks([shape], box, transform, MINI)
    assert mask[:4, 48:52].all() and mask.sum() >= 16 + 40


def test_holes_stay():
    keyhole = [
        [10, 10], [40, 10], [40, 40], [10, 40], [10, 10],
        [20, 20], [20, 30], [30, 30], [30, 20], [20, 20],
    ]  # fmt: skip
    shape = [np.array(keyhole, np.float64)]
    transform = ResizeTransform.of((50, 50), 2, (0, 0, 100, 100), None)
    (mask,) = mini_masks([shape], box_of(20, 20, 80, 80), transform, (30, 30))
    wanted = np.ones((30, 30), bool)
    wanted[10:20, 10:20] = False
    assert (mask != wanted).sum() <= 40
    assert not mask[12:18, 12:18].any() and mask[:8].all() and mask[:, -8:].all()


def test_nothing_is_empty():
    transform = ResizeTransform.whole((10, 12))
    assert mini_masks([], np.zeros((0, 4)), transform, (4, 6)).shape == (0, 4, 6)
    masks = mini_masks(
        [[], polygon(1, 2, 5, 8)], np.tile(box_of(1, 2, 5, 8), (2, 1)), transform, (4, 6)
    )
    assert not masks[0].any() and masks[1].all()
