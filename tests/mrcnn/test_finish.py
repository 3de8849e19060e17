import json

import numpy as np
import pytest
from PIL import Image

from mrcnn import finish
from mrcnn.config_io import save_config
from mrcnn.data.datasets.coco import CocoDataset, read_annotations
from mrcnn.data.datasets.toy_sample import generate_sample
from mrcnn.finish import RunEnd, Validation, save_final, spread, write_report
from mrcnn.training.checkpoint import FINAL
from mrcnn.training.schedule import Stage

LOG = "step,stage,split,loss,mrcnn_mask_loss\n5,1-all,train,4.0,0.7\n5,1-all,val,4.1,0.7\n"
END = RunEnd(steps=5, stages=[Stage("all", 5, 0.25)], images=12, backbone_random=False)


@pytest.fixture(scope="module")
def validation(tmp_path_factory):
    folder = generate_sample(tmp_path_factory.mktemp("shapes"), train=3, val=6, size=64)
    dataset = CocoDataset.from_folder(folder, "val")
    return Validation(dataset, read_annotations(dataset.annotation_file))


@pytest.fixture
def config(validation, tiny_config):
    names = list(validation.dataset.class_names)
    return tiny_config.update(NUM_CLASSES=len(names), CLASS_NAMES=names)


@pytest.fixture
def run(tmp_path):
    (tmp_path / "log.csv").write_text(LOG)
    (tmp_path / FINAL).touch()
    return tmp_path


class Oracle:
    """Finds what is true, or an object of the wrong class, or nothing."""

    def __init__(self, validation, wrong=False, blind=False):
        self.dataset, self.wrong, self.blind = validation.dataset, wrong, blind
        self.images = {self.dataset.load_image(i).tobytes(): i for i in self.dataset.image_ids}

    def detect(self, images, verbose=0):
        truth = self.dataset.load_instances(self.images[images[0].tobytes()])
        kept = slice(0, 0) if self.blind else slice(None)
        others = truth.class_ids % (self.dataset.num_classes - 1) + 1
        return [
            {
                "rois": truth.boxes[kept],
                "class_ids": (others if self.wrong else truth.class_ids)[kept],
                "scores": np.full(len(truth.boxes), 0.75)[kept],
                "masks": truth.masks()[:, :, kept],
            }
        ]


def report(monkeypatch, run, config, validation, **oracle):
    monkeypatch.setattr(finish, "load_model", lambda *_: Oracle(validation, **oracle))
    write_report(run / FINAL, config, END, validation, quiet=True)
    return json.loads((run / "metrics.json").read_text())


def test_a_run_ends_with_scores_curves_and_pictures(monkeypatch, run, config, validation, capsys):
    metrics = report(monkeypatch, run, config, validation)
    # Not 1: the oracle takes crowds for objects, and scores tie.
    assert metrics["segm"]["AP"] > 0.9 and metrics["bbox"]["AP"] > 0.9
    assert metrics["run"]["images"] == metrics["run"]["of_images"] == 6
    for name in ("curves.png", "validation.png"):
        with Image.open(run / name) as picture:
            assert min(picture.size) > 200
    out = capsys.readouterr().out
    assert "6 validation images, " in out and "boundary" in out and "near 0" not in out


def test_a_score_near_0_comes_with_what_to_look_at(monkeypatch, run, config, validation, capsys):
    report(monkeypatch, run, config, validation, wrong=True)
    out = capsys.readouterr().out
    assert "AP is near 0 (0.000). Look at this first:\n- length: 5 steps, 0.8 passes" in out
    assert "classes: objects are found (AP50 of boxes 1.00 with all classes taken for one)" in out
    report(monkeypatch, run, config, validation, blind=True)
    assert "nothing was found on 6 validation images" in capsys.readouterr().out


def test_the_number_of_images_is_bounded_and_said(monkeypatch, run, config, validation, capsys):
    monkeypatch.setattr(finish, "MOST_IMAGES", 4)
    metrics = report(monkeypatch, run, config, validation)
    assert (metrics["run"]["images"], metrics["run"]["of_images"]) == (4, 6)
    assert "4 of 6 validation images" in capsys.readouterr().out
    # And so is the time, as soon as the pictures have their images.
    monkeypatch.setattr(finish, "MOST_SECONDS", -1.0)
    monkeypatch.setattr(finish, "PICTURED", 1)
    assert report(monkeypatch, run, config, validation)["run"]["images"] < 4


def test_ids_are_drawn_evenly_and_the_same_way():
    drawn = spread(range(1000), 50, seed=3)
    assert drawn == spread(range(1000), 50, seed=3) and len(set(drawn)) == 50
    assert drawn != spread(range(1000), 50, seed=4)
    assert 400 < np.mean(drawn) < 600
    assert sorted(spread([4, 9], 50, seed=0)) == [4, 9]


def test_boxes_alone_are_judged_as_boxes(monkeypatch, run, config, validation):
    truth = validation.truth
    bare = [
        {k: v for k, v in a.items() if k not in ("segmentation", "area")}
        for a in truth["annotations"]
    ]
    boxes = Validation(validation.dataset, {**truth, "annotations": bare})
    metrics = report(monkeypatch, run, config, boxes)
    assert metrics["bbox"]["AP"] > 0.9 and metrics["segm"]["AP"] is None


def test_a_report_that_fails_is_one_line(monkeypatch, run, config, validation, capsys):
    def fail(*_):
        raise RuntimeError("no\nmemory")

    monkeypatch.setattr(finish, "load_model", fail)
    write_report(run / FINAL, config, END, validation)
    (line,) = capsys.readouterr().out.splitlines()
    assert "could not be finished (RuntimeError: no memory)" in line and FINAL in line
    assert (run / "curves.png").is_file()


def test_without_a_validation_split_there_are_curves(run, config, capsys):
    write_report(run / FINAL, config, END, None)
    assert "no validation split" in capsys.readouterr().out
    assert sorted(path.name for path in run.iterdir()) == ["curves.png", FINAL, "log.csv"]


@pytest.mark.usefixtures("eager")
def test_final_weights_are_those_of_the_model_and_load(tmp_path, config, validation, capsys):
    """A network that has learned nothing, through the real detector."""
    from mrcnn.model import MaskRCNN
    from mrcnn.trained import find_weights

    model = MaskRCNN("training", config, tmp_path)
    model.set_log_dir(tmp_path / "run")
    folder = tmp_path / "run"
    folder.mkdir(exist_ok=True)
    (folder / "log.csv").write_text(LOG)
    save_config(config, folder / "config.yaml")
    final = save_final(model)
    assert final == folder / FINAL == find_weights(folder)
    assert not list(folder.glob("*.unfinished"))
    write_report(final, config, END, validation, quiet=True)
    out = capsys.readouterr().out
    assert "could not" not in out and "AP is near 0" in out
    assert (folder / "validation.png").is_file()
