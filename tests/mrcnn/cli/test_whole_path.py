"""Train, evaluate, detect and draw on the built-in sample."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from mrcnn.config_io import load_config

pytestmark = pytest.mark.usefixtures("eager")


def test_a_run_leaves_what_is_needed_to_use_and_to_resume_it(run):
    assert sorted(path.name for path in run.iterdir()) == [
        "config.yaml",
        "events",
        "final.h5",
        "log.csv",
        "mask_rcnn_tiny_0000004.h5",
        "mask_rcnn_tiny_0000010.h5",
        "mask_rcnn_tiny_0000012.h5",
        "mask_rcnn_tiny_0000016.h5",
        "run.lock",
        "speed.csv",
    ]
    config = load_config(run / "config.yaml")
    assert config.CLASS_NAMES == ["BG", "disc", "square", "triangle", "ring", "star"]
    assert config.NUM_CLASSES == 6
    assert (config.EDGE_LOSS_FILTERS, config.EDGE_LOSS_NORM) == (["sobel"], 2.0)
    assert config.SCHEDULE == [("heads", 4, 0.001), ("4+", 8, 0.001), ("all", 4, 0.0001)]


def test_the_log_has_six_losses_of_training_and_validation(run):
    with open(run / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    stages = {row["stage"] for row in rows}
    assert stages == {"1-heads", "2-4+", "3-all"}
    assert {row["split"] for row in rows} == {"train", "val"}
    for row in rows:
        losses = [float(value) for name, value in row.items() if name.endswith("_loss")]
        assert len(losses) == 6
        assert np.isfinite(losses).all()
        # The total also holds the L2 term, which is small here.
        assert float(row["loss"]) == pytest.approx(sum(losses), abs=0.05)


def test_evaluate_writes_results_and_metrics(run, command, shapes, tmp_path, capsys):
    assert command("evaluate")("--weights", run, "--dataset", shapes, "--out", tmp_path) == 0
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert {"bbox", "segm", "boundary", "run"} <= metrics.keys()
    assert {"AP", "AP50", "AP75", "APs", "APm", "APl"} <= metrics["segm"].keys()
    results = json.loads((tmp_path / "results.json").read_text())
    assert all(
        {"image_id", "category_id", "bbox", "segmentation", "score"} == set(r) for r in results
    )
    assert "boundary" in capsys.readouterr().out


def test_detect_draws_every_image(run, command, shapes, tmp_path):
    images = sorted((shapes / "val2017").glob("*.jpg"))
    code = command("detect")(*images, "--weights", run, "--out", tmp_path, "--min-score", "0")
    assert code == 0
    content = json.loads((tmp_path / "detections.json").read_text())
    assert len(content["images"]) == len(images) == len(list(tmp_path.glob("*.png")))


def test_the_sheet_and_the_curves_are_pictures(run, command, shapes, tmp_path):
    assert command("demo-sheet")("--weights", run, "--dataset", shapes, "--out", tmp_path) == 0
    for name in ("sheet.png", "losses.png"):
        with Image.open(tmp_path / name) as picture:
            assert min(picture.size) > 200


def test_resume_needs_no_other_argument(run, command, shapes, tiny_yaml, tmp_path, capsys):
    assert command("train")("--resume", "--logs", run, "--quiet") == 0
    assert "done: 16 steps" in capsys.readouterr().out


def test_resume_refuses_another_loss(run, command, capsys):
    assert command("train")("--resume", "--logs", run, "--p", "3", "--quiet") == 2
    assert "EDGE_LOSS_NORM was 2.0, got 3.0" in capsys.readouterr().err


def test_resume_refuses_another_schedule(run, command, capsys):
    assert command("train")("--resume", "--logs", run, "--schedule", "320k") == 2
    assert "leave out --schedule" in capsys.readouterr().err


def test_a_weight_file_may_come_without_its_configuration(
    run, command, shapes, tiny_yaml, tmp_path, capsys
):
    """Its classifier tells how many classes there are."""
    weights = tmp_path / "alone.h5"
    weights.write_bytes((run / "final.h5").read_bytes())
    arguments = ("--weights", weights, "--dataset", shapes, "--limit", "1", "--out", tmp_path)
    assert command("evaluate")(*arguments) == 2
    assert "--config" in capsys.readouterr().err
    config = tmp_path / "one.yaml"
    config.write_text(tiny_yaml.read_text().replace("NUM_CLASSES: 4", "NUM_CLASSES: 1"))
    assert command("evaluate")(*arguments, "--config", config) == 0


def test_a_run_is_not_overwritten(run, command, shapes, tiny_yaml, capsys):
    code = command("train")("--dataset", shapes, "--config", tiny_yaml, "--logs", run, "--quiet")
    assert code == 2
    assert "already holds a run" in capsys.readouterr().err


def test_trained_weights_start_another_run(run, command, shapes, tiny_yaml, tmp_path, capsys):
    weights = max(run.glob("*.h5"))
    code = command("train")(
        "--dataset", shapes, "--config", tiny_yaml, "--weights", weights, "--logs", tmp_path / "b",
        "--set", "SCHEDULE=[[heads,1,0.001]]", "VALIDATION_STEPS=0", "--quiet",
    )  # fmt: skip
    out, error = capsys.readouterr()
    assert code == 0, error
    assert "loaded" in out
    assert "edge loss: none" in out
