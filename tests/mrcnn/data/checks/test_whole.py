"""What all objects and images of a dataset say together."""

import copy
import json
import shutil

import pytest

from mrcnn.data.checks.training import open_checked, open_without_bad
from mrcnn.data.checks.whole import extent_findings, object_mark
from mrcnn.data.datasets.coco import read_annotations
from mrcnn.data.datasets.toy_sample import generate_sample
from mrcnn.errors import InputError


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    return generate_sample(tmp_path_factory.mktemp("sample"), train=40, val=6, size=64)


@pytest.fixture
def folder(sample, tmp_path):
    """The sample, whose objects all have polygons that are their boxes."""
    folder = shutil.copytree(sample, tmp_path / "data")
    for file in (folder / "annotations").iterdir():
        content = json.loads(file.read_text())
        for annotation in content["annotations"]:
            x, y, w, h = annotation["bbox"]
            outline = [x, y, x + w, y, x + w, y + h, x, y + h]
            annotation.update(segmentation=[outline], iscrowd=0)
        file.write_text(json.dumps(content))
    return folder


def change(folder, function, split="train"):
    file = folder / "annotations" / f"instances_{split}2017.json"
    content = json.loads(file.read_text())
    function(content)
    file.write_text(json.dumps(content))


def said(folder):
    return {checked.name: checked.looked_at for checked in open_checked(folder, ["train", "val"])}


def scaled(x, y):
    def by(content):
        sizes = {image["id"]: (image["width"], image["height"]) for image in content["images"]}
        for annotation in content["annotations"]:
            width, height = sizes[annotation["image_id"]] if x is None else (1 / x, 1 / y)
            factors = 1 / width, 1 / height
            annotation["segmentation"] = [
                [value * factors[n % 2] for n, value in enumerate(polygon)]
                for polygon in annotation["segmentation"]
            ]
            annotation["bbox"] = [v * factors[n % 2] for n, v in enumerate(annotation["bbox"])]

    return by


def without_masks(content):
    for annotation in content["annotations"]:
        annotation["segmentation"] = []


def corners(content):
    for annotation in content["annotations"]:
        x, y, width, height = annotation["bbox"]
        annotation["bbox"] = [x, y, x + width, y + height]


def test_nothing_is_said_of_a_good_dataset(folder):
    assert all(";" not in words for words in said(folder).values())
    change(folder, without_masks)
    assert "none of the" in said(folder)["train"]  # no masks; the boxes are right


@pytest.mark.parametrize("also", [lambda _: None, without_masks])
def test_shares_of_the_image_are_refused(folder, also):
    change(folder, scaled(None, None))
    change(folder, also)
    with pytest.raises(InputError, match="are at most 1: they are shares of the image") as caught:
        open_checked(folder, ["train", "val"])
    assert "must be mended" in str(caught.value) and "--skip-bad" not in str(caught.value)
    with pytest.raises(InputError, match="are at most 1"):
        open_without_bad(folder, ["train", "val"], lambda faults, total: faults)


def test_outlines_of_smaller_images_are_said(folder):
    change(folder, scaled(0.5, 0.5))
    assert "were they annotated on smaller images?" in said(folder)["train"]
    change(folder, scaled(1, 2))  # the height is right again
    assert "smaller" not in said(folder)["train"]


def test_corners_for_boxes(folder):
    change(folder, corners)
    words = said(folder)["train"]
    assert "all fit when they are read as [x1, y1, x2, y2]" in words
    change(folder, without_masks)
    with pytest.raises(InputError, match="box-corners .*'bbox' is "):
        open_checked(folder, ["train", "val"])


def test_few_objects_say_nothing():
    image = {"id": 1, "file_name": "a.png", "width": 40, "height": 40}
    category = {"id": 1, "name": "a"}
    objects = [
        {"id": n, "image_id": 1, "category_id": 1, "bbox": [0, 0, 0.5, 0.5]} for n in range(4)
    ]
    content = {"images": [image], "annotations": objects, "categories": [category]}
    assert list(extent_findings(content, "train")) == []
    objects.append({**objects[0], "id": 9})
    assert [f.code for f in extent_findings(content, "train")] == ["coordinates-shares"]


def test_objects_and_images_that_are_there_twice(folder):
    def twice(content):
        content["annotations"] += [
            {**copy.deepcopy(a), "id": 10_000 + n} for n, a in enumerate(content["annotations"][:5])
        ]

    def one_file(content):
        first = content["images"][0]
        alike = [i for i in content["images"] if i["width"] == first["width"]]
        alike = [i for i in alike if i["height"] == first["height"]][:4]
        for image in alike:
            image["file_name"] = first["file_name"]

    change(folder, twice)
    change(folder, one_file)
    words = said(folder)["train"]
    assert "; 5 of " in words and "objects are annotated twice" in words
    assert "; 3 of 40 images are the file of another one" in words


def test_objects_are_told_apart():
    def mark(mask, box=None, image=1):
        return object_mark({"image_id": image, "category_id": 1, "segmentation": mask, "bbox": box})

    box, outline = [0, 0, 9, 9], [0, 0, 9, 0, 9, 9]
    masks = [[outline], [outline[::-1]], [outline, outline], [], None, "ab", [[outline]], [5]]
    masks += [{"counts": counts, "size": [9, 9]} for counts in ("a", "b", [3])]
    marks = [mark(value, box) for value in masks]
    assert len(set(marks)) == len(masks) and marks == [mark(value, box) for value in masks]
    assert mark([outline], box, image=2) not in marks and mark([outline]) not in marks
    assert mark([]) is None


@pytest.mark.parametrize("place", ["copied", "named"])
def test_images_of_both_splits(folder, place):
    """Copies in the folder of the other split, or the same files."""
    train = json.loads((folder / "annotations" / "instances_train2017.json").read_text())
    prefix = "" if place == "copied" else "../train2017/"
    for image in train["images"]:
        if place == "copied":
            name = image["file_name"]
            shutil.copy(folder / "train2017" / name, folder / "val2017" / name)
        image["file_name"] = prefix + image["file_name"]
    (folder / "annotations" / "instances_val2017.json").write_text(json.dumps(train))
    assert "; at least 40 of 40 images are in train too" in said(folder)["val"]


def test_the_share_that_is_left_out_is_said(folder):
    def outside(content):
        for annotation in content["annotations"][:3]:
            annotation.update(segmentation=[[1, 1, 2, 1, 3, 1]], bbox=None)

    change(folder, outside)
    words = said(folder)["train"]
    assert "; 3 of " in words and "%) are left out (3 x object without a usable mask)" in words


@pytest.mark.parametrize("key", ["annotations", "image_id"])
def test_keys_that_occur_twice_are_refused(folder, key):
    file = folder / "annotations" / "instances_train2017.json"
    file.write_text(file.read_text().replace(f'"{key}"', f'"{key}": [], "{key}"', 1))
    with pytest.raises(InputError, match=f"an object in it has the key '{key}' twice"):
        read_annotations(file)


def test_claimed_sizes_are_refused_before_anything_is_made(folder):
    def claim(content):
        side, image = 1_000_000, content["images"][0]
        image.update(width=side, height=side)
        for annotation in content["annotations"]:
            if annotation["image_id"] == image["id"]:
                counts = [5, 10, side * side - 15]
                annotation["segmentation"] = {"size": [side, side], "counts": counts}

    change(folder, claim)
    with pytest.raises(InputError, match="more pixels than IMAGE_MAX_PIXELS"):
        open_checked(folder, ["train", "val"])
    with pytest.raises(InputError, match="more pixels than IMAGE_MAX_PIXELS"):
        read_annotations(folder / "annotations" / "instances_train2017.json")


def test_many_categories_take_no_time(folder):
    def add(content):
        content["categories"] += [{"id": 100 + n, "name": f"c{n}"} for n in range(30_000)]

    change(folder, add)
    change(folder, add, "val")
    assert len(open_checked(folder, ["train", "val"])[0].dataset.class_info) > 30_000
