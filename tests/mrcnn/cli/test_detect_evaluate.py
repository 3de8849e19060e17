"""The commands around the model, with a stand-in for it that finds exactly the ground truth."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as reference_masks

from mrcnn.cli import detect
from mrcnn.config import Config
from mrcnn.data.coco_names import class_names
from mrcnn.drawing import raster
from mrcnn.drawing.sheets import LINE
from mrcnn.drawing.style import ColorBy, Style, class_color
from mrcnn.report.run_pictures import sheet_row

SIZE = (60, 80)


def test_evaluate_writes_and_prints_the_scores_of_a_perfect_model(command, oracle, folder, capsys):
    out = folder / "out"
    arguments = ["--weights", folder / "run", "--dataset", folder, "--split", "val", "--out", out]
    assert command("evaluate")(*arguments) == 0
    printed = capsys.readouterr().out
    assert oracle.seen == [0, 1, 2, 3]
    assert oracle.weights == folder / "run" / "mask_rcnn_pets_0000007.h5"
    # The unsure detections count in AP; the model gets two images at a time.
    assert oracle.config.DETECTION_MIN_CONFIDENCE == 0 and oracle.config.BATCH_SIZE == 2

    metrics = json.loads((out / "metrics.json").read_text())
    for name in ("bbox", "segm", "boundary"):
        assert metrics[name]["AP"] == 1.0 and metrics[name]["APl"] is None
        assert any(
            line.startswith(f"{name} ") and " 1.000" in line for line in printed.splitlines()
        )
    # 3 + 2 + 1 objects in turn cat, cow, cat; the third of the first three is the crowd.
    objects = {name: c["objects"] for name, c in metrics["segm"]["per_class"].items()}
    assert objects == {"cat": 3, "cow": 2}
    assert metrics["run"]["images"] == 4 and metrics["run"]["detections"] == 5

    results = json.loads((out / "results.json").read_text())
    assert [r["image_id"] for r in results] == [501, 501, 502, 502, 503]
    assert [r["category_id"] for r in results] == [20, 21, 20, 21, 20]
    assert results[0]["bbox"] == [3, 5, 8, 20]
    assert reference_masks.area(results[0]["segmentation"]) == 160


def test_evaluate_limit_judges_only_the_first_images(command, oracle, folder):
    out = folder / "out"
    arguments = ["--weights", folder / "run", "--dataset", folder, "--out", out, "--limit", 2]
    assert command("evaluate")(*arguments) == 0
    assert oracle.seen == [0, 1]
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["segm"]["AP"] == 1.0
    assert metrics["segm"]["per_class"]["cat"]["objects"] == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--limit", "0"], "--limit must be at least 1, got 0"),
        (["--set", "NUM_CLASSES=4", "CLASS_NAMES=null"], "dataset has 3 classes"),
        (["--set", "LEARNING_RATE=0.1"], "LEARNING_RATE has no effect here"),
        (["--set", "DETECTION_MIN_CONFIDENCE=0.1"], "give --min-score"),
        (["--set", "CLASS_NAMES=[BG, cow, cat]"], "class 1 is 'cow' in the weights, but 'cat'"),
        (["--split", "test"], "test"),
        (["--weights", "nowhere.h5"], "nowhere.h5"),
    ],
)
def test_evaluate_names_bad_input_in_one_line(command, oracle, folder, capsys, change, message):
    arguments = ["--weights", folder / "run", "--dataset", folder, "--out", folder / "out", *change]
    assert command("evaluate")(*arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1 and message in error
    assert oracle.seen == []


def test_detect_writes_pictures_and_a_coco_file(command, oracle, folder, capsys):
    images, out = folder / "val2017", folder / "out"
    other = folder / "other"
    other.mkdir()
    (images / "1.png").rename(other / "0.png")  # the same name in another folder
    for place in (images, other):
        (place / "notes.txt").write_text("no image")
    arguments = [images, folder / "o*" / "*", images / "2.png", "--weights", folder / "run"]
    assert command("detect")(*arguments, "--out", out) == 0
    assert oracle.seen == [0, 2, 3, 1]
    assert oracle.config.DETECTION_MIN_CONFIDENCE == Config().DETECTION_MIN_CONFIDENCE
    assert "5 objects on 4 images" in capsys.readouterr().out

    names = ["0_2_detections.png", "0_detections.png", "2_detections.png", "3_detections.png"]
    assert sorted(path.name for path in out.iterdir()) == [*names, "detections.json"]
    with Image.open(out / "0_detections.png") as empty:
        np.testing.assert_array_equal(np.asarray(empty), np.zeros((*SIZE, 3)))
    with Image.open(out / "2_detections.png") as picture:
        pixels = np.asarray(picture).astype(int)
    assert pixels.shape == (*SIZE, 3)
    assert np.abs(pixels - 2).sum(2)[10:30, 3:11].min() > 50  # the first object of image 2

    content = json.loads((out / "detections.json").read_text())
    assert [image["file_name"] for image in content["images"]] == [
        str(path)
        for path in (images / "0.png", images / "2.png", images / "3.png", other / "0.png")
    ]
    assert content["images"][0] == {
        "id": 1,
        "file_name": str(images / "0.png"),
        "height": 60,
        "width": 80,
    }
    assert content["categories"] == [{"id": 1, "name": "cat"}, {"id": 2, "name": "cow"}]
    first = content["annotations"][0]
    assert first.pop("segmentation")["size"] == list(SIZE)
    assert first == {
        "id": 1,
        "image_id": 2,
        "category_id": 1,
        "bbox": [3, 10, 8, 20],
        "score": pytest.approx(0.9),
        "area": 160,
        "iscrowd": 0,
    }
    assert [a["image_id"] for a in content["annotations"]] == [2, 2, 3, 4, 4]


def test_detect_min_score_and_format(command, oracle, folder, monkeypatch):
    labels = []
    draw = raster._draw_label
    monkeypatch.setattr(raster, "_draw_label", lambda *a: (labels.append(a[1]), draw(*a)))
    arguments = [folder / "val2017" / "3.png", "--weights", folder / "run", "--min-score", 0.25]
    assert command("detect")(*arguments, "--format", "jpg", "--out", folder / "out") == 0
    assert oracle.config.DETECTION_MIN_CONFIDENCE == 0.25
    with Image.open(folder / "out" / "3_detections.jpg") as picture:
        assert picture.format == "JPEG"
    assert labels == ["cat 0.90"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere.jpg", "nowhere.jpg does not exist"),
        ("*.jpg", "nothing matches"),
        ("annotations", "holds no image"),
        ("run/config.yaml", "config.yaml"),
    ],
)
def test_detect_names_bad_input_in_one_line(command, oracle, folder, capsys, name, message):
    good = folder / "val2017"
    assert command("detect")(good, folder / name, "--weights", folder / "run") == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1 and message in error
    assert oracle.seen == []


def test_picture_names_never_collide():
    paths = [Path(name) for name in ("x/a_2.jpg", "x/a.jpg", "x/a.png", "y/a.jpg")]
    names = ["a_2_detections.png", "a_detections.png", "a_3_detections.png", "a_4_detections.png"]
    assert detect.picture_names(paths, "png") == names


def test_class_names_come_from_the_run_then_from_coco(request):
    assert class_names(["BG", "cat"], 2) == ["BG", "cat"]
    assert class_names(None, 3) == ["BG", "class 1", "class 2"]
    names = class_names(None, 81)
    assert (names[1], names[80]) == ("person", "toothbrush")
    ids = [c["id"] for c in detect.image_dataset([], names).class_info[1:]]
    assert (ids[0], ids[11], ids[79]) == (1, 13, 90)  # COCO has no category 12

    coco = request.getfixturevalue("coco_dir") / "annotations" / "instances_val2017.json"
    categories = json.loads(coco.read_text())["categories"]
    assert list(zip(ids, names[1:], strict=True)) == [(c["id"], c["name"]) for c in categories]


def test_detect_draws_what_is_asked_for(command, oracle, folder):
    def picture(*options):
        arguments = [folder / "val2017" / "3.png", "--weights", folder / "run", *options]
        assert command("detect")(*arguments, "--out", folder / "out") == 0
        with Image.open(folder / "out" / "3_detections.png") as drawn:
            return np.asarray(drawn).astype(int)

    # A cat of 8 x 20 pixels at x = 3, y = 15 of an image whose pixels are all 3.
    bare = picture("--no-boxes", "--no-labels", "--color-by", "class")
    rows, columns = np.nonzero((bare != 3).any(axis=2))
    assert (rows.min(), rows.max() + 1) == (15, 35)
    assert (columns.min(), columns.max() + 1) == (3, 11)
    np.testing.assert_allclose(bare[15, 3], 255 * np.array(class_color(1)), atol=1)
    labelled = picture("--no-boxes", "--color-by", "class")
    assert (labelled != bare).any()
    assert (picture("--max-labels", "0", "--no-boxes", "--color-by", "class") == bare).all()
    wide = picture("--no-labels", "--line-width", "4", "--color-by", "class")
    assert (wide[25, 6] == wide[15, 3]).all() and (bare[25, 6] != bare[15, 3]).any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--line-width", "0"], "line width must be above 0, got 0"),
        (["--max-labels", "-1"], "must not be negative, got -1"),
        (["--color-by", "match"], "instance"),
    ],
)
def test_detect_names_options_of_pictures_that_do_not_fit(
    command, oracle, folder, options, message, capsys
):
    arguments = [folder / "val2017" / "3.png", "--weights", folder / "run", *options]
    assert command("detect")(*arguments, "--out", folder / "out") == 2
    assert message in capsys.readouterr().err and oracle.seen == []


LOG = "step,stage,split,loss\n1,1,train,2.0\n2,1,train,1.0\n"


def test_demo_sheet_writes_both_pictures(command, oracle, folder):
    (folder / "run" / "log.csv").write_text(LOG)
    arguments = ["--weights", folder / "run", "--dataset", folder, "--images", 2]
    assert command("demo-sheet")(*arguments) == 0
    # Images 1 and 3 are the ends of those that show objects.
    assert oracle.seen == [1, 3]
    with Image.open(folder / "run" / "sheet.png") as sheet:
        # Two rows of 360 x 270 pictures, gaps of 8, a head of 32, a line that explains marks.
        assert sheet.size == (3 * 360 + 4 * 8, 32 + 2 * (270 + 8) + LINE + 8)
    # 80 pixels need 5 times as many to fill a cell of 360.
    # Image 3 has one object, so the score on its label is all that truth and prediction differ in.
    row = sheet_row(oracle.dataset, 3, oracle.detect([oracle.dataset.load_image(3)])[0])
    assert [picture.shape for picture in row] == [(300, 400, 3)] * 3
    assert (row[0] == 3).all() and (row[1] != 3).any() and (row[1] != row[2]).any()
    bare = sheet_row(
        oracle.dataset,
        3,
        oracle.detect([oracle.dataset.load_image(3)])[0],
        Style(boxes=False, labels=False, color_by=ColorBy.MATCH),
    )
    np.testing.assert_array_equal(bare[1], bare[2])  # a match has one color
    with Image.open(folder / "run" / "losses.png") as losses:
        assert losses.format == "PNG"
