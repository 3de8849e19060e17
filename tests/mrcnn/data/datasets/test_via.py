import copy
import json
import pickle

import numpy as np
import pytest
from PIL import Image

from mrcnn.data.datasets.via import ViaDataset, read_via
from mrcnn.data.pipeline.batch import BatchBuilder, BatchSettings
from mrcnn.data.pipeline.batch_sampler import BatchSampler
from mrcnn.data.pipeline.loader import Loader
from mrcnn.errors import InputError

SQUARE = {"name": "polygon", "all_points_x": [2, 8, 8, 2], "all_points_y": [1, 1, 5, 5]}
RECT = {"name": "rect", "x": 10, "y": 2, "width": 5, "height": 3}


def region(shape=SQUARE, **attributes):
    return {"shape_attributes": shape, "region_attributes": attributes}


def entry(name, regions):
    return {"filename": name, "size": 100, "regions": regions, "file_attributes": {}}


# The same annotations as version 1 and version 2 write them.
TWO = {
    "b.png100": entry("b.png", [region(kind="cell"), region(RECT, kind="nut")]),
    "a.png100": entry("a.png", []),
}
ONE = copy.deepcopy(TWO)
for image in ONE.values():
    image["regions"] = {str(i): r for i, r in enumerate(image["regions"])}
    image.update(fileref="", base64_img_data="")
DEFINED = {"nut": "A nut", "bolt": "", "cell": ""}
PROJECT = {
    "_via_settings": {"core": {"default_filepath": ""}, "project": {"name": "p"}},
    "_via_img_metadata": TWO,
    "_via_attributes": {"region": {"kind": {"type": "dropdown", "options": DEFINED}}, "file": {}},
    "_via_data_format_version": "2.0.10",
    "_via_image_id_list": list(TWO),
}


def write(folder, content):
    for letter in "ab":
        Image.fromarray(np.full((12, 20, 3), ord(letter), np.uint8)).save(folder / f"{letter}.png")
    path = folder / "via.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def one_image(*regions):
    return {"a": entry("a.png", list(regions))}


@pytest.mark.parametrize("content", [ONE, TWO, PROJECT], ids=["1", "2", "project"])
def test_both_versions_and_projects(tmp_path, content):
    dataset = ViaDataset.from_file(write(tmp_path, content), classes=["cell", "nut"])
    assert dataset.class_names[2] in ("nut", "A nut")
    assert dataset.class_from_source_map == {".0": 0, "via.cell": 1, "via.nut": 2}
    assert dataset.get_source_class_id(2, "via") == "nut"
    assert [info["id"] for info in dataset.image_info] == ["b.png", "a.png"]
    assert dataset.image_info[0]["path"] == str(tmp_path / "b.png")
    assert not dataset.skipped
    found = dataset.load_instances(0)
    assert found.size == (12, 20)
    assert found.class_ids.tolist() == [1, 2]
    np.testing.assert_array_equal(found.boxes, [[1, 2, 5, 8], [2, 10, 5, 15]])
    expected = np.zeros((12, 20, 2), bool)
    expected[1:5, 2:8, 0] = True
    expected[2:5, 10:15, 1] = True
    np.testing.assert_array_equal(dataset.load_mask(0)[0], expected)
    assert len(dataset.load_instances(1)) == 0
    np.testing.assert_array_equal(dataset.load_image(1), ord("a"))


def test_class_names(tmp_path):
    """Values sorted; or as the project defines them, with those that do not occur; or as asked."""
    path = write(tmp_path, TWO)
    assert ViaDataset.from_file(path).class_names == ["BG", "cell", "nut"]
    assert ViaDataset.from_file(path, classes=["nut", "cell", "x"]).class_names[1:] == [
        "nut",
        "cell",
        "x",
    ]
    assert ViaDataset.from_file(path, class_name="thing").class_names == ["BG", "thing"]
    project = ViaDataset.from_file(write(tmp_path, PROJECT))
    assert project.class_names == ["BG", "bolt", "cell", "A nut"]
    assert project.load_instances(0).class_ids.tolist() == [2, 3]
    assert project.map_source_class_id("via.bolt") == 1
    # Values, not names, make another file have the same classes.
    path = write(tmp_path, TWO)
    assert project.classes == ["bolt", "cell", "nut"]
    assert ViaDataset.from_file(path, classes=project.classes).num_classes == 4
    # A part of a file has the classes of all of it.
    assert ViaDataset.from_file(path, limit=1).num_classes == 3
    assert ViaDataset.from_file(path, limit=1).num_images == 1


def test_regions_of_version_1_are_in_the_order_of_their_numbers(tmp_path):
    rows = {str(i): region({**RECT, "x": i}, k="c") for i in (10, 9, 0, 2)}
    path = write(tmp_path, {"a": entry("a.png", rows)})
    boxes = ViaDataset.from_file(path).load_instances(0).boxes
    assert boxes[:, 1].tolist() == [0, 2, 9, 10]


def test_shapes(tmp_path):
    line = {**SQUARE, "name": "polyline"}
    circle = {"name": "circle", "cx": 10, "cy": 6, "r": 4}
    upright = {"name": "ellipse", "cx": 10, "cy": 6, "rx": 5, "ry": 2}
    turned = {**upright, "theta": np.pi / 2}
    point = {"name": "point", "cx": 3, "cy": 4}
    path = write(tmp_path, one_image(*map(region, (line, circle, upright, turned, point))))
    dataset = ViaDataset.from_file(path, class_name="c")
    assert dataset.skipped == {"point, which has no area": 1}
    found = dataset.load_instances(0)
    expected = [[1, 2, 5, 8], [2, 6, 10, 14], [4, 5, 8, 15], [1, 8, 11, 12]]
    np.testing.assert_allclose(found.boxes, expected, atol=1e-5)
    rows, columns = np.mgrid[:12, :20] + 0.5
    disc = (rows - 6) ** 2 + (columns - 10) ** 2 < 16
    np.testing.assert_array_equal(found.masks()[:, :, 1], disc)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("nut", "nut"),
        (" nut ", "nut"),
        ({"nut": True, "bolt": False}, "nut"),
        ({"nut": True}, "nut"),
    ],
)
def test_values_of_all_kinds_of_attributes(tmp_path, value, name):
    path = write(tmp_path, one_image(region(kind=value)))
    assert ViaDataset.from_file(path).class_names == ["BG", name]


@pytest.mark.parametrize("value", ["", " ", {}, {"nut": False}, None])
def test_a_region_without_a_class_is_an_error(tmp_path, value):
    path = write(tmp_path, one_image(region(kind="nut"), region(kind=value), region(kind=value)))
    with pytest.raises(InputError, match=r"2 regions have no .*'kind'.*region 1 of image 'a\.png'"):
        ViaDataset.from_file(path)
    assert len(ViaDataset.from_file(path, class_name="nut").load_instances(0)) == 3


def test_points_need_no_class(tmp_path):
    point = region({"name": "point", "cx": 3, "cy": 4}, kind="")
    path = write(tmp_path, one_image(region(kind="nut"), point))
    assert ViaDataset.from_file(path).class_names == ["BG", "nut"]


def test_which_attribute_is_the_class(tmp_path):
    path = write(tmp_path, one_image(region(kind="nut", colour="red")))
    with pytest.raises(InputError, match=r"several attributes \('colour', 'kind'\).*attribute"):
        ViaDataset.from_file(path)
    assert ViaDataset.from_file(path, attribute="colour").class_names == ["BG", "red"]
    with pytest.raises(InputError, match=r"no region .*'kinds'.*Did you mean 'kind'\?"):
        ViaDataset.from_file(path, attribute="kinds")
    with pytest.raises(InputError, match="not both"):
        ViaDataset.from_file(path, attribute="kind", class_name="nut")
    with pytest.raises(InputError, match="no attributes, .*class_name"):
        ViaDataset.from_file(write(tmp_path, one_image(region())))


def test_a_misspelt_class_is_an_error(tmp_path):
    path = write(tmp_path, one_image(region(kind="nuut")))
    with pytest.raises(InputError, match=r"region 0 of image 'a\.png'.*'nuut'.*, or 'nut'\?"):
        ViaDataset.from_file(path, classes=["nut", "bolt"])


def test_bad_geometry_is_counted(tmp_path):
    shapes = [
        SQUARE,
        {"name": "polygon", "all_points_x": [1, 2], "all_points_y": [1, 2]},
        {"name": "polygon", "all_points_x": [1, 2, 3], "all_points_y": [1, 2, 3]},
        {**SQUARE, "all_points_x": [1, 2, 3]},
        {**SQUARE, "all_points_x": [1, 2, 3, float("nan")]},
        {"name": "circle", "cx": float("inf"), "cy": 1, "r": 2},
        {"name": "ellipse", "cx": 4, "cy": 1, "rx": 2, "ry": float("-inf")},
        {"name": "circle", "cx": 1, "cy": 1, "r": 0},
        {**RECT, "x": 10**400},
        {**RECT, "width": 1e30},
        {**RECT, "x": -50},
        {**RECT, "x": 25},
    ]
    path = write(tmp_path, one_image(*map(region, shapes)))
    dataset = ViaDataset.from_file(path, class_name="c")
    found = dataset.load_instances(0)
    np.testing.assert_array_equal(found.boxes, [[1, 2, 5, 8]])
    assert len(found.segmentations) == 1
    # The last rectangle is outside too, which shows only once the size of the image is known.
    assert dataset.skipped == {
        "polygon with fewer than 3 points": 1,
        "polygon without area": 2,
        "polygon with different numbers of x and y": 1,
        "polygon with a coordinate that is not finite": 4,
        "polygon far outside any image": 1,
        "object without a usable mask": 8,
        "object outside its image": 1,
    }


def test_boxes_end_at_the_border(tmp_path):
    path = write(tmp_path, one_image(region({**RECT, "x": -4, "y": 8, "width": 99, "height": 9})))
    found = ViaDataset.from_file(path, class_name="c").load_instances(0)
    np.testing.assert_array_equal(found.boxes, [[8, 0, 12, 20]])


def test_missing_images_are_counted(tmp_path):
    path = write(tmp_path, TWO)
    (tmp_path / "b.png").unlink()
    with pytest.raises(InputError, match=r"1 of 2 images of .*via\.json are missing.*b\.png"):
        ViaDataset.from_file(path)
    other = tmp_path / "elsewhere"
    other.mkdir()
    moved = write(other, TWO).rename(tmp_path / "moved.json")
    assert ViaDataset.from_file(moved, image_dir=other).num_images == 2


def changed(path, value):
    """Return TWO with one entry replaced; `...` removes it."""
    content = copy.deepcopy(TWO)
    place = content
    for step in path[:-1]:
        place = place[step]
    if value is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return content


FIRST = ("b.png100", "regions", 0)
SHAPE = (*FIRST, "shape_attributes")
WRONG = [
    ("{", "not JSON"),
    ("[1]", "must hold an object, found a list"),
    ({"_via_img_metadata": []}, "must hold an object, found a list"),
    ({"project": {}, "view": {}, "metadata": {}}, "no file of VIA 1 or 2: the entry 'project'"),
    (changed(["a.png100"], 3), "the entry 'a.png100' is not an image"),
    (changed(["a.png100", "filename"], 3), "the entry 'a.png100' is not an image"),
    (changed(["a.png100", "filename"], "b.png"), "image 'b.png' is there twice"),
    (changed(["a.png100", "regions"], ...), "the entry 'a.png100' is not an image"),
    (changed(["a.png100", "regions"], None), "image 'a.png'.*must be a list or an object, .* null"),
    (changed(["a.png100", "regions"], {"x": 1}), "image 'a.png'.*numbered 0, 1"),
    (changed(FIRST, 3), "region 0 of image 'b.png' .*must be an object, found a whole number"),
    (changed(SHAPE, ...), "region 0 of image 'b.png' .*'shape_attributes' .*found nothing"),
    (changed((*FIRST, "region_attributes"), []), "'region_attributes' .*found a list"),
    (changed((*FIRST, "region_attributes", "kind"), 3), "region 0 of image 'b.png'.*must be text"),
    (
        changed((*FIRST, "region_attributes", "kind"), {"a": True, "b": True}),
        "region 0 of image 'b.png'.*several values of 'kind': a, b",
    ),
    (changed((*SHAPE, "name"), "polygone"), r"region 0 .*'polygone'.*mean 'polygon'\?"),
    (changed((*SHAPE, "name"), ["polygon"]), "region 0 .*no such shape"),
    (changed((*SHAPE, "all_points_x"), ...), "region 0 .*a polygon needs 'all_points_x'"),
    (changed((*SHAPE, "all_points_x"), 3), "region 0 .*'all_points_x' must be a list"),
    (changed((*SHAPE, "all_points_y", 1), "1"), "'all_points_y' must be numbers, found text"),
    (changed(("b.png100", "regions", 1, "shape_attributes", "x"), None), "region 1 .*rect .*null"),
]


@pytest.mark.parametrize(("content", "message"), WRONG)
def test_broken_files_are_refused_in_one_line(tmp_path, content, message):
    path = write(tmp_path, content)
    with pytest.raises(InputError, match=message) as caught:
        ViaDataset.from_file(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_odd_definitions_of_a_project_are_passed_over(tmp_path):
    for definitions in (None, [], {"region": 3}, {"region": {"kind": 3}}):
        path = write(tmp_path, {**PROJECT, "_via_attributes": definitions})
        assert ViaDataset.from_file(path).class_names == ["BG", "cell", "nut"]
    text = {"region": {"kind": {"type": "text", "options": {}}, "note": {"type": "text"}}}
    assert read_via(write(tmp_path, {**PROJECT, "_via_attributes": text})).attributes() == [
        "kind",
        "note",
    ]


def test_two_files_in_one_dataset(tmp_path):
    first, second = tmp_path / "1", tmp_path / "2"
    first.mkdir(), second.mkdir()
    dataset = ViaDataset()
    dataset.load_via(write(first, TWO))
    dataset.load_via(write(second, ONE), limit=1)
    dataset.prepare()
    assert dataset.class_names == ["BG", "cell", "nut"]
    assert [dataset.load_instances(i).class_ids.tolist() for i in range(3)] == [[1, 2], [], [1, 2]]


def test_batches_and_pickling(tmp_path, tiny_config):
    dataset = ViaDataset.from_file(write(tmp_path, TWO))
    dataset = pickle.loads(pickle.dumps(dataset))  # noqa: S301 - our own bytes
    config = tiny_config.update(NUM_CLASSES=3)
    settings = BatchSettings.of(config, flip=False, seed=0)
    sampler = BatchSampler([0, 0], 2, shuffle=False, seed=0)
    batch = BatchBuilder(dataset, settings, sampler)(0)
    assert batch["input_gt_class_ids"][0, :3].tolist() == [1, 2, 0]
    # Both objects fill their boxes.
    assert batch["input_gt_masks"][0, :, :, :2].all()
    assert batch["input_gt_has_mask"].sum() == 2
    # Sizes are read from the files where the canvas of an image depends on them.
    Loader(dataset, config.update(IMAGE_RESIZE_MODE="canvas", IMAGE_MAX_DIM=96))


def test_files_of_windows(tmp_path):
    """A byte order mark, and backslashes between folders; the class has its name in the source."""
    (tmp_path / "photos").mkdir()
    content = {"a": entry("photos\\a.png", [region(kind="cell")])}
    write(tmp_path / "photos", {})
    (tmp_path / "via.json").write_text(json.dumps(content), encoding="utf-8-sig")
    dataset = ViaDataset.from_file(tmp_path / "via.json")
    assert dataset.load_image(0)[0, 0].tolist() == [ord("a")] * 3
    assert dataset.get_source_class_id(1, "via") == "cell"
