import numpy as np
import pytest

from mrcnn.data.formats.cityscapes import CityscapesDataset
from mrcnn.errors import InputError


@pytest.fixture
def root(tmp_path, values, image, save):
    masks = np.full(values.shape, 7, np.uint16)  # the road: no instances
    masks[values == 7] = 26001  # the second car
    masks[values == 3] = 24000  # the first person
    masks[9:, :4] = 26  # a group of cars
    masks[9:, 10:] = 29000  # a caravan, which is not scored
    for city, name in (("ulm", "ulm_000000_000019"), ("aachen", "aachen_000001_000019")):
        save(tmp_path / "leftImg8bit" / "train" / city / f"{name}_leftImg8bit.png", image)
        save(tmp_path / "gtFine" / "train" / city / f"{name}_gtFine_instanceIds.png", masks)
    return tmp_path


def test_objects_groups_and_classes(root, values):
    dataset = CityscapesDataset.from_folder(root, "train")
    assert [info["id"] for info in dataset.image_info] == [
        "aachen_000001_000019", "ulm_000000_000019",
    ]  # fmt: skip
    assert dataset.class_names[1:4] == ["person", "rider", "car"] and dataset.num_classes == 9
    assert dataset.map_source_class_id("cityscapes.33") == 8
    found = dataset.load_instances(0)
    assert found.class_ids.tolist() == [-3, 1, 3]
    np.testing.assert_array_equal(found.boxes, [[9, 0, 12, 4], [2, 5, 8, 11], [4, 2, 6, 18]])
    np.testing.assert_array_equal(found.masks()[:, :, 2], values == 7)
    own = CityscapesDataset.from_folder(root, "train", classes={29: "caravan"}, limit=1)
    assert own.load_instances(0).class_ids.tolist() == [1] and own.num_images == 1


def test_missing_files(root):
    with pytest.raises(InputError, match=r"gtFine.val has no files CITY/NAME_gtFine_inst"):
        CityscapesDataset.from_folder(root, "val")
    next((root / "leftImg8bit" / "train" / "ulm").iterdir()).unlink()
    with pytest.raises(InputError, match=r"1 of 2 images .*ulm_000000_000019_leftImg8bit"):
        CityscapesDataset.from_folder(root, "train")
