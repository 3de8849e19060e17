"""What notebooks of the original do with its `coco.py`, and the command line that it had."""

import importlib
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask as reference_masks
from pycocotools.coco import COCO

from mrcnn import utils
from mrcnn.data.datasets.toy_sample import generate_sample
from mrcnn.errors import run_cli
from mrcnn.training.loop import Outcome

FILE = Path(__file__).resolve().parents[2] / "samples" / "coco" / "coco.py"
# pycocotools has not followed NumPy 2 here.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture
def coco(monkeypatch):
    """`import coco`, as after sys.path.append("samples/coco")."""
    monkeypatch.setattr(sys, "path", [str(FILE.parent), *sys.path])
    monkeypatch.delitem(sys.modules, "coco", raising=False)
    module = importlib.import_module("coco")
    monkeypatch.setitem(sys.modules, "coco", module)
    return module


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The built-in sample as COCO 2014 with the original's parts of val."""
    made = generate_sample(tmp_path_factory.mktemp("sample"), train=4, val=3, size=64)
    root = tmp_path_factory.mktemp("coco")
    for split in ("train", "val"):
        shutil.copytree(made / f"{split}2017", root / f"{split}2014")
    (root / "annotations").mkdir()
    content = {
        split: json.loads((made / "annotations" / f"instances_{split}2017.json").read_text())
        for split in ("train", "val")
    }
    images = content["val"]["images"]
    content["minival"] = {**content["val"], "images": images[:2]}
    content["valminusminival"] = {**content["val"], "images": images[2:]}
    for name, part in content.items():
        ids = {image["id"] for image in part["images"]}
        kept = [a for a in part["annotations"] if a["image_id"] in ids]
        file = root / "annotations" / f"instances_{name}2014.json"
        file.write_text(json.dumps({**part, "annotations": kept}))
    return root


def test_the_calls_of_the_notebooks(coco, folder, tiny_settings, tmp_path, capsys, eager):
    """inspect_model.ipynb and demo.ipynb of the original, on a small network."""
    assert coco.CocoConfig().NUM_CLASSES == 81 and coco.CocoConfig().NAME == "coco"
    settings = {**tiny_settings, "NUM_CLASSES": 6}
    small = type("Small", (coco.CocoConfig,), settings)

    class InferenceConfig(small):
        GPU_COUNT = 1
        IMAGES_PER_GPU = 1
        DETECTION_MIN_CONFIDENCE = 0

    config = InferenceConfig()
    assert config.BATCH_SIZE == 1
    config.display()

    dataset = coco.CocoDataset()
    api = dataset.load_coco(str(folder), "minival", return_coco=True)
    dataset.prepare()
    assert isinstance(api, COCO) and len(api.dataset["images"]) == len(dataset.image_ids) == 2
    assert isinstance(dataset, utils.Dataset)
    image = dataset.load_image(0)
    masks, class_ids = dataset.load_mask(0)
    assert masks.shape == (*image.shape[:2], len(class_ids))
    assert dataset.image_reference(0)

    model = coco.modellib.MaskRCNN(mode="inference", config=config, model_dir=str(tmp_path))
    capsys.readouterr()
    scores = coco.evaluate_coco(model, dataset, api, "segm", limit=1)
    assert 0 <= scores["AP"] <= 1
    assert "segm" in capsys.readouterr().out
    assert coco.evaluate_coco(model, dataset, None, image_ids=[1])["per_class"]


def test_parts_of_val_lie_in_its_folder(coco, folder):
    dataset = coco.CocoDataset()
    dataset.load_coco(folder, "minival")
    dataset.load_coco(folder, "valminusminival", year="2014")
    dataset.prepare()
    assert dataset.num_images == 3
    assert {Path(info["path"]).parent for info in dataset.image_info} == {folder / "val2014"}
    whole = coco.CocoDataset()
    assert whole.load_coco(folder, "val", class_ids=[1]) is None
    whole.prepare()
    assert whole.num_classes == 2


def test_results_have_the_ids_of_the_file(coco, folder):
    dataset = coco.CocoDataset()
    dataset.load_coco(folder, "val")
    dataset.prepare()
    masks = np.zeros((20, 30, 1), bool)
    masks[2:6, 3:10] = True
    (result,) = coco.build_coco_results(
        dataset, [77], np.array([[2, 3, 6, 10]]), np.array([2]), np.array([0.5]), masks
    )
    assert result["image_id"] == 77 and result["score"] == 0.5
    assert result["category_id"] == dataset.get_source_class_id(2, "coco")
    assert result["bbox"] == [3, 2, 7, 4]
    assert reference_masks.area(result["segmentation"]) == 28
    assert coco.build_coco_results(dataset, [1], None, None, None, None) == []


class Model:
    """Notes what is asked of it."""

    def __init__(self, mode, config, model_dir):
        self.calls = [(mode, config.BATCH_SIZE, model_dir)]
        Model.last = self

    def load_weights(self, path, by_name, strict):
        self.calls.append(("load", path, by_name, strict))

    def find_last(self):
        return "newest.h5"

    def get_imagenet_weights(self):
        return "imagenet.h5"

    def train(self, train, val, rate, epochs, layers):
        self.calls.append((train.num_images, val.num_images, round(rate, 6), epochs, layers))
        return Outcome(epochs, None, None)


@pytest.fixture
def main(coco, folder, monkeypatch):
    monkeypatch.setattr(coco.modellib, "MaskRCNN", Model)
    return lambda *args: run_cli(coco.main, [*args, f"--dataset={folder}"])


def test_train_follows_the_schedule_of_the_original(main, tmp_path):
    assert main("train", "--model=imagenet", f"--logs={tmp_path}", "--download=False") == 0
    assert Model.last.calls == [
        ("training", 2, str(tmp_path)),
        ("load", "imagenet.h5", True, False),
        # The rest of val is trained on too.
        (5, 2, 0.001, 40, "heads"),
        (5, 2, 0.001, 120, "4+"),
        (5, 2, 0.0001, 160, "all"),
    ]


def test_evaluate_takes_one_image_at_a_time(main, coco, monkeypatch):
    seen = []
    monkeypatch.setattr(coco, "evaluate_coco", lambda *args: seen.append(args))
    assert main("evaluate", "--model=last", "--limit=7", "--year=2014") == 0
    ((model, dataset, api, eval_type, limit),) = seen
    assert model.calls[0][:2] == ("inference", 1)
    assert model.calls[1] == ("load", "newest.h5", False, True)
    assert (dataset.num_images, len(api.dataset["images"]), eval_type, limit) == (2, 2, "bbox", 7)


def test_download_is_asked_for(main, coco, monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(coco, "download_coco", lambda request, subsets: asked.append(subsets))
    monkeypatch.setattr(coco, "evaluate_coco", lambda *args: None)
    (tmp_path / "x.h5").touch()
    assert main("evaluate", f"--model={tmp_path / 'x.h5'}", "--download=true") == 0
    assert asked == [["val"]]


def test_bad_input_is_one_line(coco, monkeypatch, tmp_path, capsys):
    """Weights that are not there are said before any annotation is read."""
    monkeypatch.setattr(coco.modellib, "MaskRCNN", Model)
    (tmp_path / "there.h5").touch()
    for weights, said in (("x.h5", "--model x.h5: there is no such file"), ("there.h5", "none")):
        path = tmp_path / weights if weights == "there.h5" else weights
        arguments = ["train", f"--model={path}", f"--dataset={tmp_path / 'none'}"]
        assert run_cli(coco.main, arguments) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ") and error.count("\n") == 1 and said in error
