"""From the options of `mrcnn train` to the configuration of a run; nothing is built."""

import json
from pathlib import Path

import numpy as np
import pytest

from mrcnn.cli import common
from mrcnn.cli.common import ConfigOptions, default_config
from mrcnn.cli.train import EdgeOptions, ScheduleOptions, StartOptions, TrainOptions
from mrcnn.cli.training.config import for_images, new_config, resumed_config
from mrcnn.config import Config
from mrcnn.config_io import plain_settings, save_config
from mrcnn.errors import InputError
from mrcnn.trained import config_of
from mrcnn.weights.file_formats import write_groups
from mrcnn.weights.run_state import STATE


def options(*settings, config=None, **groups):
    kinds = {"edge": EdgeOptions, "start": StartOptions, "schedule": ScheduleOptions}
    made = {name: kinds[name](**values) for name, values in groups.items()}
    return TrainOptions(settings=ConfigOptions(config=config, set=settings), **made)


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "My photos"
    folder.mkdir()
    return folder


def test_the_standard_configuration_is_that_of_the_data(photos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert default_config(photos) == "finetune"
    assert default_config(Path("datasets/sample")) == "sample"
    assert default_config(Path("datasets/coco")) == "base_resnet101"
    (photos / "annotations").mkdir()
    with (photos / "annotations" / "instances_train2017.json").open("wb") as file:
        file.truncate(1000)
        assert default_config(photos) == "finetune"
        file.truncate(448_730_987)  # the size of the file of COCO 2017
        assert default_config(photos) == "base_resnet101"


def test_own_data_are_finetuned_in_epochs(photos):
    config = new_config(options(), photos)
    assert (config.NAME, config.BACKBONE, config.BACKBONE_WEIGHTS) == (
        "my_photos", "MobileNet", "imagenet",
    )  # fmt: skip
    assert config.SCHEDULE_UNIT == "epochs" and config.AUGMENT_SCALE
    epochs = sum(length for _, length, _ in config.SCHEDULE)
    found = for_images(config, 200)
    assert found.STEPS_PER_EPOCH == 50 == 200 // found.BATCH_SIZE
    assert sum(steps for _, steps, _ in found.SCHEDULE) == 50 * epochs
    assert found.LEARNING_RATE == found.SCHEDULE[0][2] == config.SCHEDULE[0][2]


def test_rates_follow_the_batch_unless_they_are_given(photos):
    rate = new_config(options(), photos).SCHEDULE[0][2]
    doubled = for_images(new_config(options("IMAGES_PER_GPU=8"), photos), 200)
    assert doubled.SCHEDULE[0][2] == pytest.approx(2 * rate)
    given = options("IMAGES_PER_GPU=8", "LEARNING_RATE=0.003")
    found = for_images(new_config(given, photos), 200)
    assert [r for _, _, r in found.SCHEDULE] == pytest.approx([0.003, 0.0003])
    whole = options("IMAGES_PER_GPU=8", "SCHEDULE=[[all, 3, 0.25]]")
    assert for_images(new_config(whole, photos), 200).SCHEDULE == [("all", 75, 0.25)]


def test_the_rate_acts_on_a_schedule_in_steps(photos):
    found = new_config(options("LEARNING_RATE=0.01", config="paper/baseline"), photos)
    assert [rate for _, _, rate in found.SCHEDULE] == pytest.approx([0.01, 0.01, 0.001])


def test_epochs_and_the_scale_of_steps(photos):
    given = options(schedule={"epochs": 10}, config="base_resnet50")
    found = for_images(new_config(given, photos), 117_266)
    assert found.STEPS_PER_EPOCH == 58_633
    assert sum(steps for _, steps, _ in found.SCHEDULE) == 10 * 58_633
    halved = for_images(new_config(given, photos), 1000, scale=0.5)
    assert sum(steps for _, steps, _ in halved.SCHEDULE) == 10 * 500 * 0.5
    named = for_images(new_config(options(schedule={"schedule": "paper"}), photos), 200)
    assert [steps for _, steps, _ in named.SCHEDULE] == [40_000, 80_000, 40_000]


@pytest.mark.parametrize(
    ("name", "backbone", "arguments"),
    [
        ("mobilenet", "MobileNet", {"alpha": 0.75}),
        ("resnet50", "resnet50", {}),
        ("EfficientNetB0", "EfficientNetB0", {}),
    ],
)
def test_backbones_by_name(photos, name, backbone, arguments):
    config = new_config(options(start={"backbone": name}), photos)
    found = config.BACKBONE, config.BACKBONE_ARGS
    assert found == (backbone, arguments)


def test_weights_of_coco_bring_their_network(photos, capsys):
    config = new_config(options(start={"weights": "coco"}), photos)
    assert (config.BACKBONE, config.RPN_CHANNELS, config.BACKBONE_ARGS) == ("resnet101", 512, {})
    assert capsys.readouterr().out.startswith("--weights coco sets BACKBONE, BACKBONE_ARGS, TOP_")
    assert new_config(options(), photos).RPN_CHANNELS == 128


def test_a_name_that_is_given_stays(photos):
    assert new_config(options("NAME=leaves"), photos).NAME == "leaves"
    assert new_config(options(config="paper/sobel_l2"), photos).NAME == "paper_sobel_l2"
    assert new_config(options(config="base_resnet101"), photos).NAME == "my_photos"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (options("EDGE_LOSS_NORM=3"), "no effect"),
        (options(edge={"p": 3.0}), "--p"),
        (options("STEPS_PER_EPOCH=10"), "SCHEDULE_UNIT is epochs"),
        (options("CLASS_NAMES=[BG, a]", "NUM_CLASSES=2"), "those of the dataset"),
        (options("LEARNING_RATE=1", "SCHEDULE=[[all, 1, 0.1]]"), "the rates are in SCHEDULE"),
        (
            options("SCHEDULE=[[all, 1, 0.1]]", schedule={"schedule": "paper"}),
            "SCHEDULE cannot be set together with --schedule",
        ),
        (options("BACKBONE=small", start={"backbone": "resnet50"}), "together with --backbone"),
        (options("BACKBONE_WEIGHTS=x", start={"weights": "none"}), "together with --weights"),
        (options(schedule={"epochs": 0}), "at least 1 epoch, got 0"),
    ],
)
def test_what_contradicts_or_has_no_effect_is_refused(photos, given, message):
    with pytest.raises(InputError, match=message):
        new_config(given, photos)


def test_a_run_that_goes_on_keeps_what_was_worked_out(photos, tmp_path):
    started = for_images(new_config(options(), photos), 200)
    save_config(started, tmp_path / "config.yaml")
    checkpoint = tmp_path / "mask_rcnn_my_photos_0000050.h5"
    resumed = resumed_config(TrainOptions(), checkpoint)
    assert resumed.SCHEDULE == started.SCHEDULE and resumed.STEPS_PER_EPOCH == 50
    # Weights that a run started from are not loaded, or fetched, once more.
    assert resumed.BACKBONE_WEIGHTS is None
    assert for_images(resumed, 500).SCHEDULE == started.SCHEDULE
    for given, option in (
        (options(schedule={"epochs": 3}), "--epochs"),
        (options(start={"backbone": "resnet50"}), "--backbone"),
        (options(start={"weights": "none"}), "--weights"),
        (options("LEARNING_RATE=1"), "LEARNING_RATE was"),
    ):
        with pytest.raises(InputError, match=option):
            resumed_config(given, checkpoint)


def test_the_settings_are_in_the_checkpoint_too(photos, tmp_path, capsys):
    started = for_images(new_config(options(), photos), 200)
    checkpoint, file = tmp_path / "mask_rcnn_my_photos_0000050.h5", tmp_path / "config.yaml"
    state = json.dumps({"step": 50, "settings": plain_settings(started)})
    state_array = np.frombuffer(state.encode(), np.uint8)
    write_groups(checkpoint, {}, {}, {f"{STATE}/json": state_array})
    wanted = resumed_config(TrainOptions(), checkpoint).to_dict()
    assert wanted == {**started.to_dict(), "BACKBONE_WEIGHTS": None}
    assert "config.yaml is not there any more" in capsys.readouterr().out
    assert config_of(checkpoint).to_dict() == started.to_dict()  # of mrcnn detect and evaluate
    save_config(started.update(ON_NAN="skip"), file)
    assert resumed_config(TrainOptions(), checkpoint).to_dict() == {**wanted, "ON_NAN": "skip"}
    save_config(started.update(RPN_NMS_THRESHOLD=0.1), file)
    with pytest.raises(InputError, match=r"changed since .*: RPN_NMS_THRESHOLD was 0.7, found 0.1"):
        resumed_config(TrainOptions(), checkpoint)
    for content in (b"", file.read_bytes()[:200]):
        file.write_bytes(content)
        with pytest.raises(InputError, match="config.yaml"):
            resumed_config(TrainOptions(), checkpoint)


def test_the_sample_needs_no_options(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = new_config(TrainOptions(), common.SAMPLE_DATASET)
    assert (config.NAME, config.BACKBONE, config.BACKBONE_WEIGHTS) == ("sample", "small", None)
    assert {layers for layers, _, _ in config.SCHEDULE} == {"all"}


def test_the_network_of_a_run_comes_with_its_weights(photos, tmp_path, capsys):
    run = tmp_path / "run"
    run.mkdir()
    (run / "final.h5").write_bytes(b"")
    trained = Config().update(
        NUM_CLASSES=3, BACKBONE="small", BACKBONE_ARGS={"width": 24}, MEAN_PIXEL=[1, 2, 3],
        RPN_CHANNELS=32, IMAGE_MIN_DIM=64, IMAGE_MAX_DIM=64, SEED=5, PRECISION="bfloat16",
    )  # fmt: skip
    save_config(trained, run / "config.yaml")
    usual = new_config(options(), photos)
    config = new_config(options("RPN_CHANNELS=64", start={"weights": str(run)}), photos)
    assert "sets BACKBONE, BACKBONE_ARGS, " in capsys.readouterr().out
    assert (config.BACKBONE, config.BACKBONE_ARGS) == ("small", {"width": 24})
    assert config.MEAN_PIXEL.tolist() == [1, 2, 3] and config.RPN_CHANNELS == 64
    for key in ("IMAGE_MIN_DIM", "SEED", "PRECISION", "SCHEDULE", "NUM_CLASSES"):
        assert getattr(config, key) == getattr(usual, key)
    (run / "config.yaml").unlink()
    assert new_config(options(start={"weights": str(run)}), photos).BACKBONE == usual.BACKBONE


@pytest.mark.parametrize("name", ["torchvision", "matterport"])
def test_the_network_of_a_published_model_comes_with_its_name(photos, name):
    config = new_config(options(start={"weights": name}), photos)
    expected = "resnet50" if name == "torchvision" else "resnet101"
    assert (config.BACKBONE, config.BACKBONE_ARGS == {}) == (expected, name == "matterport")
    assert config.IMAGE_MAX_DIM == 384
