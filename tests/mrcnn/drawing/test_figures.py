import os
import subprocess
import sys
import threading

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

from mrcnn import visualize
from mrcnn.drawing.figures import Html, new_figure, notebook_shell

IMAGE = np.zeros((20, 30, 3), np.uint8)
BOX = np.array([[2, 3, 12, 23]])
MASK = np.zeros((20, 30, 1), bool)
MASK[4:10, 5:20] = True


SCORES = np.array([0.5, 0.9])
# Everything that makes a figure where it is given no axes.
DRAWN = {
    "draw_boxes": lambda: visualize.draw_boxes(IMAGE, BOX),
    "draw_rois": lambda: visualize.draw_rois(
        IMAGE, BOX, BOX + 1, np.ones((1, 28, 28)), [1], ["BG", "a"]
    ),
    "display_images": lambda: visualize.display_images([IMAGE]),
    "display_instances": lambda: visualize.display_instances(IMAGE, BOX, None, [1], ["BG", "a"]),
    "display_differences": lambda: visualize.display_differences(
        IMAGE, BOX, [1], MASK, BOX, [1], [0.9], MASK, ["BG", "a"]
    ),
    "display_top_masks": lambda: visualize.display_top_masks(IMAGE, MASK, [1], ["BG", "a"]),
    "plot_precision_recall": lambda: visualize.plot_precision_recall(0.5, SCORES, SCORES),
    "plot_overlaps": lambda: visualize.plot_overlaps(
        [1], [1], [0.9], np.array([[0.8]]), ["BG", "a"]
    ),
}


@pytest.mark.parametrize("name", DRAWN)
def test_what_is_drawn_is_the_current_figure_of_pyplot(name, tmp_path):
    """As in the original: `plt.savefig` after it writes it."""
    user = plt.figure()
    plt.plot([1, 2])
    figure = DRAWN[name]()
    assert plt.gcf() is figure and figure is not user
    plt.savefig(tmp_path / "a.png", dpi=40)
    pixels = plt.imread(tmp_path / "a.png")
    assert pixels.std() > 0.01, "a blank picture"
    plt.close("all")


def test_figures_do_not_pile_up_and_no_notebook_is_seen(tmp_path):
    assert notebook_shell() is None
    user = plt.figure()
    figures = [visualize.draw_boxes(IMAGE, BOX, show=show) for show in (False, True) * 15]
    assert plt.get_fignums() == [user.number, figures[-1].number]
    assert len({id(figure) for figure in figures}) == 30
    # The others are whole, though pyplot knows them no more.
    figures[0].savefig(tmp_path / "first.png", dpi=40)
    assert plt.imread(tmp_path / "first.png").std() > 0.01
    plt.close("all")


def test_other_threads_do_without_pyplot():
    figures = []
    before = plt.get_fignums()
    thread = threading.Thread(target=lambda: figures.append(visualize.draw_boxes(IMAGE, BOX)))
    thread.start()
    thread.join()
    assert len(figures[0].axes) == 1 and plt.get_fignums() == before


def test_a_backend_without_a_screen_is_done_without(monkeypatch):
    def figure(**_):
        raise ImportError("Cannot load backend")

    monkeypatch.setattr(plt, "figure", figure)
    assert len(visualize.draw_boxes(IMAGE, BOX).axes) == 1


def test_names_that_scripts_reach_through_the_module():
    assert visualize.plt is plt
    assert visualize.patches.Rectangle is visualize.patches.Rectangle
    assert len(visualize.find_contours(np.pad(MASK[..., 0], 1), 0.5)) == 1
    assert issubclass(visualize.Polygon, visualize.patches.Patch)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        visualize.nothing  # noqa: B018


def test_a_figure_of_the_caller_stays_open_and_is_returned():
    figure, axes = plt.subplots(1, 2)
    try:
        assert visualize.draw_boxes(IMAGE, BOX, ax=axes[1], show=True) is figure
        assert len(axes[1].patches) == 1 and not axes[0].patches
        assert plt.fignum_exists(figure.number)
    finally:
        plt.close(figure)


def test_the_whole_figure_is_returned_for_axes_of_a_part():
    figure = new_figure((4, 4))
    part = figure.subfigures(1, 2)[0]
    assert visualize.draw_boxes(IMAGE, BOX, ax=part.add_subplot()) is figure


def test_windows_are_opened_when_asked(monkeypatch):
    shown = []
    monkeypatch.setattr(plt, "show", lambda: shown.append(plt.get_fignums()))
    canvas = type(plt.figure().canvas)
    plt.close("all")
    monkeypatch.setattr(canvas, "required_interactive_framework", "qt", raising=False)
    for _ in range(12):
        visualize.display_images([IMAGE])
    assert shown == [] and len(plt.get_fignums()) == 10
    plt.close("all")
    visualize.display_images([IMAGE], show=True)
    assert len(shown) == 1 and len(shown[0]) == 1
    plt.close("all")


def test_import_leaves_pyplot_and_keras_alone():
    code = "import sys, mrcnn.visualize; print({'matplotlib.pyplot', 'keras', 'IPython'} & "
    run = [sys.executable, "-W", "error", "-c", code + "set(sys.modules))"]
    assert subprocess.run(run, capture_output=True, text=True, check=True).stdout == "set()\n"


def test_html_is_text_that_escapes_its_cells(capsys):
    text = visualize.display_table([("a<b", 1), (Html("<b>c</b>"), None)])
    expected = "<tr><td>a&lt;b</td><td>1</td></tr><tr><td><b>c</b></td><td>None</td></tr>"
    assert text == f"<table>{expected}</table>" and isinstance(text, str)
    assert capsys.readouterr().out == ""


START = """import numpy as np
from mrcnn import visualize
image, box = np.zeros((20, 30, 3), np.uint8), np.array([[2, 3, 12, 23]])"""
# Cells, and how many pictures and tables each shows.
CELLS = {
    "visualize.draw_boxes(image, box)": (1, 0),
    "visualize.draw_boxes(image, box)\nx = 1": (1, 0),
    "figure = visualize.draw_boxes(image, box, show=True)\nfigure": (1, 0),
    "figure": (1, 0),
    "for _ in range(2): visualize.display_images([image])": (2, 0),
    "import matplotlib.pyplot as plt\nax = plt.subplots()[1]\n"
    "visualize.draw_boxes(image, box, ax=ax)": (1, 0),
    "ax = plt.subplots()[1]\nvisualize.draw_boxes(image, box, ax=ax)\nplt.title('x')\nx = 1": (
        1,
        0,
    ),
    "table = visualize.display_table([[1]])": (0, 1),
    "visualize.display_table([[1]])": (0, 1),
    "table": (0, 1),
    "assert plt.get_fignums() == []": (0, 0),
}


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_notebook_shows_everything_once(tmp_path, monkeypatch):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    monkeypatch.setenv("MPLCONFIGDIR", os.environ.get("MPLCONFIGDIR", str(tmp_path)))
    monkeypatch.delenv("MPLBACKEND", raising=False)
    cells = [nbformat.v4.new_code_cell(source) for source in (START, *CELLS)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    for cell, expected in zip(notebook.cells[1:], CELLS.values(), strict=True):
        data = [output.get("data", {}) for output in cell.outputs]
        kinds = tuple(sum(kind in d for d in data) for kind in ("image/png", "text/html"))
        assert kinds == expected, cell.source
