import numpy as np
import pytest

from mrcnn.drawing.sheets import GAP, LINE, picture_sheet


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


def test_captions_and_the_note_have_lines_of_their_own():
    picture = np.zeros((100, 100, 3), np.uint8)
    rows, titles = [[picture, picture]], ["a", "b"]
    plain = picture_sheet(rows, titles, cell=100)
    said = picture_sheet(rows, titles, cell=100, captions=[["one\ntwo", ""]])
    assert said.shape == (plain.shape[0] + 2 * LINE, *plain.shape[1:])
    below = said[-2 * LINE - GAP : -GAP]
    # Both lines below the left picture, nothing below the right one.
    assert all((part[:, :108] < 100).any() for part in (below[:LINE], below[LINE:]))
    assert (below[:, 112:] == 255).all()

    note = picture_sheet(rows, titles, cell=100, note="word " * 20)
    lines = (note.shape[0] - plain.shape[0] - GAP) / LINE
    assert lines == int(lines) and lines >= 3
    assert (note[:, -GAP:] == 255).all()  # wrapped, not cut
    assert (note[-GAP - LINE : -GAP] < 100).any()
    for wrong in ([["a"]], [], [["a", "b"]] * 2):
        with pytest.raises(ValueError, match="captions must be as many"):
            picture_sheet(rows, titles, captions=wrong)
