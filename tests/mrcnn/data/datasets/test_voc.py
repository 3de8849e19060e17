import numpy as np
import pytest

from mrcnn.data.datasets.voc import VocDataset
from mrcnn.errors import InputError


@pytest.fixture
def root(tmp_path, values, image, save):
    objects, classes = values.copy(), np.zeros_like(values)
    classes[values == 3], classes[values == 7] = 15, 8
    # An outline of void pixels, as in the real masks.
    objects[2, :] = classes[2, :] = 255
    for name in "ab":
        save(tmp_path / "JPEGImages" / f"{name}.jpg", image)
        save(tmp_path / "SegmentationObject" / f"{name}.png", objects, palette=True)
        save(tmp_path / "SegmentationClass" / f"{name}.png", classes, palette=True)
    folder = tmp_path / "ImageSets" / "Segmentation"
    folder.mkdir(parents=True)
    (folder / "train.txt").write_text("b\na\n")
    return tmp_path


def test_objects_and_classes(root, values):
    dataset = VocDataset.from_folder(root, "train")
    assert dataset.num_classes == 21
    assert [info["id"] for info in dataset.image_info] == ["b", "a"]
    found = dataset.load_instances(0)
    assert [dataset.class_names[i] for i in found.class_ids] == ["person", "cat"]
    assert dataset.get_source_class_id(15, "voc") == 15
    np.testing.assert_array_equal(found.boxes, [[3, 5, 8, 11], [4, 2, 6, 18]])
    np.testing.assert_array_equal(found.masks()[:, :, 1], values == 7)


def test_own_classes(root, values, save):
    own = tuple("abcdefgh")
    dataset = VocDataset.from_folder(root, "train", classes=own, limit=1)
    assert dataset.num_images == 1
    with pytest.raises(InputError, match=r"object 3 of .*has the class 15 .*there are 1 to 8"):
        dataset.load_instances(0)
    save(root / "SegmentationClass" / "b.png", np.where(values, 8, 0).astype(np.uint8))
    dataset = VocDataset.from_folder(root, "train", classes=own)
    assert dataset.load_instances(0).class_ids.tolist() == [8, 8]
    save(root / "SegmentationClass" / "b.png", values[:4])
    with pytest.raises(InputError, match=r"is \(12, 20\), .* is \(4, 20\)"):
        dataset.load_instances(0)


def test_missing_files(root):
    with pytest.raises(InputError, match=r"cannot read .*val\.txt"):
        VocDataset.from_folder(root, "val")
    (root / "ImageSets" / "Segmentation" / "val.txt").write_text("")
    with pytest.raises(InputError, match="names no images"):
        VocDataset.from_folder(root, "val")
    for folder in ("SegmentationClass", "SegmentationObject", "JPEGImages"):
        next((root / folder).glob("a.*")).unlink()
        with pytest.raises(InputError, match=rf"1 of 2 images .*train\.txt are .*{folder}.a"):
            VocDataset.from_folder(root, "train")


def test_void_does_not_outvote_an_object(root, save, values):
    """An object of which only the middle has a class; an image of another suffix."""
    classes = np.full(values.shape, 255, np.uint8)
    classes[4, 6] = 15
    classes[5, 15] = 9
    save(root / "SegmentationClass" / "b.png", classes)
    dataset = VocDataset.from_folder(root, "train")
    assert set(dataset.load_instances(0).class_ids.tolist()) == {15, 9}
    assert dataset.get_source_class_id(15, "voc") == 15
    picture = root / "JPEGImages" / "b.jpg"
    picture.rename(picture.with_suffix(".JPEG"))
    assert VocDataset.from_folder(root, "train").load_image(0).shape == (12, 20, 3)


def test_many_objects_in_one_pass(root, save):
    """Each object has the class of most of its pixels."""
    objects = np.kron(
        np.arange(1, 241, dtype=np.uint8).reshape(12, 20), np.ones((10, 10), np.uint8)
    )
    classes = (objects % 20 + 1).astype(np.uint8)
    classes[::10] = 7  # a tenth of each object
    save(root / "SegmentationObject" / "b.png", objects)
    save(root / "SegmentationClass" / "b.png", classes)
    found = VocDataset.from_folder(root, "train").load_instances(0)
    assert found.class_ids.tolist() == [value % 20 + 1 for value in range(1, 241)]
    np.testing.assert_array_equal(found.boxes[21], [10, 10, 20, 20])
