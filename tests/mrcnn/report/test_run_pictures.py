import numpy as np
import pytest

from mrcnn.data.datasets.coco import CocoDataset
from mrcnn.data.datasets.toy_sample import generate_sample
from mrcnn.report import run_pictures
from mrcnn.report.run_pictures import CELL, choose_images, sheet_row, validation_sheet


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    folder = generate_sample(tmp_path_factory.mktemp("shapes"), train=3, val=6, size=96)
    return CocoDataset.from_folder(folder, "val")


def detections(dataset, image_id, *scores):
    """The first objects of the ground truth, with these scores."""
    truth, count = dataset.load_instances(image_id), len(scores)
    return {
        "rois": truth.boxes[:1].repeat(count, axis=0),
        "class_ids": truth.class_ids[:1].repeat(count),
        "scores": np.array(scores, np.float32),
        "masks": truth.masks()[:, :, :1].repeat(count, axis=2),
    }


def test_images_are_spread_over_those_with_objects(shapes):
    full = [i for i in shapes.image_ids if len(shapes.load_instances(i).class_ids)]
    assert choose_images(shapes, 2) == [full[0], full[-1]]
    assert choose_images(shapes, 99) == full
    assert choose_images(shapes, 5, [full[1]]) == [full[1]]


def test_a_row_shows_the_image_the_truth_and_the_prediction(shapes):
    (image_id,) = choose_images(shapes, 1)
    image, truth, found = sheet_row(shapes, image_id, detections(shapes, image_id, 0.9))
    assert image.shape == truth.shape == found.shape and max(image.shape) >= CELL
    assert (image != truth).any() and (image != found).any()


def test_scores_below_the_threshold_are_left_out(shapes, monkeypatch):
    shown, titles = [], []
    monkeypatch.setattr(
        run_pictures, "sheet_row", lambda d, i, found: shown.append(found["scores"].tolist()) or []
    )
    monkeypatch.setattr(
        run_pictures, "picture_sheet", lambda rows, names, **_: titles.append(names)
    )
    one, other = choose_images(shapes, 2)
    found = {one: detections(shapes, one, 0.75, 0.25), other: detections(shapes, other, 0.25)}
    validation_sheet(shapes, found, 0.5)
    assert shown == [[0.75], []] and titles[0][2] == "found, score from 0.5"
    # Where nothing reaches it, what there is is shown.
    shown.clear()
    validation_sheet(shapes, {other: detections(shapes, other, 0.25, 0.03125)}, 0.5)
    assert shown == [[0.25]] and titles[1][2] == "found, score from 0.05"
