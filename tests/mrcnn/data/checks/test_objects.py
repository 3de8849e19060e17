import numpy as np
import pytest

from mrcnn.data.checks.objects import (
    FAULTS,
    fault_findings,
    find_crossing,
    kept_objects,
    outline_findings,
    outlines,
)
from mrcnn.data.datasets import object_table as objects
from mrcnn.data.datasets.object_table import ObjectTableBuilder, ObjectTableDataset
from mrcnn.data.findings import KINDS

SQUARE = [1, 1, 5, 1, 5, 4, 1, 4]


def dataset_of(*images):
    dataset, builder = ObjectTableDataset(), ObjectTableBuilder()
    dataset.add_class("own", 1, "thing")
    for number, shapes in enumerate(images):
        dataset.add_image("own", number, f"{number}.png", height=10, width=12)
        builder.add_image((10, 12))
        for shape in shapes:
            builder.add(1, shape)
    dataset.add_objects(0, builder)
    dataset.prepare()
    return dataset


def place(image, number):
    return {"image": image, "file_name": f"{image}.png", "annotation": number}


def found(findings):
    return [(f.code, f.severity, f.image, f.annotation) for f in findings]


def test_every_reason_has_a_kind():
    reasons = {v for k, v in vars(objects).items() if k.isupper() and isinstance(v, str)}
    assert set(FAULTS) == reasons
    assert {code for code, _ in FAULTS.values()} <= set(KINDS)


def test_what_the_reader_left_out():
    dataset = dataset_of(
        [[SQUARE], [[1, 1, 5, 5], SQUARE], [[1, 1, 5, 5]]],
        [[[1, 1, 5, 5, 9, 9]], [[1, 2, 3], [1, float("nan"), 2, 2, 5, 5]], []],
    )
    assert found(fault_findings(dataset, "train", place)) == [
        ("polygon-few-points", "warning", 0, 1),
        ("polygon-few-points", "error", 0, 2),
        ("polygon-no-area", "warning", 1, 0),
        ("polygon-odd", "error", 1, 1),
        ("polygon-not-finite", "error", 1, 1),
        ("empty-mask", "warning", 1, 2),
    ]


def test_what_the_reader_of_a_format_left_out_itself():
    dataset = dataset_of([[SQUARE], [[1, 1, 5, 5]]])
    dataset.skipped["shape of type line"] += 3
    *_, last = fault_findings(dataset, "train", place)
    assert (last.code, last.message) == ("left-out", "3 x shape of type line")


def test_numbers_go_on_behind_what_is_left_out():
    dataset = dataset_of([[[1, 1, 5, 5]], [SQUARE], [], [SQUARE]], [], [[SQUARE]])
    assert [numbers for _, numbers, _ in kept_objects(dataset)] == [[1, 3], [], [0]]


def test_outlines_that_were_hardly_meant():
    bow = [1, 1, 9, 9, 9, 1, 1, 8]
    dataset = dataset_of(
        [[SQUARE], [SQUARE, bow]], [], [[[-4, 1, 5, 1, 5, 4]], [[-1, 1, 5, 1, 5, 4]]]
    )
    findings = list(outline_findings(dataset, "train", place))
    assert found(findings) == [
        ("polygon-crossing", "warning", 0, 1),
        ("no-objects", "note", 1, None),
        ("beyond-image", "warning", 2, 0),
    ]
    # y = x meets the line from (9, 1) to (1, 8): 7 x + 8 y = 71 at 71 / 15.
    assert "x, y = 4.7, 4.7" in findings[0].message
    assert "4.0 pixels beyond" in findings[2].message


@pytest.mark.parametrize(
    ("points", "crosses"),
    [
        ([[0, 0], [4, 0], [4, 4], [0, 4]], False),
        ([[0, 0], [4, 4], [4, 0], [0, 4]], True),
        ([[0, 0], [4, 0], [4, 4], [2, 0], [0, 4]], False),  # a corner touches an edge
        ([[0, 0], [4, 0], [4, 4], [2, -1], [0, 4]], True),
        ([[0, 0], [4, 0], [4, 0], [4, 4], [0, 4], [0, 0]], False),  # points twice
        ([[0, 0], [4, 0], [2, 4]], False),
        ([[0, 0], [6, 0], [6, 3], [3, 3], [3, 0.5], [4, 0.5], [4, 5], [0, 5]], True),
    ],
)
@pytest.mark.parametrize("pairs", [1_000_000, 1])
def test_crossings_by_hand(points, crosses, pairs, monkeypatch):
    monkeypatch.setattr("mrcnn.data.checks.objects._PAIRS", pairs)
    for turned in (points, points[::-1], points[1:] + points[:1]):
        assert (find_crossing(np.array(turned, float) + 0.1) is not None) == crosses


def test_outlines_of_every_kind_of_shape():
    polygon = [np.array([[1, 1], [5, 1], [5, 4.0]])]
    assert outlines(polygon, np.zeros(4)) is polygon
    (box,) = outlines([], np.array([1, 2, 3, 5]))
    assert box.tolist() == [[2, 1], [5, 1], [5, 3], [2, 3]]
    mask = np.zeros((10, 12), bool)
    mask[2:6, 3:9] = True
    (contour,) = outlines(mask, np.zeros(4))
    np.testing.assert_allclose(contour.min(axis=0), [3, 2])
    np.testing.assert_allclose(contour.max(axis=0), [9, 6])
