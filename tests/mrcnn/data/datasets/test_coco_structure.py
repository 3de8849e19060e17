"""What the strict reader refuses one by one (see test_coco.py), all at once."""

import copy

import pytest

from mrcnn.data.datasets.coco_structure import list_fault, read_object, structure_findings

TRIANGLE = [1.0, 1.0, 9.0, 1.0, 5.0, 7.0]
GOOD = {
    "images": [{"id": n, "file_name": f"{n}.png", "height": 10, "width": 12} for n in (1, 2)],
    "annotations": [
        {"id": n, "image_id": 1, "category_id": 1, "segmentation": [TRIANGLE]} for n in range(6)
    ],
    "categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}],
}


def test_a_good_file():
    assert list_fault(GOOD) is None
    assert list(structure_findings(GOOD)) == []


def test_every_fault_is_found_and_none_hides_another():
    content = copy.deepcopy(GOOD)
    content["images"] += [
        3,
        {"id": 2, "file_name": "twin.png", "height": 5, "width": 5},
        {"id": 4, "file_name": "flat.png", "height": 0, "width": 5},
        {"id": 5, "file_name": "sizeless.png"},
        {"id": [6], "file_name": "x", "height": 1, "width": 1},
    ]
    content["categories"] += [{"id": 2, "name": "c"}, {"id": 3}, "d"]
    annotations = content["annotations"]
    annotations[0] = None
    annotations[1]["category_id"] = 9
    annotations[2]["image_id"] = "1"
    annotations[3]["segmentation"] = {"size": [10, 12], "counts": [1, 2]}
    annotations[4]["image_id"] = 5  # the image cannot be read, but it is there
    annotations[5].update(category_id={}, id=[])
    found = [(f.code, f.part, f.position) for f in structure_findings(content)]
    assert sorted(found, key=str) == sorted(
        [
            ("malformed-image", "images", 2),
            ("repeated-image-id", "images", 3),
            ("malformed-image", "images", 4),
            ("malformed-image", "images", 5),
            ("malformed-image", "images", 6),
            ("repeated-category-id", "categories", 2),
            ("malformed-category", "categories", 3),
            ("malformed-category", "categories", 4),
            ("malformed-annotation", "annotations", 0),
            ("unknown-category", "annotations", 1),
            ("unknown-image", "annotations", 2),
            ("malformed-annotation", "annotations", 3),
            ("malformed-annotation", "annotations", 5),
        ],
        key=str,
    )


def test_findings_name_image_and_annotation():
    content = copy.deepcopy(GOOD)
    content["annotations"][3]["segmentation"] = "none"
    (finding,) = structure_findings(content)
    assert (finding.image, finding.file_name, finding.annotation) == (1, "1.png", 3)
    assert finding.where() == "1.png, annotation 3"


@pytest.mark.parametrize(
    "content", [[], {}, {"images": [], "annotations": []}, {**GOOD, "categories": {}}]
)
def test_other_files(content):
    assert "must" in list_fault(content)


@pytest.mark.parametrize("value", [0, 0.0, None, "", [], False, "0", " False ", "no"])
def test_no_crowd(value):
    assert read_object({"iscrowd": value}).crowd is False


@pytest.mark.parametrize("value", [1, 1.0, True, "1", "true"])
def test_a_crowd(value):
    assert read_object({"iscrowd": value}).crowd is True


@pytest.mark.parametrize("value", [2, -1, "many", [1], {"a": 1}])
def test_what_is_neither_is_refused(value):
    content = copy.deepcopy(GOOD)
    content["annotations"][2]["iscrowd"] = value
    (finding,) = structure_findings(content)
    assert "annotations[2]: 'iscrowd' must be 0 or 1" in finding.message


@pytest.mark.parametrize("value", [None, "", [], {}, [[]], [[], []]])
def test_every_spelling_of_no_mask(value):
    assert read_object({"segmentation": value}).segmentation == []
    assert not list(structure_findings({**GOOD, "annotations": [one(segmentation=value)]}))


def one(**fields):
    return {"id": 1, "image_id": 1, "category_id": 1, **fields}


def test_boxes_and_areas():
    for empty in (None, [], "", False):
        assert read_object({"bbox": empty}).box is None
    assert read_object({"bbox": ["1", 2, "3.5", 4]}).box == [1, 2, 3.5, 4]
    for wrong in (True, "1,2,3,4", [1, 2, 3], [1, 2, True, 4], [1, 2, None, 4], {"x": 1}):
        assert all(side != side for side in read_object({"bbox": wrong}).box)
    areas = [7, "7", None, "", True, [], -1, 0, "x", float("nan"), 10**400]
    assert [read_object({"area": area}).area for area in areas] == [7, 7] + [None] * 9
