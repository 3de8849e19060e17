"""The tutorial on data of one's own: every command of its README, in a few steps."""

import importlib.util
import json
import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from mrcnn.data.datasets.via import ViaDataset
from mrcnn.errors import run_cli
from mrcnn.training.loop import Outcome

pytestmark = pytest.mark.usefixtures("eager")

FOLDER = Path(__file__).resolve().parents[2] / "samples" / "own_data"
FILE = "via_region_data.json"
TINY = {
    "BASE": str(FOLDER / "small.yaml"), "BACKBONE_ARGS": {"width": 8}, "TOP_DOWN_PYRAMID_SIZE": 16,
    "RPN_CHANNELS": 16, "FPN_CLASSIF_FC_LAYERS_SIZE": 16, "MASK_HEAD_CHANNELS": 8,
    "IMAGE_MIN_DIM": 64, "IMAGE_MAX_DIM": 64, "TRAIN_ROIS_PER_IMAGE": 20,
    "POST_NMS_ROIS_TRAINING": 50, "STEPS_PER_EPOCH": 2, "VALIDATION_STEPS": 1, "WARMUP_STEPS": 0,
    "DETECTION_MIN_CONFIDENCE": 0.0,
}  # fmt: skip


def load(name):
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def module():
    return load("own_data")


@pytest.fixture(scope="module")
def command(module):
    return lambda *args: run_cli(module.main, [str(arg) for arg in args])


@pytest.fixture(scope="module")
def make_sample():
    sample = load("via_sample")
    return lambda *args: run_cli(sample.main, [str(arg) for arg in args])


@pytest.fixture(scope="module")
def dataset(make_sample, tmp_path_factory):
    folder = tmp_path_factory.mktemp("own") / "shapes"
    assert make_sample(folder, "--images", "16") == 0
    return folder


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A file of settings that trains in a moment."""
    path = tmp_path_factory.mktemp("config") / "tiny.yaml"
    path.write_text(yaml.safe_dump(TINY))
    return path


@pytest.fixture(scope="module")
def run(command, dataset, tiny, tmp_path_factory, eagerly):
    folder = tmp_path_factory.mktemp("runs") / "first"
    with eagerly():
        assert command("train", dataset, "--epochs", "1", "--logs", folder, "--config", tiny) == 0
    return folder


def test_the_dataset_of_the_tutorial_equals_the_one_of_the_library(module, dataset):
    """Its class reads the same from both versions of VIA."""
    for split, count in (("train", 16), ("val", 2)):
        own = module.open_dataset(dataset / split)
        via = ViaDataset.from_file(dataset / split / FILE, classes=module.CLASSES)
        assert own.num_images == via.num_images == count
        assert not via.skipped
        for image_id in own.image_ids:
            ours, theirs = own.load_instances(image_id), via.load_instances(image_id)
            assert len(ours) > 0 and ours.class_ids.tolist() == theirs.class_ids.tolist()
            np.testing.assert_allclose(ours.boxes, theirs.boxes, atol=1e-3)
            np.testing.assert_array_equal(ours.masks(), theirs.masks())


def test_training_leaves_weights_and_losses(run):
    names = {path.name for path in run.iterdir()}
    assert {"mask_rcnn_own_0001.h5", "config.yaml", "log.csv"} <= names


def test_pictures_of_detections_and_splashes(command, run, dataset, tmp_path, capsys):
    images = sorted((dataset / "val").glob("*.jpg"))[:2]
    for name in ("detect", "splash"):
        arguments = ("--weights", run, "--out", tmp_path / "out")
        assert command(name, *images, *arguments) == 0
        assert "2 pictures in" in capsys.readouterr().out
    pictures = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert pictures == [
        "val0000_detect.png", "val0000_splash.png", "val0001_detect.png", "val0001_splash.png",
    ]  # fmt: skip


def test_other_classes_start_anew(
    command, module, run, dataset, tiny, tmp_path, capsys, monkeypatch
):
    """And the rest of the weights is loaded: here those of a run with other classes."""
    calls = []

    def train(model, train_set, val_set, rate, epochs, layers):
        calls.append((rate, epochs, layers, model.log_dir))
        return Outcome(7, None, None)

    monkeypatch.setattr(module.MaskRCNN, "train", train)
    monkeypatch.setattr(module, "CLASSES", ("disc", "square", "star", "triangle", "ring"))
    monkeypatch.setattr(module.OwnConfig, "NUM_CLASSES", 6)
    arguments = ("--weights", max(run.glob("*.h5")), "--layers", "heads", "--epochs", "5")
    assert command("train", dataset, *arguments, "--logs", tmp_path, "--config", tiny) == 0
    assert re.search(r"excluded +6\n", capsys.readouterr().out)
    assert calls == [(0.001, 3, "heads", str(tmp_path)), (0.0002, 5, "heads", str(tmp_path))]


def test_colour_splash(module):
    image = np.full((2, 3, 3), (200, 100, 0), np.uint8)
    masks = np.zeros((2, 3, 2), bool)
    masks[0, 0, 0] = masks[1, 2, 1] = True
    picture = module.colour_splash(image, masks)
    grey = round(0.299 * 200 + 0.587 * 100)  # ITU-R 601
    assert picture.dtype == np.uint8
    assert picture[0, 0].tolist() == picture[1, 2].tolist() == [200, 100, 0]
    assert picture[0, 1].tolist() == [grey] * 3
    nothing = module.colour_splash(image, np.zeros((2, 3, 0), bool))
    assert (nothing == grey).all()


def one_line(code, capsys, *parts):
    error = capsys.readouterr().err
    assert code == 2 and error.startswith("error: ") and error.count("\n") == 1
    for part in parts:
        assert part in error


def test_bad_input_is_one_line(command, make_sample, dataset, tmp_path, capsys):
    one_line(make_sample(dataset), capsys, "not empty")
    one_line(make_sample(tmp_path / "x", "--images", "7"), capsys, "at least 1 image")
    one_line(command("train", tmp_path), capsys, "cannot read", FILE)
    one_line(command("detect", "a.jpg", "--weights", tmp_path), capsys, "nor a checkpoint")

    entry = {"filename": "a.png", "size": 1, "regions": [], "file_attributes": {}}
    shape = {"name": "rect", "x": 1, "y": 1, "width": 5, "height": 5}
    entry["regions"] = [{"shape_attributes": shape, "region_attributes": {"shape": "dics"}}]
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / FILE).write_text(json.dumps({"a": entry}))
    one_line(command("train", tmp_path), capsys, "a.png", "does not exist")
    Image.new("RGB", (9, 9)).save(tmp_path / "train" / "a.png")
    one_line(command("train", tmp_path), capsys, "region 0 of image 'a.png'", "'dics'", "disc")


def test_it_is_a_hundred_lines():
    lines = (FOLDER / "own_data.py").read_text("utf-8").splitlines()
    assert sum(bool(line.strip()) for line in lines) < 130


def test_the_readme_names_existing_commands():
    """What it shows can be parsed; what it prints was run by hand."""
    text = (FOLDER / "README.md").read_text("utf-8")
    lines = re.findall(r"^python samples/own_data/(.*)$", text, re.MULTILINE)
    assert {" ".join(line.split()[:2]) for line in lines} == {
        "via_sample.py datasets/own",
        *(f"own_data.py {name}" for name in ("train", "detect", "splash")),
    }
