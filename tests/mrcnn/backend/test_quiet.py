"""Importing and using mrcnn prints nothing that the user has no use for, and hides nothing else."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from mrcnn.backend.quiet import without_chatter

ROOT = Path(__file__).resolve().parents[3]
# What loads Keras.
LOADERS = {"keras", "edge_agreement"}

USE = """
import mrcnn.model
from mrcnn.config import Config
model = mrcnn.model.MaskRCNN("inference", Config().update(**{settings}), "runs")
"""


def python(source):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)  # which conftest.py sets for the tests
    return subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, env=environment
    )


@pytest.mark.skipif(
    os.environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow",
    reason="with JAX, TensorFlow still prints its start-up messages when it is found later",
)
def test_importing_and_building_a_model_prints_nothing(tiny_settings):
    outcome = python(USE.format(settings=tiny_settings))
    assert (outcome.returncode, outcome.stdout, outcome.stderr) == (0, "", "")


@pytest.mark.slow
def test_a_notebook_stays_clean(tiny_settings, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    cells = [
        nbformat.v4.new_code_cell(USE.format(settings=tiny_settings)),
        nbformat.v4.new_code_cell("import sys; print('a real warning', file=sys.stderr)"),
    ]
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute(cwd=str(tmp_path))
    assert notebook.cells[0].outputs == []
    (output,) = notebook.cells[1].outputs
    assert (output.name, output.text) == ("stderr", "a real warning\n")


def test_other_lines_come_through_in_order(capfd):
    with without_chatter():
        os.write(2, b"I0000 port.cc:153] oneDNN custom operations are on.\n")
        os.write(2, b"a real error\n")
        os.write(2, b"and another\n")
    os.write(2, b"later\n")
    assert capfd.readouterr().err == "a real error\nand another\nlater\n"


def test_an_error_inside_is_not_held_back(capfd):
    with pytest.raises(ImportError, match="no such thing"), without_chatter():
        os.write(2, b"what led to it\n")
        raise ImportError("no such thing")
    os.write(2, b"later\n")
    assert capfd.readouterr().err == "what led to it\nlater\n"


def first_imports(path):
    """The modules that a file imports when it is loaded, in order."""
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield str(node.module)


def comes_after_backend(path):
    names = list(first_imports(path))
    loads = [place for place, name in enumerate(names) if name.partition(".")[0] in LOADERS]
    ours = [place for place, name in enumerate(names) if name.startswith("mrcnn.backend")]
    if not loads or (ours and ours[0] < loads[0]):
        return True
    # The packages that it is in are loaded first.
    packages = path.relative_to(ROOT).parents[:-2]
    return any("mrcnn.backend" in first_imports(ROOT / p / "__init__.py") for p in packages)


@pytest.mark.parametrize(
    "path",
    [p for p in sorted((ROOT / "mrcnn").rglob("*.py")) if "backend" not in p.parts],
    ids=lambda path: path.relative_to(ROOT).as_posix(),
)
def test_keras_is_never_loaded_before_mrcnn_backend(path):
    assert comes_after_backend(path)


def test_a_wrong_order_is_found(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    (tmp_path / "mrcnn").mkdir()
    (tmp_path / "mrcnn" / "__init__.py").write_text("")
    file = tmp_path / "mrcnn" / "new.py"
    file.write_text("import keras\nimport mrcnn.backend\n")
    assert not comes_after_backend(file)
    file.write_text("import mrcnn.backend\nimport keras\n")
    assert comes_after_backend(file)
