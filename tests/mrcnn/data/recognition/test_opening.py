"""Every layout is read with the objects that are on its photographs."""

import numpy as np
import pytest

from mrcnn.data.recognition.formats import Options
from mrcnn.data.recognition.opening import open_dataset, open_splits
from mrcnn.data.recognition.recognise import recognise
from mrcnn.errors import InputError


def test_all_images_and_objects_are_read(laid_out):
    root, kind = laid_out
    opened = open_splits(recognise(root)).values()
    assert sum(dataset.num_images for dataset in opened) == 12
    objects = [d.load_instances(i) for d in opened for i in d.image_ids]
    assert sum(map(len, objects)) == 24
    assert len({tuple(dataset.class_names) for dataset in opened}) == 1
    # 10 x 9 pixels by their corners, and with a rim where they were filled by Pillow.
    areas = {int(each.masks()[:, :, i].sum()) for each in objects for i in range(len(each))}
    assert areas <= {90, 110}


def test_classes_of_splits_become_one_list(lay_out, photos, tmp_path):
    lay_out("labelme", tmp_path / "train", photos(4, ("dog", "cat")))
    lay_out("labelme", tmp_path / "val", photos(2, ("bird", "dog")))
    opened = open_splits(recognise(tmp_path))
    names = ["BG", "bird", "cat", "dog"]
    assert [dataset.class_names for dataset in opened.values()] == [names, names]
    assert opened["val"].load_instances(0).class_ids.tolist() == [1, 3]
    assert open_dataset(tmp_path, "train").class_names == names


def test_the_order_of_classes_can_be_told(lay_out, tmp_path):
    root, order = lay_out("via", tmp_path), ("dog", "cat", "bird")
    dataset = open_dataset(root, "train", options=Options(classes=order))
    assert dataset.class_names[1:] == list(order)
    voc = lay_out("voc", tmp_path / "voc")
    (voc / "class_names.txt").unlink()
    assert open_dataset(voc, "train").num_classes == 21  # those of Pascal VOC
    own = open_dataset(voc, "train", options=Options(classes=order))
    assert own.class_names[1:] == list(order)


def test_one_class_for_all(lay_out, tmp_path):
    one = Options(class_name="animal")
    for kind in ("via", "png"):
        root = lay_out(kind, tmp_path / kind)
        assert open_dataset(root, "train", options=one).class_names == ["BG", "animal"]


def test_masks_elsewhere(lay_out, tmp_path):
    root = lay_out("png", tmp_path)
    (root / "masks").rename(tmp_path / "drawn")
    found = recognise(root / "images", "png", Options(masks=tmp_path / "drawn"))
    assert open_splits(found)[""].num_images == 12
    with pytest.raises(InputError, match="needs --masks"):
        open_splits(recognise(root / "images", "png"))


def test_images_elsewhere(lay_out, tmp_path):
    root = lay_out("via", tmp_path / "via")
    (tmp_path / "elsewhere").mkdir()
    for file in root.glob("*.png"):
        file.rename(tmp_path / "elsewhere" / file.name)
    with pytest.raises(InputError, match="12 of 12 images .* are missing"):
        open_dataset(root, "train")
    found = open_dataset(root, "train", options=Options(images=tmp_path / "elsewhere"))
    assert found.num_images == 12


def test_a_split_is_chosen_by_name(lay_out, tmp_path):
    root = lay_out("yolo", tmp_path)
    assert open_dataset(root, "valid").num_images == 3
    with pytest.raises(InputError, match=r"no split 'vall'; it has train, val\. Did you mean"):
        open_dataset(root, "vall")
    with pytest.raises(InputError, match="no split 'test'"):
        open_splits(recognise(root), ["train", "test"])


def test_labelme_in_folders_inside(lay_out, photos, tmp_path):
    for day in ("monday", "tuesday"):
        lay_out("labelme", tmp_path / day, photos(3))
    lay_out("labelme", tmp_path / ".trash", photos(1))
    dataset = open_dataset(tmp_path, "train")
    assert [info["id"] for info in dataset.image_info[::3]] == ["monday/photo00", "tuesday/photo00"]
    assert not dataset.skipped
    np.testing.assert_array_equal(dataset.load_image(0), dataset.load_image(3))


def test_one_class_for_masks_whose_folders_name_theirs(lay_out, tmp_path):
    root = lay_out("objects", tmp_path)
    with pytest.raises(InputError, match="--class-name cell has no effect: .* bird, cat, dog"):
        open_splits(recognise(root), options=Options(class_name="cell"))
