import numpy as np
import pytest
from PIL import Image

from mrcnn.data.datasets.dataset import Dataset, Instances
from mrcnn.errors import InputError


class Squares(Dataset):
    """One image with a square, an empty mask and a crowd, as full masks."""

    def load_mask(self, image_id):
        masks = np.zeros((20, 30, 3), np.uint8)
        masks[2:6, 10:18, 0] = 1
        masks[0:20, 0:5, 2] = 1
        return masks, np.array([2, 1, -1])


def two_sources() -> Dataset:
    dataset = Dataset()
    dataset.add_class("a", 5, "five  of\n a")
    dataset.add_class("b", 9, "nine")
    dataset.add_class("a", 5, "again")
    dataset.add_class("a", 2, "two")
    dataset.add_image("b", "x", "x.png", height=4, width=6)
    dataset.prepare()
    return dataset


def test_classes_are_numbered():
    dataset = two_sources()
    assert dataset.num_classes == 4
    assert dataset.class_names == ["BG", "five of a", "nine", "two"]
    assert dataset.class_ids.tolist() == [0, 1, 2, 3]
    assert dataset.sources == ["", "a", "b"]
    assert dataset.source_class_ids == {"": [0], "a": [0, 1, 3], "b": [0, 2]}
    assert dataset.map_source_class_id("a.2") == 3
    assert dataset.get_source_class_id(2, "b") == 9
    assert dataset.image_ids.tolist() == [0]
    assert dataset.image_from_source_map == {"b.x": 0}
    assert dataset.image_reference(0) == dataset.source_image_link(0) == "x.png"


def test_the_list_of_classes_may_be_changed_by_a_script():
    dataset = Dataset()
    dataset.add_class("", 0, "BG")
    assert len(dataset.class_info) == 1
    dataset.add_class("shapes", 1, "square")
    del dataset.class_info[1:]
    dataset.add_class("shapes", 1, "circle")
    dataset.class_info.append({"source": "shapes", "id": 2, "name": "star"})
    dataset.add_class("shapes", 2, "star")
    assert [c["name"] for c in dataset.class_info] == ["BG", "circle", "star"]


def test_wrong_use_is_explained():
    dataset = two_sources()
    with pytest.raises(InputError, match=r"no class 'a\.9'"):
        dataset.map_source_class_id("a.9")
    with pytest.raises(InputError, match="class 2 is of source 'b', not 'a'"):
        dataset.get_source_class_id(2, "a")
    with pytest.raises(InputError, match="dot"):
        dataset.add_class("a.b", 1, "x")
    with pytest.raises(InputError, match="prepare"):
        _ = Dataset().image_ids
    dataset.add_image("a", "y", None)
    with pytest.raises(InputError, match="'y' has no path"):
        dataset.load_image(1)


def test_image_without_annotation_has_no_objects():
    masks, class_ids = two_sources().load_mask(0)
    assert masks.shape == (4, 6, 0) and class_ids.shape == (0,)
    assert len(two_sources().load_instances(0)) == 0


def test_instances_from_masks():
    dataset = Squares()
    dataset.add_image("s", 1, None)
    instances = dataset.load_instances(0)
    np.testing.assert_array_equal(instances.boxes, [[2, 10, 6, 18], [0, 0, 20, 5]])
    assert instances.boxes.dtype == np.float32 and instances.class_ids.dtype == np.int32
    assert instances.class_ids.tolist() == [2, -1]  # the empty one is gone
    assert instances.size == (20, 30)
    np.testing.assert_array_equal(instances.masks(), dataset.load_mask(0)[0][:, :, [0, 2]] > 0)


class Polygons(Dataset):
    def load_instances(self, image_id):
        square = [np.array([[1.0, 2.0], [4.0, 2.0], [4.0, 5.0], [1.0, 5.0]])]
        return Instances(np.float32([[2, 1, 5, 4]]), np.int32([1]), [square], (8, 9))


def test_masks_from_instances():
    masks, class_ids = Polygons().load_mask(0)
    wanted = np.zeros((8, 9, 1), bool)
    wanted[2:5, 1:4] = True
    np.testing.assert_array_equal(masks, wanted)
    assert class_ids.tolist() == [1]


def test_subclass_written_for_the_original():
    class Old(Dataset):
        def __init__(self, class_map=None):
            super().__init__(class_map)

        def load_mask(self, image_id):
            if self.image_info[image_id]["source"] != "old":
                return super().load_mask(image_id)
            return Squares.load_mask(self, image_id)

        def image_reference(self, image_id):
            info = self.image_info[image_id]
            return info["kind"] if info["source"] == "old" else super().image_reference(image_id)

    dataset = Old()
    dataset.add_class("old", 1, "one")
    dataset.add_class("old", 2, "two")
    dataset.add_image("old", image_id="a", path="a.png", width=30, height=20, kind="drawn")
    dataset.add_image("other", image_id="b", path="b.png", width=4, height=3)
    dataset.prepare(class_map=None)
    assert dataset.image_reference(0) == "drawn" and dataset.image_reference(1) == "b.png"
    assert dataset.load_instances(0).class_ids.tolist() == [2, -1]
    assert dataset.load_mask(1)[0].shape == (3, 4, 0)


def test_select_by_position_or_mask():
    dataset = Squares()
    dataset.add_image("s", 1, None)
    instances = dataset.load_instances(0)
    for keep in (np.array([1]), np.array([False, True])):
        kept = instances.select(keep)
        assert kept.class_ids.tolist() == [-1] and kept.boxes.tolist() == [[0, 0, 20, 5]]
        assert kept.segmentations[0] is instances.segmentations[1]


def test_image_size_is_read_where_it_is_not_given(tmp_path):
    Image.fromarray(np.zeros((11, 13, 3), np.uint8)).save(tmp_path / "a.png")
    dataset = Dataset()
    dataset.add_image("s", 1, str(tmp_path / "a.png"))
    assert dataset.image_size(0) == (11, 13)
    assert dataset.load_image(0).shape == (11, 13, 3)

    class Drawn(Dataset):
        def load_image(self, image_id):
            return np.zeros((5, 7, 3), np.uint8)

    drawn = Drawn()
    drawn.add_image("s", 1, None)
    assert drawn.image_size(0) == (5, 7)


def test_another_datasets_data_are_appended():
    first, second = Dataset(), Dataset()
    first.add_class("a", 1, "cat")
    first.add_image("a", 7, "x.png", height=2, width=3)
    second.add_class("a", 1, "cat")
    second.add_class("b", 1, "dog")
    second.add_image("b", 9, "y.png", height=4, width=5)
    first.append_data(second.class_info, second.image_info)
    first.prepare()
    assert first.class_names == ["BG", "cat", "dog"]
    assert [info["id"] for info in first.image_info] == [7, 9]
    assert first.map_source_class_id("b.1") == 2 and first.image_size(1) == (4, 5)
    first.image_info[1]["width"] = 6
    assert second.image_info[0]["width"] == 5
