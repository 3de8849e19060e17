import numpy as np
import pytest

from mrcnn.drawing.images import random_colors
from mrcnn.drawing.instances import arrange, caption
from mrcnn.errors import InputError


def test_captions():
    names = ["BG", "cat"]
    assert caption(1, names, 0.987) == "cat 0.99"
    assert caption(-1, names) == "cat (crowd)"
    assert caption(7, names) == "class 7"


def test_arrange_fills_in_colors_and_captions(scene):
    image, boxes, masks, class_ids, names = scene
    found = arrange(image[..., 0] / 255, boxes, masks, class_ids, names, [0.5, 0.25])
    assert found.image.shape == (120, 160, 3) and (found.image == 100).all()
    assert found.captions == ["cat 0.50", "cow (crowd) 0.25"]
    assert found.colors == random_colors(2)
    given = arrange(image, boxes, None, class_ids, names, colors=["red", (0, 1, 0, 0.5)])
    assert given.colors == [(1, 0, 0), (0, 1, 0)] and given.parts is None


def test_arrange_leaves_out_padding(scene):
    image, boxes, masks, class_ids, names = scene
    assert arrange(image, boxes * [[0], [1]], masks, class_ids, names).places == [1]


@pytest.mark.parametrize("empty", [[], np.zeros((0, 4)), np.zeros((0,))])
def test_arrange_of_nothing(empty):
    for masks in (None, np.zeros((0, 0, 0)), np.zeros((9, 9, 0), bool)):
        found = arrange(np.zeros((9, 9, 3), np.uint8), empty, masks, [], ["BG"], scores=[])
        assert found.places == [] and found.captions == [] and found.boxes.shape == (0, 4)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"class_ids": [1]}, "got 1 class_ids, 2 boxes"),
        ({"scores": [0.5, 0.5, 0.5]}, "got 3 scores, 2 boxes"),
        ({"colors": ["red"]}, "got 1 colors, 2 boxes"),
        ({"captions": []}, "got 0 captions, 2 boxes"),
        ({"masks": np.zeros((120, 160, 3))}, "got 3 masks, 2 boxes"),
        ({"masks": np.zeros((120, 161, 2))}, r"\(120, 160\) \(height, width\), got \(120, 161\)"),
        ({"masks": np.zeros((120, 160))}, r"got \(120, 160\)"),
        ({"boxes": np.zeros((2, 5))}, r"boxes must have the shape \(N, 4\), got \(2, 5\)"),
    ],
)
def test_arrange_names_what_does_not_fit(scene, wrong, message):
    names = ("image", "boxes", "masks", "class_ids", "class_names")
    with pytest.raises(InputError, match=message):
        arrange(**{**dict(zip(names, scene, strict=True)), **wrong})
