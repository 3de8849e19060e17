import numpy as np
import pytest

from mrcnn.data.checks.anchors import Anchors, best_iou, centers, propose
from mrcnn.modeling.anchors import pyramid_anchors

DEFAULT = Anchors((32, 64, 128, 256, 512), (0.5, 1, 2), (4, 8, 16, 32, 64))


def overlaps(box, anchors):
    """IoU of a box with all anchors (A, 4)."""
    sides = np.minimum(box[2:], anchors[:, 2:]) - np.maximum(box[:2], anchors[:, :2])
    shared = sides.clip(0).prod(axis=1)
    areas = np.prod(box[2:] - box[:2]) + (anchors[:, 2:] - anchors[:, :2]).prod(axis=1)
    return shared / (areas - shared)


@pytest.mark.parametrize("every", [1, 2])
def test_the_best_iou_is_that_with_all_anchors_of_the_network(rng, every):
    canvas = (200, 328)  # the strides do not divide it
    corner = rng.uniform((0, 0), canvas, (40, 2))
    size = np.exp(rng.uniform(0, 5, (40, 2)))
    boxes = np.concatenate([corner, np.minimum(corner + size, canvas)], axis=1)
    anchors = Anchors((8, 20, 40, 90, 150), (0.4, 1, 2.5), (4, 8, 16, 32, 64), every)
    found = best_iou(boxes, np.full((40, 2), canvas), anchors)
    everything = pyramid_anchors(canvas, *anchors).astype(np.float64)
    wanted = [overlaps(box, everything).max() for box in boxes]
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_centers_of_separate_heaps():
    values = np.array([1.0, 1.2, 5.0, 5.4, 5.2, 9.0])
    np.testing.assert_allclose(centers(values, 3), [1.1, 5.2, 9])
    assert centers(np.array([2.0, 2.0]), 3).tolist() == [2, 2, 2]


def test_a_proposal_fits_objects_of_a_few_shapes(rng):
    """Objects of two sizes that no default anchor is near, all twice as high as the ratio 1 : 2."""
    side = np.where(rng.random(300) < 0.5, 23.0, 370.0)
    shape = np.stack([side * 2, side / 2], axis=1)  # height, width: ratio 1 : 4
    corner = rng.uniform(0, 200, (300, 2))
    boxes = np.concatenate([corner, corner + shape], axis=1)
    canvases = np.full((300, 2), 1024)
    before = best_iou(boxes, canvases, DEFAULT)
    proposed = propose(boxes, canvases, DEFAULT)
    after = best_iou(boxes, canvases, proposed)
    assert before.mean() < 0.6 and after.mean() > 0.85
    assert min(abs(np.log(np.array(proposed.ratios) / 0.25))) < 0.15
    assert list(proposed.scales) == sorted(proposed.scales)
    assert proposed.strides == DEFAULT.strides
    assert (len(proposed.scales), len(proposed.ratios)) == (5, 3)


def test_a_proposal_is_never_worse_on_what_it_was_made_from(rng):
    size = np.exp(rng.uniform(2, 6, (100, 2)))
    boxes = np.concatenate([np.zeros((100, 2)), size], axis=1)
    canvases = np.full((100, 2), 512)
    unsorted = DEFAULT._replace(ratios=(1, 0.5, 2))
    for anchors in (DEFAULT, unsorted):
        after = best_iou(boxes, canvases, propose(boxes, canvases, anchors)).mean()
        assert after > best_iou(boxes, canvases, anchors).mean() - 0.002  # it is rounded
