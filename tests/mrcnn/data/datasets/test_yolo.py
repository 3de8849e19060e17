import numpy as np
import pytest
import yaml
from PIL import Image

from mrcnn.data.datasets.yolo import YoloDataset
from mrcnn.errors import InputError


def write(folder, labels="", **changes):
    """Write two images, labels for the first, and data.yaml."""
    for kind in ("images", "labels"):
        (folder / "set" / kind / "train").mkdir(parents=True, exist_ok=True)
    for letter in "ab":
        Image.new("RGB", (20, 10)).save(folder / "set" / "images" / "train" / f"{letter}.jpg")
    (folder / "set" / "labels" / "train" / "a.txt").write_text(labels)
    content = {"path": "set", "train": "images/train", "names": {0: "cat", 3: "dog"}, **changes}
    (folder / "data.yaml").write_text(yaml.safe_dump(content))
    return folder / "data.yaml"


def test_polygons_and_boxes(tmp_path):
    # Shares of 20 x 10: x 2..8, y 1..5; and a box of 4 x 2 around 15, 6.
    lines = "3 0.1 0.1 0.4 0.1 0.4 0.5 0.1 0.5\n\n0 0.75 0.6 0.2 0.2\n"
    dataset = YoloDataset.from_file(write(tmp_path, lines), "train")
    assert dataset.class_names == ["BG", "cat", "dog"]
    assert dataset.class_from_source_map == {".0": 0, "yolo.0": 1, "yolo.3": 2}
    found = dataset.load_instances(0)
    assert found.size == (10, 20) and found.class_ids.tolist() == [2, 1]
    np.testing.assert_allclose(found.boxes, [[1, 2, 5, 8], [5, 13, 7, 17]], atol=1e-5)
    assert found.has_mask.tolist() == [True, False] and dataset.boxes_alone == 1
    expected = np.zeros((10, 20), bool)
    expected[1:5, 2:8] = True
    np.testing.assert_array_equal(found.masks()[:, :, 0], expected)
    assert len(dataset.load_instances(1)) == 0  # there is no b.txt


def test_where_the_images_are(tmp_path):
    """A list of folders, a text file with names, names as a list, and no `path`."""
    file = write(tmp_path)
    names = tmp_path / "set" / "some.txt"
    names.write_text("images/train/b.jpg\n\n./images/train/a.jpg\n")
    write(tmp_path, path=None, train=["set/images/train"], val="set/some.txt", names=["x"])
    dataset = YoloDataset.from_file(file, "train")
    assert [info["path"][-5:] for info in dataset.image_info] == ["a.jpg", "b.jpg"]
    assert dataset.class_names == ["BG", "x"]
    listed = YoloDataset.from_file(file, "val")
    assert [info["path"][-5:] for info in listed.image_info] == ["b.jpg", "a.jpg"]
    assert YoloDataset.from_file(file, "val", limit=1).num_images == 1


def test_bad_geometry_is_counted(tmp_path):
    lines = "0 0.1 0.1 0.4 0.1 0.4 nan\n0 0.1 0.1 0.4 0.1 0.4\n0 0.1 0.1 0.4 0.1 0.4 0.5\n"
    dataset = YoloDataset.from_file(write(tmp_path, lines), "train")
    assert len(dataset.load_instances(0)) == 1
    assert dataset.skipped["polygon with a coordinate that is not finite"] == 1
    assert dataset.skipped["polygon with an odd number of coordinates"] == 1


def test_labels_without_an_image_are_counted(tmp_path):
    line = "0 0.1 0.1 0.4 0.1 0.4 0.5\n"
    file = write(tmp_path, line)
    folder = tmp_path / "set" / "labels" / "train"
    (folder / "renamed.txt").write_text(line)
    (folder / "classes.txt").write_text("cat\ndog\n")
    (folder / "empty.txt").write_text("")
    assert YoloDataset.from_file(file, "train").skipped == {"label file without an image": 1}
    (tmp_path / "set" / "some.txt").write_text("images/train/a.jpg\n")
    file = write(tmp_path, line, val="some.txt")
    assert not YoloDataset.from_file(file, "val").skipped  # a list may leave images out


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("x 0.1 0.1 0.4 0.1", r"line 2: 'x 0\.1 .*' is not all numbers"),
        ("1 0.1 0.1 0.4 0.1", "line 2: there is no class 1; 'names' has 0 to 3"),
        ("0.5 0.1 0.1 0.4 0.1", "line 2: there is no class 0.5"),
        ("nan 0.1 0.1 0.4 0.1", "line 2: there is no class nan"),
        ("0 0.1 0.1 0.4", "line 2: .*shares of the image; found '0.1 0.1 0.4'"),
        ("0 10 10 40 10 40 50", "line 2: .*shares of the image; found '10 10 40"),
    ],
)
def test_broken_lines_are_refused(tmp_path, line, message):
    file = write(tmp_path, "0 0.1 0.1 0.4 0.1 0.4 0.5\n" + line)
    with pytest.raises(InputError, match=message) as caught:
        YoloDataset.from_file(file, "train")
    assert "a.txt" in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"names": None}, "'names' must be a list of names, or numbers with names; found nothing"),
        ({"names": {"a": 1}}, "'names' must be"),
        ({"train": None, "val": "x"}, "where the images of 'train' are; it has train, val"),
        ({"train": [3]}, "where the images of 'train' are"),
        ({"train": "nowhere"}, "nowhere, of 'train', is neither a folder nor a list"),
        ({"train": "labels"}, "no images of 'train' in labels"),
    ],
)
def test_broken_data_files_are_refused(tmp_path, changes, message):
    with pytest.raises(InputError, match=message) as caught:
        YoloDataset.from_file(write(tmp_path, **changes), "train")
    assert "data.yaml" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["[1", "- 1", "!!python/object:os.system {}"])
def test_other_yaml_is_refused(tmp_path, text):
    file = write(tmp_path)
    file.write_text(text)
    with pytest.raises(InputError, match="data.yaml") as caught:
        YoloDataset.from_file(file, "train")
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="cannot read"):
        YoloDataset.from_file(tmp_path / "x.yaml", "train")


def test_files_of_windows_and_folders_of_exports(tmp_path):
    """Byte order marks and backslashes; folders that are named from one folder further up."""
    file = write(tmp_path, path=None, train="../set/images/train", val="set/some.txt")
    label = tmp_path / "set" / "labels" / "train" / "a.txt"
    label.write_text("0 0.1 0.1 0.4 0.1 0.4 0.5\n", encoding="utf-8-sig")
    (tmp_path / "set" / "some.txt").write_text("images\\train\\a.jpg\n", encoding="utf-8-sig")
    file.write_text(file.read_text(), encoding="utf-8-sig")
    for subset in ("train", "val"):
        dataset = YoloDataset.from_file(file, subset)
        assert dataset.load_instances(0).class_ids.tolist() == [1]
    assert dataset.get_source_class_id(2, "yolo") == 3


def test_images_without_any_labels_are_refused(tmp_path):
    file = write(tmp_path)
    (tmp_path / "set" / "labels" / "train" / "a.txt").unlink()
    with pytest.raises(InputError, match=r"none of 2 images of 'train' has labels.*labels.train.a"):
        YoloDataset.from_file(file, "train")


@pytest.mark.parametrize("text", ["a: !!bool x", "a: !!timestamp x", "a: 2001-13-01", "a: !!int x"])
def test_values_that_yaml_cannot_make(tmp_path, text):
    file = write(tmp_path)
    file.write_text(text)
    with pytest.raises(InputError, match="is no valid YAML"):
        YoloDataset.from_file(file, "train")


def test_names_that_would_grow_without_end(tmp_path):
    file = write(tmp_path)
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60)]
    for last in ("names: *a59", "names: {a: *a59}", "names: {0: *a59}"):
        file.write_text("\n".join([*lines, last]))
        with pytest.raises(InputError, match="must be a list of names"):
            YoloDataset.from_file(file, "train")


LABEL = "0 0.1 0.1 0.4 0.1 0.4 0.5 0.1 0.5\n"


@pytest.mark.parametrize(
    "path", ["mine", "./mine", "../datasets/mine", "/content/datasets/mine", "D:\\data\\mine", ""]
)
def test_a_path_that_names_the_folder_of_the_file(tmp_path, path):
    """Ultralytics' files say where they lie below a folder of all datasets."""
    root = tmp_path / "mine"
    root.mkdir()
    write(root, LABEL)
    (root / "data.yaml").write_text(
        yaml.safe_dump({"path": path, "train": "set/images/train", "names": ["cat"]})
    )
    dataset = YoloDataset.from_file(root / "data.yaml", "train")
    assert [len(dataset.load_instances(i)) for i in dataset.image_ids] == [1, 0]


@pytest.mark.parametrize(
    "place", ["/home/x/set/images/train", "C:\\x\\images\\train", "../images/train", "images/train"]
)
def test_folders_of_another_machine(tmp_path, place):
    file = write(tmp_path, LABEL, path="/home/x/set", train=place)
    assert YoloDataset.from_file(file, "train").num_images == 2


@pytest.mark.parametrize("place", ["/home/x/valid/images", "valid/images", "../valid/images"])
def test_a_subset_that_is_not_there_is_not_another_one(tmp_path, place):
    file = write(tmp_path, LABEL, val=place)
    with pytest.raises(InputError, match="of 'val', is neither a folder nor a list"):
        YoloDataset.from_file(file, "val")


def test_a_path_beside_the_file_comes_first(tmp_path):
    """A folder in the folder that has the same name is what the file means."""
    root = tmp_path / "set"
    root.mkdir()
    file = write(root, LABEL)
    (root / "images" / "train").mkdir(parents=True)
    assert YoloDataset.from_file(file, "train").num_images == 2
