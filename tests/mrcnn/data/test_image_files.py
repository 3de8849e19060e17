"""Names as tools on other systems and machines write them, in every format that names images."""

import json
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mrcnn.data.datasets.coco import CocoDataset
from mrcnn.data.datasets.labelme import LabelmeDataset
from mrcnn.data.datasets.mask_files import InstancePngDataset, ObjectPngDataset
from mrcnn.data.datasets.via import ViaDataset
from mrcnn.data.datasets.voc import VocDataset
from mrcnn.data.datasets.yolo import YoloDataset
from mrcnn.data.image_files import find_images
from mrcnn.errors import InputError

COMPOSED = unicodedata.normalize("NFC", "f\u00f6hn")
APART = unicodedata.normalize("NFD", COMPOSED)
ODD = [
    "in/a.png",
    "./in/a.png",
    "in\\a.png",
    ".\\in\\a.png",
    "train/in/a.png",
    "train\\in\\a.png",
    "/home/someone/data/train/in/a.png",
    "C:\\data\\in\\a.png",
    "file:///mnt/in/a.png",
]


def shoot(path, value=9):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((10, 12), value, np.uint8)).save(path)
    return path


@pytest.mark.parametrize("name", ODD)
def test_one_file_by_many_names(tmp_path, name):
    shoot(tmp_path / "in" / "a.png")
    shoot(tmp_path / "a.png")
    (found,) = find_images(tmp_path, [name])
    assert Path(found).samefile(tmp_path / "in" / "a.png")


@pytest.mark.parametrize(("written", "there"), [(COMPOSED, APART), (APART, COMPOSED)])
def test_accents_of_folders_and_files(tmp_path, written, there):
    shoot(tmp_path / there / f"{there}.png")
    for name in (f"{written}/{written}.png", f"D:\\x\\{written}\\{written}.png"):
        assert find_images(tmp_path, [name]) == [str(tmp_path / there / f"{there}.png")]


def test_both_forms_of_a_name_are_two_files(tmp_path):
    for name in (COMPOSED, APART):
        shoot(tmp_path / f"{name}.png")
    names = [f"{APART}.png", f"{COMPOSED}.png"]
    assert find_images(tmp_path, names) == [str(tmp_path / name) for name in names]


def test_a_file_that_two_names_could_mean_is_neither(tmp_path):
    shoot(tmp_path / "1.png")
    names = ["left/1.png", "right/1.png"]
    assert find_images(tmp_path, names) == [str(tmp_path / name) for name in names]
    # The one that names it wholly has it; the same name twice is one name.
    assert find_images(tmp_path, ["left/1.png", "1.png"])[1] == str(tmp_path / "1.png")
    assert find_images(tmp_path, ["left/1.png", "1.png"])[0] == str(tmp_path / "left/1.png")
    assert find_images(tmp_path, ["left/1.png"] * 2) == [str(tmp_path / "1.png")] * 2


def test_an_absolute_path_that_is_there(tmp_path):
    own = shoot(tmp_path / "apart" / "a.png")
    shoot(tmp_path / "a.png")
    assert find_images(tmp_path, [str(own)]) == [str(own)]


@pytest.mark.parametrize("name", ["", "b.png", "in", "..", "a.png/b", "x\0y", "/"])
def test_what_is_not_there_keeps_its_name(tmp_path, name):
    shoot(tmp_path / "in" / "a.png")
    assert find_images(tmp_path, [name, "in/a.png"])[0] == str(tmp_path / name) + "/" * (name == "")


SQUARE = [[2, 2], [8, 2], [8, 7], [2, 7]]


def coco(root, name):
    content = {
        "images": [{"id": 1, "file_name": name, "height": 10, "width": 12}],
        "annotations": [],
        "categories": [{"id": 1, "name": "a"}],
    }
    (root / "annotations").mkdir()
    (root / "annotations" / "instances_train.json").write_text(json.dumps(content))
    return CocoDataset.from_folder(root, "train")


def via(root, name):
    content = {"x": {"filename": name, "size": 1, "regions": []}}
    (root / "via.json").write_text(json.dumps(content))
    return ViaDataset.from_file(root / "via.json", image_dir=root / "train", class_name="a")


def labelme(root, name):
    shape = {"label": "a", "points": SQUARE, "shape_type": "polygon"}
    content = {"shapes": [shape], "imagePath": name, "imageHeight": 10, "imageWidth": 12}
    (root / "train" / "some.json").write_text(json.dumps(content))
    return LabelmeDataset.from_folder(root / "train")


def yolo(root, name):
    (root / "train" / "list.txt").write_text(name, encoding="utf-8")
    label = root / "train" / "in" / f"{COMPOSED}.txt"
    label.write_text("0 0.1 0.1 0.6 0.1 0.6 0.6")
    (root / "data.yaml").write_text("train: train/list.txt\nnames: [a]\n")
    dataset = YoloDataset.from_file(root / "data.yaml", "train")
    assert len(dataset.load_instances(0)) == 1
    return dataset


@pytest.mark.parametrize("read", [coco, via, labelme, yolo])
@pytest.mark.parametrize("name", ODD)
def test_every_reader_that_names_images(tmp_path, read, name):
    there = shoot(tmp_path / "train" / "in" / f"{APART}.png")
    dataset = read(tmp_path, name.replace("a.png", f"{COMPOSED}.png"))
    assert Path(dataset.image_info[0]["path"]).samefile(there)
    assert dataset.load_image(0).shape == (10, 12, 3)


@pytest.mark.parametrize("read", [coco, via, labelme])
def test_a_missing_image_is_named_as_it_is_written(tmp_path, read):
    (tmp_path / "train").mkdir()
    with pytest.raises(InputError, match="1 of 1 images of .* missing, the first is .*b.png"):
        read(tmp_path, "b.png")


def test_masks_are_found_by_names_with_accents(tmp_path):
    shoot(tmp_path / "images" / f"{APART}.png")
    shoot(tmp_path / "masks" / f"{COMPOSED}.png")
    shoot(tmp_path / "objects" / COMPOSED / "1.png")
    images = tmp_path / "images"
    each = (
        InstancePngDataset.from_folders(images, tmp_path / "masks"),
        ObjectPngDataset.from_folders(images, tmp_path / "objects"),
    )
    for dataset in each:
        assert len(dataset.load_instances(0)) == 1


def test_a_list_of_voc_has_one_name_a_line(tmp_path):
    names = ["my cell 1", COMPOSED]
    for name, there in zip(names, ["my cell 1", APART], strict=True):
        shoot(tmp_path / "JPEGImages" / f"{there}.png")
        shoot(tmp_path / "SegmentationObject" / f"{name}.png", 1)
        shoot(tmp_path / "SegmentationClass" / f"{there}.png", 1)
    folder = tmp_path / "ImageSets" / "Segmentation"
    folder.mkdir(parents=True)
    (folder / "train.txt").write_text("my cell 1 \r\n\n" + COMPOSED, encoding="utf-8")
    dataset = VocDataset.from_folder(tmp_path, "train", classes=["a"])
    assert [info["id"] for info in dataset.image_info] == names
    assert [len(dataset.load_instances(i)) for i in dataset.image_ids] == [1, 1]
