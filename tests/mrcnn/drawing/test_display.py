import matplotlib.pyplot as plt
import numpy as np
import pytest

from mrcnn.drawing import matches
from mrcnn.drawing.display import display_differences, display_instances, display_top_masks
from mrcnn.drawing.images import random_colors
from mrcnn.drawing.style import ColorBy, Style, class_color
from mrcnn.errors import InputError


def test_display_instances_returns_its_figure_or_that_of_the_given_axes(scene):
    image, boxes, masks, class_ids, names = scene
    figure = display_instances(image, boxes, masks, class_ids, names, title="two")
    (ax,) = figure.axes
    assert ax.get_title() == "two"
    assert [text.get_text() for text in ax.texts] == ["cat", "cow (crowd)"]
    first = ax.patches[0]
    assert (*first.get_xy(), first.get_width(), first.get_height()) == (19.5, 29.5, 60, 60)
    assert (ax.images[0].get_array() != image).any()
    plt.close(figure)

    own = plt.Figure()
    ax = own.add_subplot()
    again = display_instances(
        image,
        boxes,
        masks,
        class_ids,
        names,
        ax=ax,
        show_mask=False,
        show_bbox=False,
        captions="ab",
    )
    assert again is own and not ax.patches
    assert [text.get_text() for text in ax.texts] == ["a", "b"]
    np.testing.assert_array_equal(ax.images[0].get_array(), image)


def square_outline(figure):
    """Corners of the extent of every contour, x and y."""
    lines = [line for c in figure.axes[0].collections for line in c.get_segments()]
    return [(*line.min(axis=0), *line.max(axis=0)) for line in lines]


def test_outlines_run_around_objects_and_holes(scene):
    image, boxes, masks, class_ids, names = scene
    figure = display_instances(image, boxes, masks, class_ids, names)
    # Halfway between the centres of the last pixel inside and the first outside.
    outlines = sorted(square_outline(figure))
    np.testing.assert_allclose(
        outlines, [(19.5, 29.5, 79.5, 89.5), (39.5, 49.5, 59.5, 69.5), (109.5, 39.5, 129.5, 99.5)]
    )
    assert figure.axes[0].get_xlim() == (-0.5, 159.5)
    assert figure.axes[0].get_ylim() == (119.5, -0.5)


@pytest.mark.parametrize(
    "convert",
    [
        lambda image: image[..., 0],
        lambda image: image[..., :1],
        lambda image: image > 50,
        lambda image: image / 255,
        lambda image: image.astype(np.float32),
    ],
)
def test_display_instances_of_all_kinds_of_images(scene, convert):
    image, boxes, masks, class_ids, names = scene
    figure = display_instances(convert(image), boxes, masks * 0, class_ids, names)
    shown = figure.axes[0].images[0].get_array()
    np.testing.assert_array_equal(shown, np.full_like(image, shown[0, 0, 0]))
    assert shown[0, 0, 0] in (100, 255) and not figure.axes[0].collections
    nothing = display_instances(convert(image), [], None, [], names, [])
    assert not nothing.axes[0].patches and not nothing.axes[0].texts


def test_padding_is_not_drawn(scene):
    image, boxes, masks, class_ids, names = scene
    figure = display_instances(image, boxes * [[0], [1]], masks, class_ids, names)
    assert len(figure.axes[0].patches) == len(figure.axes[0].texts) == 1
    assert len(square_outline(figure)) == 1


def overlaps_of(gt_masks, pred_masks):
    one, two = (
        m.reshape(m.shape[0] * m.shape[1], -1).astype(float) for m in (pred_masks, gt_masks)
    )
    common = one.T @ two
    return common / (one.sum(0)[:, None] + two.sum(0) - common)


@pytest.fixture
def matcher(monkeypatch):
    """A stand-in for `compute_matches` that matches by overlap alone; its calls."""
    calls = []

    def compute_matches(*arrays, **thresholds):
        calls.append((arrays, thresholds))
        overlaps = overlaps_of(arrays[2], arrays[6])
        if not overlaps.size:
            return -np.ones(overlaps.shape[1]), -np.ones(len(overlaps)), overlaps
        found = [
            np.where(o.max(axis=1) >= 0.5, o.argmax(axis=1), -1.0) for o in (overlaps.T, overlaps)
        ]
        return *found, overlaps

    monkeypatch.setattr(matches, "compute_matches", compute_matches)
    return calls


def test_differences_are_green_and_red_with_score_and_overlap(scene, matcher):
    image, boxes, masks, class_ids, names = scene
    # The bar (20 x 60), found 5 pixels to the right: 15 / 25; something in the void, sure of it.
    found = np.zeros((120, 160, 2), bool)
    found[40:100, 115:135, 0] = True
    found[0:10, 150:160, 1] = True
    places = np.array([[40, 115, 100, 135], [0, 150, 10, 160]])
    figure = display_differences(
        image, boxes, class_ids, masks, places, np.array([2, 1]), np.array([0.6, 0.9]), found,
        names, iou_threshold=0.4,
    )  # fmt: skip
    (ax,) = figure.axes
    assert {text.get_text() for text in ax.texts} == {"missed", "false 0.90 / 0.00", "0.60 / 0.60"}
    colors = [patch.get_edgecolor()[:3] for patch in ax.patches]
    assert colors == [(0, 1, 0)] * 2 + [(1, 0, 0)] * 2
    assert [patch.get_linestyle() for patch in ax.patches] == ["dashed"] * 2 + ["solid"] * 2
    assert "green" in ax.get_title() and "red" in ax.get_title()
    ((arrays, thresholds),) = matcher
    assert thresholds == {"iou_threshold": 0.5}  # the larger one of both
    np.testing.assert_array_equal(arrays[5], [2, 1])  # the surest first, with its box
    np.testing.assert_array_equal(arrays[3], places[::-1])
    # A false mask is striped: about half of its pixels.
    shown = np.asarray(ax.images[0].get_array())[2:8, 152:158]
    assert 0.2 < (shown != 100).any(axis=2).mean() < 0.8


@pytest.mark.parametrize(("objects", "predictions"), [(0, 1), (2, 0), (0, 0)])
def test_differences_without_objects_or_predictions(scene, matcher, objects, predictions):
    image, boxes, masks, class_ids, names = scene
    figure = display_differences(
        image, boxes[:objects], class_ids[:objects], masks[..., :objects], boxes[:predictions],
        class_ids[:predictions], np.ones(predictions), masks[..., :predictions], names, title="t",
        show_box=False,
    )  # fmt: skip
    (ax,) = figure.axes
    texts = sorted(text.get_text() for text in ax.texts)
    assert texts == ["false 1.00 / 0.00"] * predictions + ["missed"] * min(objects, 1)
    assert not ax.patches and ax.get_title() == "t"


def test_differences_name_what_does_not_fit(scene, matcher):
    image, boxes, masks, class_ids, names = scene
    with pytest.raises(InputError, match="got 1 pred_score, 2 pred_box"):
        display_differences(
            image, boxes, class_ids, masks, boxes, class_ids, np.ones(1), masks, names
        )


def test_top_masks_are_those_of_the_largest_classes(scene):
    image, _, masks, _, names = scene
    # The square with its hole has 3200 pixels, the bar 1200; the third is a part of the bar.
    masks = np.concatenate([masks, masks[..., 1:] & (np.arange(160) < 120)[:, None]], axis=2)
    figure = display_top_masks(image, masks, np.array([7, 2, 2]), names, limit=3)
    assert [ax.get_title() for ax in figure.axes] == ["120 x 160", "class 7", "cow", "-"]
    square, cow, nothing = (ax.images[0].get_array() for ax in figure.axes[1:])
    np.testing.assert_array_equal(square, masks[..., 0])
    np.testing.assert_array_equal(cow, masks[..., 1] + masks[..., 2].astype(int))
    assert not nothing.any()
    one = display_top_masks(image, masks, np.array([7, 2, 2]), names, limit=1)
    assert [ax.get_title() for ax in one.axes] == ["120 x 160", "class 7"]
    empty = display_top_masks(image, masks[..., :0], [], names, limit=0)
    assert len(empty.axes) == 1
    with pytest.raises(InputError, match="got 3 masks, 1 class_ids"):
        display_top_masks(image, masks, [1], names)
    with pytest.raises(InputError, match="limit"):
        display_top_masks(image, masks, [1, 2, 2], names, limit=-1)


def test_differences_with_the_real_matches(scene):
    image, boxes, masks, class_ids, names = scene
    figure = display_differences(
        image, boxes, abs(class_ids), masks, boxes, abs(class_ids), np.array([0.75, 1.0]),
        masks, names,
    )  # fmt: skip
    assert {text.get_text() for text in figure.axes[0].texts} == {"1.00 / 1.00", "0.75 / 1.00"}


def differences(scene, scores, **options):
    image, boxes, masks, class_ids, names = scene
    class_ids = abs(class_ids)
    return display_differences(
        image, boxes, class_ids, masks, boxes, class_ids, np.array(scores), masks, names, **options
    )


def test_differences_by_match_and_above_a_score(scene):
    figure = differences(scene, [0.75, 0.5], style=Style(color_by=ColorBy.MATCH))
    colors = [patch.get_edgecolor() for patch in figure.axes[0].patches]
    assert colors[:2] == colors[2:] and colors[0] != colors[1]
    figure = differences(scene, [0.75, 0.5], style=Style(min_score=0.6))
    assert {text.get_text() for text in figure.axes[0].texts} == {"0.75 / 1.00", "missed"}
    assert len(figure.axes[0].patches) == 3


def test_the_style_of_a_figure(scene):
    image, boxes, masks, class_ids, names = scene
    style = Style(boxes=False, color_by=ColorBy.CLASS, line_width=4)
    figure = display_instances(image, boxes, masks, class_ids, names, style=style)
    (ax,) = figure.axes
    assert not ax.patches and ax.collections[0].get_linewidth() == [3]
    colors = [tuple(c.get_edgecolor()[0][:3]) for c in ax.collections]
    assert colors == [class_color(1), class_color(2)]
    style = Style(labels=False, masks=False)
    figure = display_instances(image, boxes, masks, class_ids, names, style=style)
    (ax,) = figure.axes
    assert not ax.texts and not ax.collections and len(ax.patches) == 2
    assert [p.get_edgecolor()[:3] for p in ax.patches] == random_colors(2)


def test_a_figure_says_how_many_labels_it_shows(scene):
    image, boxes, masks, class_ids, names = scene
    drawn = (image, boxes, masks, class_ids, names, [0.25, 0.75])
    figure = display_instances(*drawn, style=Style(max_labels=1))
    assert [text.get_text() for text in figure.axes[0].texts] == [
        "1 of 2 labels",
        "cow (crowd) 0.75",
    ]


def test_labels_of_a_figure_keep_apart_as_they_are_drawn():
    image = np.zeros((200, 200, 3), np.uint8)
    boxes = np.array([[90, 90, 110, 110]] * 3 + [[91, 70, 108, 89]])
    figure = display_instances(image, boxes, None, [1] * 4, ["BG", "elephant"], figsize=(8, 8))
    figure.canvas.draw()
    drawn = [text.get_window_extent() for text in figure.axes[0].texts]
    assert len(drawn) == 4
    for number, extent in enumerate(drawn):
        assert not any(extent.overlaps(other) for other in drawn[:number])
