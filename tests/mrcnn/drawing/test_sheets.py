import numpy as np
import pytest

from mrcnn.drawing.sheets import picture_sheet


def test_picture_sheet_places_pictures_of_both_orientations():
    red, blue = np.zeros((50, 100, 3), np.uint8), np.zeros((100, 50, 3), np.uint8)
    red[..., 0], blue[..., 2] = 255, 255
    sheet = picture_sheet([[red, blue], [red, red]], ["left", "right"], cell=200)
    # Two columns of 200 and three gaps of 8; a head of 32, rows of 200 and 100, each with a gap.
    assert sheet.shape == (32 + 200 + 8 + 100 + 8, 2 * 200 + 3 * 8, 3)
    np.testing.assert_array_equal(sheet[32 + 100, 8 + 100], [255, 0, 0])
    np.testing.assert_array_equal(sheet[32 + 100, 216 + 100], [0, 0, 255])
    np.testing.assert_array_equal(sheet[32 + 100, 216 + 20], [255, 255, 255])
    assert (sheet[:32] < 100).any()  # the titles
    with pytest.raises(ValueError, match="needs 2 pictures, one per title, got 1"):
        picture_sheet([[red]], ["left", "right"])
