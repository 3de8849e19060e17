"""What a folder is; and what is said of one that is nothing."""

import json
import os

import pytest

from mrcnn.data.recognition.formats import FORMATS, Options
from mrcnn.data.recognition.recognise import recognise
from mrcnn.errors import InputError

# Of those that are divided; the others are not.
SPLITS = {
    "coco": ["train"],
    "coco, any name": ["train"],
    "coco, Roboflow": ["train", "val", "test"],
    "yolo": ["train", "val"],
    "cityscapes": ["train", "val"],
}


def splits(kind):
    return ["train", "val"] if kind.endswith("divided") else SPLITS.get(kind, [])


def test_every_layout_is_recognised(laid_out):
    root, kind = laid_out
    found = recognise(root)
    assert found.format == kind.partition(",")[0]
    assert found.splits == splits(kind)
    # The same where the format is told.
    assert recognise(root, found.format) == found


def test_every_format_is_tried(laid_out):
    assert laid_out[1].partition(",")[0] in FORMATS


def test_a_folder_in_a_folder_is_found(lay_out, tmp_path):
    lay_out("via", tmp_path / "unpacked" / "photos")
    (tmp_path / "unpacked" / "__MACOSX").mkdir()
    (tmp_path / "unpacked" / ".git").mkdir()
    found = recognise(tmp_path / "unpacked")
    assert found.format == "via"
    assert found.path == tmp_path / "unpacked" / "photos"
    assert found.parts[""].path == found.path / "via_region_data.json"


def test_labelme_in_folders_of_any_name(lay_out, tmp_path):
    for day in ("monday", "tuesday"):
        lay_out("labelme", tmp_path / day)
    assert recognise(tmp_path).parts[""].path == tmp_path


@pytest.mark.parametrize(
    ("kind", "file", "name", "parts"),
    [
        ("via", "via_region_data.json", "via", [""]),
        ("coco, any name", "my cells.json", "coco", [""]),
        ("yolo", "data.yaml", "yolo", ["train", "val"]),
    ],
)
def test_annotation_files_are_recognised(lay_out, tmp_path, kind, file, name, parts):
    found = recognise(lay_out(kind, tmp_path) / file)
    assert found.format == name and list(found.parts) == parts


def error(path, *arguments):
    with pytest.raises(InputError) as caught:
        recognise(path, *arguments)
    message = str(caught.value)
    assert "\n" not in message
    return message


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")


def test_what_is_not_there_is_said(tmp_path):
    touch(tmp_path, "photos/a.jpg")
    message = error(tmp_path / "fotos")
    assert message.startswith("no file or folder") and "Did you mean" in message
    assert str(tmp_path / "photos") in message
    assert "Did you mean" not in error(tmp_path / "none" / "photos")


def test_photographs_alone(tmp_path):
    touch(tmp_path, "a.jpg", "b.JPG", "c.png", "notes")
    message = error(tmp_path)
    assert "2 .jpg, 1 .png, 1 others" in message and "outlines must be drawn first" in message
    assert f"--format takes {', '.join(FORMATS)}" in message


def test_folders_of_photographs(tmp_path):
    touch(tmp_path, *(f"{kind}/{n}.jpg" for kind in ("cats", "dogs") for n in range(3)))
    message = error(tmp_path)
    assert "the folders cats/ (3 .jpg), dogs/ (3 .jpg)" in message
    assert "outlines must be drawn first" in message


def test_other_json_files_are_named(tmp_path):
    touch(tmp_path, "a.jpg")
    (tmp_path / "a.json").write_text('{"version": 1, "boxes": []}')
    (tmp_path / "b.json").write_text("{")
    message = error(tmp_path)
    assert "a.json is an object with the keys version, boxes" in message
    assert "b.json is not JSON" in message


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (["a.jpg", "a.xml"], "XML files have boxes alone"),
        (["JPEGImages/a.jpg", "Annotations/a.xml"], "XML files have boxes alone"),
        (["a.jpg", "a.txt"], "data.yaml"),
        (["images/a.jpg", "labels/a.txt"], "data.yaml"),
        ([], "it has nothing in it"),
        (["a.csv"], "--format takes coco"),
    ],
)
def test_what_is_missing_is_said(tmp_path, files, words):
    touch(tmp_path, *files)
    assert words in error(tmp_path)


def test_a_dataset_further_down_is_named(lay_out, tmp_path):
    lay_out("via", tmp_path / "cells")
    touch(tmp_path, "other/a.csv")
    assert f"{tmp_path / 'cells'} is of the format via: give that folder" in error(tmp_path)


def test_two_formats_in_one_folder(lay_out, tmp_path):
    lay_out("labelme", tmp_path)
    lay_out("coco, any name", tmp_path)
    message = error(tmp_path)
    assert "can be read as coco and as labelme: say which with --format" in message
    assert recognise(tmp_path, "labelme").format == "labelme"
    assert recognise(tmp_path, "coco").splits == ["train"]


def test_two_files_of_via(lay_out, tmp_path):
    lay_out("via", tmp_path)
    os.link(tmp_path / "via_region_data.json", tmp_path / "copy.json")
    message = error(tmp_path)
    assert f"Give one of the files of VIA, such as {tmp_path / 'copy.json'}" in message
    assert "is not of the format via" in error(tmp_path, "via")


def test_files_that_are_no_annotations(lay_out, tmp_path):
    touch(tmp_path, "photos.zip", "a.jpg", "a.csv")
    (tmp_path / "a.yaml").write_text("a: 1")
    assert "is an archive: unpack it" in error(tmp_path / "photos.zip")
    assert "is an image: give the folder" in error(tmp_path / "a.jpg")
    assert "it is not JSON" in error(tmp_path / "a.csv")
    assert "is no data.yaml of YOLO" in error(tmp_path / "a.yaml")
    root = lay_out("labelme", tmp_path / "labelme")
    message = error(root / "photo00.json")
    assert message.endswith(f"labelme's file of one image: give the folder {root}")


def test_a_format_that_does_not_exist(tmp_path):
    assert "no such format: 'labelm'" in error(tmp_path, "labelm")
    assert "Did you mean 'labelme'?" in error(tmp_path, "labelm")


def test_options_of_other_formats_are_refused(lay_out, tmp_path):
    root = lay_out("labelme", tmp_path)
    message = error(root, "auto", Options(attribute="kind"))
    assert message == "--attribute is for via; the data are of the format labelme"
    assert "--class-name is for via, png, objects" in error(
        root, "labelme", Options(class_name="cell")
    )
    assert recognise(root, "labelme", Options(classes=("cat",))).format == "labelme"


def test_a_large_folder_is_listed_once(lay_out, tmp_path, monkeypatch):
    """Of thousands of files some are opened, and none is looked at twice."""
    root = lay_out("labelme", tmp_path)
    for n in range(3000):
        os.link(root / "photo00.json", root / f"more{n}.json")
    opened, listed = [], []
    real = json.load
    monkeypatch.setattr(
        "json.load", lambda file, **how: opened.append(file.name) or real(file, **how)
    )
    scan = os.scandir
    monkeypatch.setattr("os.scandir", lambda path: listed.append(path) or scan(path))
    assert recognise(root).format == "labelme"
    assert 0 < len(opened) <= 12 and listed == [root]
    listed.clear()
    root = lay_out("png", tmp_path / "png")
    listed.clear()
    assert recognise(root).format == "png"
    assert sorted(map(str, listed)) == [str(root), str(root / "images"), str(root / "masks")]
