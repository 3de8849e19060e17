"""`mrcnn train` on a tiny network: what it refuses at the start, and what a run leaves."""

import json
import shutil
from collections import namedtuple

import pytest
import yaml

from mrcnn.config_io import load_config
from mrcnn.training import disk
from mrcnn.training.checkpoint import read_state

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def small_yaml(tmp_path, tiny_settings):
    """The tiny network on a square canvas, all layers, one epoch of three steps and another."""
    path = tmp_path / "small.yaml"
    own = {"NAME": None, "SCHEDULE_UNIT": "epochs", "IMAGES_PER_GPU": 4, "VALIDATION_STEPS": 1}
    schedule = {"SCHEDULE": [["all", 1, 0.001], ["all", 1, 0.0001]]}
    path.write_text(yaml.safe_dump({**tiny_settings, **own, **schedule}))
    return path


def test_a_frozen_random_backbone_is_refused(command, shapes, tiny_yaml, tmp_path, capsys):
    code = command("train")(shapes, "--config", tiny_yaml, "--logs", tmp_path / "run")
    error = capsys.readouterr().err
    assert code == 2 and error.count("\n") == 1
    assert "'heads'" in error and "--weights none" in error
    assert not (tmp_path / "run").exists()


def test_a_full_disk_is_found_before_the_training(
    command, shapes, small_yaml, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda path: Usage(0, 0, 1_000_000))
    code = command("train")(shapes, "--config", small_yaml, "--logs", tmp_path / "run")
    assert code == 2 and "1 MB free" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("eager")
def test_a_run_in_epochs_from_its_start_to_its_report(
    command, shapes, small_yaml, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    photos = shutil.copytree(shapes, tmp_path / "Leaf photos")
    assert command("train")(photos, "--config", small_yaml, "--edge", "sobel") == 0
    out = capsys.readouterr().out
    (run,) = (tmp_path / "runs").iterdir()
    assert run.name.startswith("leaf_photos_20")
    assert sorted(path.name for path in run.iterdir()) == [
        "config.yaml",
        "curves.png",
        "events",
        "final.h5",
        "log.csv",
        "mask_rcnn_leaf_photos_0000003.h5",
        "mask_rcnn_leaf_photos_0000006.h5",
        "metrics.json",
        "run.lock",
        "speed.csv",
        "validation.png",
    ]
    config = load_config(run / "config.yaml")
    # 12 images in batches of 4.
    assert config.SCHEDULE == [("all", 3, 0.001), ("all", 3, 0.0001)]
    assert config.STEPS_PER_EPOCH == 3
    assert json.loads((run / "metrics.json").read_text())["run"]["images"] == 4
    state = read_state(run / "mask_rcnn_leaf_photos_0000006.h5")
    assert state["backbone_random"] is True and state["step"] == 6
    for line in (
        "disk: at most ",
        "step 3/6 train: loss ",
        "step 6/6 validation: ",
        "AP is near 0",
    ):
        assert line in out
    assert "backbone: it started" not in out  # "small" learns from nothing

    # All is done; what is missing is made again, from the last checkpoint.
    (run / "final.h5").rename(run / "before.h5")
    assert command("train")("--resume", "--logs", run, "--no-report") == 0
    assert (run / "final.h5").read_bytes() == (run / "before.h5").read_bytes()
