import datetime

import pytest

from mrcnn.training import naming
from mrcnn.training.checkpoint import checkpoint_name, checkpoint_path
from mrcnn.training.naming import dataset_name, new_run_folder, safe_name


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("photos", "photos"),
        ("My photos (2026)", "my_photos_2026"),
        ("a/b\\c:d*?", "a_b_c_d"),
        ("Яблоки", "яблоки"),
        ("cells-v2.1", "cells-v2_1"),
        ("../..", "model"),
        ("", "model"),
        ("x" * 300, "x" * 50),
    ],
)
def test_names_are_safe_in_files(name, safe):
    assert safe_name(name) == safe


def test_a_run_is_named_after_the_folder_of_its_data(tmp_path, monkeypatch):
    folder = tmp_path / "Leaf photos"
    folder.mkdir()
    (folder / "data.yaml").touch()
    assert dataset_name(folder) == dataset_name(folder / "data.yaml") == "leaf_photos"
    monkeypatch.chdir(folder)
    assert dataset_name(".") == "leaf_photos"
    assert dataset_name("/") == "model"


def test_a_checkpoint_of_any_name_lies_in_its_folder(tmp_path):
    path = checkpoint_path(tmp_path, "../My photos", 123)
    assert path == tmp_path / "mask_rcnn_my_photos_0000123.h5"
    assert checkpoint_name(path) == safe_name("../My photos")


class Noon(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2026, 11, 25, 12, 30, 59)


def test_two_runs_of_a_minute_have_two_folders(tmp_path, monkeypatch):
    monkeypatch.setattr(naming.datetime, "datetime", Noon)
    first = new_run_folder(tmp_path, "Photos")
    assert first == tmp_path / "photos_20261125T1230"
    assert not first.exists()
    first.mkdir()
    assert new_run_folder(tmp_path, "Photos").name == "photos_20261125T1230-2"
    assert new_run_folder(tmp_path, None).name == "model_20261125T1230"
