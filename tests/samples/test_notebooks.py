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

FOLDER = Path(__file__).resolve().parents[2] / "samples"
# Figures, at least, and tables. A network that has hardly learned may leave two of them empty.
OUTPUTS = {
    "coco/inspect_edge_loss.ipynb": (3, 0),
    "coco/inspect_data.ipynb": (11, 3),
    "coco/inspect_model.ipynb": (18, 0),
    "coco/inspect_weights.ipynb": (3, 1),
    "demo.ipynb": (3, 0),
}


def read(name):
    return nbformat.read(FOLDER / name, as_version=4)


def outputs(notebook, kind):
    """Return all outputs of a MIME type."""
    return [
        output.data[kind]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if kind in output.get("data", {})
    ]


def pictures(notebook):
    """Return all pictures among the outputs, `(H, W, 3)`."""
    return [
        np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"))
        for data in outputs(notebook, "image/png")
    ]


def test_every_notebook_is_tested():
    assert {str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*.ipynb")} == set(OUTPUTS)


@pytest.mark.parametrize("name", OUTPUTS)
def test_files_hold_no_outputs(name):
    code = [cell for cell in read(name).cells if cell.cell_type == "code"]
    assert code
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """The folder of a small network that has not learned, and finds something everywhere."""
    from mrcnn.config import Config
    from mrcnn.config_io import save_config
    from mrcnn.model import MaskRCNN
    from mrcnn.trained import SMALL_NETWORK, open_dataset

    folder = tmp_path_factory.mktemp("small")
    dataset = open_dataset(folder=folder)
    config = Config().update(NUM_CLASSES=dataset.num_classes, CLASS_NAMES=dataset.class_names)
    config = config.update(**{**SMALL_NETWORK, "DETECTION_MIN_CONFIDENCE": 0.0})
    model = MaskRCNN("inference", config, folder)
    bias = {v.name: v for v in model.layers()["mrcnn_class_logits"]}["bias"]
    bias.assign([-9.0] + [0.0] * (config.NUM_CLASSES - 1))  # hardly anything is background
    model.save_weights(folder / "small_4.h5")
    save_config(config, folder / "config.yaml")
    return folder


@pytest.mark.slow
def test_the_small_network_is_trained_once(tmp_path, capsys, monkeypatch):
    from mrcnn.model import MaskRCNN
    from mrcnn.trained import open_dataset, open_model

    runs = []

    def run(model, dataset, validation, stages, quiet):
        runs.append([(stage.layers, stage.steps) for stage in stages])

    monkeypatch.setattr(MaskRCNN, "run", run)
    monkeypatch.setattr("mrcnn.trained.SMALL_SIZE", 64)
    file = tmp_path / "small_10.h5"
    for _ in range(2):
        model = open_model(None, folder=tmp_path, steps=10)
    assert runs == [[("all", 8), ("all", 2)]]
    printed = capsys.readouterr().out
    assert printed.count("training a small network for 10 steps") == 1
    assert printed.endswith(f"weights: {file}\nweights: {file}\n")
    dataset = open_dataset(folder=tmp_path)
    assert capsys.readouterr().out == f"dataset: val of {tmp_path / 'sample'}\n"
    assert len(dataset.image_ids) == 16
    assert dataset.class_names == model.config.CLASS_NAMES and model.config.BATCH_SIZE == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", OUTPUTS)
def test_notebook_runs(name, tmp_path, monkeypatch, small):
    # Away from the repository, which the kernel is told of as an editable install would.
    monkeypatch.setenv("PYTHONPATH", str(FOLDER.parent))
    # The fonts that matplotlib lists on its first run, and the kernel's own files.
    monkeypatch.setenv("MPLCONFIGDIR", os.environ.get("MPLCONFIGDIR", str(tmp_path / "mpl")))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    if name == "demo.ipynb":  # as for a user who has nothing: the small network and its images
        monkeypatch.setenv("MRCNN_FOLDER", str(small))
        monkeypatch.setenv("MRCNN_STEPS", "4")
    else:
        monkeypatch.setenv("MRCNN_WEIGHTS", str(small / "small_4.h5"))
    notebook = read(name)
    resources = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources=resources).execute()
    drawn = pictures(notebook)
    figures, tables = OUTPUTS[name]
    assert len(drawn) >= figures and len(outputs(notebook, "text/html")) == tables
    for picture in drawn:
        assert max(picture.shape[:2]) >= 200 and min(picture.shape[:2]) >= 50
        assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 50  # not an empty frame
    if target := os.environ.get("MRCNN_TEST_PICTURES"):
        for number, picture in enumerate(drawn):
            Image.fromarray(picture).save(Path(target) / f"{Path(name).stem}_{number}.png")
