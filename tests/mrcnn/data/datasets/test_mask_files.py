import tracemalloc

import numpy as np
import pytest

from mrcnn.data.datasets.mask_files import InstancePngDataset, ObjectPngDataset
from mrcnn.data.masks import decode
from mrcnn.data.transforms.geometric import Sample, flip_horizontal
from mrcnn.errors import InputError

BOXES = [[2, 5, 8, 11], [4, 2, 6, 18]]  # of the objects 3 and 7


@pytest.mark.parametrize("kind", ["grey", "palette", "16 bit"])
def test_one_file_an_image(tmp_path, values, image, save, kind):
    save(tmp_path / "images" / "a.jpg", image)
    save(tmp_path / "images" / "b.png", image)
    masks = values.astype(np.uint16) * 100 if kind == "16 bit" else values
    save(tmp_path / "masks" / "a_mask.png", masks, palette=kind == "palette")
    save(tmp_path / "masks" / "b_mask.png", 0 * values)
    dataset = InstancePngDataset.from_folders(
        tmp_path / "images", tmp_path / "masks", class_name="cell", ending="_mask"
    )
    assert dataset.class_names == ["BG", "cell"]
    assert dataset.map_source_class_id("png.cell") == 1
    found = dataset.load_instances(0)
    assert found.class_ids.tolist() == [1, 1] and found.has_mask.all()
    np.testing.assert_array_equal(found.boxes, BOXES)
    np.testing.assert_array_equal(found.masks()[:, :, 1], values == 7)
    assert len(dataset.load_instances(1)) == 0
    assert dataset.load_image(1).shape == (12, 20, 3)


def test_images_and_masks_that_do_not_pair(tmp_path, values, image, save):
    save(tmp_path / "images" / "a.jpg", image)
    save(tmp_path / "masks" / "a.png", values)
    save(tmp_path / "masks" / "b.png", values)
    folders = (tmp_path / "images", tmp_path / "masks")
    with pytest.raises(InputError, match="1 of 2 have no image in .*images, the first is 'b'"):
        InstancePngDataset.from_folders(*folders)
    save(tmp_path / "images" / "b.jpg", image)
    save(tmp_path / "images" / "c.jpg", image)
    with pytest.raises(InputError, match="1 of 3 have no mask in .*masks, the first is 'c'"):
        InstancePngDataset.from_folders(*folders)
    save(tmp_path / "images" / "b.png", image)
    with pytest.raises(InputError, match=r"has both b\.jpg and b\.png"):
        InstancePngDataset.from_folders(*folders)


def test_colour_masks_are_refused(tmp_path, image, save):
    save(tmp_path / "images" / "a.jpg", image)
    save(tmp_path / "masks" / "a.png", image * np.uint8([1, 2, 3]))
    dataset = InstancePngDataset.from_folders(tmp_path / "images", tmp_path / "masks")
    with pytest.raises(InputError, match=r"a\.png has pixels of the kind RGB"):
        dataset.load_instances(0)


def test_one_file_an_object(tmp_path, values, image, save):
    save(tmp_path / "images" / "a.jpg", image)
    folder = tmp_path / "masks" / "a"
    save(folder / "1.png", (values == 3).astype(np.uint8) * 255)
    save(folder / "2.png", np.repeat((values == 7)[:, :, None], 3, axis=2).astype(np.uint8))
    save(folder / "3.png", 0 * values)
    save(folder / "ring" / "1.png", (values > 0).astype(np.uint8))
    dataset = ObjectPngDataset.from_folders(
        tmp_path / "images", tmp_path / "masks", class_name="cell"
    )
    assert dataset.class_names == ["BG", "cell", "ring"]
    found = dataset.load_instances(0)
    assert found.class_ids.tolist() == [1, 1, 2]
    np.testing.assert_array_equal(found.boxes, [*BOXES, [2, 2, 8, 18]])
    np.testing.assert_array_equal(found.masks()[:, :, 1], values == 7)
    with pytest.raises(InputError, match="1 of 1 have no folder of masks"):
        ObjectPngDataset.from_folders(tmp_path / "images", tmp_path / "masks" / "a")


def test_a_folder_an_image(tmp_path, values, image, save):
    for name in "ab":
        save(tmp_path / name / "images" / f"{name}.png", image)
        save(tmp_path / name / "masks" / "x.png", (values == 3).astype(np.uint8) * 255)
    dataset = ObjectPngDataset.from_tree(tmp_path)
    assert dataset.num_images == 2 and dataset.class_names == ["BG", "object"]
    np.testing.assert_array_equal(dataset.load_instances(1).boxes, BOXES[:1])
    save(tmp_path / "b" / "images" / "c.png", image)
    with pytest.raises(InputError, match="has 2 images, not one"):
        ObjectPngDataset.from_tree(tmp_path)
    with pytest.raises(InputError, match="has no folders"):
        ObjectPngDataset.from_tree(tmp_path / "a" / "images")


def test_masks_of_another_size(tmp_path, values, image, save):
    save(tmp_path / "a" / "images" / "a.png", image)
    save(tmp_path / "a" / "masks" / "x.png", values[:5])
    dataset = ObjectPngDataset.from_tree(tmp_path)
    assert dataset.annotated_size(0) == (5, 20)
    with pytest.raises(InputError, match=r"x\.png is 20x5, its image 20x12"):
        dataset.load_instances(0)


def test_masks_that_are_empty_or_full_are_counted(tmp_path, values, image, save):
    save(tmp_path / "images" / "a.png", image)
    folder = tmp_path / "masks" / "a"
    save(folder / "1.png", (values == 3).astype(np.uint16))
    save(folder / "2.png", 0 * values)
    save(folder / "3.png", np.full((12, 20, 4), 255, np.uint8))
    dataset = ObjectPngDataset.from_folders(tmp_path / "images", tmp_path / "masks")
    for _ in range(2):  # read twice, counted once
        np.testing.assert_array_equal(dataset.load_instances(0).boxes, [BOXES[0], [0, 0, 12, 20]])
    assert dataset.skipped == {"mask without a pixel": 1}
    assert dataset.remarks == {"mask that covers its whole image": 1}
    assert [odd.file[-5:] for odd in dataset.odd_masks[0]] == ["2.png", "3.png"]


def test_pictures_of_masks_that_are_blank_or_full_are_counted(tmp_path, image, save):
    for name, value in (("a", 0), ("b", 9)):
        save(tmp_path / "images" / f"{name}.png", image)
        save(tmp_path / "masks" / f"{name}.png", np.full((12, 20), value, np.uint8))
    dataset = InstancePngDataset.from_folders(tmp_path / "images", tmp_path / "masks")
    assert [len(dataset.load_instances(n)) for n in (0, 1)] == [0, 1]
    assert dataset.remarks == {
        "picture of masks without an object": 1,
        "mask that covers its whole image": 1,
    }


def test_many_objects_take_little_memory(tmp_path, save):
    """1,500 cells on 2048 x 2048: as full masks 6.3 GB."""
    cells = np.arange(1, 40 * 40 + 1, dtype=np.uint16).reshape(40, 40)
    values = np.zeros((2048, 2048), np.uint16)
    values[:2000, :2000] = np.kron(cells, np.ones((50, 50), np.uint16))
    values[values > 1500] = 0
    values[::50], values[:, ::50] = 0, 0
    save(tmp_path / "masks" / "a.png", values)
    save(tmp_path / "images" / "a.png", np.zeros((2048, 2048, 3), np.uint8))
    dataset = InstancePngDataset.from_folders(tmp_path / "images", tmp_path / "masks")
    tracemalloc.start()
    found = dataset.load_instances(0)
    peak = tracemalloc.get_traced_memory()[1]
    sample = flip_horizontal(Sample(dataset.load_image(0), found))
    flipped = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found) == 1500 and peak < 60e6 and flipped < 90e6
    np.testing.assert_array_equal(found.boxes[1], [1, 51, 50, 100])
    np.testing.assert_array_equal(sample.instances.boxes[1], [1, 2048 - 100, 50, 2048 - 51])
    drawn = decode(sample.instances.segmentations[1], (2048, 2048))
    np.testing.assert_array_equal(drawn, (values == 2)[:, ::-1])
