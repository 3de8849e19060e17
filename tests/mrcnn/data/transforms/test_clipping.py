import numpy as np
import pytest
from pycocotools import mask as reference

from mrcnn.data.masks import decode
from mrcnn.data.transforms.clipping import visible_box


def polygon(*points):
    return np.array(points, np.float64)


SQUARE = polygon((2, 1), (8, 1), (8, 5), (2, 5))
# Two legs, x 2 to 4 and x 8 to 10, joined at the bottom from y 8 to y 10.
LEGS = polygon((2, 0), (4, 0), (4, 8), (8, 8), (8, 0), (10, 0), (10, 10), (2, 10))
TRIANGLE = polygon((0, 0), (10, 0), (0, 10))


@pytest.mark.parametrize(
    ("shape", "region", "wanted"),
    [
        ([SQUARE], (0, 0, 10, 10), (1, 2, 5, 8)),
        ([SQUARE], (2.5, 3, 10, 6.25), (2.5, 3, 5, 6.25)),
        ([SQUARE], (2, 3, 4, 6), (2, 3, 4, 6)),  # all edges are outside
        ([SQUARE], (5, 0, 10, 10), (0, 0, 0, 0)),  # it touches
        ([SQUARE], (0, 8.5, 10, 10), (0, 0, 0, 0)),
        # A clipped polygon would have an edge along the top, from the leg to the right.
        ([LEGS], (2, 0, 6, 7), (2, 2, 6, 4)),
        ([LEGS], (2, 5, 6, 12), (2, 8, 6, 10)),
        ([LEGS], (1, 5, 6, 7), (0, 0, 0, 0)),  # between the legs
        ([LEGS], (0, 4, 9, 12), (0, 4, 9, 10)),  # the left leg only touches
        ([LEGS], (1, 4, 9, 8), (8, 4, 9, 8)),  # both do
        ([SQUARE], (1, 2, 5, 8), (1, 2, 5, 8)),
        ([TRIANGLE], (4, 3, 9, 9), (4, 3, 7, 6)),
        ([SQUARE, LEGS + (20, 0)], (0, 0, 4, 23), (0, 2, 4, 23)),
        ([SQUARE, LEGS + (20, 0)], (6, 0, 10, 23), (6, 22, 10, 23)),
    ],
)
def test_polygons_by_hand(shape, region, wanted):
    np.testing.assert_allclose(visible_box(shape, region), wanted, atol=1e-4)
    reversed_too = [points[::-1] for points in shape]
    np.testing.assert_allclose(visible_box(reversed_too, region), wanted, atol=1e-4)


def test_polygons_against_a_raster(rng):
    seen = 0
    for _ in range(60):
        points = rng.uniform(-5, 25, (rng.integers(3, 9), 2))
        y1, x1 = rng.uniform(0, 12, 2)
        region = np.array([y1, x1, y1 + rng.uniform(2, 7), x1 + rng.uniform(2, 7)])
        fine = 16
        mask = decode([points * fine], (20 * fine, 20 * fine))
        outside = np.ones_like(mask)
        a, b, c, d = np.rint(region * fine).astype(int)
        outside[a:c, b:d] = False
        rows, columns = np.nonzero(mask & ~outside)
        box = visible_box([points], region)
        if len(rows):
            seen += 1
            found = np.array([rows.min(), columns.min(), rows.max() + 1, columns.max() + 1]) / fine
            # A tip of less than a pixel of the raster is seen by the box alone.
            assert np.all(box[:2] <= found[:2] + 0.1) and np.all(box[2:] >= found[2:] - 0.1)
            assert np.abs(box - found).max() < 0.5
        else:
            assert np.prod((box[2:] - box[:2]).clip(0)) < 0.05
    assert seen > 30


def test_masks_and_run_lengths():
    mask = np.zeros((10, 12), bool)
    mask[1:3, 2:9] = mask[3:8, 2:4] = True
    for shape in (mask, reference.encode(np.asfortranarray(mask, np.uint8))):
        assert visible_box(shape, (0, 0, 10, 12)).tolist() == [1, 2, 8, 9]
        assert visible_box(shape, (3, 3, 10, 12)).tolist() == [3, 3, 8, 4]
        assert visible_box(shape, (2.5, 3.5, 10, 12)).tolist() == [2.5, 3.5, 8, 9]
        assert visible_box(shape, (3, 5, 10, 12)).tolist() == [0, 0, 0, 0]
