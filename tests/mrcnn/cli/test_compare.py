"""The picture of two models on one image, with stand-ins for the models."""

import numpy as np
import pytest
from PIL import Image

from mrcnn.cli import compare as module
from mrcnn.cli import demo
from mrcnn.cli.compare import CELL, LEAST_OBJECTS, compare, judge, median_place, view
from mrcnn.config import Config
from mrcnn.config_io import save_config
from mrcnn.data.datasets.coco import CocoDataset
from mrcnn.data.datasets.toy_sample import generate_sample
from mrcnn.drawing.matches import LEFT_OUT, TOO_MUCH, ObjectSet
from mrcnn.errors import InputError


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = generate_sample(tmp_path_factory.mktemp("sample"), train=3, val=16, size=96)
    return CocoDataset.from_folder(folder, "val")


class Shifted:
    """Finds what is true, so many pixels to the right; `lost` objects are left out."""

    def __init__(self, dataset, pixels=0, lost=0):
        self.truth = {}
        for image_id in dataset.image_ids:
            objects = dataset.load_instances(image_id)
            keep = np.flatnonzero(objects.class_ids > 0)[lost:]
            masks = np.roll(objects.masks()[:, :, keep], pixels, axis=1)
            self.truth[dataset.load_image(image_id).tobytes()] = {
                "rois": objects.boxes[keep].astype(np.int32),
                "class_ids": objects.class_ids[keep],
                "scores": np.full(len(keep), 0.9, np.float32),
                "masks": masks,
            }

    def detect(self, images, verbose=0):
        return [self.truth[images[0].tobytes()]]


def images_with_enough(dataset):
    counts = [(dataset.load_instances(i).class_ids > 0).sum() for i in dataset.image_ids]
    return [int(i) for i, count in enumerate(counts) if count >= LEAST_OBJECTS]


@pytest.mark.parametrize(
    ("values", "expected"), [([3.0], 0), ([1, 9, 2], 2), ([4, 1, 3, 2], 3), ([5, 5, 5], 1)]
)
def test_the_median_is_the_middle_one_not_the_best(values, expected):
    assert median_place(values) == expected


def test_scores_of_an_image_count_missed_objects_as_nothing(dataset):
    image_id = images_with_enough(dataset)[0]
    objects = dataset.load_instances(image_id)
    truths = {image_id: ObjectSet.of_truth(objects)}
    count = int((objects.class_ids > 0).sum())
    perfect = judge(Shifted(dataset), dataset, truths)[image_id]
    assert perfect.iou == 1 and perfect.caption() == (
        f"mask IoU 1.000, {count} of {count} objects, 0 false"
    )
    lossy = judge(Shifted(dataset, lost=1), dataset, truths)[image_id]
    assert lossy.iou == pytest.approx((count - 1) / count)
    assert f"{count - 1} of {count} objects, 0 false" in lossy.caption()


def test_the_picture_shows_wrong_pixels_of_the_shifted_model_alone(dataset, tmp_path, monkeypatch):
    drawn = []
    draw = module.draw
    monkeypatch.setattr(module, "draw", lambda *args: drawn.append(draw(*args)) or drawn[0])
    out = tmp_path / "compare.png"
    words = compare(dataset, [Shifted(dataset, 4), Shifted(dataset)], out)
    assert f"over the {len(images_with_enough(dataset))} validation images" in words
    assert "1.000 with the edge loss" in words and "median difference" in words
    with Image.open(out) as picture:
        assert picture.format == "PNG" and picture.size[0] == 3 * CELL + 4 * 8
        assert np.array(picture.convert("RGB")).std() > 20  # not blank

    columns = [drawn[0][:, 8 + place * (CELL + 8) :][:, :CELL].astype(int) for place in range(3)]
    for color in (LEFT_OUT, TOO_MUCH):
        wrong = [(abs(c - np.multiply(color, 255)).max(axis=2) < 6).sum() for c in columns]
        assert wrong[1] > 50 and wrong[2] == 0


def test_the_view_holds_all_objects_and_a_margin_inside_of_the_image():
    def at(*boxes):
        return ObjectSet(np.array(boxes, float).reshape(-1, 4), np.zeros((50, 100, 0)), np.zeros(0))

    # 6 % of 100 pixels around; cut off at the upper and at the right border.
    shown = [at((3, 40.5, 10, 50)), at(), at((8, 60, 20.2, 98))]
    assert view(shown, (50, 100)) == [0, 34, 27, 100]


def test_a_dataset_of_lonely_objects_is_refused(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LEAST_OBJECTS", 99)
    with pytest.raises(InputError, match="no image has 99 objects"):
        compare(dataset, [], tmp_path / "compare.png")


@pytest.fixture
def trainings(monkeypatch, tmp_path):
    """The trainings that were asked for, none of which takes place."""
    from mrcnn.cli.training import run

    asked = []

    def run_training(dataset, options):
        asked.append((options.edge.edge, options.seed, options.schedule, options.logs.name))
        return 0

    monkeypatch.setattr(run, "run_training", run_training)
    monkeypatch.setattr("mrcnn.cli.train.refuse_wrong_names", lambda *_: None)
    monkeypatch.setattr(demo, "compare_runs", lambda runs, out: asked.append((runs, out)) or 0)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(demo, "SAMPLE_DATASET", tmp_path / "sample")
    monkeypatch.setattr("mrcnn.data.datasets.toy_sample.generate_sample", lambda folder: folder)
    return asked


def test_both_models_train_alike(command, trainings, tmp_path):
    assert command("demo")("--compare", "a.png", "--fast", "--out", "runs/both") == 0
    baseline, edge, (runs, out) = trainings
    assert (baseline[0], edge[0]) == ("none", "sobel")
    assert baseline[1:3] == edge[1:3] and baseline[2].steps_scale == demo.FAST
    assert [str(run) for run in runs] == ["runs/both/baseline", "runs/both/edge"]
    assert str(out) == "a.png"


def test_two_files_take_the_place_of_the_trainings(command, trainings):
    assert command("demo")("--compare", "a.png", "--between", "one.h5", "two.h5") == 0
    ((runs, _),) = trainings
    assert runs == ("one.h5", "two.h5")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--compare", "a.jpg"], "--compare must be a .png file, got a.jpg"),
        (["--between", "a", "b"], "--between needs --compare"),
    ],
)
def test_options_that_do_not_fit(command, trainings, options, message, capsys):
    assert command("demo")(*options) == 2
    assert message in capsys.readouterr().err and trainings == []


def test_runs_are_opened_with_their_own_settings(tmp_path, monkeypatch, dataset, capsys):
    from mrcnn import trained

    for name, filters in (("one", []), ("two", ["sobel"])):
        (tmp_path / name).mkdir()
        config = Config().update(
            NUM_CLASSES=6, CLASS_NAMES=dataset.class_names, EDGE_LOSS_FILTERS=filters
        )
        save_config(config, tmp_path / name / "config.yaml")
        (tmp_path / name / "mask_rcnn_x_0000001.h5").write_bytes(b"")
    opened = []

    def load_model(config, weights):
        opened.append((list(config.EDGE_LOSS_FILTERS), config.BATCH_SIZE, weights.parent.name))
        return Shifted(dataset, 2)

    monkeypatch.setattr(trained, "load_model", load_model)
    monkeypatch.setattr(demo, "open_dataset", lambda folder, split: dataset)
    monkeypatch.setattr(demo, "SAMPLE_DATASET", tmp_path / "sample")
    monkeypatch.setattr("mrcnn.data.datasets.toy_sample.generate_sample", lambda folder: folder)
    out = tmp_path / "new" / "compare.png"
    assert demo.compare_runs((str(tmp_path / "one"), str(tmp_path / "two")), out) == 0
    assert opened == [([], 1, "one"), (["sobel"], 1, "two")]
    assert out.is_file() and f"written: {out}" in capsys.readouterr().out
