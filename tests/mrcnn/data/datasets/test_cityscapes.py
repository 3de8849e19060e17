import json
import math

import numpy as np
import pytest

from mrcnn.data.datasets.cityscapes import CityscapesDataset
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


def polygons(root, objects, **changes):
    """Put a file of polygons in the place of the masks of the first image."""
    folder = root / "gtFine" / "train" / "aachen"
    for file in folder.iterdir():
        file.unlink()
    content = {"imgHeight": 12, "imgWidth": 20, "objects": objects, **changes}
    (folder / "aachen_000001_000019_gtFine_polygons.json").write_text(json.dumps(content))
    return root


def entry(label, x1, y1, x2, y2, **more):
    return {"label": label, "polygon": [[x1, y1], [x2, y1], [x2, y2], [x1, y2]], **more}


def test_polygons_are_drawn_one_over_the_other(root, values):
    """Pixels by hand: Cityscapes draws the border of a polygon too."""
    objects = [
        entry("out of roi", 0, 0, 19, 11),
        entry("car", 2, 4, 17, 5),
        entry("license plate", 3, 4, 17, 5),
        entry("person", 5, 2, 10, 7),
        entry("car", 0, 0, 19, 11, deleted=1),
        entry("cargroup", 0, 9, 5, 11),
        entry("static", 4, 9, 5, 11),
        entry("caravan", 10, 9, 19, 11),
        entry("car", 12, 0, 13, 1),
    ]
    dataset = CityscapesDataset.from_folder(polygons(root, objects), "train")
    found = dataset.load_instances(0)
    assert found.class_ids.tolist() == [-3, 1, 3, 3]
    assert dataset.get_source_class_id(3, "cityscapes") == 26
    boxes = [[9, 0, 12, 4], [2, 5, 8, 11], [4, 2, 6, 18], [0, 12, 2, 14]]
    np.testing.assert_array_equal(found.boxes, boxes)
    np.testing.assert_array_equal(found.masks()[:, :, 2], values == 7)
    # The other image has its picture still.
    assert dataset.load_instances(1).class_ids.tolist() == [-3, 1, 3]
    assert dataset.skipped == {}


def test_polygons_that_cannot_be_drawn_are_counted(root):
    objects = [
        entry("car", 2, 4, 17, 5),
        entry("car", math.nan, 0, 3, 3),
        entry("persongroup", 10**400, 0, 3, 3),
        entry("rider", 10**7, 0, 3, 3),
        {"label": "bus", "polygon": [[1, 1], [2, 2]]},
        {"label": "sky", "polygon": []},
    ]
    dataset = CityscapesDataset.from_folder(polygons(root, objects), "train")
    assert dataset.load_instances(0).class_ids.tolist() == [3]
    assert dataset.skipped == {
        "polygon with a coordinate that is not finite": 2,
        "polygon far outside any image": 1,
        "polygon with fewer than 3 points": 1,
    }


@pytest.mark.parametrize(
    ("objects", "message"),
    [
        (None, "needs a list 'objects'"),
        ([3], r"objects\[0\] of .* needs a 'label' and a list 'polygon'"),
        ([{"label": "car"}], "needs a 'label' and a list 'polygon'"),
        ([{"label": "car", "polygon": [[1, 2, 3]]}], r"must be \[x, y\]"),
        ([{"label": "car", "polygon": [["1", 2]]}], "coordinates must be numbers, found text"),
    ],
)
def test_broken_polygons_are_refused_in_one_line(root, objects, message):
    with pytest.raises(InputError, match=message) as caught:
        CityscapesDataset.from_folder(polygons(root, objects), "train")
    assert "polygons.json" in str(caught.value) and "\n" not in str(caught.value)
