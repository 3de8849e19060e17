import copy
import json
import pickle

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from mrcnn.data.datasets.coco import CocoDataset, read_annotations
from mrcnn.data.datasets.coco_files import find_files
from mrcnn.errors import InputError

TRIANGLE = [1.0, 1.0, 9.0, 1.0, 5.0, 7.0]
CONTENT = {
    "images": [
        {"id": 40, "file_name": "b.png", "height": 10, "width": 12},
        {"id": 7, "file_name": "a.png", "height": 10, "width": 12},
        {"id": 9, "file_name": "c.png", "height": 10, "width": 12},
    ],
    "annotations": [
        {"id": 1, "image_id": 7, "category_id": 90, "segmentation": [TRIANGLE]},
        {"id": 2, "image_id": 40, "category_id": 3, "iscrowd": 0, "segmentation": [TRIANGLE]},
        {
            "id": 3,
            "image_id": 7,
            "category_id": 3,
            "iscrowd": 1,
            "segmentation": {"size": [10, 12], "counts": [15, 2, 103]},
        },
    ],
    "categories": [{"id": 90, "name": "late"}, {"id": 3, "name": "early"}],
}


def write(root, content=CONTENT, name="train2017"):
    (root / "annotations").mkdir(exist_ok=True)
    (root / name).mkdir(exist_ok=True)
    text = content if isinstance(content, str) else json.dumps(content)
    (root / "annotations" / f"instances_{name}.json").write_text(text)
    for letter in "abc":
        pixels = np.full((10, 12, 3), ord(letter), np.uint8)
        Image.fromarray(pixels).save(root / name / f"{letter}.png")
    return root


def test_classes_images_and_objects(tmp_path):
    dataset = CocoDataset.from_folder(write(tmp_path), "train")
    assert dataset.class_names == ["BG", "early", "late"]
    assert dataset.map_source_class_id("coco.90") == 2
    assert dataset.get_source_class_id(1, "coco") == 3
    assert [info["id"] for info in dataset.image_info] == [40, 7, 9]
    assert dataset.annotation_file == tmp_path / "annotations" / "instances_train2017.json"
    assert not dataset.skipped

    crowded = dataset.load_instances(1)
    assert crowded.class_ids.tolist() == [2, -1]
    np.testing.assert_array_equal(crowded.boxes, [[1, 1, 7, 9], [5, 1, 7, 2]])
    masks, class_ids = dataset.load_mask(1)
    assert class_ids.tolist() == [2, -1]
    assert np.argwhere(masks[:, :, 1]).tolist() == [[5, 1], [6, 1]]
    assert len(dataset.load_instances(2)) == 0  # an image without objects stays
    np.testing.assert_array_equal(dataset.load_image(1), ord("a"))
    assert dataset.image_reference(1).endswith("a.png")


def test_choice_of_classes_and_images(tmp_path):
    write(tmp_path)
    late = CocoDataset.from_folder(tmp_path, "train", class_ids=[90])
    assert late.class_names == ["BG", "late"]
    assert [info["id"] for info in late.image_info] == [7]
    assert late.load_instances(0).class_ids.tolist() == [1]
    first = CocoDataset.from_folder(tmp_path, "train", limit=2)
    assert [info["id"] for info in first.image_info] == [40, 7]
    with pytest.raises(InputError, match="no category with the id 4"):
        CocoDataset.from_folder(tmp_path, "train", class_ids=[3, 4])


def test_two_subsets_and_single_images_in_one_dataset(tmp_path):
    write(tmp_path)
    write(tmp_path, name="extra")  # the layout without the year
    dataset = CocoDataset()
    dataset.add_image("own", 1, None, height=5, width=6)
    dataset.load_coco(tmp_path, "train", limit=2)
    dataset.add_image("own", 2, None, height=5, width=6)
    dataset.load_coco(tmp_path, "extra")
    dataset.prepare()
    assert dataset.num_classes == 3
    found = [dataset.load_instances(i).class_ids.tolist() for i in dataset.image_ids]
    assert found == [[], [1], [2, -1], [], [1], [2, -1], []]
    assert dataset.image_info[5]["path"] == str(tmp_path / "extra" / "a.png")


def test_unusable_objects_are_counted(tmp_path):
    content = copy.deepcopy(CONTENT)
    content["annotations"][0]["segmentation"] = [[1, 1, float("nan"), 5, 3, 3]]
    dataset = CocoDataset.from_folder(write(tmp_path, content), "train")
    assert dataset.load_instances(1).class_ids.tolist() == [-1]
    assert dataset.skipped["polygon with a coordinate that is not finite"] == 1


def test_a_pickled_dataset_is_the_same(tmp_path):
    dataset = CocoDataset.from_folder(write(tmp_path), "train")
    twin = pickle.loads(pickle.dumps(dataset))  # noqa: S301 - our own bytes
    for image_id in dataset.image_ids:
        ours, theirs = dataset.load_instances(image_id), twin.load_instances(image_id)
        np.testing.assert_array_equal(ours.boxes, theirs.boxes)
        np.testing.assert_array_equal(ours.masks(), theirs.masks())


def test_missing_files_are_named(tmp_path):
    with pytest.raises(InputError, match=r"no dataset folder .*nowhere.*instances_train\.json"):
        find_files(tmp_path / "nowhere", "val")
    with pytest.raises(InputError, match=r"no annotation file of COCO.*instances_train\.json"):
        find_files(tmp_path, "val")
    write(tmp_path)
    with pytest.raises(InputError, match=r"has no split 'val'; it has train\.$"):
        find_files(tmp_path, "val")
    (tmp_path / "train2017" / "c.png").unlink()
    with pytest.raises(InputError, match=r"1 of 3 images .*c\.png"):
        CocoDataset.from_folder(tmp_path, "train")
    (tmp_path / "train2017").rename(tmp_path / "other")
    with pytest.raises(InputError, match="image folder .*train2017 is missing"):
        find_files(tmp_path, "train")


def changed(path, value):
    """Return CONTENT with one entry replaced; `...` removes it."""
    content = copy.deepcopy(CONTENT)
    place = content
    for step in path[:-1]:
        place = place[step]
    if value is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return content


WRONG = [
    ("{", "not JSON"),
    ("[1]", "must hold an object, found a list"),
    (changed(["images"], ...), "'images' must be a list, found nothing"),
    (changed(["annotations"], {}), "'annotations' must be a list, found an object"),
    (changed(["images", 0], 3), r"images\[0\] must be an object, found a whole number"),
    (changed(["images", 1, "file_name"], ...), r"images\[1\] needs 'file_name' \(text\), found"),
    (changed(["images", 1, "height"], "10"), r"images\[1\] needs 'height' \(a whole number\)"),
    (changed(["images", 1, "width"], True), r"images\[1\] needs 'width'"),
    (changed(["images", 1, "width"], 0), r"images\[1\] has the size 0x10"),
    (changed(["images", 1, "id"], 40), r"images\[1\] has the id 40 of an earlier one"),
    (changed(["categories", 1, "id"], 90), r"categories\[1\] has the id 90"),
    (
        changed(["categories", 0, "name"], None),
        r"categories\[0\] needs 'name' \(text\), found null",
    ),
    (changed(["annotations", 1, "category_id"], 4), r"annotations\[1\] has the category_id 4"),
    (changed(["annotations", 1, "image_id"], 4), r"annotations\[1\] has the image_id 4"),
    (changed(["annotations", 1, "iscrowd"], "many"), r"annotations\[1\]: 'iscrowd' must be 0 or 1"),
    (changed(["images", 1, "height"], 10**400), r"images\[1\] has the size 12x1000"),
    (changed(["annotations", 0, "segmentation"], True), r"annotations\[0\]: 'segmentation'"),
    (changed(["annotations", 0, "segmentation"], [1, 2]), "must hold lists of coordinates"),
    (changed(["annotations", 0, "segmentation"], [["a"] * 6]), "must be a number, found text"),
    (changed(["annotations", 0, "segmentation"], [[None] * 6]), "must be a number, found null"),
    (changed(["annotations", 2, "segmentation", "size"], [10]), r"must be \[height, width\]"),
    (changed(["annotations", 2, "segmentation", "counts"], [1, 2]), "add up to 10 x 12"),
    (changed(["annotations", 2, "segmentation", "counts"], 5), "must be a list or a string"),
]


@pytest.mark.parametrize(("content", "message"), WRONG)
def test_other_formats_are_refused_in_one_line(tmp_path, content, message):
    write(tmp_path, content)
    file = tmp_path / "annotations" / "instances_train2017.json"
    with pytest.raises(InputError, match=message) as caught:
        read_annotations(file)
    assert str(file) in str(caught.value) and "\n" not in str(caught.value)


# pycocotools has not followed NumPy 2 here.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_real_masks_equal_those_of_pycocotools(coco_dir, capsys):
    dataset = CocoDataset.from_folder(coco_dir, "val", limit=40)
    coco = COCO(str(dataset.annotation_file))
    capsys.readouterr()
    crowds = 0
    for image_id in dataset.image_ids:
        info = dataset.image_info[image_id]
        annotations = coco.loadAnns(coco.getAnnIds(imgIds=[info["id"]]))
        masks, class_ids = dataset.load_mask(image_id)
        assert len(annotations) == len(class_ids)
        for index, annotation in enumerate(annotations):
            np.testing.assert_array_equal(masks[:, :, index], coco.annToMask(annotation))
            source = dataset.get_source_class_id(abs(class_ids[index]), "coco")
            assert source == annotation["category_id"]
            assert (class_ids[index] < 0) == annotation["iscrowd"]
            crowds += annotation["iscrowd"]
    assert crowds


def without_masks():
    """CONTENT, whose first object has a box alone and whose second has an empty mask and a box."""
    content = copy.deepcopy(CONTENT)
    first, second, _ = content["annotations"]
    del first["segmentation"]
    first["bbox"] = [1, 2, 3, 4.5]
    second.update(segmentation=[], bbox=[0, 0, 12, 10])
    return content


def test_objects_with_a_box_alone(tmp_path):
    dataset = CocoDataset.from_folder(write(tmp_path, without_masks()), "train")
    assert dataset.boxes_alone == 2 and not dataset.skipped
    mixed = dataset.load_instances(1)
    np.testing.assert_array_equal(mixed.boxes, [[2, 1, 6.5, 4], [5, 1, 7, 2]])
    assert mixed.has_mask.tolist() == [False, True]
    assert dataset.load_instances(0).has_mask.tolist() == [False]
    masks, class_ids = dataset.load_mask(1)
    assert masks.any(axis=(0, 1)).tolist() == [False, True] and class_ids.tolist() == [2, -1]


def test_an_empty_mask_without_a_box_is_left_out(tmp_path):
    content = changed(["annotations", 0, "segmentation"], [])
    dataset = CocoDataset.from_folder(write(tmp_path, content), "train")
    assert dataset.skipped == {"object without a usable mask": 1} and dataset.boxes_alone == 0


@pytest.mark.parametrize("segmentation", [None, [], [[]], [[1, 1, 5, 5]]])
@pytest.mark.parametrize("box", [None, [], "", [1, 2, 3], "1,2,3,4", [True, 2, 3, 4], [1, 2, 0, 4]])
def test_objects_with_neither_a_mask_nor_a_box_are_left_out(tmp_path, segmentation, box):
    content = changed(["annotations", 1, "segmentation"], segmentation)
    content["annotations"][1]["bbox"] = box
    dataset = CocoDataset.from_folder(write(tmp_path, content), "train")
    assert len(dataset.load_instances(0)) == 0 and len(dataset.load_instances(1)) == 2
    reasons = {"object without a usable mask", "box without a positive size"}
    assert len(reasons & set(dataset.skipped)) == 1


def test_a_mask_that_cannot_be_used_leaves_the_box(tmp_path):
    content = changed(["annotations", 1, "segmentation"], [[1, 1, 5, 5]])
    content["annotations"][1]["bbox"] = [1, 2, 3, 4.5]
    dataset = CocoDataset.from_folder(write(tmp_path, content), "train")
    kept = dataset.load_instances(0)
    np.testing.assert_array_equal(kept.boxes, [[2, 1, 6.5, 4]])
    assert not kept.has_mask.any() and dataset.boxes_alone == 1
    assert dataset.skipped == {
        "polygon with fewer than 3 points": 1,
        "mask that cannot be used, of an object that keeps its box": 1,
    }
