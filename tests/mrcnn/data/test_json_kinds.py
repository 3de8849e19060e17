import json

import pytest

from mrcnn.data.json_kinds import first_value, json_kind

IMAGE = {"id": 1, "file_name": "a.jpg", "height": 10, "width": 10}
OBJECT = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[0, 0, 5, 0, 5, 5]]}
CATEGORY = {"id": 1, "name": "cell"}
REGION = {"shape_attributes": {"name": "rect"}, "region_attributes": {}}
VIA = {"a.jpg1": {"filename": "a.jpg", "size": 1, "regions": [REGION]}}

KNOWN = {
    "coco": {"images": [IMAGE], "annotations": [OBJECT], "categories": [CATEGORY]},
    "via": VIA,
    "via project": {"_via_settings": {}, "_via_img_metadata": VIA, "_via_attributes": {}},
    "labelme": {"version": "5", "shapes": [], "imagePath": "a.jpg", "imageData": "x"},
    "cityscapes": {"imgHeight": 1, "imgWidth": 1, "objects": []},
}


@pytest.mark.parametrize("name", KNOWN)
def test_files_are_known_by_their_keys(tmp_path, name):
    file = tmp_path / "a.json"
    file.write_text("\ufeff" + json.dumps(KNOWN[name]), encoding="utf-8")
    assert json_kind(file).format == name.split()[0]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "not JSON"),
        ("", "not JSON"),
        ("[1]", "a list"),
        ("3", "a whole number"),
        ("{}", "an empty object"),
        ('{"a": 1, "b": 2}', "the keys a, b"),
        (json.dumps([{"id": 1, "annotations": [], "data": {}}]), "Label Studio"),
        (json.dumps({"project": 1, "config": 1, "view": 1, "metadata": 1}), "VIA 3"),
        (json.dumps({"images": [], "annotations": [{"caption": "a"}]}), "without categories"),
        (
            json.dumps({"images": [], "annotations": [{"segments_info": []}], "categories": []}),
            "panoptic",
        ),
    ],
)
def test_other_files_are_named(tmp_path, content, words):
    file = tmp_path / "a.json"
    file.write_text(content)
    assert json_kind(file).format == "" and words in json_kind(file).words


@pytest.mark.parametrize("name", ["coco", "via", "labelme"])
def test_large_files_are_known_by_their_ends(tmp_path, name, monkeypatch):
    monkeypatch.setattr("mrcnn.data.json_kinds.read_json", None)  # reading all would take long
    many = {
        "coco": {
            "info": {},
            "images": [IMAGE] * 20_000,
            "annotations": [OBJECT] * 20_000,
            "categories": [CATEGORY],
        },
        "via": {f"{n}.jpg": VIA["a.jpg1"] for n in range(20_000)},
        "labelme": {**KNOWN["labelme"], "imageData": "x" * 3_000_000, "imageHeight": 10},
    }
    file = tmp_path / "a.json"
    file.write_text(json.dumps(many[name]))
    assert file.stat().st_size > 2**20
    assert json_kind(file).format == name


def test_a_large_panoptic_file_is_no_file_of_instances(tmp_path):
    file = tmp_path / "a.json"
    objects = [{"image_id": 1, "file_name": "a.png", "segments_info": []}] * 20_000
    file.write_text(json.dumps({"images": [IMAGE], "annotations": objects, "categories": []}))
    assert file.stat().st_size > 2**20
    assert json_kind(file).format == "" and "panoptic" in json_kind(file).words


def test_a_file_that_does_not_open(tmp_path):
    assert json_kind(tmp_path / "none.json") == ("", "not JSON")
    assert first_value(tmp_path / "none.json", "file_name") is None


def test_the_first_value_of_a_key(tmp_path):
    file = tmp_path / "a.json"
    file.write_text(json.dumps({"images": [{"id": 1, "file_name": 'a "ä\\b.jpg'}, IMAGE]}))
    assert first_value(file, "file_name") == 'a "ä\\b.jpg'
    assert first_value(file, "filename") is None
