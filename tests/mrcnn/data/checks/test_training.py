"""Opening for training: refused, left out, and left out again."""

import json

import numpy as np
import pytest
from PIL import Image

from mrcnn.data.checks import coco
from mrcnn.data.checks.coco import full_check, quick_check, read_subset
from mrcnn.data.checks.training import (
    describe,
    load_record,
    open_as_recorded,
    open_checked,
    open_without_bad,
    save_record,
)
from mrcnn.errors import InputError

TRIANGLE = [1.0, 1.0, 9.0, 1.0, 5.0, 7.0]


def write(root, count=4, **changes):
    """A subset of images with two objects each; `changes` are made to its lists."""
    content = {
        "images": [
            {"id": n, "file_name": f"{n}.png", "height": 10, "width": 12} for n in range(count)
        ],
        "annotations": [
            {"id": n, "image_id": n // 2, "category_id": 1, "segmentation": [TRIANGLE]}
            for n in range(2 * count)
        ],
        "categories": [{"id": 1, "name": "a"}],
    }
    for name, edit in changes.items():
        edit(content[name])
    (root / "annotations").mkdir(parents=True, exist_ok=True)
    (root / "train").mkdir(exist_ok=True)
    (root / "annotations" / "instances_train.json").write_text(json.dumps(content))
    for number in range(count):
        pixels = np.full((10, 12, 3), number, np.uint8)
        Image.fromarray(pixels).save(root / "train" / f"{number}.png")
    return root


def spoil(annotations):
    annotations[1]["segmentation"] = [[1, float("nan"), 9, 1, 5, 7]]
    annotations[6]["segmentation"].append([1, 1, 3])
    annotations[7]["segmentation"] = [[1, 1, 5, 5, 9, 9]]  # no area: always left out


def all_of(images, total):
    return images


def objects(opened):
    dataset = opened[0].dataset
    return [len(dataset.load_instances(number)) for number in dataset.image_ids]


def test_a_good_dataset_is_taken_as_it_is(tmp_path):
    (opened,) = open_checked(write(tmp_path), ["train"])
    # The two objects of an image are one.
    assert opened.looked_at == (
        "4 images, 8 annotations, the headers of all image files; "
        "4 of 8 objects are annotated twice, the first is annotations[1]"
    )
    assert objects([opened]) == [2, 2, 2, 2]
    again, record = open_without_bad(tmp_path, ["train"], all_of)
    assert objects(again) == [2, 2, 2, 2] and record["train"]["images"] == []
    assert describe(record) == ["left out of train by --skip-bad: 0 images and 0 annotations"]


def test_errors_are_refused_and_counted(tmp_path):
    write(tmp_path, annotations=spoil)
    (tmp_path / "train" / "2.png").unlink()
    with pytest.raises(InputError) as caught:
        open_checked(tmp_path, ["train"])
    text = str(caught.value)
    assert "3 errors" in text and "1 x polygon-odd" in text and "1 x file-missing" in text
    assert "train: 0.png, annotation 1: " in text and "\n" not in text
    write(tmp_path, annotations=lambda a: a[7].update(segmentation=[[1, 1, 5, 5, 9, 9]]))
    (opened,) = open_checked(tmp_path, ["train"])  # what is always left out is no error
    assert opened.dataset.skipped["polygon without area"] == 1


def test_errors_are_left_out_and_the_same_ones_again(tmp_path):
    write(tmp_path, annotations=spoil)
    (tmp_path / "train" / "2.png").unlink()
    opened, record = open_without_bad(tmp_path, ["train"], all_of)
    assert [info["id"] for info in opened[0].dataset.image_info] == [0, 1, 3]
    # Not the broken part of object 6 alone: what is left would be half an object.
    assert objects(opened) == [1, 2, 0]
    assert record["train"]["images"] == [2] and record["train"]["annotations"] == [1, 4, 5, 6]
    assert "1 images and 4 annotations (" in describe(record)[0]

    file = save_record(record, tmp_path)
    loaded = load_record(tmp_path)
    again = open_as_recorded(tmp_path, ["train"], loaded, file)
    assert objects(again) == [1, 2, 0] and describe(loaded) == describe(record)
    (tmp_path / "train" / "3.png").unlink()
    with pytest.raises(InputError, match=r"an error: 1 x file-missing .*3\.png"):
        open_as_recorded(tmp_path, ["train"], loaded, file)
    write(tmp_path, count=5)
    with pytest.raises(InputError, match="start a new run"):
        open_as_recorded(tmp_path, ["train"], loaded, file)


def test_images_that_share_an_id_all_go(tmp_path):
    write(tmp_path, images=lambda i: i[3].update(id=1))
    opened, record = open_without_bad(tmp_path, ["train"], all_of)
    assert [info["path"][-5:] for info in opened[0].dataset.image_info] == ["0.png", "2.png"]
    # The objects 2 and 3 have the shared id, 6 and 7 the one that is gone.
    assert record["train"]["images"] == [1, 3]
    assert record["train"]["annotations"] == [2, 3, 6, 7]


def test_categories_cannot_be_left_out(tmp_path):
    write(tmp_path, categories=lambda c: c.append({"id": 1, "name": "b"}))
    with pytest.raises(InputError, match="repeated-category-id.*categories cannot be left out"):
        open_without_bad(tmp_path, ["train"], all_of)


def test_nothing_left(tmp_path):
    write(tmp_path, count=2)
    for file in (tmp_path / "train").iterdir():
        file.unlink()
    with pytest.raises(InputError, match="no image that can be used"):
        open_without_bad(tmp_path, ["train"], all_of)


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        '{"train": 3}',
        '{"train": {"images": [1], "annotations": ["2"], "summary": {}}}',
        '{"train": {"images": [1], "annotations": [true], "summary": {}}}',
        '{"train": {"images": [1], "annotations": [2], "summary": []}}',
    ],
)
def test_a_record_that_is_something_else(tmp_path, text):
    (tmp_path / "skipped.json").write_text(text)
    with pytest.raises(InputError, match="skipped.json"):
        load_record(tmp_path)


def test_of_many_images_some_headers_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(coco, "ALL_HEADERS", 2)
    monkeypatch.setattr(coco, "SOME_HEADERS", 2)
    write(tmp_path)
    for number in (0, 1, 2):  # 0 and 1 are looked at
        (tmp_path / "train" / f"{number}.png").write_text("no image")
    (tmp_path / "train" / "3.png").rename(tmp_path / "train" / "4.png")
    checked = read_subset(tmp_path, "train")
    quick_check(checked)
    assert "the headers of 2 image files" in checked.looked_at
    assert sorted((f.code, f.file_name) for f in checked.findings) == [
        ("file-missing", "3.png"),
        ("file-unreadable", "0.png"),
        ("file-unreadable", "1.png"),
    ]


def test_remarks_on_a_file_that_can_be_read(tmp_path):
    def edit(annotations):
        annotations[0]["bbox"] = [1, 1, 8, 6]  # the mask's extent
        annotations[1]["bbox"] = [1, 1, 9, 7]  # its corners: a little too large
        annotations[2]["bbox"] = [6, 4, 5, 6]  # elsewhere
        annotations[3]["bbox"] = [6, 4, -5, 6]
        annotations[4]["bbox"] = [1, 2]
        annotations[5].update(segmentation=[], bbox=[5, 5, 20, 3])
        annotations[6]["id"] = 3
        annotations.append({**annotations[7], "id": 99})

    def more(categories):
        categories += [{"id": 4, "name": "a"}]

    write(tmp_path, annotations=edit, categories=more)
    checked = read_subset(tmp_path, "train")
    full_check(checked, all_of)
    found = sorted(
        (f.code, f.severity, f.annotation) for f in checked.findings if f.part == "annotations"
    )
    assert found == [
        ("beyond-image", "warning", 5),
        ("box-size", "warning", 3),
        ("box-unlike-mask", "warning", 2),
        ("box-unlike-mask", "warning", 4),
        ("no-mask", "note", 5),
        ("repeated-annotation-id", "warning", 3),
        ("repeated-object", "warning", 7),
        ("repeated-object", "warning", 99),
    ]
    assert {f.code for f in checked.findings if f.annotation is None} >= {
        "repeated-category-name",
        "category-ids",
        "unused-category",
    }


def make_crowds(annotations):
    for annotation in annotations:
        annotation["iscrowd"] = 1


def test_training_on_nothing_is_refused_and_validation_on_nothing_said(tmp_path):
    write(tmp_path, annotations=make_crowds)
    message = r"instances_train\.json has no object to learn from: all 8 objects are crowds"
    for open_them in (open_checked, lambda *args: open_without_bad(*args, all_of)):
        with pytest.raises(InputError, match=message):
            open_them(tmp_path, ["train"])
    (tmp_path / "annotations" / "instances_train.json").rename(
        tmp_path / "annotations" / "instances_val.json"
    )
    (tmp_path / "train").rename(tmp_path / "val")
    _, val = open_checked(write(tmp_path), ["train", "val"])
    assert "; it gives no scores: all 8 objects are crowds ('iscrowd': 1)" in val.looked_at


def test_a_training_says_that_most_objects_are_crowds(tmp_path):
    write(tmp_path, annotations=lambda a: make_crowds(a[:6]))
    words = "; 6 of 8 objects (75%) are crowds ('iscrowd': 1)"
    for open_them in (open_checked, lambda *args: open_without_bad(*args, all_of)[0]):
        (opened,) = open_them(tmp_path, ["train"])
        assert words in opened.looked_at


def test_leaving_out_what_is_bad_must_leave_something(tmp_path):
    write(tmp_path, annotations=lambda a: [each.update(image_id=9) for each in a])
    with pytest.raises(InputError, match="no object to learn from: no object is annotated"):
        open_without_bad(tmp_path, ["train"], all_of)
    with pytest.raises(InputError, match="8 errors: 8 x unknown-image"):
        open_checked(tmp_path, ["train"])
