"""Where an image goes on its canvas."""

import numpy as np

from mrcnn.data.resize import ResizeTransform


def test_each_axis_has_the_factor_of_its_rounded_side():
    """13 x 40 pixels at 0.37 are 4.81 x 14.8, so 5 x 15: not 0.37 times their number."""
    transform = ResizeTransform.of((13, 40), 0.37, (10, 20, 15, 35), None)
    boxes = np.array([[0.0, 0.0, 13.0, 40.0], [2.6, 8.0, 7.8, 16.0]])
    placed = transform.to_canvas(boxes)
    np.testing.assert_allclose(placed, [[10, 20, 15, 35], [11, 23, 13, 26]])
    np.testing.assert_allclose(transform.to_image(placed), boxes, atol=1e-12)
    np.testing.assert_allclose(transform.region, [0, 0, 13, 40])


def test_a_part_of_the_resized_image():
    """8 x 20 pixels at 0.5 are 4 x 10, of which rows 1 to 3 and columns 4 to 9 are shown."""
    transform = ResizeTransform.of((8, 20), 0.5, (0, 0, 2, 5), (1, 4, 2, 5))
    np.testing.assert_allclose(transform.region, [2, 8, 6, 18])
    np.testing.assert_allclose(
        transform.to_canvas(np.array([[2.0, 8.0, 8.0, 20.0]])), [[0, 0, 3, 6]]
    )
