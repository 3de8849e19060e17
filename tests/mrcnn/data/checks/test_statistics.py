import numpy as np
import pytest

from mrcnn.data.checks.anchors import Anchors
from mrcnn.data.checks.statistics import (
    AnchorFit,
    InputSize,
    fit_anchors,
    measure,
    shares,
    small_findings,
    statistics,
)
from mrcnn.data.datasets.object_table import ObjectTableBuilder, ObjectTableDataset
from mrcnn.data.image import resize_image

ANCHORS = Anchors((32, 64, 128, 256, 512), (0.5, 1, 2), (4, 8, 16, 32, 64))


@pytest.fixture
def dataset():
    """An image of 50 x 100 with a crowd between two objects, and one without any."""
    dataset, builder = ObjectTableDataset(), ObjectTableBuilder()
    for name in ("cat", "dog"):
        dataset.add_class("own", name, name)
    for number, size in enumerate(((50, 100), (30, 30))):
        dataset.add_image("own", number, f"{number}.png", height=size[0], width=size[1])
        builder.add_image(size)
        if number == 0:
            builder.add(2, [], [0, 0, 20, 5])
            builder.add(-1, [], [0, 0, 60, 40])
            builder.add(2, [[1, 1]])  # left out
            builder.add(1, [], [50, 10, 40, 40])
    dataset.add_objects(0, builder)
    dataset.prepare()
    return dataset


def test_objects_are_measured_after_resizing(dataset):
    numbers = measure(dataset, InputSize(100, 200, 0, "square"))
    # Twice as large, and 50 pixels of padding above.
    assert numbers.boxes.tolist() == [[50, 0, 60, 40], [70, 100, 150, 180]]
    assert numbers.canvas.tolist() == [[200, 200], [200, 200]]
    assert numbers.number.tolist() == [0, 3] and numbers.image.tolist() == [0, 0]
    assert numbers.per_image.tolist() == [2, 0]
    np.testing.assert_allclose(numbers.size, [20, 80])
    np.testing.assert_allclose(numbers.aspect, [4, 1])
    found = statistics(numbers, dataset.class_names)
    assert found["objects per class"] == [["cat", 1], ["dog", 1]]
    assert found["objects per image"]["mean"] == 1


@pytest.mark.parametrize("mode", ["square", "canvas", "pad64", "crop", "none"])
def test_boxes_go_where_the_pixels_go(dataset, mode):
    image = np.zeros((50, 100, 3), np.uint8)
    image[10:50, 50:90] = 255
    resized, _, _, _, crop = resize_image(image, 64, 128, 0, mode)
    rows, columns = np.nonzero(resized[:, :, 0] > 127)
    offset = (0, 0) if crop is None else crop[:2]
    wanted = [rows.min(), columns.min(), rows.max() + 1, columns.max() + 1]
    found = measure(dataset, InputSize(64, 128, 0, mode)).boxes[1] - np.tile(offset, 2)
    if mode == "crop":
        found = found.clip(0, 64)
    np.testing.assert_allclose(found, wanted, atol=1)


def test_small_objects_are_named(dataset):
    numbers = measure(dataset, InputSize(50, 100, 0, "square"))  # 20 x 5 and 40 x 40
    fit = fit_anchors(numbers, ANCHORS)
    place = lambda image, number: {"image": image, "annotation": number}  # noqa: E731
    (finding,) = small_findings(numbers, fit.ious[0], ANCHORS, "train", place)
    assert (finding.code, finding.severity, finding.annotation) == ("small-object", "note", 0)
    # 100 square pixels of 32 x 32.
    assert "10.0 pixels" in finding.message and "by 0.10" in finding.message


def test_shares_and_what_is_worth_a_change():
    before, after = np.array([0.2, 0.5, 0.7, 0.6]), np.array([0.3, 0.5, 0.7, 0.6])
    assert shares(before) == {
        "mean": 0.5,
        "at least 0.5": 0.75,
        "at least 0.7": 0.25,
        "below 0.3": 0.25,
    }
    assert AnchorFit((ANCHORS, ANCHORS), (before, after)).better
    assert not AnchorFit((ANCHORS, ANCHORS), (before, before + 0.005)).better


def test_a_dataset_without_objects():
    dataset = ObjectTableDataset()
    dataset.add_image("own", 1, "a.png", height=5, width=5)
    dataset.prepare()
    numbers = measure(dataset, InputSize(64, 64, 0, "square"))
    fit = fit_anchors(numbers, ANCHORS)
    assert len(numbers) == 0 and not fit.better and fit.anchors[1] == ANCHORS
    assert statistics(numbers, dataset.class_names)["objects"] == 0
