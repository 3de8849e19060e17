import numpy as np
import pytest
from matplotlib.colors import to_rgba

from mrcnn.drawing.boxes import GREY, draw_boxes, draw_rois
from mrcnn.drawing.images import random_colors
from mrcnn.errors import InputError

IMAGE = np.full((40, 60, 3), 100, np.uint8)
BOXES = np.array([[5, 5, 15, 25], [10, 30, 30, 50], [0, 0, 0, 0]])


def frames(figure):
    """Corner, width and height of every frame."""
    patches = figure.axes[0].patches
    return [(*p.get_xy(), p.get_width(), p.get_height()) for p in patches]


def test_boxes_by_visibility():
    figure = draw_boxes(IMAGE, BOXES[:2].repeat([1, 2], axis=0), visibilities=[0, 1, 2])
    assert frames(figure) == [(4.5, 4.5, 20, 10), (29.5, 9.5, 20, 20), (29.5, 9.5, 20, 20)]
    patches = figure.axes[0].patches
    assert [patch.get_linestyle() for patch in patches] == ["dotted", "dotted", "solid"]
    colors = random_colors(3)
    assert patches[0].get_edgecolor() == to_rgba(GREY, 0.5)
    assert [p.get_edgecolor() for p in patches[1:]] == [to_rgba(color) for color in colors[1:]]


def test_refined_boxes_are_tied_to_theirs_and_padding_is_not_drawn():
    figure = draw_boxes(IMAGE, BOXES, BOXES + [[2, 1, 2, 1], [0] * 4, [0] * 4], captions="abc")
    (ax,) = figure.axes
    assert frames(figure)[1] == (5.5, 6.5, 20, 10) and len(ax.patches) == 4
    assert ax.lines[0].get_xydata().tolist() == [[4.5, 4.5], [5.5, 6.5]]
    assert [text.get_text() for text in ax.texts] == ["a", "b"]
    x, y = ax.texts[0].get_position()  # above the refined box, at its left side
    assert 5.5 < x < 8 and 0 < y < 6.5
    # A tenth of the sides around the image, whatever is drawn.
    assert ax.get_xlim() == (-6.5, 65.5) and ax.get_ylim() == (43.5, -4.5)


def test_refined_boxes_alone_and_masks():
    masks = np.zeros((40, 60, 1), bool)
    masks[5:15, 5:25] = True
    figure = draw_boxes(IMAGE, refined_boxes=BOXES[:1], masks=masks, title="t")
    (ax,) = figure.axes
    assert ax.get_title() == "t" and ax.patches[0].get_linestyle() == "solid" and not ax.lines
    assert len(ax.collections) == 1 and (ax.images[0].get_array()[10, 10] != 100).any()
    assert draw_boxes(IMAGE[..., 0], []).axes[0].patches[:] == []


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"boxes": None}, "needs boxes, refined_boxes or both"),
        ({"refined_boxes": BOXES[:2]}, "got 2 refined_boxes, 3 boxes"),
        ({"masks": np.zeros((40, 60, 1))}, "got 1 masks, 3 boxes"),
        ({"captions": ["a"]}, "got 1 captions, 3 boxes"),
        ({"visibilities": [1, 1]}, "got 2 visibilities, 3 boxes"),
        ({"visibilities": [1, 1, 3]}, "0, 1 or 2, got 3"),
    ],
)
def test_draw_boxes_names_what_does_not_fit(wrong, message):
    with pytest.raises(InputError, match=message):
        draw_boxes(IMAGE, **{"boxes": BOXES, **wrong})


def test_rois_positive_in_color_with_their_mask_negative_in_grey():
    mask = np.zeros((2, 28, 28))
    mask[:, :, :14] = 0.9  # the left half
    figure = draw_rois(IMAGE, BOXES[:2], BOXES[:2] + 1, mask, [3, 0], ["BG", "a", "b", "cow"])
    (ax,) = figure.axes
    assert "1 positive and 1 negative" in ax.get_title()
    assert frames(figure) == [(4.5, 4.5, 20, 10), (5.5, 5.5, 20, 10), (29.5, 9.5, 20, 20)]
    assert [patch.get_linestyle() for patch in ax.patches] == ["dashed", "solid", "dashed"]
    assert ax.patches[2].get_edgecolor()[:3] == GREY
    assert [text.get_text() for text in ax.texts] == ["cow"]
    shown = np.asarray(ax.images[0].get_array())
    colored = np.zeros((40, 60), bool)
    colored[5:15, 5:15] = True
    np.testing.assert_array_equal((shown != 100).any(axis=2), colored)


def test_rois_are_limited_the_same_way_every_time():
    boxes = np.arange(30)[:, None] + np.array([0, 0, 5, 5])
    arguments = (IMAGE, boxes, boxes, np.zeros((30, 4, 4)), np.zeros(30), ["BG"])
    first, again = (draw_rois(*arguments, limit=7) for _ in range(2))
    assert len(frames(first)) == 7 and frames(first) == frames(again)
    assert "0 positive and 30 negative" in first.axes[0].get_title()
    nothing = draw_rois(IMAGE, [], [], np.zeros((0, 28, 28)), [], ["BG"])
    assert "0 positive and 0 negative" in nothing.axes[0].get_title()
    with pytest.raises(InputError, match="got 29 mask, 30 rois"):
        draw_rois(IMAGE, boxes, boxes, np.zeros((29, 4, 4)), np.zeros(30), ["BG"])
    with pytest.raises(InputError, match="limit"):
        draw_rois(*arguments, limit=-1)
