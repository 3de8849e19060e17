import numpy as np
import pytest
from skimage.draw import ellipse as drawn_ellipse
from skimage.draw import polygon2mask

from mrcnn.data.datasets.shapes import ellipse, numbers, rectangle
from mrcnn.errors import InputError


def test_rectangle():
    assert rectangle(2, 3, 10, 4).tolist() == [[2, 3], [12, 3], [12, 7], [2, 7]]


@pytest.mark.parametrize("angle", [0.0, 0.4, 2.0])
def test_an_ellipse_covers_the_true_one(angle):
    """skimage turns from x towards -y, so its angle has the other sign."""
    x, y, radius_x, radius_y, side = 450.0, 500.0, 400.0, 150.0, 1000
    true = np.zeros((side, side), bool)
    true[drawn_ellipse(y, x, radius_y, radius_x, shape=true.shape, rotation=-angle)] = True
    ours = polygon2mask((side, side), ellipse(x, y, radius_x, radius_y, angle)[:, ::-1])
    assert (true & ours).sum() / (true | ours).sum() > 0.99


def test_the_box_of_an_ellipse_is_exact():
    points = ellipse(10, 20, 3, 5)
    np.testing.assert_allclose(points.min(axis=0), [7, 15])
    np.testing.assert_allclose(points.max(axis=0), [13, 25])


def test_numbers():
    assert numbers([1, 2.5], "x").tolist() == [1, 2.5]
    assert numbers([10**400, 1], "x").tolist() == [np.inf, 1]
    for value, found in ((True, "bool"), ("1", "text"), (None, "null"), ([1], "a list")):
        with pytest.raises(InputError, match=f"^x must be numbers, found {found}$"):
            numbers([1, value], "x")
