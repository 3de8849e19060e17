"""The notebooks are kept with their outputs, which are those that they have now."""

import base64
import importlib.util
import io
import os
import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
from PIL import Image

from mrcnn.drawing.figures import new_figure

FOLDER = Path(__file__).resolve().parents[2] / "samples"
SPEC = importlib.util.spec_from_file_location("notebooks", FOLDER / "notebooks.py")
notebooks = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(notebooks)

# Figures, at least, and tables. A network that has hardly learned may leave two of them empty.
OUTPUTS = {
    "coco/inspect_edge_loss.ipynb": (3, 0),
    "coco/inspect_data.ipynb": (11, 3),
    "coco/inspect_model.ipynb": (18, 0),
    "coco/inspect_weights.ipynb": (3, 1),
    "demo.ipynb": (3, 0),
}
LARGEST = 1_000_000  # bytes of a file
# Folders of a machine, warnings, and what TensorFlow says when it starts.
UNWANTED = re.compile(r"/(home|root|tmp|work|Users|usr)/|[A-Z]:\\|Warning|cuda|oneDNN|cpu_feature")


def read(name):
    return nbformat.read(FOLDER / name, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def of_kind(notebook, kind):
    """Return all outputs of a MIME type."""
    found = [output.get("data", {}) for output in notebooks.outputs(notebook)]
    return [data[kind] for data in found if kind in data]


def pictures(notebook):
    """Return all pictures among the outputs, `(H, W, 3)`."""
    return [
        np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"))
        for data in of_kind(notebook, "image/png")
    ]


def blank(picture):
    """Whether a picture is too small to show anything, or has no more in it than empty axes: a few
    thin lines and letters, none of them in a color.
    """
    sides, pixels = picture.shape[:2], picture.reshape(-1, 3).astype(int)
    counts = np.unique(pixels, axis=0, return_counts=True)[1]
    colored = np.ptp(pixels, axis=1) > 50
    empty = 1 - counts.max() / len(pixels) < 0.1 and colored.mean() < 0.001
    return max(sides) < 200 or min(sides) < 50 or empty


def check_outputs(name, notebook):
    drawn = pictures(notebook)
    figures, tables = OUTPUTS[name]
    assert len(drawn) >= figures and len(of_kind(notebook, "text/html")) == tables
    assert not any(blank(picture) for picture in drawn)
    texts = [output.get("text", "") for output in notebooks.outputs(notebook)]
    texts += of_kind(notebook, "text/plain") + of_kind(notebook, "text/html")
    assert not [text for text in texts if UNWANTED.search(text)]
    assert not [o for o in notebooks.outputs(notebook) if o.get("name") == "stderr"]


def test_every_notebook_is_tested():
    found = {str(path.relative_to(FOLDER)) for path in notebooks.find_notebooks()}
    assert found == set(OUTPUTS)


@pytest.mark.parametrize("name", OUTPUTS)
def test_files_hold_the_outputs_of_one_run(name):
    notebook = read(name)
    counts = [cell.execution_count for cell in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1))
    assert (FOLDER / name).stat().st_size < LARGEST
    assert not any("execution" in cell.metadata for cell in notebook.cells)
    check_outputs(name, notebook)


def picture_of(figure):
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3]


def test_a_blank_picture_is_found():
    noise = np.random.default_rng(0).integers(0, 256, (60, 200, 3), np.uint8)
    assert not blank(noise) and blank(noise[:40]) and blank(noise[:, :99])
    assert blank(np.full((60, 200, 3), 255, np.uint8))
    figure = new_figure((8, 3))
    for number, ax in enumerate(figure.subplots(1, 3)):
        ax.set(title=f"axes {number}", xlabel="steps", ylabel="loss")
    assert blank(picture_of(figure))
    ax.plot([0, 1], [0, 1])
    assert not blank(picture_of(figure))


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("40 images, 5 classes", "# images, # classes"),
        ("image (192, 160, 3), 1e-05 to +2.50", "image (#, #, #), # to #"),
        ("P2    64\nP3   128\n", "P# #"),
        ("disc      3 boxes\nring     12 boxes\nall", "NAME # boxes\nall"),
        ("12,345 bytes; nan, 99%", "# bytes; #, #"),
        ("discs and nano", "discs and nano"),
    ],
)
def test_what_differs_from_run_to_run_is_masked(text, masked):
    assert notebooks.mask(text) == masked


def test_the_structure_of_outputs():
    output = nbformat.v4.new_output
    cells = [
        [output("stream", name="stdout", text="a 1\n"), output("stream", name="stdout", text="b")],
        [output("display_data", data={"image/png": "x", "text/plain": "<Figure>"})] * 2,
        [output("display_data", data={"text/html": "<tr><td>1</td></tr><tr><td>22</td></tr>"})],
        [output("execute_result", data={"text/plain": "(1, 2)"})],
        [output("display_data", data={"text/plain": "<Figure size 640x480 with 0 Axes>"})],
        [],
    ]
    notebook = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_markdown_cell("# title"),
            *(nbformat.v4.new_code_cell(outputs=outputs) for outputs in cells),
        ]
    )
    assert notebooks.structure(notebook) == [
        ["stdout:\na #\nb"],
        ["picture", "picture"],
        ["html:\n<tr><td>#</td></tr>"],
        ["value:\n(#, #)"],
        ["picture"],
        [],
    ]


def test_pictures_shrink_and_stay_what_they_are():
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (50, 50, 3), np.uint8)
    Image.fromarray(noise).save(buffer, "PNG")
    data = {"image/png": base64.b64encode(buffer.getvalue()).decode()}
    cell = nbformat.v4.new_code_cell(outputs=[nbformat.v4.new_output("display_data", data=data)])
    notebook = nbformat.v4.new_notebook(cells=[cell])
    notebooks.shrink_pictures(notebook)
    (picture,) = pictures(notebook)
    assert len(notebook.cells[0].outputs[0].data["image/png"]) < 0.5 * len(data["image/png"])
    assert abs(picture.astype(int) - noise).mean() < 40


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """A folder with a small network that has not learned, and finds something everywhere.

    It stands where the notebooks look for the one that they would train, to save the minute.
    """
    from mrcnn.config import Config
    from mrcnn.config_io import save_config
    from mrcnn.model import MaskRCNN
    from mrcnn.trained import SMALL_NETWORK, open_dataset

    folder = tmp_path_factory.mktemp("notebooks")
    network = folder / notebooks.NETWORK
    dataset = open_dataset(folder=network)
    config = Config().update(NUM_CLASSES=dataset.num_classes, CLASS_NAMES=dataset.class_names)
    config = config.update(**{**SMALL_NETWORK, "DETECTION_MIN_CONFIDENCE": 0.0})
    model = MaskRCNN("inference", config, network)
    bias = {v.name: v for v in model.layers()["mrcnn_class_logits"]}["bias"]
    bias.assign([-9.0] + [0.0] * (config.NUM_CLASSES - 1))  # hardly anything is background
    # Weights that are all equal would be listed as suspects.
    rng = np.random.default_rng(0)
    for weight in model.keras_model.weights:
        if "float" in str(weight.dtype):
            weight.assign(np.asarray(weight) + rng.normal(0, 1e-3, weight.shape).astype("float32"))
    model.save_weights(network / "small_400.h5")
    save_config(config, network / "config.yaml")
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
def test_outputs_in_the_file_are_those_of_now(name, folder, monkeypatch, tmp_path):
    # The fonts that matplotlib lists on its first run.
    monkeypatch.setenv("MPLCONFIGDIR", os.environ.get("MPLCONFIGDIR", str(tmp_path)))
    monkeypatch.setenv("MRCNN_STEPS", "1")  # settings of this shell are not those of the notebook
    notebook = notebooks.execute(read(name), folder)
    check_outputs(name, notebook)
    assert notebooks.structure(notebook) == notebooks.structure(read(name)), "make notebooks"
