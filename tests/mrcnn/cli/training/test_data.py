"""What a run is trained on: written into its folder where need be, and the same when it goes on."""

import json
from pathlib import Path

import pytest

from mrcnn.cli.train import TrainOptions
from mrcnn.cli.training.config import resumed_config
from mrcnn.cli.training.data import open_splits, resumed_data, training_data, written_for
from mrcnn.errors import InputError

QUIET = TrainOptions(quiet=True)


def test_labelme_photographs_become_two_splits(lay_out, tmp_path, capsys):
    photos = lay_out("labelme", tmp_path / "photos")
    folder = training_data(photos, tmp_path / "run", QUIET, seed=3)
    assert folder == tmp_path / "run" / "dataset"
    printed = capsys.readouterr().out
    assert f"{photos}: labelme's JSON files beside the images" in printed
    assert "15% of the images are for validation, drawn by --seed 3" in printed
    assert ["all", "objects", "20", "4"] in [line.split() for line in printed.splitlines()]
    splits, record = open_splits(QUIET, folder, None, False)
    assert [(s.name, s.dataset.num_images) for s in splits] == [("train", 10), ("val", 2)]
    assert record == {} and capsys.readouterr().out == ""


def test_no_validation_where_none_is_wanted(lay_out, tmp_path, capsys):
    photos = lay_out("labelme", tmp_path / "photos")
    options = TrainOptions(quiet=True, val_fraction=0)
    folder = training_data(photos, tmp_path / "run", options, seed=0)
    assert "for validation" not in capsys.readouterr().out
    splits, _ = open_splits(options, folder, None, False)
    assert [s.dataset.num_images for s in splits] == [12]
    assert "no validation losses" in capsys.readouterr().out


def test_divided_coco_data_are_taken_as_they_are(lay_out, tmp_path, capsys):
    root = lay_out("coco, Roboflow", tmp_path / "cells")
    assert training_data(root, tmp_path / "run", QUIET, seed=0) == root
    assert capsys.readouterr().out == "" and not (tmp_path / "run").exists()


def test_refused_data_are_named_as_given_and_nothing_stays_behind(lay_out, tmp_path):
    photos, run = lay_out("labelme", tmp_path / "photos"), tmp_path / "run"
    (wrong,) = sorted(photos.glob("*.json"))[:1]
    content = json.loads(wrong.read_text())
    wrong.write_text(json.dumps({**content, "imageHeight": content["imageHeight"] + 1}))
    folder = training_data(photos, run, QUIET, seed=0)
    with pytest.raises(InputError) as caught, written_for(photos, folder, run):
        open_splits(QUIET, folder, None, False)
    assert str(caught.value).startswith(f"{photos} has an error: 1 x size-differs")
    assert f"`mrcnn check {photos}`" in str(caught.value) and str(run) not in str(caught.value)
    assert not run.exists()
    # What was there before stays, and so do data that were taken as they are.
    run.mkdir()
    (run / "notes.txt").touch()
    with pytest.raises(InputError), written_for(photos, training_data(photos, run, QUIET, 0), run):
        raise InputError("x")
    assert [path.name for path in run.iterdir()] == ["notes.txt"]
    with pytest.raises(InputError, match="^x$"), written_for(photos, photos, run):
        raise InputError("x")
    assert photos.is_dir()


def test_a_run_goes_on_with_what_was_written(tmp_path):
    checkpoint = tmp_path / "run" / "mask_rcnn_photos_0000005.h5"
    photos, old = tmp_path / "photos", tmp_path / "old" / "dataset"
    state = {"dataset": str(old), "source": str(photos)}
    written = tmp_path / "run" / "dataset"
    written.mkdir(parents=True)
    # Also where the run folder was moved since.
    assert resumed_data(None, checkpoint, state) == written
    assert resumed_data(photos, checkpoint, state) == written
    assert resumed_data(tmp_path / "other", checkpoint, state) == tmp_path / "other"
    written.rmdir()
    assert resumed_data(None, checkpoint, state) == old
    with pytest.raises(InputError, match="does not say what it was trained on: add --dataset"):
        resumed_data(None, checkpoint, {})
    (tmp_path / "run" / "config.yaml").touch()
    with pytest.raises(InputError, match=r"is a run folder.*--resume --logs"):
        resumed_data(tmp_path / "run", checkpoint, state)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (TrainOptions(val_fraction=0.1), "--val-fraction"),
        (TrainOptions(format="via"), "--format"),
    ],
)
def test_a_run_that_goes_on_is_not_divided_anew(options, named):
    with pytest.raises(InputError, match=f"leave out {named}$"):
        resumed_config(options, Path("none.h5"))
