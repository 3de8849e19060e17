import base64
import io
import json
import math

import numpy as np
import pytest
from PIL import Image

from mrcnn.data.datasets.labelme import LabelmeDataset
from mrcnn.errors import InputError

SQUARE = [[2, 1], [8, 1], [8, 5], [2, 5]]


def shape(points=SQUARE, name="polygon", label="nut", group=None):
    return {"label": label, "points": points, "shape_type": name, "group_id": group, "flags": {}}


def write(folder, shapes, /, name="a", **changes):
    """Write an image and its file, as version 5 of labelme does."""
    Image.new("RGB", (20, 12)).save(folder / f"{name}.png")
    content = {
        "version": "5.4.1",
        "flags": {},
        "shapes": shapes,
        "imagePath": f"{name}.png",
        "imageData": None,
        "imageHeight": 12,
        "imageWidth": 20,
        **changes,
    }
    (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


def test_shapes_and_classes(tmp_path):
    shapes = [
        shape(),
        shape([[15, 8], [10, 2]], "rectangle", "bolt"),
        shape([[10, 6], [13, 10]], "circle"),
        shape([[1, 1]], "point"),
        shape(SQUARE, "linestrip"),
        shape(label="__ignore__"),
    ]
    write(tmp_path, shapes)
    write(tmp_path, [], name="b")
    dataset = LabelmeDataset.from_folder(tmp_path)
    assert dataset.class_from_source_map == {".0": 0, "labelme.bolt": 1, "labelme.nut": 2}
    assert dataset.classes == ["bolt", "nut"]
    assert [info["path"] for info in dataset.image_info] == [
        str(tmp_path / "a.png"), str(tmp_path / "b.png"),
    ]  # fmt: skip
    found = dataset.load_instances(0)
    assert found.class_ids.tolist() == [2, 1, 2]
    # The circle's second point is 3 to the right and 4 below: a radius of 5.
    np.testing.assert_allclose(found.boxes, [[1, 2, 5, 8], [2, 10, 8, 15], [1, 5, 11, 15]])
    masks = found.masks()
    expected = np.zeros((12, 20), bool)
    expected[2:8, 10:15] = True
    np.testing.assert_array_equal(masks[:, :, 1], expected)
    rows, columns = np.mgrid[:12, :20] + 0.5
    disc = np.hypot(rows - 6, columns - 10) < 5
    np.testing.assert_array_equal(masks[:, :, 2], disc)
    assert dataset.skipped == {"shape of type point": 1, "shape of type linestrip": 1}
    assert len(dataset.load_instances(1)) == 0


def test_a_group_is_one_object(tmp_path):
    other = [[12, 6], [15, 6], [15, 9], [12, 9]]
    shapes = [shape(group=1), shape(other, group=1), shape(other, label="bolt", group=1)]
    found = LabelmeDataset.from_folder(write(tmp_path, shapes)).load_instances(0)
    assert found.class_ids.tolist() == [2, 1]
    assert found.masks().sum(axis=(0, 1)).tolist() == [6 * 4 + 3 * 3, 3 * 3]


def test_files_of_other_versions(tmp_path):
    """Rectangles as four corners, no shape type, no size, a path of Windows."""
    corners = [[10, 2], [15, 2], [15, 8], [10, 8]]
    old = shape()
    del old["shape_type"]
    content = [shape(corners, "rectangle"), old]
    (tmp_path / "json").mkdir()
    write(tmp_path, [])
    changes = {"imageHeight": None, "imagePath": "..\\a.png"}
    write(tmp_path / "json", content, **changes)
    found = LabelmeDataset.from_folder(tmp_path / "json").load_instances(0)
    assert found.size == (12, 20)
    np.testing.assert_array_equal(found.boxes, [[2, 10, 8, 15], [1, 2, 5, 8]])


def test_bad_geometry_is_counted(tmp_path):
    shapes = [
        shape(),
        shape(SQUARE[:2]),
        shape([[1, math.nan], [3, 4], [5, 1]]),
        shape([[1, 1], [1, math.inf]], "circle"),
    ]
    dataset = LabelmeDataset.from_folder(write(tmp_path, shapes))
    assert len(dataset.load_instances(0)) == 1
    assert dataset.skipped["polygon with fewer than 3 points"] == 1
    assert dataset.skipped["polygon with a coordinate that is not finite"] == 2


def test_classes_are_given(tmp_path):
    write(tmp_path, [shape()])
    asked = LabelmeDataset.from_folder(tmp_path, classes=["x", "nut"])
    assert asked.load_instances(0).class_ids.tolist() == [2]
    with pytest.raises(InputError, match=r"a\.json has the label 'nut'.*misspelt, or 'nuts'\?"):
        LabelmeDataset.from_folder(tmp_path, classes=["nuts"])


@pytest.mark.parametrize(
    ("shapes", "changes", "message"),
    [
        ([], {"shapes": None}, "not a file of labelme"),
        ([], {"imagePath": 3}, "not a file of labelme"),
        ([], {"imagePath": "c.png"}, r"1 of 1 images .* are missing.*c\.png"),
        ([3], {}, r"shapes\[0\] of .*'label'"),
        ([shape(label=None)], {}, r"shapes\[0\] of .*'label'"),
        ([shape(label=True)], {}, r"shapes\[0\] of .*'label'"),
        ([shape(3)], {}, "'points' must be a list, found a whole number"),
        ([shape([[1, 2, 3]])], {}, r"a point must be \[x, y\], found \[1, 2, 3\]"),
        ([shape([["1", 2]])], {}, "coordinates must be numbers, found text"),
    ],
)
def test_broken_files_are_refused_in_one_line(tmp_path, shapes, changes, message):
    with pytest.raises(InputError, match=message) as caught:
        LabelmeDataset.from_folder(write(tmp_path, shapes, **changes))
    assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_folder_without_files(tmp_path):
    with pytest.raises(InputError, match=r"has no files \*\.json"):
        LabelmeDataset.from_folder(tmp_path)
    with pytest.raises(InputError, match="no folder"):
        LabelmeDataset.from_folder(tmp_path / "x")


def png(values):
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "png")
    return base64.b64encode(buffer.getvalue()).decode()


def test_masks(tmp_path):
    """A picture that begins at the first point; in a group it is one object with the others."""
    ring = np.full((5, 6), 255, np.uint8)
    ring[1:4, 1:5] = 0
    drawn = {**shape([[3, 2], [8, 6]], "mask"), "mask": png(ring)}
    over = {**drawn, "points": [[17, 10], [22, 14]], "label": "bolt", "group_id": 4}
    write(tmp_path, [drawn, over, shape(group=4, label="bolt")], imageHeight=None)
    dataset = LabelmeDataset.from_folder(tmp_path)
    found = dataset.load_instances(0)
    assert found.class_ids.tolist() == [2, 1] and dataset.skipped == {}
    expected = np.zeros((12, 20), bool)
    expected[2:7, 3:9] = ring > 0
    np.testing.assert_array_equal(found.masks()[:, :, 0], expected)
    np.testing.assert_array_equal(found.boxes[0], [2, 3, 7, 9])
    cut = np.zeros((12, 20), bool)
    cut[10, 17:20] = cut[11, 17] = True
    cut[1:5, 2:8] = True
    np.testing.assert_array_equal(found.masks()[:, :, 1], cut)


@pytest.mark.parametrize(
    ("points", "mask", "message"),
    [
        ([[1, 1], [2, 2]], None, "'mask' must be a PNG"),
        ([[1, 1], [2, 2]], 3, "'mask' must be a PNG"),
        ([[1, 1], [2, 2]], "abc", "'mask' must be a PNG"),
        (
            [[1, 1], [2, 2]],
            png(np.arange(12, dtype=np.uint8).reshape(2, 2, 3)),
            "'mask' must be a PNG",
        ),
    ],
)
def test_broken_masks_are_refused_in_one_line(tmp_path, points, mask, message):
    write(tmp_path, [{**shape(points, "mask"), "mask": mask}])
    with pytest.raises(InputError, match=message) as caught:
        LabelmeDataset.from_folder(tmp_path)
    assert "shapes[0] of" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "path", ["/home/somebody/a.png", "C:\\Users\\somebody\\a.png", "..\\x\\a.png"]
)
def test_paths_of_another_machine(tmp_path, path):
    """The image beside the file is taken."""
    write(tmp_path, [shape()], imagePath=path)
    dataset = LabelmeDataset.from_folder(tmp_path)
    assert dataset.image_info[0]["path"] == str(tmp_path / "a.png")


def test_odd_files(tmp_path):
    """A byte order mark, numbers beyond float64, and files in folders inside."""
    huge = 10**400
    shapes = [shape(), shape([[huge, 0], [huge, 1], [huge, 5]])]
    write(tmp_path, shapes, imageHeight=huge)
    text = (tmp_path / "a.json").read_text()
    (tmp_path / "a.json").write_text(text, encoding="utf-8-sig")
    (tmp_path / "inside").mkdir()
    write(tmp_path / "inside", [shape()])
    dataset = LabelmeDataset.from_folder(tmp_path)
    found = dataset.load_instances(0)
    assert len(found) == 1 and found.size == (12, 20)
    assert dataset.skipped["polygon with a coordinate that is not finite"] == 1
    assert dataset.skipped["file in a folder inside the folder"] == 1
    assert dataset.get_source_class_id(1, "labelme") == "nut"
    (tmp_path / "a.json").write_text("")
    with pytest.raises(InputError, match=r"a\.json is not JSON"):
        LabelmeDataset.from_folder(tmp_path)


OUTSIDE = [[[20, 1], [22, 2]], [[-9, 1]], [[10**400, 1]], [[1, math.nan]], []]


@pytest.mark.parametrize("points", OUTSIDE)
def test_masks_outside_the_image_are_counted(tmp_path, points):
    ones = {**shape(points, "mask"), "mask": png(np.ones((2, 2), np.uint8))}
    dataset = LabelmeDataset.from_folder(write(tmp_path, [ones, shape()]))
    assert dataset.load_instances(0).class_ids.tolist() == [1]
    assert dataset.skipped == {"object without a usable mask": 1}


def test_a_mask_that_begins_left_of_and_above_the_image_is_cut_off(tmp_path):
    values = np.zeros((5, 6), np.uint8)
    values[2:, 3:] = [[0, 1, 1], [1, 1, 1], [1, 1, 0]]
    drawn = {**shape([[-3, -2], [3, 3]], "mask"), "mask": png(values)}
    found = LabelmeDataset.from_folder(write(tmp_path, [drawn])).load_instances(0)
    expected = np.zeros((12, 20), bool)
    expected[:3, :3] = values[2:, 3:] > 0
    np.testing.assert_array_equal(found.masks()[:, :, 0], expected)


TURNED = [[8, 1], [11, 4], [5, 10], [2, 7]]  # sides of 3 and 6 times the root of 2


@pytest.mark.parametrize("name", [None, "oriented_rectangle", "rotation", "quadrilateral"])
def test_shapes_whose_points_are_their_outline(tmp_path, name):
    found = LabelmeDataset.from_folder(write(tmp_path, [shape(TURNED, name)])).load_instances(0)
    np.testing.assert_array_equal(found.boxes, [[1, 2, 10, 11]])
    (outline,) = found.segmentations[0]
    np.testing.assert_array_equal(outline, TURNED)


def test_shapes_that_are_no_objects_are_counted(tmp_path):
    shapes = [
        shape(),
        shape(name="blob"),
        shape(name=7),
        shape(SQUARE[:1], "rectangle"),
        shape(SQUARE[:3], "rectangle"),
        shape(SQUARE, "circle"),
    ]
    dataset = LabelmeDataset.from_folder(write(tmp_path, shapes))
    assert len(dataset.load_instances(0)) == 1
    assert dataset.skipped == {
        "shape of the unknown type 'blob'": 1,
        "shape of the unknown type '7'": 1,
        "rectangle of 1 point": 1,
        "rectangle of 3 points": 1,
        "circle of 4 points": 1,
    }


def test_numbers_are_labels(tmp_path):
    write(tmp_path, [shape(label=3), shape(label=12), shape(label="3")])
    dataset = LabelmeDataset.from_folder(tmp_path)
    assert dataset.classes == ["12", "3"]
    assert dataset.load_instances(0).class_ids.tolist() == [2, 1, 2]
    told = LabelmeDataset.from_folder(tmp_path, classes=["3", "12"])
    assert told.load_instances(0).class_ids.tolist() == [1, 2, 1]


def test_images_that_only_their_files_hold(tmp_path):
    """They are written once, beside the files."""
    values = np.arange(240, dtype=np.uint8).reshape(12, 20)
    for name in ("a", "b"):
        data = png(values + (name == "b"))
        write(tmp_path, [shape()], name=name, imagePath="C:\\x\\photo.png", imageData=data)
        (tmp_path / f"{name}.png").unlink()
    for count in (2, 0):
        dataset = LabelmeDataset.from_folder(tmp_path)
        assert [info["path"] for info in dataset.image_info] == [
            str(tmp_path / "a.png"), str(tmp_path / "b.png"),
        ]  # fmt: skip
        np.testing.assert_array_equal(dataset.load_image(1)[..., 0], values + 1)
        assert sum(dataset.remarks.values()) == count
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.json", "a.png", "b.json", "b.png"]


def test_an_image_in_the_file_is_not_taken_where_there_is_one_beside(tmp_path):
    data = png(np.full((12, 20), 7, np.uint8))
    dataset = LabelmeDataset.from_folder(write(tmp_path, [shape()], imageData=data))
    assert not dataset.load_image(0).any() and not dataset.remarks


def test_an_image_that_is_neither_beside_nor_in_the_file(tmp_path):
    write(tmp_path, [shape()], imagePath="c.png", imageData="abc")
    (tmp_path / "a.png").unlink()
    with pytest.raises(InputError, match=r"a\.json: the image 'c\.png' is missing, and"):
        LabelmeDataset.from_folder(tmp_path)


def test_an_image_that_cannot_be_written(tmp_path):
    data = png(np.full((12, 20), 7, np.uint8))
    write(tmp_path, [shape()], imagePath="photo.jpg", imageData=data)
    (tmp_path / "a.jpg.unfinished").mkdir()
    with pytest.raises(InputError, match=r"a\.json holds its image: .* cannot be written"):
        LabelmeDataset.from_folder(tmp_path)


def test_a_size_that_is_not_that_of_the_image_stays_for_the_checks(tmp_path):
    """Also where masks are made in the size of the image, because a claimed one may be huge."""
    ones = {**shape([[1, 1], [2, 2]], "mask"), "mask": png(np.ones((2, 2), np.uint8))}
    write(tmp_path, [ones], imageHeight=24, imageWidth=40)
    dataset = LabelmeDataset.from_folder(tmp_path)
    assert (dataset.image_info[0]["height"], dataset.image_info[0]["width"]) == (24, 40)
