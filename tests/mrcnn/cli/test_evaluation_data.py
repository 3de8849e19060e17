"""The data that weights are evaluated on, of any format, with the classes of the weights."""

import pytest

from mrcnn.cli.common import FormatOptions
from mrcnn.cli.evaluate import check_classes, evaluation_data, trained_on
from mrcnn.config import Config
from mrcnn.errors import InputError


def opened(source, split, out, *classes):
    config = Config().update(NUM_CLASSES=len(classes) + 1, CLASS_NAMES=["BG", *classes])
    data = evaluation_data(source, split, config, out, "auto", FormatOptions())
    check_classes(config, data)
    return data


def test_coco_data_are_opened_where_they_are(lay_out, tmp_path):
    root = lay_out("coco, Roboflow", tmp_path / "cells")
    data = opened(root, "val", tmp_path / "out", "bird", "cat", "dog")
    assert data.annotation_file == root / "valid" / "_annotations.coco.json"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["labelme, divided", "voc, divided", "yolo"])
def test_other_data_are_written_into_the_folder_of_the_results(lay_out, tmp_path, kind):
    root = lay_out(kind, tmp_path / "photos")
    # The order of the weights, not that of the data.
    data = opened(root, "val", tmp_path / "out", "dog", "cat", "bird")
    assert data.annotation_file == tmp_path / "out/dataset/annotations/instances_val.json"
    assert data.num_images == 3 and data.load_image(0).any()
    # Photograph 9, the first of the last three, shows the labels 0 and 1: bird and cat.
    assert sorted(data.load_instances(0).class_ids.tolist()) == [2, 3]


def test_weights_of_more_classes_than_a_split_shows(lay_out, tmp_path):
    root = lay_out("labelme, divided", tmp_path / "photos")
    assert opened(root, "val", tmp_path / "a", "ant", "bird", "cat", "dog").num_classes == 5
    with pytest.raises(InputError, match="has 4 classes with the background"):
        opened(root, "val", tmp_path / "b", "bird", "cat")


def test_a_split_that_does_not_exist(lay_out, tmp_path):
    names = ("bird", "cat", "dog")
    for number, kind in enumerate(("yolo", "labelme, divided", "via, divided")):
        root = lay_out(kind, tmp_path / str(number))
        with pytest.raises(InputError, match=r"no split 'vall'; it has train, val\. Did you mean"):
            opened(root, "vall", tmp_path / "out", *names)
    root = lay_out("labelme", tmp_path / "whole")
    with pytest.raises(InputError, match="is not divided into splits.*'all' takes every image"):
        opened(root, "val", tmp_path / "out", *names)
    assert opened(root, "all", tmp_path / "out", *names).num_images == 12


def test_weights_know_what_they_were_trained_on(monkeypatch, tmp_path, capsys):
    assert trained_on(tmp_path / "final.h5") is None
    state = {"dataset": str(tmp_path / "photos")}
    monkeypatch.setattr("mrcnn.training.checkpoint.read_state", lambda _: state)
    (tmp_path / "mask_rcnn_photos_0000005.h5").write_bytes(b"")
    assert trained_on(tmp_path / "final.h5") == tmp_path / "photos"
    assert "which the weights were trained on" in capsys.readouterr().out
