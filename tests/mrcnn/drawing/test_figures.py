import os
import subprocess
import sys

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

from mrcnn import visualize
from mrcnn.drawing.figures import Html, new_figure, notebook_shell

IMAGE = np.zeros((20, 30, 3), np.uint8)
BOX = np.array([[2, 3, 12, 23]])


def test_nothing_is_left_open_and_no_notebook_is_seen():
    assert notebook_shell() is None
    before = plt.get_fignums()
    for show in (False, True):  # agg has no windows
        figure = visualize.draw_boxes(IMAGE, BOX, show=show)
        assert isinstance(figure, plt.Figure) and len(figure.axes) == 1
        visualize.display_images([IMAGE], show=show)
    assert plt.get_fignums() == before


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
    visualize.display_images([IMAGE])
    assert shown == []
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
