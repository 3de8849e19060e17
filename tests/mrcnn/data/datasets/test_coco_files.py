"""The layouts in which a COCO dataset can be, and the error that names the splits of one."""

import json

import pytest

from mrcnn.data.datasets.coco import CocoDataset
from mrcnn.data.datasets.coco_files import find_files, find_splits, find_year
from mrcnn.errors import InputError


@pytest.fixture
def coco(save, image):
    """Write an annotation file of one image, and this image as `picture`."""

    def write(file, picture, name="a.png"):
        content = {
            "images": [{"id": 1, "file_name": name, "height": 12, "width": 20}],
            "annotations": [],
            "categories": [{"id": 1, "name": "cell"}],
        }
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(content))
        save(picture, image)

    return write


def opened(root, split):
    """Return the path of the only image of a split, relative to the dataset."""
    (info,) = CocoDataset.from_folder(root, split).image_info
    return info["path"].removeprefix(f"{root}/")


@pytest.mark.parametrize(
    ("file", "picture", "split"),
    [
        ("annotations/instances_train2017.json", "train2017/a.png", "train"),
        ("annotations/instances_train2014.json", "train2014/a.png", "train"),
        ("annotations/instances_train.json", "train/a.png", "train"),
        ("annotations/instances_train2017.json", "images/train2017/a.png", "train"),
        ("annotations/instances_default.json", "images/a.png", "default"),
        ("annotations/instances_default.json", "images/default/a.png", "default"),
        ("train/_annotations.coco.json", "train/a.png", "train"),
        ("valid/_annotations.coco.json", "valid/a.png", "val"),
        ("test/_annotations.coco.json", "test/a.png", "test"),
        ("_annotations.coco.json", "a.png", "train"),
        ("cells.json", "a.png", "train"),
        ("result.json", "images/a.png", "train"),
        ("val.json", "images/a.png", "val"),
        ("annotations/cells_val.json", "images/a.png", "val"),
        ("train/labels.json", "train/a.png", "train"),
        ("train/labels.json", "train/images/a.png", "train"),
    ],
)
def test_layouts(tmp_path, coco, file, picture, split):
    coco(tmp_path / file, tmp_path / picture)
    assert find_splits(tmp_path) == {split: tmp_path / file}
    assert opened(tmp_path, split) == picture


def test_several_splits(tmp_path, coco):
    for split in ("train", "valid", "test"):
        coco(tmp_path / split / "_annotations.coco.json", tmp_path / split / "a.png")
    assert list(find_splits(tmp_path)) == ["train", "val", "test"]
    assert opened(tmp_path, "val") == opened(tmp_path, "valid") == "valid/a.png"
    for wanted, advice in (("vall", r" Did you mean 'val'\?"), ("x", "")):
        with pytest.raises(InputError, match=rf"'{wanted}'; it has train, val, test\.{advice}$"):
            find_files(tmp_path, wanted)


def test_files_of_any_name_say_their_split(tmp_path, coco):
    for name in ("train_set", "val_set", "extra"):
        coco(tmp_path / f"{name}.json", tmp_path / "images" / "a.png")
    (tmp_path / "settings.json").write_text('{"a": 1}')
    assert list(find_splits(tmp_path)) == ["train", "val", "extra"]


def test_validation_is_of_the_year_of_training(tmp_path, coco):
    for name in ("train2014", "val2014", "train2017"):
        coco(tmp_path / "annotations" / f"instances_{name}.json", tmp_path / name / "a.png")
    # Images of train2017 are in val2014.
    assert list(find_splits(tmp_path)) == ["train", "train2014", "val2014"]
    assert find_year(tmp_path) == "2017"
    assert opened(tmp_path, "train") == opened(tmp_path, "train2017") == "train2017/a.png"
    assert CocoDataset.from_folder(tmp_path, "val", year=2014).num_images == 1
    with pytest.raises(InputError, match="no split 'val'; it has train, train2014, val2014"):
        find_files(tmp_path, "val")
    coco(tmp_path / "annotations" / "instances_val2017.json", tmp_path / "val2017" / "a.png")
    assert opened(tmp_path, "val") == "val2017/a.png"


def test_a_year_that_is_not_there_is_refused(tmp_path, coco):
    coco(tmp_path / "annotations" / "instances_train2017.json", tmp_path / "train2017" / "a.png")
    with pytest.raises(InputError, match="no split 'train2014'; it has train2017"):
        find_files(tmp_path, "train", 2014)
    # A name without a year is of any year.
    coco(tmp_path / "annotations" / "instances_val.json", tmp_path / "val" / "a.png")
    assert find_files(tmp_path, "val", 2014)[1] == tmp_path / "val"


def test_names_beside_coco_s_own(tmp_path, coco):
    for name in ("train2017", "train", "2017"):
        coco(tmp_path / "annotations" / f"instances_{name}.json", tmp_path / name / "a.png")
    assert list(find_splits(tmp_path)) == ["train", "2017", "train2017"]
    assert opened(tmp_path, "train") == "train/a.png"


def test_windows_folders_in_names(tmp_path, coco):
    coco(tmp_path / "result.json", tmp_path / "photos" / "a.png", name="photos\\a.png")
    assert find_files(tmp_path, "train") == (tmp_path / "result.json", tmp_path)
