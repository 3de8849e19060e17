import matplotlib
import numpy as np
import pytest

matplotlib.use("agg")


@pytest.fixture
def scene():
    """Two instances on gray: a square with a hole, and a bar that lies on no other pixel."""
    image = np.full((120, 160, 3), 100, np.uint8)
    masks = np.zeros((120, 160, 2), bool)
    masks[30:90, 20:80, 0] = True
    masks[50:70, 40:60, 0] = False
    masks[40:100, 110:130, 1] = True
    boxes = np.array([[30, 20, 90, 80], [40, 110, 100, 130]], np.float32)
    return image, boxes, masks, np.array([1, -2]), ["BG", "cat", "cow"]
