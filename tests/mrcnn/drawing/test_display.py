import matplotlib.pyplot as plt
import numpy as np

from mrcnn.drawing.display import display_instances


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
