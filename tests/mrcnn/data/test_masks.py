import numpy as np
import pytest
import skimage.transform
from pycocotools import mask as reference
from scipy import ndimage

from mrcnn.data import masks
from mrcnn.errors import InputError

EXACT = {"order": 1, "mode": "constant", "anti_aliasing": False}

RECTANGLE = [np.array([[2.0, 1.0], [8.0, 1.0], [8.0, 5.0], [2.0, 5.0]])]  # x 2..8, y 1..5


def disc(radius: float, centre: tuple[float, float], corners: int = 64) -> np.ndarray:
    angles = 2 * np.pi * np.arange(corners) / corners
    return np.stack([centre[0] + radius * np.cos(angles), centre[1] + radius * np.sin(angles)], 1)


def rectangle_mask() -> np.ndarray:
    mask = np.zeros((10, 12), bool)
    mask[1:5, 2:8] = True
    return mask


def test_decode_fills_pixels_whose_centre_is_inside():
    np.testing.assert_array_equal(masks.decode(RECTANGLE, (10, 12)), rectangle_mask())


def test_decode_joins_polygons():
    two = [*RECTANGLE, np.array([[9.0, 6.0], [11.0, 6.0], [11.0, 8.0], [9.0, 8.0]])]
    wanted = rectangle_mask()
    wanted[6:8, 9:11] = True
    np.testing.assert_array_equal(masks.decode(two, (10, 12)), wanted)


@pytest.mark.parametrize("form", ["list", "str", "bytes"])
def test_decode_reads_every_form_of_run_lengths(form):
    mask = np.zeros((3, 2), bool)
    mask[1:, 0] = mask[0, 1] = True  # down the columns: 1 off, 3 on, 2 off
    packed = reference.encode(np.asfortranarray(mask, np.uint8))["counts"]
    counts = {"list": [1, 3, 2], "str": packed.decode(), "bytes": packed}[form]
    np.testing.assert_array_equal(masks.decode({"size": [3, 2], "counts": counts}, (3, 2)), mask)


def test_rasterize_maps_the_box_to_the_grid():
    # The left half of a box of x 0..8, y 0..4.
    half = [np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 4.0]])]
    grid = masks.rasterize(half, (0, 0, 4, 8), (6, 10))
    assert grid.dtype == np.uint8
    np.testing.assert_array_equal(grid[:, :5], 1)
    np.testing.assert_array_equal(grid[:, 5:], 0)


def test_rasterize_is_within_a_cell_of_the_true_disc():
    centre, radius = (50.3, 40.7), 21.6
    box = (centre[1] - radius, centre[0] - radius, centre[1] + radius, centre[0] + radius)
    grid = masks.rasterize([disc(radius, centre)], box, (56, 56)).astype(bool)
    # Cell centres in units of the radius.
    axis = (np.arange(56) + 0.5) / 28 - 1
    distance = np.hypot(axis[:, None], axis[None, :])
    cell = 1 / 28
    assert grid[distance < 1 - cell / 2].all()
    assert not grid[distance > 1 + cell / 2].any()


@pytest.mark.parametrize("form", ["rle", "mask"])
def test_rasterize_cuts_the_box_out_of_masks(form):
    mask = np.zeros((40, 50), bool)
    mask[10:20, 5:25] = True
    segmentation = mask
    if form == "rle":
        segmentation = reference.encode(np.asfortranarray(mask, np.uint8))
    # Box y 10..30, x 5..45: the object is its upper left quarter.
    grid = masks.rasterize(segmentation, (10, 5, 30, 45), (10, 10))
    wanted = np.zeros((10, 10), np.uint8)
    wanted[:5, :5] = 1
    np.testing.assert_array_equal(grid, wanted)


def test_rasterize_keeps_holes():
    ring = np.zeros((60, 60), bool)
    ring[5:55, 5:55] = True
    ring[20:40, 20:40] = False
    grid = masks.rasterize(ring, (5, 5, 55, 55), (50, 50))
    np.testing.assert_array_equal(grid, ring[5:55, 5:55])


@pytest.mark.parametrize("size", [40, 600])
def test_rasterize_keeps_the_hole_of_a_ring_in_every_form(size):
    """A square ring whose hole is the middle third of its box, smaller and larger than the grid."""
    low, end = size / 4, size * 3 / 4
    a, b = low + (end - low) / 3, low + 2 * (end - low) / 3
    full = np.zeros((size, size), bool)
    full[round(low) : round(end), round(low) : round(end)] = True
    full[round(a) : round(b), round(a) : round(b)] = False
    # One outline that goes in to the hole, around it and back over the same line.
    keyhole = [
        [low, low], [end, low], [end, end], [low, end], [low, low],
        [a, a], [a, b], [b, b], [b, a], [a, a],
    ]  # fmt: skip
    run_lengths = reference.encode(np.asfortranarray(full, np.uint8))
    wanted = np.ones((30, 30), bool)
    wanted[10:20, 10:20] = False
    for form in ([np.array(keyhole)], full, run_lengths):
        grid = masks.rasterize(form, (low, low, end, end), (30, 30)).astype(bool)
        # The rasteriser rounds corners to a fifth of a cell, and pixels do not divide by three.
        assert (grid != wanted).sum() <= 40
        assert not grid[12:18, 12:18].any() and grid[:8].all() and grid[:, -8:].all()


def test_rasterize_keeps_objects_thinner_than_a_cell():
    # A line of 0.02 pixels along the diagonal of a box of 56 pixels, beside all cell centres.
    line = [np.array([[0.0, 0.3], [55.7, 56.0], [55.72, 56.0], [0.02, 0.3]])]
    grid = masks.rasterize(line, (0, 0, 56, 56), (56, 56))
    assert grid.sum() >= 28
    assert (np.abs(np.subtract(*np.nonzero(grid))) <= 1).all()


@pytest.mark.parametrize("form", ["polygon", "rle", "mask"])
@pytest.mark.parametrize("line", [(0, 300, 500, 301), (300, 0, 301, 500), (7, 9, 8, 10)])
def test_rasterize_fills_the_box_of_a_line(form, line):
    """A line or a point of one pixel in the box that is its extent."""
    for error in (0, 1e-6, -1e-6):
        box = np.array(line) + np.array([error, error, -error, -error])
        grid = masks.rasterize(segmentation_of(line, form, (500, 500)), box.clip(0), (56, 56))
        assert grid.all()


def segmentation_of(box, form, size):
    y1, x1, y2, x2 = box
    mask = np.zeros(size, bool)
    mask[y1:y2, x1:x2] = True
    return {
        "polygon": [np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]], float)],
        "rle": reference.encode(np.asfortranarray(mask, np.uint8)),
        "mask": mask,
    }[form]


@pytest.mark.parametrize("form", ["rle", "mask"])
def test_rasterize_keeps_lines_of_pixels_in_large_boxes(form):
    """A frame of one pixel around 600 x 600 covers an eleventh of the cells that it crosses."""
    frame = np.zeros((600, 620), bool)
    frame[0, 10:610] = frame[-1, 10:610] = frame[:, 10] = frame[:, 609] = True
    shape = reference.encode(np.asfortranarray(frame, np.uint8)) if form == "rle" else frame
    grid = masks.rasterize(shape, (0, 10, 600, 610), (56, 56))
    wanted = np.ones((56, 56))
    wanted[1:-1, 1:-1] = 0
    np.testing.assert_array_equal(grid, wanted)


def test_rasterize_keeps_an_object_of_less_than_a_pixel():
    # A triangle of a tenth of a pixel, in the box of one pixel that it is given on the canvas.
    triangle = [np.array([[7.3, 5.2], [7.4, 5.2], [7.4, 5.3]])]
    grid = masks.rasterize(triangle, (4.75, 6.85, 5.75, 7.85), (56, 56))
    rows, columns = np.nonzero(grid)
    # 0.1 pixels are 5.6 cells; its corner is at ((5.2 - 4.75) * 56, (7.3 - 6.85) * 56).
    assert 8 <= len(rows) <= 24
    assert rows.min() >= 25 and rows.max() <= 31 and columns.min() >= 25 and columns.max() <= 31
    # In a grid of 4 x 4 its corners are at 1.8 and 2.2, and it misses all centres.
    wanted = [[0, 0, 0, 0], [0, 1, 1, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    grid = masks.rasterize(triangle, (4.75, 6.85, 5.75, 7.85), (4, 4))
    np.testing.assert_array_equal(grid, wanted)


def test_a_cut_out_of_run_lengths_is_that_of_the_full_mask(rng):
    noise = ndimage.gaussian_filter(rng.random((90, 130)), 3) > 0.5
    run_lengths = reference.encode(np.asfortranarray(noise, np.uint8))
    counts = {"size": [90, 130], "counts": [0, 90 * 130]}
    for _ in range(30):
        y, x = np.sort(rng.integers(0, 91, 2)), np.sort(rng.integers(0, 131, 2))
        part = slice(*y), slice(*x)
        np.testing.assert_array_equal(masks.decode_part(run_lengths, *part), noise[part])
        assert masks.decode_part(counts, *part).all()
    whole = slice(0, 999), slice(0, 999)
    np.testing.assert_array_equal(masks.decode_part(run_lengths, *whole), noise)


def test_a_part_of_polygons_is_that_of_the_full_mask(rng):
    # Corners at tenths of a pixel: where the rasteriser rounds to fifths, many are ties.
    for _ in range(60):
        polygons = [np.round(rng.uniform(-10, 140, (5, 2)), 1) for _ in range(2)]
        full = masks.decode(polygons, (90, 130))
        y, x = np.sort(rng.integers(0, 91, 2)), np.sort(rng.integers(0, 131, 2))
        part = slice(*y), slice(*x)
        np.testing.assert_array_equal(masks.decode_part(polygons, *part), full[part])
    assert masks.decode_part([], slice(2, 5), slice(3, 9)).shape == (3, 6)
    assert not masks.decode_part([], slice(2, 5), slice(3, 9)).any()


def test_pixels_outside_a_box_do_not_matter_to_it(rng):
    noise = ndimage.gaussian_filter(rng.random((90, 130)), 3) > 0.5
    wide = np.ones((400, 500), bool)
    wide[200:290, 300:430] = noise
    run_lengths = reference.encode(np.asfortranarray(wide, np.uint8))
    grid = masks.rasterize(noise, (0, 0, 90, 130), (28, 28))
    np.testing.assert_array_equal(
        masks.rasterize(run_lengths, (200, 300, 290, 430), (28, 28)), grid
    )


def test_extract_bboxes():
    full = np.stack([rectangle_mask(), np.zeros((10, 12), bool)], axis=2)
    boxes = masks.extract_bboxes(full)
    assert boxes.dtype == np.int32
    np.testing.assert_array_equal(boxes, [[1, 2, 5, 8], [0, 0, 0, 0]])
    assert masks.extract_bboxes(np.zeros((10, 12, 0), bool)).shape == (0, 4)


def test_segmentation_box_stays_inside_the_image():
    outside = [np.array([[-3.0, 1.5], [8.25, 1.5], [8.25, 40.0]])]
    np.testing.assert_array_equal(masks.segmentation_box(outside, (10, 12)), [1.5, 0, 10, 8.25])
    for form in (rectangle_mask(), reference.encode(np.asfortranarray(rectangle_mask(), np.uint8))):
        np.testing.assert_array_equal(masks.segmentation_box(form, (10, 12)), [1, 2, 5, 8])


def test_minimize_and_expand_are_inverse_at_whole_factors():
    full = np.zeros((40, 40, 1), bool)
    full[4:12, 8:24, 0] = True
    full[4:8, 8:16, 0] = False
    box = np.array([[4, 8, 12, 24]])
    mini = masks.minimize_mask(box, full, (8, 16))
    np.testing.assert_array_equal(mini[:, :, 0], full[4:12, 8:24, 0])
    np.testing.assert_array_equal(masks.expand_mask(box, mini, (40, 40, 3)), full)


def test_minimize_and_expand_have_the_arithmetic_of_the_original(rng):
    # Blobs in boxes smaller and larger than the mini mask.
    noise = ndimage.gaussian_filter(rng.random((80, 90, 4)), (4, 4, 0)) > 0.5
    boxes = np.array([[0, 0, 80, 90], [3, 5, 20, 18], [40, 10, 79, 30], [60, 60, 63, 90]])
    mini = masks.minimize_mask(boxes, noise, (28, 28))
    assert mini.shape == (28, 28, 4) and mini.dtype == bool
    full = masks.expand_mask(boxes, mini, (80, 90, 3))
    assert full.shape == (80, 90, 4) and full.dtype == bool
    for index, (y1, x1, y2, x2) in enumerate(boxes):
        inside = noise[y1:y2, x1:x2, index].astype(float)
        small = np.around(skimage.transform.resize(inside, (28, 28), **EXACT)) > 0
        np.testing.assert_array_equal(mini[:, :, index], small)
        large = np.around(skimage.transform.resize(small.astype(float), inside.shape, **EXACT)) > 0
        np.testing.assert_array_equal(full[y1:y2, x1:x2, index], large)
        assert full[:, :, index].sum() == large.sum()


def test_resize_mask(rng):
    full = rng.random((30, 41, 3)) > 0.5
    # 30 * 1.3 = 39, 41 * 1.3 = 53.3
    grown = ndimage.zoom(full, [1.3, 1.3, 1], order=0)
    resized = masks.resize_mask(full, 1.3, [(2, 3), (0, 1), (0, 0)])
    assert resized.dtype == bool and resized.shape == (39 + 5, 53 + 1, 3)
    np.testing.assert_array_equal(resized[2:41, :53], grown)
    assert resized.sum() == grown.sum()
    crop = (4, 10, 20, 20)
    np.testing.assert_array_equal(
        masks.resize_mask(full, 1.3, [(0, 0)] * 3, crop), grown[4:24, 10:30]
    )
    shrunk = masks.resize_mask(full, 0.37, [(0, 0)] * 3)
    np.testing.assert_array_equal(shrunk, ndimage.zoom(full, [0.37, 0.37, 1], order=0))
    np.testing.assert_array_equal(masks.resize_mask(full, 1, [(0, 0)] * 3), full)
    assert masks.resize_mask(full[:1], 0.2, [(0, 0)] * 3).shape == (1, 8, 3)


def test_resize_mask_keeps_the_last_row():
    # 60 rows to 96: 95 * (59 / 95) is a little more than 59, and SciPy leaves row 95 out.
    assert masks.resize_mask(np.ones((60, 60, 1), bool), 1.6, [(0, 0)] * 3).all()


def test_minimize_refuses_empty_boxes():
    with pytest.raises(InputError, match=r"positive size .* got \(3, 3, 3, 8\)"):
        masks.minimize_mask(np.array([[3, 3, 3, 8]]), np.zeros((9, 9, 1), bool), (4, 4))


def test_unmold_thresholds_after_resizing():
    # One row from 0 to 1: between the two pixel centres (1/4 and 3/4 of the box) the value rises
    # linearly, so 0.5 is reached in the middle. Thresholding first would put 1 at the right half
    # too, but 0.7 tells the two apart: it is reached at 0.25 + 0.7 * 0.5 = 0.6 of the box. Towards
    # the border it falls to 0.5, since all is 0 outside, and passes 0.7 at 0.75 + 0.3 * 0.5 = 0.9.
    probabilities = np.array([[0.0, 1.0]])
    full = masks.unmold_mask(probabilities, (2, 10, 3, 110), (5, 200), threshold=0.7)
    assert full.sum() == full[2, 70:100].sum() == 30
    half = masks.unmold_mask(probabilities, (2, 10, 3, 110), (5, 200))
    assert half[2, 60:110].all() and half.sum() == 50


def test_a_probability_that_is_the_threshold_belongs_to_the_object():
    probabilities = np.full((4, 5), 0.5, np.float32)
    probabilities[0] = np.nextafter(np.float32(0.5), np.float32(0))
    # The box has the size of the mask, so that no value changes.
    full = masks.unmold_mask(probabilities, (2, 3, 6, 8), (10, 12))
    wanted = np.zeros((10, 12), bool)
    wanted[3:6, 3:8] = True
    np.testing.assert_array_equal(full, wanted)


def test_unmold_cuts_at_the_border():
    whole = masks.unmold_mask(np.ones((28, 28)), (-10, -20, 30, 40), (25, 200))
    wanted = np.zeros((25, 200), bool)
    wanted[:25, :40] = True
    np.testing.assert_array_equal(whole, wanted)
    # What is visible is the lower right quarter of the mask.
    quarter = np.zeros((28, 28))
    quarter[14:, 14:] = 1
    pasted = masks.unmold_mask(quarter, (-28, -28, 28, 28), (100, 100))
    assert pasted[:28, :28].all() and pasted.sum() == 28 * 28


def test_the_visible_part_is_that_of_the_whole_as_scikit_image_has_it(rng):
    probabilities = rng.random((28, 28)).astype(np.float32)
    whole = skimage.transform.resize(probabilities, (230, 310), **EXACT) >= 0.5
    pasted = masks.unmold_mask(probabilities, (-20, -40, 210, 270), (100, 150))
    np.testing.assert_array_equal(pasted, whole[20:120, 40:190])


@pytest.mark.parametrize("box", [(5, 5, 5, 9), (-9, 0, -2, 5), (0, 60, 5, 70), (9, 9, 4, 12)])
def test_unmold_of_nothing_is_empty(box):
    assert not masks.unmold_mask(np.ones((28, 28)), box, (50, 50)).any()


def test_no_polygons_are_an_empty_mask():
    assert not masks.decode([], (10, 12)).any() and masks.decode([], (10, 12)).shape == (10, 12)
    grid = masks.rasterize([], (1, 2, 5, 8), (4, 6))
    assert grid.shape == (4, 6) and grid.dtype == np.uint8 and not grid.any()


def test_far_corners_do_not_change_what_is_inside(rng, monkeypatch):
    """The same pixels as from the rasteriser alone, which can still hold these outlines."""
    filled = 0
    for _ in range(100):
        outline = rng.uniform(-60, 120, (5, 2))
        outline[rng.random(5) < 0.4] = rng.uniform(-1e5, 1e5, 2)
        found = masks.decode([outline], (56, 40))
        with monkeypatch.context() as patch:
            patch.setattr(masks, "FAR", 1e9)
            np.testing.assert_array_equal(found, masks.decode([outline], (56, 40)))
        filled += found.any() and not found.all()
    assert filled > 40


@pytest.mark.parametrize(
    ("outline", "rows"),
    [
        ([[-1e12, 2], [1e12, 2], [1e12, 7], [-1e12, 7]], slice(2, 7)),  # a band across the grid
        ([[-1e12, -1e12], [1e12, -1e12], [1e12, 1e12], [-1e12, 1e12]], slice(None)),
        ([[1e8, 1e8], [1e9, 1e8], [1e9, 1e9]], slice(0)),  # far away
    ],
)
def test_outlines_of_any_length_take_little_memory(outline, rows):
    """One walk along such an outline would fill the memory."""
    wanted = np.zeros((10, 12), bool)
    wanted[rows] = True
    np.testing.assert_array_equal(masks.decode([np.array(outline)], (10, 12)), wanted)


def test_a_box_far_smaller_than_its_outline():
    # x + y <= 1e6 cuts the box of a thousandth of a pixel in half.
    corner = [np.array([[0.0, 0.0], [1e6, 0.0], [0.0, 1e6]])]
    box = (5e5 - 5e-4, 5e5 - 5e-4, 5e5 + 5e-4, 5e5 + 5e-4)
    grid = masks.rasterize(corner, box, (56, 56))
    assert grid[:25, :25].all() and not grid[31:, 31:].any()
    assert abs(grid.mean() - 0.5) < 0.03
