import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from mrcnn import visualize
from mrcnn.errors import InputError

matplotlib.use("agg")


def scene():
    """Two instances on gray: a square with a hole, and a bar that lies on no other pixel."""
    image = np.full((120, 160, 3), 100, np.uint8)
    masks = np.zeros((120, 160, 2), bool)
    masks[30:90, 20:80, 0] = True
    masks[50:70, 40:60, 0] = False
    masks[40:100, 110:130, 1] = True
    boxes = np.array([[30, 20, 90, 80], [40, 110, 100, 130]], np.float32)
    return image, boxes, masks, np.array([1, -2]), ["BG", "cat", "cow"]


def test_random_colors_are_evenly_spread_hues_in_the_same_order_every_time():
    colors = visualize.random_colors(3)
    assert sorted(colors) == [(0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)]
    assert colors == visualize.random_colors(3)
    hues = visualize.random_colors(12)
    assert hues != sorted(hues) and hues != visualize.random_colors(6) * 2
    distances = [abs(np.subtract(a, b)).sum() for a, b in zip(hues, hues[1:], strict=False)]
    assert np.mean(distances) > 0.75  # neighbors in hue order differ by 0.5
    assert max(max(color) for color in visualize.random_colors(5, bright=False)) == 0.7
    assert visualize.random_colors(0) == []


def test_apply_mask_blends_in_place_by_hand():
    image = np.full((2, 2, 3), 100, np.uint8)
    mask = np.array([[1, 0], [0, 1]], np.uint8)
    assert visualize.apply_mask(image, mask, (1.0, 0.0, 0.5), alpha=0.25) is image
    # 0.75 * 100 + 0.25 * 255 * color
    expected = [[[138, 75, 106], [100] * 3], [[100] * 3, [138, 75, 106]]]
    np.testing.assert_array_equal(image, expected)


def test_draw_instances_colors_masks_outlines_boxes_and_leaves_the_image_alone():
    image, boxes, masks, class_ids, names = scene()
    drawn = visualize.draw_instances(image, boxes, masks, class_ids, names)
    assert (image == 100).all()
    assert drawn.shape == image.shape and drawn.dtype == np.uint8
    for index, color in enumerate(visualize.random_colors(2)):
        full = np.round(255 * np.array(color)).astype(int)
        inside, edge = [(80, 30), (70, 120)][index], [(70, 50), (70, 110)][index]
        np.testing.assert_array_equal(drawn[inside], (0.5 * 100 + 0.5 * full).astype(int))
        # The bar's left column is outline and box at once; the hole of the square has an outline.
        np.testing.assert_array_equal(drawn[edge], full)
    np.testing.assert_array_equal(drawn[60, 50], [100] * 3)  # the hole
    np.testing.assert_array_equal(drawn[115, 5], [100] * 3)  # the ground
    np.testing.assert_array_equal(drawn[60, 80], [100] * 3)  # right of the exclusive box
    corner = np.round(255 * np.array(visualize.random_colors(2)[0]))
    np.testing.assert_array_equal(drawn[89, 79], corner)  # the last pixel of an exclusive box


def test_draw_instances_scales_picture_masks_and_boxes_together():
    image, boxes, masks, class_ids, names = scene()
    drawn = visualize.draw_instances(image, boxes, masks, class_ids, names, scale=3)
    assert drawn.shape == (360, 480, 3)
    np.testing.assert_array_equal(drawn[180, 150], [100] * 3)  # the hole
    color = 255 * np.array(visualize.random_colors(2)[0])
    np.testing.assert_array_equal(drawn[255, 90], (50 + 0.5 * color).astype(int))
    np.testing.assert_array_equal(drawn[269, 239], np.round(color))


@pytest.mark.parametrize("with_masks", [True, False])
def test_draw_instances_of_nothing_is_the_image(with_masks):
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    masks = np.zeros((40, 50, 0), bool) if with_masks else None
    drawn = visualize.draw_instances(image, np.zeros((0, 4)), masks, [], ["BG"], scores=[])
    np.testing.assert_array_equal(drawn, image)


def test_draw_instances_survives_boxes_at_and_beyond_the_border():
    image = np.zeros((30, 20, 3), np.uint8)
    boxes = np.array([[0, 0, 30, 20], [5, 5, 5, 5], [-9, -9, 60, 60]], np.float32)
    masks = np.ones((30, 20, 3), bool)
    masks[..., 1] = False
    names = ["BG", "a name far longer than the picture is wide"]
    drawn = visualize.draw_instances(image, boxes, masks, [1, 1, 1], names, [0.5, 0.9, 0.1])
    assert drawn.shape == image.shape and drawn.any()


def test_labels_keep_off_each_other(monkeypatch):
    placed = []
    monkeypatch.setattr(visualize, "_draw_label", lambda *args: placed.append(args[3]))
    image = np.zeros((300, 300, 3), np.uint8)
    boxes = np.tile(np.array([[100, 100, 200, 200]], np.float32), (4, 1))
    visualize.draw_instances(image, boxes, None, [1] * 4, ["BG", "elephant"], [0.9] * 4)
    assert len(placed) == 4
    for index, (left, top, right, bottom) in enumerate(placed):
        assert left >= 0 and top >= 0 and right <= 300 and bottom <= 300
        for other in placed[:index]:
            assert left >= other[2] or other[0] >= right or top >= other[3] or other[1] >= bottom


def test_captions():
    names = ["BG", "cat"]
    assert visualize.caption(1, names, 0.987) == "cat 0.99"
    assert visualize.caption(-1, names) == "cat (crowd)"
    assert visualize.caption(7, names) == "class 7"


def test_display_instances_returns_its_figure_or_that_of_the_given_axes():
    image, boxes, masks, class_ids, names = scene()
    figure = visualize.display_instances(image, boxes, masks, class_ids, names, title="two")
    (ax,) = figure.axes
    assert ax.get_title() == "two"
    assert [text.get_text() for text in ax.texts] == ["cat", "cow (crowd)"]
    first = ax.patches[0]
    assert (*first.get_xy(), first.get_width(), first.get_height()) == (19.5, 29.5, 60, 60)
    assert (ax.images[0].get_array() != image).any()
    plt.close(figure)

    own = plt.Figure()
    ax = own.add_subplot()
    again = visualize.display_instances(
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


def test_picture_sheet_places_pictures_of_both_orientations():
    red, blue = np.zeros((50, 100, 3), np.uint8), np.zeros((100, 50, 3), np.uint8)
    red[..., 0], blue[..., 2] = 255, 255
    sheet = visualize.picture_sheet([[red, blue], [red, red]], ["left", "right"], cell=200)
    # Two columns of 200 and three gaps of 8; a head of 32, rows of 200 and 100, each with a gap.
    assert sheet.shape == (32 + 200 + 8 + 100 + 8, 2 * 200 + 3 * 8, 3)
    np.testing.assert_array_equal(sheet[32 + 100, 8 + 100], [255, 0, 0])
    np.testing.assert_array_equal(sheet[32 + 100, 216 + 100], [0, 0, 255])
    np.testing.assert_array_equal(sheet[32 + 100, 216 + 20], [255, 255, 255])
    assert (sheet[:32] < 100).any()  # the titles
    with pytest.raises(ValueError, match="needs 2 pictures, one per title, got 1"):
        visualize.picture_sheet([[red]], ["left", "right"])


LOG = """step,stage,split,loss,rpn_class_loss,mrcnn_mask_edge_loss,images_per_second
1,1,train,4.0,1.0,,2.0
2,1,train,2.0,0.5,,2.0
2,1,val,3.0,1.5,,
3,2,train,nan,0.25,,2.0
4,2,train,1.0,0.25,,2.0
5,2,tr"""


def test_plot_losses_draws_what_the_log_has(tmp_path):
    log, picture = tmp_path / "log.csv", tmp_path / "losses.png"
    log.write_text(LOG)
    figure = visualize.plot_losses(log, picture)
    titled = [ax for ax in figure.axes if ax.get_title()]
    assert [ax.get_title() for ax in titled] == ["loss", "rpn class"]
    raw, smooth, val, stage = titled[0].lines
    assert raw.get_xydata().tolist() == [[1, 4], [2, 2], [4, 1]]  # not the line with the NaN
    # So few points are not smoothed, but marked.
    assert smooth.get_ydata().tolist() == [4, 2, 1] and smooth.get_marker() == "o"
    assert titled[0].get_ylim() == pytest.approx((0, 1.05 * 4))
    # A val loss above every train loss is inside of the picture too.
    assert titled[1].get_ylim() == pytest.approx((0, 1.05 * 1.5))
    assert val.get_xydata().tolist() == [[2, 3]]
    assert stage.get_xdata() == [2, 2]  # the last step of stage 1
    with Image.open(picture) as saved:
        assert saved.size[0] > 400


def test_plot_losses_smooths_a_long_run_without_a_lag(tmp_path):
    log = tmp_path / "log.csv"
    rows = [f"{step},1,train,{step % 2}" for step in range(60)]
    log.write_text("\n".join(["step,stage,split,loss", *rows]))
    raw, smooth = visualize.plot_losses(log).axes[0].lines
    assert raw.get_ydata().tolist() == [0, 1] * 30
    # 60 points: two neighbors on each side, at the ends those that there are.
    expected = [1 / 3, 2 / 4, *[2 / 5, 3 / 5] * 28, 2 / 4, 2 / 3]
    np.testing.assert_allclose(smooth.get_ydata(), expected)


def test_font_size_sets_the_height_of_labels(monkeypatch):
    heights = []
    monkeypatch.setattr(
        visualize, "_draw_label", lambda *args: heights.append(args[3][3] - args[3][1])
    )
    image, box = np.zeros((300, 300, 3), np.uint8), np.array([[100, 100, 200, 200]])
    for font_size in (None, 11, 22, 44):
        visualize.draw_instances(image, box, None, [1], ["BG", "elk"], font_size=font_size)
    # 6 pixels of frame; 300 pixels are small enough for the smallest size.
    automatic, small, middle, large = (height - 6 for height in heights)
    assert automatic == small
    assert middle == pytest.approx(2 * small, abs=2) and large == pytest.approx(4 * small, abs=3)


def test_plot_losses_names_a_log_that_is_missing_or_empty(tmp_path):
    with pytest.raises(InputError, match="nowhere.csv: No such file"):
        visualize.plot_losses(tmp_path / "nowhere.csv")
    (tmp_path / "log.csv").write_text(LOG.splitlines()[0])
    with pytest.raises(InputError, match="holds no losses"):
        visualize.plot_losses(tmp_path / "log.csv")
