"""Scripts that make the calls of the original's samples and notebooks, and of the authors' fork,
run to their end, and what they draw is not blank.
"""

import json
import runpy
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest

from mrcnn.config import Config
from mrcnn.data.datasets.toy_sample import generate_sample
from mrcnn.model import MaskRCNN
from mrcnn.weights.loading import save_weights

CLIENTS = Path(__file__).parent / "clients"
pytestmark = [
    pytest.mark.usefixtures("eager"),
    # Keras reads through tf.data, which is compiled whatever `eager` says.
    pytest.mark.filterwarnings("ignore:Even though the `tf.config.experimental_run"),
    # pycocotools has not followed NumPy 2 here.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    # Scripts of that age leave files to the collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def run(tmp_path, monkeypatch):
    """`run("balloon", "train", ...)` runs a script in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    names = [path.stem for path in CLIENTS.glob("*.py")]

    def run(name, *arguments):
        for module in names:
            monkeypatch.delitem(sys.modules, module, raising=False)
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        return runpy.run_path(str(CLIENTS / f"{name}.py"), run_name="__main__")

    yield run
    plt.close("all")
    for module in names:
        sys.modules.pop(module, None)


@pytest.fixture
def tiny():
    return runpy.run_path(str(CLIENTS / "tiny.py"))


@pytest.fixture
def balloons(tmp_path, tiny):
    for subset in ("train", "val"):
        tiny["write_via"](tmp_path / "balloons" / subset, 4)
    return tmp_path / "balloons"


@pytest.fixture
def weights(tmp_path, tiny):
    """`weights(classes, only=prefix)`: a file of random weights, of the layers of a prefix."""

    def weights(classes, only=""):
        config = type("Made", (tiny["Tiny"], Config), {"NAME": "made", "NUM_CLASSES": classes})()
        layers = MaskRCNN("inference", config, tmp_path / "made").layers()
        path = tmp_path / f"weights_{classes}{only}.h5"
        save_weights({n: v for n, v in layers.items() if n.startswith(only)}, path)
        return path

    return weights


def pictures(folder=Path()):
    """Names of the pictures in a folder, none of which is blank."""
    found = sorted(folder.rglob("*.png"))
    for path in found:
        pixels = plt.imread(path)[..., :3]
        assert pixels.std() > 0.02, f"{path} is blank"
    return [path.name for path in found]


def test_balloon(run, balloons, weights, tmp_path, capsys):
    run("balloon", "train", "--dataset", balloons, "--weights", weights(81))
    (first,) = Path("logs").iterdir()
    names = sorted(path.name for path in first.glob("*.h5"))
    assert names == ["mask_rcnn_balloon_0001.h5", "mask_rcnn_balloon_0002.h5"]
    # Started once more, the epochs are done.
    capsys.readouterr()
    run("balloon", "train", "--dataset", balloons, "--weights", "last")
    assert "2 epochs are done" in capsys.readouterr().out
    assert list(Path("logs").iterdir()) == [first]
    run("balloon", "splash", "--image", balloons / "val" / "1.png", "--weights", "last")
    (splash,) = Path().glob("splash_*.png")
    assert plt.imread(splash).shape == (64, 64, 3)


@pytest.mark.slow
def test_nucleus(run, tiny, weights, tmp_path):
    pytest.importorskip("imgaug")
    tiny["write_nuclei"](tmp_path / "nuclei", 5)
    arguments = ("--dataset", tmp_path / "nuclei", "--subset")
    start = weights(2, only="small_")
    run("nucleus", "train", *arguments, "train", "--weights", start)
    names = sorted(path.name for path in Path("logs").rglob("*.h5"))
    assert names == ["mask_rcnn_nucleus_0001.h5", "mask_rcnn_nucleus_0002.h5"]
    run("nucleus", "detect", *arguments, "val", "--weights", "last")
    assert pictures(Path("results")) == ["nucleus0.png", "nucleus1.png"]
    (table,) = Path("results").rglob("submit.csv")
    assert table.read_text().startswith("ImageId,EncodedPixels\nnucleus0,")


@pytest.mark.slow
def test_train_shapes(run, weights):
    run("train_shapes", "logs", weights(4, only="small_"))
    found = pictures()
    assert {"truth.png", "found.png"} < set(found) and len(found) >= 3
    assert Path("logs", "mask_rcnn_shapes.h5").is_file()


def test_inspect_data(run, balloons):
    run("inspect_data", balloons)
    drawn = {path.name for path in Path().glob("*.png")}
    expected = ("instances", "masks", "expanded", "anchors", "refined", "rois")
    assert {f"{name}.png" for name in expected} < drawn
    pictures()


@pytest.mark.slow
def test_inspect_model_and_weights(run, balloons, weights):
    run("inspect_model", balloons, "logs", weights(2))
    drawn = {path.name for path in Path().glob("*.png")}
    expected = ("predictions", "precision", "overlaps", "anchors", "after_nms", "detections")
    assert {f"{name}.png" for name in (*expected, "input", "weights")} == drawn
    pictures()


def test_demo(run, balloons, weights):
    run("demo", balloons / "val" / "1.png", "logs", weights(6))
    assert "demo.png" in pictures()


@pytest.fixture
def coco(tmp_path_factory):
    folder = generate_sample(tmp_path_factory.mktemp("sample"), train=4, val=3, size=64)
    content = json.loads((folder / "annotations" / "instances_val2017.json").read_text())
    assert len(content["categories"]) == 5
    return folder


@pytest.mark.slow
def test_coco(run, coco, weights, capsys):
    arguments = ("--dataset", coco)
    run("coco_client", "train", *arguments, "--model", weights(6, only="small_"))
    names = sorted(path.name for path in Path("logs").rglob("*.h5"))
    assert names == [f"mask_rcnn_coco_000{epoch}.h5" for epoch in (1, 2, 3)]
    run("coco_client", "evaluate", *arguments, "--model", "last")
    tables = sorted(path.name for path in Path("logs").rglob("*.csv"))
    assert tables[:2] == [f"coco_eval_type_{kind}_at_step_0003.csv" for kind in ("bbox", "segm")]


@pytest.mark.slow
def test_coco_of_the_fork(run, coco, weights):
    pytest.importorskip("imgaug")
    arguments = ("--fork", "--dataset", coco, "--run-name", "sobel", "--edge-loss-filters")
    filters = ("sobel-x", "sobel-y")
    options = ("--edge-loss-norm", "l4", "--edge-loss-smoothing-groundtruth")
    start = weights(6, only="small_")
    run("coco_client", "train", *arguments, *filters, *options, "--model", start)
    (folder,) = Path("logs").iterdir()
    assert folder.name.startswith("coco_sobel_20")
    shown = (folder / "configuration.log").read_text()
    values = dict(line.split(None, 1) for line in shown.splitlines())
    assert values["RUN_NAME"] == "sobel" and values["EDGE_LOSS_NORM"] == "4.0"
    assert values["EDGE_LOSS_FILTERS"] == "['sobel-x', 'sobel-y']"
    losses = (folder / "log.csv").read_text().splitlines()
    column = losses[0].split(",").index("mrcnn_mask_edge_loss")
    assert np.isfinite(float(losses[1].split(",")[column]))
    run("coco_client", "evaluate", *arguments, *filters, *options, "--model", "last")
    assert (folder / "coco_eval_type_segm_at_step_0003.csv").is_file()
