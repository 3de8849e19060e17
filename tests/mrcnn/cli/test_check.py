"""The command on small datasets; a corrupted copy of real ones is in test_bad_data.py."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from mrcnn.data.datasets.toy_sample import generate_sample


@pytest.fixture
def check(command, tmp_path):
    def run(*args):
        out = tmp_path / "out"
        code = command("check")(*args, "--quiet", "--out", out)
        file = out / "findings.json"
        return code, json.loads(file.read_text()) if file.exists() else None

    return run


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    return generate_sample(tmp_path_factory.mktemp("shapes"), train=6, val=3, size=96)


def test_the_sample_is_without_errors(check, shapes, capsys):
    code, content = check("--dataset", shapes, "--config", "sample")
    assert code == 0 and content["counts"]["error"] == 0 and content["counts"]["warning"] == 0
    assert list(content["subsets"]) == ["train", "val"]
    anchors = content["subsets"]["train"]["anchors"]
    assert anchors["present"]["RPN_ANCHOR_SCALES"] == [16, 32, 64, 96, 128]
    assert 0 < anchors["proposed"]["mean"] <= 1
    assert "train: 6 images, all decoded" in capsys.readouterr().out


def test_the_configuration_decides_what_is_small(check, shapes):
    args = ("--dataset", shapes, "--subset", "val", "--set", "IMAGE_MIN_DIM=64")
    _, content = check(*args, "IMAGE_MAX_DIM=64", "RPN_ANCHOR_SCALES=[200, 250, 300, 350, 400]")
    assert list(content["subsets"]) == ["val"]
    small = [f for f in content["findings"] if f["code"] == "small-object"]
    assert len(small) == content["subsets"]["val"]["statistics"]["objects"] > 0


def test_an_error_gives_another_exit_code(check, shapes, tmp_path, capsys):
    copy = shutil.copytree(shapes, tmp_path / "copy")
    next((copy / "val2017").iterdir()).unlink()
    code, content = check("--dataset", copy)
    assert code == 1 and content["counts"]["error"] == 1
    printed = capsys.readouterr().out
    assert "file-missing" in printed and "errors: 1" in printed


def test_subsets_of_other_classes(check, shapes, tmp_path):
    copy = shutil.copytree(shapes, tmp_path / "copy")
    file = copy / "annotations" / "instances_val2017.json"
    content = json.loads(file.read_text())
    content["categories"][0]["name"] = "\ud800<b>"
    file.write_text(json.dumps(content))
    code, content = check("--dataset", copy)
    (error,) = [f for f in content["findings"] if f["severity"] == "error"]
    assert code == 1 and error["code"] == "categories-differ"
    assert "disc, \\ud800<b>" in error["message"]


@pytest.mark.parametrize("text", [None, "{", "[]", '{"images": []}'])
def test_what_cannot_be_checked(check, tmp_path, capsys, text):
    if text is not None:
        (tmp_path / "annotations").mkdir()
        (tmp_path / "train").mkdir()
        (tmp_path / "annotations" / "instances_train.json").write_text(text)
    assert check("--dataset", tmp_path)[0] == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1


def test_an_empty_dataset(check, tmp_path):
    (tmp_path / "annotations").mkdir()
    (tmp_path / "train").mkdir()
    content = {"images": [], "annotations": [], "categories": []}
    (tmp_path / "annotations" / "instances_train.json").write_text(json.dumps(content))
    code, content = check("--dataset", tmp_path)
    assert code == 1
    assert [finding["code"] for finding in content["findings"]] == ["nothing-to-learn"]


def test_a_dataset_of_via(check, tmp_path):
    """Its reader takes the file; images and objects are checked all the same."""
    regions = [
        {
            "shape_attributes": {"name": "polygon", "all_points_x": x, "all_points_y": y},
            "region_attributes": {"kind": "a"},
        }
        for x, y in (
            ([2, 8, 8], [1, 1, 5]),
            ([2, 8], [1, 5]),
            ([1, 18, 18, 1], [1, 10, 1, 9]),
        )
    ]
    names = ("a.png", "b.png")
    (tmp_path / "via.json").write_text(
        json.dumps({n: {"filename": n, "size": 1, "regions": regions} for n in names})
    )
    for name in names:
        Image.fromarray(np.zeros((12, 20, 3), np.uint8)).save(tmp_path / name)
    (tmp_path / "b.png").write_bytes((tmp_path / "b.png").read_bytes()[:-30])
    code, content = check("--format", "via", "--dataset", tmp_path / "via.json")
    assert code == 1
    found = {(f["code"], f["severity"], f.get("file_name"), f.get("annotation"))
             for f in content["findings"] if f["severity"] != "note"}  # fmt: skip
    assert found >= {
        ("polygon-few-points", "error", "a.png", 1),
        ("polygon-crossing", "warning", "a.png", 2),
        ("polygon-few-points", "error", "b.png", 1),
    }
    assert ("file-truncated", "error", "b.png", None) in found or (
        "file-unreadable", "error", "b.png", None,
    ) in found  # fmt: skip


def test_masks_that_do_not_open(check, tmp_path):
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
        for name in ("a", "b"):
            pixels = np.zeros((12, 20), np.uint8)
            pixels[2:5, 3:9] = 1
            Image.fromarray(pixels).save(tmp_path / folder / f"{name}.png")
    (tmp_path / "masks" / "b.png").write_text("no image")
    code, content = check(
        "--format", "png", "--dataset", tmp_path / "images", "--masks", tmp_path / "masks"
    )
    errors = [(f["code"], f["file_name"]) for f in content["findings"] if f["severity"] == "error"]
    assert code == 1 and errors == [("objects-unreadable", "b.png")]
    assert content["subsets"]["all"]["statistics"]["objects"] == 1


def test_data_of_any_format_are_found_out(check, lay_out, tmp_path, capsys):
    for kind, splits in (
        ("labelme", ["all"]),
        ("yolo", ["train", "val"]),
        ("coco, Roboflow", ["train", "val"]),
    ):
        root = lay_out(kind, tmp_path / kind)
        code, content = check("--dataset", root)
        assert code == 0 and list(content["subsets"]) == splits
    code, content = check("--dataset", root, "--subset", "test")
    assert code == 0 and list(content["subsets"]) == ["test"]
    capsys.readouterr()
    assert check("--dataset", root, "--subset", "tets")[0] == 2
    error = capsys.readouterr().err
    assert "it has train, val, test. Did you mean 'test'?" in error and error.count("\n") == 1
