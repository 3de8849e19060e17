"""The command in this process, photographs in any format, and one tiny run that several tests look
at.
"""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from mrcnn import trained
from mrcnn.cli.app import run as run_command
from mrcnn.config import Config
from mrcnn.config_io import save_config
from mrcnn.data.datasets.coco import CocoDataset
from mrcnn.data.datasets.toy_sample import generate_sample
from mrcnn.data.encodings import encode


@pytest.fixture(scope="session")
def command():
    """`command("train")(arguments...)` runs a subcommand in this process; returns its exit code."""
    return lambda *names: lambda *args: run_command([*names, *args])


@pytest.fixture(scope="session")
def lay_out():
    """Write 12 photographs in a format, as the tests of the formats have them."""
    layouts = runpy.run_path(str(Path(__file__).parents[1] / "data" / "conftest.py"))

    def write(kind, root):
        root.mkdir(parents=True, exist_ok=True)
        return layouts["WRITERS"][kind](root, layouts["_photos"]())

    return write


@pytest.fixture(scope="session")
def shapes(tmp_path_factory):
    """A tiny built-in sample."""
    return generate_sample(tmp_path_factory.mktemp("shapes"), train=12, val=4, size=96)


@pytest.fixture(scope="session")
def tiny_yaml(tmp_path_factory, tiny_settings):
    """The tiny network as a config file: three stages, 40 / 80 / 40 k steps."""
    path = tmp_path_factory.mktemp("config") / "tiny.yaml"
    schedule = [["heads", 40_000, 1e-3], ["4+", 80_000, 1e-3], ["all", 40_000, 1e-4]]
    own = {"EDGE_LOSS_FILTERS": [], "SCHEDULE": schedule}
    path.write_text(yaml.safe_dump({**tiny_settings, **own}))
    return path


@pytest.fixture(scope="session")
def run(tmp_path_factory, command, shapes, tiny_yaml, eagerly):
    """The folder of a run through all stages of the paper's schedule, at a ten thousandth."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    with eagerly():
        code = command("train")(
            "--dataset", shapes, "--config", tiny_yaml, "--edge", "sobel", "--p", "2",
            "--logs", folder, "--steps-scale", "0.0001", "--weights", "none", "--no-report",
            "--quiet",
        )  # fmt: skip
    assert code == 0
    return folder


SIZE = (60, 80)


@pytest.fixture
def folder(tmp_path):
    """Four images, their gray value is their number; the last one without objects; one crowd."""
    (tmp_path / "annotations").mkdir()
    (tmp_path / "val2017").mkdir()
    annotations = []
    for number in range(4):
        image = np.full((*SIZE, 3), number, np.uint8)
        Image.fromarray(image).save(tmp_path / "val2017" / f"{number}.png")
        for k in range(number and 4 - number):
            x, y, width, height = 10 * k + 3, 5 * number, 8, 20 + k
            crowd = (number, k) == (1, 2)
            corners = [x, y, x + width, y, x + width, y + height, x, y + height]
            above = SIZE[0] - y - height
            runs = [x * SIZE[0] + y, *[height, above + y] * (width - 1), height]
            runs.append(SIZE[0] * SIZE[1] - sum(runs))
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": 500 + number,
                    "category_id": 20 + k % 2,
                    "bbox": [x, y, width, height],
                    "area": width * height,
                    "iscrowd": int(crowd),
                    "segmentation": {"size": list(SIZE), "counts": runs} if crowd else [corners],
                }
            )
    content = {
        "images": [
            {"id": 500 + n, "file_name": f"{n}.png", "height": SIZE[0], "width": SIZE[1]}
            for n in range(4)
        ],
        "annotations": annotations,
        "categories": [{"id": 20, "name": "cat"}, {"id": 21, "name": "cow"}],
    }
    (tmp_path / "annotations" / "instances_val2017.json").write_text(json.dumps(content))
    run = tmp_path / "run"
    run.mkdir()
    save_config(
        Config().update(NUM_CLASSES=3, CLASS_NAMES=["BG", "cat", "cow"]), run / "config.yaml"
    )
    (run / "mask_rcnn_pets_0000007.h5").write_bytes(b"")
    return tmp_path


class Oracle:
    """Knows each image by its gray value; remembers the configuration that it was built with."""

    def __init__(self, folder):
        self.dataset = CocoDataset.from_folder(folder, "val")
        self.seen = []

    def load(self, config, weights):
        self.config, self.weights = config, weights
        return self

    def detect(self, images, verbose=0, masks="full"):
        assert len(images) <= self.config.BATCH_SIZE
        return [self.detect_one(image, masks) for image in images]

    def detect_one(self, image, masks):
        number = int(image[0, 0, 0])
        self.seen.append(number)
        truth = self.dataset.load_instances(number)
        keep = truth.class_ids > 0
        full = truth.masks()[:, :, keep]
        encodings = [encode(mask) for mask in np.moveaxis(full, 2, 0)]
        return {
            "rois": truth.boxes[keep].astype(np.int32),
            "class_ids": truth.class_ids[keep],
            "scores": np.linspace(0.9, 0.5, keep.sum()).astype(np.float32),
            "masks": full if masks == "full" else encodings,
        }


@pytest.fixture
def oracle(folder, monkeypatch):
    oracle = Oracle(folder)
    monkeypatch.setattr(trained, "load_model", oracle.load)
    return oracle
