import numpy as np
import pytest

from mrcnn.data.datasets.mask_files import InstancePngDataset, ObjectPngDataset
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
    save(tmp_path / "masks" / "a.png", image)
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
    with pytest.raises(InputError, match=r"x\.png is 20x5, its annotation says 20x12"):
        dataset.load_instances(0)
