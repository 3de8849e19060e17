import numpy as np
import pytest

from mrcnn.data.encodings import encode
from mrcnn.drawing import raster
from mrcnn.drawing.images import random_colors
from mrcnn.drawing.raster import draw_instances
from mrcnn.drawing.style import ColorBy, Mark, Style, class_color
from mrcnn.errors import InputError


def test_draw_instances_colors_masks_outlines_boxes_and_leaves_the_image_alone(scene):
    image, boxes, masks, class_ids, names = scene
    drawn = draw_instances(image, boxes, masks, class_ids, names)
    assert (image == 100).all()
    assert drawn.shape == image.shape and drawn.dtype == np.uint8
    for index, color in enumerate(random_colors(2)):
        full = np.round(255 * np.array(color)).astype(int)
        inside, edge = [(80, 30), (70, 120)][index], [(70, 50), (70, 110)][index]
        np.testing.assert_array_equal(drawn[inside], (0.5 * 100 + 0.5 * full).astype(int))
        # The bar's left column is outline and box at once; the hole of the square has an outline.
        np.testing.assert_array_equal(drawn[edge], full)
    np.testing.assert_array_equal(drawn[60, 50], [100] * 3)  # the hole
    np.testing.assert_array_equal(drawn[115, 5], [100] * 3)  # the ground
    np.testing.assert_array_equal(drawn[60, 80], [100] * 3)  # right of the exclusive box
    corner = np.round(255 * np.array(random_colors(2)[0]))
    np.testing.assert_array_equal(drawn[89, 79], corner)  # the last pixel of an exclusive box


def test_encodings_are_drawn_as_full_masks(scene):
    image, boxes, masks, class_ids, names = scene
    runs = [encode(masks[:, :, index]) for index in range(2)]
    for scale in (1, 3):
        drawn = draw_instances(image, boxes, runs, class_ids, names, scale=scale)
        whole = draw_instances(image, boxes, masks, class_ids, names, scale=scale)
        np.testing.assert_array_equal(drawn, whole)
    with pytest.raises(InputError, match="1 masks, 2 boxes"):
        draw_instances(image, boxes, runs[:1], class_ids, names)
    with pytest.raises(InputError, match="masks must have the size of the image"):
        draw_instances(image[:-1], boxes, runs, class_ids, names)


def test_draw_instances_scales_picture_masks_and_boxes_together(scene):
    image, boxes, masks, class_ids, names = scene
    drawn = draw_instances(image, boxes, masks, class_ids, names, scale=3)
    assert drawn.shape == (360, 480, 3)
    np.testing.assert_array_equal(drawn[180, 150], [100] * 3)  # the hole
    color = 255 * np.array(random_colors(2)[0])
    np.testing.assert_array_equal(drawn[255, 90], (50 + 0.5 * color).astype(int))
    np.testing.assert_array_equal(drawn[269, 239], np.round(color))


@pytest.mark.parametrize("with_masks", [True, False])
def test_draw_instances_of_nothing_is_the_image(with_masks):
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    masks = np.zeros((40, 50, 0), bool) if with_masks else None
    drawn = draw_instances(image, np.zeros((0, 4)), masks, [], ["BG"], scores=[])
    np.testing.assert_array_equal(drawn, image)


@pytest.mark.parametrize("line_width", [None, 5])
@pytest.mark.parametrize("mark", Mark)
def test_marked_boxes_of_any_size_and_fraction_are_drawn(mark, line_width):
    image = np.zeros((30, 30, 3), np.uint8)
    rng = np.random.default_rng(0)
    corners = rng.uniform(-5, 28, (200, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(0, 20, (200, 2))], axis=1)
    for box in boxes:
        style = Style(labels=False, line_width=line_width)
        drawn = draw_instances(image, box[None], None, [1], ["BG", "a"], style=style, marks=[mark])
        assert drawn.any() or box[2] < 2 or box[3] < 2


def test_draw_instances_survives_boxes_at_and_beyond_the_border():
    image = np.zeros((30, 20, 3), np.uint8)
    boxes = np.array([[0, 0, 30, 20], [5, 5, 5, 5], [-9, -9, 60, 60]], np.float32)
    masks = np.ones((30, 20, 3), bool)
    masks[..., 1] = False
    names = ["BG", "a name far longer than the picture is wide"]
    drawn = draw_instances(image, boxes, masks, [1, 1, 1], names, [0.5, 0.9, 0.1])
    assert drawn.shape == image.shape and drawn.any()


def test_labels_keep_off_each_other(monkeypatch):
    placed = []
    monkeypatch.setattr(raster, "_draw_label", lambda *args: placed.append(args[3]))
    image = np.zeros((300, 300, 3), np.uint8)
    boxes = np.tile(np.array([[100, 100, 200, 200]], np.float32), (4, 1))
    draw_instances(image, boxes, None, [1] * 4, ["BG", "elephant"], [0.9] * 4)
    assert len(placed) == 4
    for index, (left, top, right, bottom) in enumerate(placed):
        assert left >= 0 and top >= 0 and right <= 300 and bottom <= 300
        for other in placed[:index]:
            assert left >= other[2] or other[0] >= right or top >= other[3] or other[1] >= bottom


def test_font_size_sets_the_height_of_labels(monkeypatch):
    heights = []
    monkeypatch.setattr(
        raster, "_draw_label", lambda *args: heights.append(args[3][3] - args[3][1])
    )
    image, box = np.zeros((300, 300, 3), np.uint8), np.array([[100, 100, 200, 200]])
    for font_size in (None, 11, 22, 44):
        draw_instances(image, box, None, [1], ["BG", "elk"], font_size=font_size)
    # 6 pixels of frame; 300 pixels are small enough for the smallest size.
    automatic, small, middle, large = (height - 6 for height in heights)
    assert automatic == small
    assert middle == pytest.approx(2 * small, abs=2) and large == pytest.approx(4 * small, abs=3)


@pytest.fixture
def texts(monkeypatch):
    """The texts that are drawn, in their order."""
    drawn = []
    monkeypatch.setattr(raster, "_draw_label", lambda draw, text, *rest: drawn.append(text))
    return drawn


def test_the_style_leaves_out_boxes_labels_masks_and_low_scores(scene, texts):
    image, boxes, masks, class_ids, names = scene
    boxes = boxes + [[-10, -10, 10, 10]]  # off the masks
    drawn = draw_instances(image, boxes, masks, class_ids, names, style=Style(boxes=False))
    assert (drawn[20:30] == 100).all() and (drawn[80, 30] != 100).any()
    drawn = draw_instances(image, boxes, masks, class_ids, names, style=Style(masks=False))
    assert (drawn[20, 10:90] != 100).any(axis=1).all() and (drawn[80, 30] == 100).all()
    texts.clear()
    draw_instances(image, boxes, masks, class_ids, names, style=Style(labels=False))
    assert texts == []
    scores, style = [0.5, 0.75], Style(min_score=0.6)
    drawn = draw_instances(image, boxes, masks, class_ids, names, scores, style=style)
    assert texts == ["cow (crowd) 0.75"] and (drawn[80, 30] == 100).all()


def test_a_wider_line(scene):
    image, boxes, masks, class_ids, names = scene
    style = Style(line_width=4, labels=False, masks=False)
    drawn = draw_instances(image, boxes, masks, class_ids, names, style=style)
    assert (drawn[60, 20:24] != 100).any(axis=1).all() and (drawn[60, 24] == 100).all()


def test_a_class_keeps_its_color_on_other_images(scene):
    image, boxes, masks, class_ids, names = scene
    style = Style(color_by=ColorBy.CLASS, labels=False)
    both = draw_instances(image, boxes, masks, class_ids, names, style=style)
    alone = draw_instances(image, boxes[1:], masks[..., 1:], class_ids[1:], names, style=style)
    np.testing.assert_array_equal(both[70, 110], alone[70, 110])
    np.testing.assert_array_equal(both[70, 110], np.round(255 * np.array(class_color(2))))


def test_at_most_so_many_labels_and_a_note_of_how_many(scene, texts):
    image, boxes, masks, class_ids, names = scene
    drawn = (image, boxes, masks, class_ids, names)
    draw_instances(*drawn, [0.5, 0.75], style=Style(max_labels=1))
    assert texts == ["1 of 2 labels", "cow (crowd) 0.75"]
    texts.clear()
    marks = [Mark.MISSED, Mark.NONE]
    draw_instances(*drawn, style=Style(max_labels=1), marks=marks)
    assert texts == ["1 of 2 labels", "cat"]  # the marked one
    texts.clear()
    draw_instances(*drawn)
    assert texts == ["cat", "cow (crowd)"]


def test_marks_show_without_colors(scene):
    image, boxes, masks, class_ids, names = scene
    masks[50:70, 40:60, 0] = True  # no hole
    colors = ["white"] * 2
    style = Style(labels=False)
    drawn = [
        draw_instances(
            image, boxes, masks, class_ids, names, style=style, colors=colors, marks=[mark] * 2
        )
        for mark in Mark
    ]
    inside = [(picture[40:80, 30:70] != 100).any(axis=2).mean() for picture in drawn]
    assert inside[0] == 1 and inside[1] == 0 and inside[2] == pytest.approx(0.5, abs=0.1)
    side = [(picture[30:90, 20] == 255).all(axis=1).mean() for picture in drawn]
    assert side[0] == 1 and side[1] < 0.8


def test_colors_and_marks_are_counted(scene):
    image, boxes, masks, class_ids, names = scene
    for wrong in ({"colors": ["red"]}, {"marks": [Mark.NONE] * 3}):
        with pytest.raises(InputError, match="must be as many as boxes"):
            draw_instances(image, boxes, masks, class_ids, names, **wrong)
