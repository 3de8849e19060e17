import numpy as np
import pytest

from mrcnn.drawing.scores import plot_overlaps, plot_precision_recall
from mrcnn.errors import InputError


def test_precision_over_recall():
    figure = plot_precision_recall(0.7125, [1, 0.5], [0.25, 1])
    (ax,) = figure.axes
    assert ax.lines[0].get_xydata().tolist() == [[0.25, 1], [1, 0.5]]
    assert "0.71" in ax.get_title()
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("recall", "precision")
    with pytest.raises(InputError, match="got 1 recalls, 2 precisions"):
        plot_precision_recall(0.5, [1, 1], [1])


def test_overlaps_tell_matches_from_wrong_classes():
    overlaps = np.array([[0.9, 0.1, 0.5], [0.0, 0.75, 0.625]])
    names = ["BG", "cat", "cow"]
    figure = plot_overlaps([1, 1, 2], [1, 2], [0.875, 0.5], overlaps, names, threshold=0.5)
    (ax,) = figure.axes
    texts = [text.get_text() for text in ax.texts]
    assert texts == ["0.900\nmatch", "0.100", "0.500", "0.000", "0.750\nwrong", "0.625\nmatch"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["cat 0.88", "cow 0.50"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["cat", "cat", "cow"]
    np.testing.assert_array_equal(ax.images[0].get_array(), overlaps)


@pytest.mark.parametrize(("objects", "predictions"), [(5, 6), (40, 3), (3, 90)])
def test_texts_of_a_large_table_keep_to_their_cells(objects, predictions):
    overlaps = np.full((predictions, objects), 0.75)
    names = ["BG", "cat"]
    scores = np.full(predictions, 0.5)
    figure = plot_overlaps([1] * objects, [1] * predictions, scores, overlaps, names)
    figure.canvas.draw()
    (ax,) = figure.axes
    cell = (ax.bbox.width / objects, ax.bbox.height / predictions)
    assert len(ax.texts) in (0, objects * predictions)
    for extent in (text.get_window_extent() for text in ax.texts[:5]):
        assert extent.width < cell[0] and extent.height < cell[1]
    first, second = (label.get_window_extent() for label in ax.get_yticklabels()[:2])
    assert not first.overlaps(second)


def test_overlaps_of_nothing_and_of_the_wrong_shape():
    for shape in ((0, 3), (2, 0), (0, 0)):
        figure = plot_overlaps(
            [1] * shape[1], [1] * shape[0], [0.5] * shape[0], np.zeros(shape), []
        )
        figure.savefig("/dev/null", format="png")
    with pytest.raises(InputError, match=r"\(2, 1\), got \(1, 2\)"):
        plot_overlaps([1], [1, 1], [0.5, 0.5], np.zeros((1, 2)), ["BG", "cat"])
    with pytest.raises(InputError, match="got 1 pred_scores, 2 pred_class_ids"):
        plot_overlaps([1], [1, 1], [0.5], np.zeros((2, 1)), ["BG", "cat"])
