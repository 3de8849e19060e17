"""One bad image does not lose a run of detect or evaluate."""

import json

import numpy as np
import pytest
from PIL import Image

SIZE = (60, 80)  # of the images of `folder`


def cut_off(file):
    """Write a picture whose header is whole, and that breaks off."""
    noise = np.random.default_rng(0).integers(0, 255, (*SIZE, 3), np.uint8)
    Image.fromarray(noise).save(file)
    file.write_bytes(file.read_bytes()[:-2000])


def test_images_that_break_off_are_left_out_and_named(command, oracle, folder, capsys):
    """Their headers are whole, so they are found only once the work has begun."""
    for number in (0, 2):
        (folder / "val2017" / f"{number}.png").unlink()
        cut_off(folder / "val2017" / f"{number}.jpg")
    out = folder / "out"
    assert command("detect")(folder / "val2017", "--weights", folder / "run", "--out", out) == 1
    captured = capsys.readouterr()
    assert oracle.seen == [1, 3]
    assert "3 objects on 2 images" in captured.out
    left_out = [line for line in captured.err.splitlines() if line.startswith("left out: ")]
    assert len(left_out) == 2 and "0.jpg" in left_out[0] and "2.jpg" in left_out[1]
    assert "2 of 4 images could not be read and were left out" in captured.err
    content = json.loads((out / "detections.json").read_text())
    assert {a["image_id"] for a in content["annotations"]} == {2, 4}
    assert sorted(path.name for path in out.glob("*.png")) == [
        "1_detections.png", "3_detections.png",
    ]  # fmt: skip


@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_evaluate_passes_over_what_breaks_off_later(command, oracle, folder, capsys, workers):
    cut_off(folder / "val2017" / "3.png")
    cut_off(folder / "val2017" / "1.png")
    arguments = ["--weights", folder / "run", "--dataset", folder, "--workers", workers]
    assert command("evaluate")(*arguments, "--out", folder / "out") == 1
    captured = capsys.readouterr()
    assert oracle.seen == [0, 2]
    left_out = [line for line in captured.err.splitlines() if line.startswith("left out: ")]
    assert len(left_out) == 2 and "1.png" in left_out[0] and "3.png" in left_out[1]
    assert "2 of 4 images could not be read and were left out" in captured.err
    assert captured.out.startswith("2 images of ")
    results = json.loads((folder / "out" / "results.json").read_text())
    assert [r["image_id"] for r in results] == [502, 502]
    metrics = json.loads((folder / "out" / "metrics.json").read_text())
    assert metrics["segm"]["AP"] == 1.0
    assert (metrics["run"]["images"], metrics["run"]["left_out"]) == (2, [501, 503])


def test_evaluate_with_no_image_left(command, oracle, folder, capsys):
    for number in range(4):
        cut_off(folder / "val2017" / f"{number}.png")
    arguments = ["--weights", folder / "run", "--dataset", folder, "--out", folder / "out"]
    assert command("evaluate")(*arguments) == 1
    assert "4 of 4 images could not be read" in capsys.readouterr().err
    metrics = json.loads((folder / "out" / "metrics.json").read_text())
    assert metrics["segm"]["AP"] is None and metrics["run"]["images"] == 0


def test_what_was_detected_is_written_whatever_ends_it(command, oracle, folder, monkeypatch):
    detect_one = oracle.detect_one

    def interrupted(image, masks):
        if len(oracle.seen) == 3:
            raise KeyboardInterrupt
        return detect_one(image, masks)

    monkeypatch.setattr(oracle, "detect_one", interrupted)
    arguments = ["--weights", folder / "run", "--dataset", folder, "--out", folder / "out"]
    arguments += ["--batch", "1"]
    assert command("evaluate")(*arguments) == 130
    assert len(json.loads((folder / "out" / "results.json").read_text())) == 4
    oracle.seen.clear()
    arguments = [folder / "val2017", "--weights", folder / "run", "--out", folder / "out"]
    assert command("detect")(*arguments, "--batch", "1") == 130
    content = json.loads((folder / "out" / "detections.json").read_text())
    assert len(content["annotations"]) == 4


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda file: Image.new("RGB", (81, 60)).save(file), "1 x size-differs"),
        (lambda file: file.write_bytes(b"no image"), "1 x file-unreadable"),
    ],
)
def test_evaluate_looks_at_headers_first(command, oracle, folder, capsys, spoil, message):
    spoil(folder / "val2017" / "3.png")
    arguments = ["--weights", folder / "run", "--dataset", folder, "--out", folder / "out"]
    assert command("evaluate")(*arguments) == 2
    error = capsys.readouterr().err
    assert "1 of 4 images of " in error and message in error and "3.png" in error
    assert error.count("\n") == 1 and oracle.seen == []
    # Images that are not asked for are not looked at.
    assert command("evaluate")(*arguments, "--limit", 3) == 0


def test_evaluate_on_nothing(command, oracle, folder, capsys):
    file = folder / "annotations" / "instances_val2017.json"
    content = json.loads(file.read_text())
    for annotation in content["annotations"]:
        annotation["iscrowd"] = 1
    file.write_text(json.dumps(content))
    arguments = ["--weights", folder / "run", "--dataset", folder, "--out", folder / "out"]
    assert command("evaluate")(*arguments) == 2
    error = capsys.readouterr().err
    assert "has no object to be judged by: all 6 objects are crowds" in error
    assert command("evaluate")(*arguments, "--limit", 1) == 2
    assert "no object is annotated on any of the 1 images" in capsys.readouterr().err
    assert oracle.seen == []


def test_detect_counts_what_does_not_open_first(command, oracle, folder, capsys):
    for number in (1, 3):
        (folder / "val2017" / f"{number}.png").write_bytes(b"no image")
    assert command("detect")(folder / "val2017", "--weights", folder / "run") == 2
    error = capsys.readouterr().err
    assert "2 of 4 images cannot be used, the first: " in error and "1.png" in error
    assert oracle.seen == []


@pytest.mark.parametrize("name", ["detect", "evaluate"])
def test_results_of_an_earlier_run_do_not_stay(command, oracle, folder, monkeypatch, name):
    """Where a run ends before it has any, none are there."""
    out = folder / "out"
    out.mkdir()
    old = [out / file for file in ("detections.json", "results.json", "metrics.json")]
    for file in old:
        file.write_text("[]")

    def broken(image, masks):
        assert not any(file.exists() for file in (old[:1] if name == "detect" else old[1:]))
        raise KeyboardInterrupt

    monkeypatch.setattr(oracle, "detect_one", broken)
    data = [folder / "val2017"] if name == "detect" else ["--dataset", folder]
    assert command(name)(*data, "--weights", folder / "run", "--out", out) == 130
    assert not (out / "metrics.json").exists() or name == "detect"
