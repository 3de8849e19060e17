"""Two objects in a picture of 12 x 20, and how to write pictures."""

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def values():
    """Object 3 is a square that covers part of object 7, a bar; the rest is 0."""
    picture = np.zeros((12, 20), np.uint8)
    picture[4:6, 2:18] = 7
    picture[2:8, 5:11] = 3
    return picture


@pytest.fixture
def save():
    """Write an array as an image, with its folders; `palette` makes it one with a palette."""

    def write(path, array, palette=False):
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = Image.fromarray(array)
        if palette:
            picture.putpalette([value for i in range(256) for value in (i, 255 - i, 7)])
        picture.save(path)

    return write


@pytest.fixture
def image():
    return np.full((12, 20, 3), 99, np.uint8)
