"""Anchors: how many, how large, where, and in which order."""

import math

import numpy as np
import pytest

from mrcnn.modeling import anchors

SCALES = (32, 64, 128, 256, 512)
STRIDES = (4, 8, 16, 32, 64)


def test_order_and_sizes_of_one_level():
    found = anchors.generate_anchors(32, [0.5, 1, 2], (2, 3), feature_stride=4)
    assert found.shape == (2 * 3 * 3, 4)
    assert found.dtype == "float64"
    # A ratio is width / height: 0.5 is tall. Half sides of the area 32 * 32.
    long, short = 16 * math.sqrt(2), 16 / math.sqrt(2)
    np.testing.assert_allclose(
        found[:3],
        [[-long, -short, long, short], [-16, -16, 16, 16], [-short, -long, short, long]],
        rtol=1e-6,
    )
    centers = (found[:, :2] + found[:, 2:]) / 2
    positions = [(y, x) for y in (0, 4) for x in (0, 4, 8) for _ in range(3)]
    np.testing.assert_allclose(centers, positions, atol=1e-5)


def test_area_is_the_scale_squared():
    found = anchors.generate_anchors(64, [0.5, 1, 2], (1, 1), 8)
    sides = found[:, 2:] - found[:, :2]
    np.testing.assert_allclose(sides.prod(axis=1), 64 * 64, rtol=1e-5)
    np.testing.assert_allclose(sides[:, 1] / sides[:, 0], [0.5, 1, 2], rtol=1e-5)


def test_anchor_stride_skips_positions():
    found = anchors.generate_anchors(8, [1], (4, 5), 4, anchor_stride=2)
    centers = (found[:, :2] + found[:, 2:]) / 2
    np.testing.assert_allclose(centers, [(y, x) for y in (0, 8) for x in (0, 8, 16)], atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "positions"),
    [
        # 256^2 + 128^2 + 64^2 + 32^2 + 16^2
        ((1024, 1024), 65536 + 16384 + 4096 + 1024 + 256),
        # P6 of 800 is 13 rows, not 12.5
        ((800, 1024), 200 * 256 + 100 * 128 + 50 * 64 + 25 * 32 + 13 * 16),
        ((1024, 800), 200 * 256 + 100 * 128 + 50 * 64 + 25 * 32 + 13 * 16),
    ],
)
def test_number_of_anchors(shape, positions):
    found = anchors.pyramid_anchors(shape, SCALES, (0.5, 1, 2), STRIDES)
    assert len(found) == 3 * positions
    if shape == (1024, 1024):
        assert len(found) == 261_888


def test_levels_come_finest_first():
    found = anchors.pyramid_anchors((64, 64), (8, 16, 32, 64, 128), (1,), STRIDES)
    sides = found[:, 2] - found[:, 0]
    expected = np.repeat([8, 16, 32, 64, 128], [16 * 16, 8 * 8, 4 * 4, 2 * 2, 1])
    np.testing.assert_allclose(sides, expected, rtol=1e-6)


def test_anchors_of_given_levels():
    # A level of 1 row and 2 columns at stride 10, and one of 2 rows and 1 column at stride 20.
    found = anchors.generate_pyramid_anchors((4, 8), (1,), np.array([[1, 2], [2, 1]]), (10, 20), 1)
    wanted = [[-2, -2, 2, 2], [-2, 8, 2, 12], [-4, -4, 4, 4], [16, -4, 24, 4]]
    np.testing.assert_allclose(found, wanted)


def test_level_shapes_round_up():
    assert anchors.level_shapes((800, 1024), STRIDES) == [
        (200, 256),
        (100, 128),
        (50, 64),
        (25, 32),
        (13, 16),
    ]


def test_normalized():
    found = anchors.normalized(np.array([[0, 0, 101, 51], [10, 10, 61, 26]]), (101, 51))
    np.testing.assert_allclose(found, [[0, 0, 1, 1], [0.1, 0.2, 0.6, 0.5]], rtol=1e-6)
    assert found.dtype == "float32"


def test_anchors_are_those_of_the_original(parity_dir):
    with np.load(parity_dir / "inference_resnet50.npz") as bundle:
        pixels, normalized = bundle["anchors_pixels"], bundle["anchors_normalized"][0]
    found = anchors.pyramid_anchors((320, 320), (16, 32, 64, 128, 256), (0.5, 1, 2), STRIDES)
    np.testing.assert_allclose(found, pixels, atol=1e-4)
    shapes = anchors.level_shapes((320, 320), STRIDES)
    double = anchors.generate_pyramid_anchors(
        (16, 32, 64, 128, 256), (0.5, 1, 2), shapes, STRIDES, 1
    )
    np.testing.assert_allclose(double, pixels, atol=1e-12)
    np.testing.assert_allclose(anchors.normalized(found, (320, 320)), normalized, atol=1e-6)
