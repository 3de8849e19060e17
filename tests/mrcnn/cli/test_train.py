"""Bad input to train.py: one clear line and exit code 2."""

import csv
import json
import shutil

import h5py
import pytest

from mrcnn.config_io import load_config
from mrcnn.model import MaskRCNN


@pytest.fixture
def train(command, shapes, tiny_yaml, tmp_path, capsys):
    """Run train.py with arguments that would work, and more; returns code and stderr."""

    def run(*args, dataset=shapes):
        code = command("train")(
            "--dataset", dataset, "--config", tiny_yaml, "--logs", tmp_path / "run",
            "--set", "SCHEDULE=[[all,1,0.001]]", "--quiet", "--no-report", *args,
        )  # fmt: skip
        return code, capsys.readouterr().err

    return run


def one_line(result, *parts):
    code, error = result
    assert code == 2
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    for part in parts:
        assert part in error


@pytest.fixture
def copy(shapes, tmp_path):
    return shutil.copytree(shapes, tmp_path / "copy")


def test_no_dataset_folder(train, tmp_path):
    one_line(train(dataset=tmp_path / "nowhere"), "no file or folder", "nowhere")


def test_no_annotation_file(train, copy):
    (copy / "annotations" / "instances_train2017.json").unlink()
    one_line(train(dataset=copy), "has no split train; it has val")


@pytest.mark.parametrize("text", ["{", "[1, 2]", '{"images": 3}', '{"images": [], "boxes": []}'])
def test_json_that_is_not_coco(train, copy, text):
    (copy / "annotations" / "instances_train2017.json").write_text(text)
    one_line(train(dataset=copy), "instances_train2017.json", "is not")


def test_an_image_is_missing(train, copy):
    victim = sorted((copy / "train2017").iterdir())[0]
    victim.unlink()
    one_line(train(dataset=copy), victim.name)


@pytest.mark.usefixtures("eager")
def test_an_image_does_not_open(train, copy):
    for victim in (copy / "train2017").iterdir():
        victim.write_bytes(victim.read_bytes()[:100])
    one_line(train(dataset=copy), ".jpg")


def test_annotations_are_read_before_anything_is_built(train, copy):
    path = copy / "annotations" / "instances_train2017.json"
    content = json.loads(path.read_text())
    content["annotations"][0]["category_id"] = 99
    path.write_text(json.dumps(content))
    one_line(train(dataset=copy), "99")


def test_an_unknown_filter_gets_the_list_and_the_nearest(train):
    one_line(train("--edge", "sobell"), "sobell", "laplace4", "sobel")


@pytest.mark.parametrize(("p", "words"), [("0.5", "1"), ("nan", "finite"), ("inf", "finite")])
def test_p_out_of_range(train, p, words):
    one_line(train("--edge", "sobel", "--p", p), "EDGE_LOSS_NORM", words, f"got {p}")


def test_a_negative_weight(train):
    one_line(train("--edge", "sobel", "--edge-weight", "-1"), "EDGE_LOSS_WEIGHT_FACTOR")


def test_an_unknown_config_key(train):
    one_line(train("--set", "LEARNING_RAT=1"), "LEARNING_RAT", "Did you mean 'LEARNING_RATE'?")


def test_an_override_without_a_value(train):
    one_line(train("--set", "SEED"), "KEY=VALUE")


def test_a_config_file_with_an_unknown_key(train, tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("EDGE_LOSS_FILTER: [sobel]\n")
    one_line(train("--config", path), "c.yaml", "EDGE_LOSS_FILTERS")


def test_an_unknown_schedule(train):
    one_line(train("--schedule", "papr"), "papr", "'paper'")


def test_weights_that_do_not_exist(train):
    one_line(train("--weights", "nothing.h5"), "nothing.h5", "does not exist")


def test_nothing_to_resume(train, tmp_path):
    one_line(train("--resume"), "does not exist")


def test_weights_that_are_no_hdf5(train, tmp_path):
    path = tmp_path / "w.h5"
    path.write_text("not HDF5")
    one_line(train("--weights", path), "w.h5", "HDF5")


def test_weights_that_do_not_fit_are_listed(train, tiny_yaml, tmp_path):
    path = tmp_path / "w.h5"
    config = load_config(tiny_yaml).update(NUM_CLASSES=6)
    MaskRCNN("inference", config, tmp_path).save_weights(path)
    with h5py.File(path, "r+") as file:
        del file["mrcnn_mask"].attrs["weight_names"]
        del file["fpn_p2/fpn_p2/bias:0"]
        file["fpn_p2/fpn_p2/bias:0"] = [0.0] * 3
    one_line(
        train("--weights", path), "missing", "mrcnn_mask/kernel", "fpn_p2/bias", "(3,)", "(16,)"
    )


def test_an_unknown_loss_gets_filters_and_losses(train):
    one_line(train("--edge", "contuor"), "sobel", "signed-distance", "Did you mean 'contour'?")


def test_a_loss_of_its_own_is_not_combined(train):
    one_line(train("--edge", "contour+sobel"), "'contour'", "cannot be combined")


def test_an_unknown_padding(train):
    one_line(train("--edge", "sobel", "--padding", "same"), "EDGE_LOSS_PADDING", "'same'")


@pytest.mark.parametrize("edge", [[], ["--edge", "none"]])
def test_weighting_without_filters(train, edge):
    one_line(train(*edge, "--weight-entropy", "exp16"), "EDGE_LOSS_FILTERS")


def test_magnitude_of_a_filter_that_has_none(train):
    one_line(train("--edge", "laplace", "--magnitude"), "magnitude")


@pytest.fixture
def boxes(copy):
    """The sample, all of whose training objects have a box alone."""
    path = copy / "annotations" / "instances_train2017.json"
    content = json.loads(path.read_text())
    for annotation in content["annotations"]:
        del annotation["segmentation"]
    path.write_text(json.dumps(content))
    return copy


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize(
    ("args", "described", "mask_weight"),
    [
        (["--edge", "contour", "--edge-weight", "0.5"], "contour, weight 0.5", 1),
        (
            ["--edge", "sobel", "--magnitude", "--padding", "edge", "--weight-entropy", "exp4"],
            "sobel, p = 2, weight 1, magnitudes, edge padding, "
            "as weight of the cross entropy (exp4)",
            0,
        ),
    ],
)
def test_options_reach_the_run(
    command, shapes, boxes, tiny_yaml, tmp_path, capsys, args, described, mask_weight
):
    for dataset, without in ((shapes, False), (boxes, True)):
        folder = tmp_path / f"run{without}"
        code = command("train")(
            "--dataset", dataset, "--config", tiny_yaml, "--logs", folder, "--quiet", *args,
            "--set", "SCHEDULE=[[all,1,0.001]]", "VALIDATION_STEPS=0", "--no-report",
        )  # fmt: skip
        assert code == 0
        out = capsys.readouterr().out
        assert f"edge loss: {described}\n" in out
        assert ("which the mask and edge losses ignore" in out) == without
        config = load_config(folder / "config.yaml")
        assert config.LOSS_WEIGHTS["mrcnn_mask_loss"] == mask_weight
        with open(folder / "log.csv", newline="") as file:
            (row,) = csv.DictReader(file)
        if without:
            assert row["mrcnn_mask_loss"] == row["mrcnn_mask_edge_loss"] == "0"


def test_validation_of_other_classes(train, copy):
    path = copy / "annotations" / "instances_val2017.json"
    content = json.loads(path.read_text())
    content["categories"][0]["name"] = "hexagon"
    path.write_text(json.dumps(content))
    one_line(train(dataset=copy), "instances_val2017.json", "hexagon")


def test_broken_validation_annotations(train, copy):
    (copy / "annotations" / "instances_val2017.json").write_text("{")
    one_line(train(dataset=copy), "instances_val2017.json")


def test_a_scale_that_is_no_number_of_steps(train):
    one_line(train("--steps-scale", "inf"), "scale")


def test_exclude_without_weights(train):
    one_line(train("--exclude", "mrcnn_mask"), "--weights")
