"""Distances against SciPy."""

import keras
import numpy as np
import pytest
from scipy import ndimage

from edge_agreement.distance import distance_to, has_boundary, signed_distance_map


def array(x):
    return keras.ops.convert_to_numpy(x)


@pytest.fixture
def masks(rng):
    """Masks of 13 x 28: dense, sparse, one pixel, one row missing."""
    masks = rng.random((5, 13, 28)) > np.array([0.5, 0.9, 0.99, 2, 2])[:, None, None]
    masks[3, 12, 0] = True
    masks[4] = True
    masks[4, 6] = False
    return masks


def test_distances_agree_with_scipy(masks):
    expected = [ndimage.distance_transform_edt(~m) for m in masks]
    np.testing.assert_allclose(array(distance_to(masks)), expected, rtol=1e-6)


def test_no_target_is_far():
    assert np.all(array(distance_to(np.zeros((4, 6), bool))) >= 10)


def test_no_map_has_no_distance():
    for got in (
        distance_to(np.zeros((2, 0, 4, 6), bool)),
        signed_distance_map(np.zeros((2, 0, 4, 6))),
    ):
        assert array(got).shape == (2, 0, 4, 6)
        assert array(got).dtype == np.float32


def test_signed_distances_agree_with_scipy(masks):
    expected = [
        np.where(m, 1 - ndimage.distance_transform_edt(m), ndimage.distance_transform_edt(~m))
        for m in masks
    ]
    got = array(signed_distance_map(masks.astype("float32")))
    np.testing.assert_allclose(got, expected, rtol=1e-6)


@pytest.mark.parametrize("fill", [0.0, 1.0])
def test_without_a_boundary_there_is_no_distance(fill):
    np.testing.assert_array_equal(array(signed_distance_map(np.full((2, 5, 5), fill))), 0)
    assert not array(has_boundary(np.full((2, 5, 5), fill > 0))).any()


def test_unknown_sizes_are_refused():
    with pytest.raises(ValueError, match="maps of a known size"):
        distance_to(keras.KerasTensor((None, None, 28), "bool"))
