"""The notebooks run from top to bottom, in any folder, and draw their figures."""

import base64
import io
import os
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from PIL import Image

FOLDER = Path(__file__).resolve().parents[2] / "samples" / "coco"
FIGURES = {"inspect_edge_loss.ipynb": 3}


def read(name):
    return nbformat.read(FOLDER / name, as_version=4)


def pictures(notebook):
    """Return all pictures among the outputs, `(H, W, 3)`."""
    return [
        np.asarray(
            Image.open(io.BytesIO(base64.b64decode(output.data["image/png"]))).convert("RGB")
        )
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]


def test_every_notebook_is_tested():
    assert {path.name for path in FOLDER.glob("*.ipynb")} == set(FIGURES)


@pytest.mark.parametrize("name", FIGURES)
def test_files_hold_no_outputs(name):
    code = [cell for cell in read(name).cells if cell.cell_type == "code"]
    assert code
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)


@pytest.mark.slow
@pytest.mark.parametrize("name", FIGURES)
def test_notebook_runs(name, tmp_path, monkeypatch):
    # Away from the repository, which the kernel is told of as an editable install would.
    monkeypatch.setenv("PYTHONPATH", str(FOLDER.parents[1]))
    # The fonts that matplotlib lists on its first run, and the kernel's own files.
    monkeypatch.setenv("MPLCONFIGDIR", os.environ.get("MPLCONFIGDIR", str(tmp_path / "mpl")))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook = read(name)
    resources = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources=resources).execute()
    drawn = pictures(notebook)
    assert len(drawn) == FIGURES[name]
    for picture in drawn:
        assert min(picture.shape[:2]) >= 200
        assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 50  # not an empty frame
    if target := os.environ.get("MRCNN_TEST_PICTURES"):
        for number, picture in enumerate(drawn):
            Image.fromarray(picture).save(Path(target) / f"{Path(name).stem}_{number}.png")
