"""The command that shows what the network will see."""

import json

import numpy as np
import pytest
from PIL import Image

from mrcnn import visualize
from mrcnn.cli import browse
from mrcnn.config import Config
from mrcnn.data.datasets.coco import CocoDataset
from mrcnn.data.datasets.toy_sample import generate_sample
from mrcnn.data.masks import decode
from mrcnn.data.pipeline.loader import Loader

SMALL = ["IMAGE_MIN_DIM=128", "IMAGE_MAX_DIM=128"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return generate_sample(tmp_path_factory.mktemp("sample"), train=4, val=3, size=64)


def run(command, folder, out, *options, settings=()):
    arguments = ["--dataset", folder, "--out", out, "--config", "base_resnet101", *options]
    return command("browse")(*arguments, "--set", *SMALL, *settings)


def test_the_sheet_has_a_line_per_image_and_a_column_per_epoch(command, folder, tmp_path, capsys):
    out = tmp_path / "new" / "sheet.png"
    options = ("--count", "2", "--augmentations", "3")
    turns = ["FLIP=false", "AUGMENT_ROTATE_90=true", "AUGMENT_SCALE=[0.5, 1]"]
    assert run(command, folder, out, *options, settings=turns) == 0
    printed = capsys.readouterr().out
    assert "2 images, augmented by AUGMENT_ROTATE_90 True, AUGMENT_SCALE (0.5, 1.0)" in printed
    sheet = np.array(Image.open(out))
    # Squares of 420, 8 pixels apart, below titles of 32.
    assert sheet.shape == (32 + 2 * 428, 8 + 4 * 428, 3)
    cells = [sheet[32:452, 8 + 428 * c : 428 + 428 * c].astype(int) for c in range(4)]
    assert all(np.abs(cells[0] - cell).mean() > 3 for cell in cells[1:])


def test_without_augmentation_all_columns_are_alike(command, folder, tmp_path, capsys):
    out = tmp_path / "sheet.png"
    options = ("--count", "1", "--augmentations", "1")
    assert run(command, folder, out, *options, settings=["FLIP=false"]) == 0
    assert "augmented by nothing" in capsys.readouterr().out
    sheet = np.array(Image.open(out))
    np.testing.assert_array_equal(sheet[32:452, 8:428], sheet[32:452, 436:856])


def test_crowds_and_boxes_alone_are_named(command, folder, tmp_path, monkeypatch):
    """One image with a crowd, an object, and one of which the box alone is known."""
    (tmp_path / "annotations").mkdir()
    (tmp_path / "train").mkdir()
    Image.new("RGB", (96, 64), (90, 90, 90)).save(tmp_path / "train" / "a.png")
    common = {"image_id": 1, "category_id": 1, "iscrowd": 0}
    square = [[10, 20, 30, 20, 30, 50, 10, 50]]
    annotations = [
        {"id": 1, **common, "bbox": [10, 20, 20, 30], "segmentation": square},
        {"id": 2, **common, "bbox": [50, 10, 30, 20]},
        {
            "id": 3, **common, "bbox": [0, 0, 96, 8], "iscrowd": 1,
            "segmentation": [[0, 0, 96, 0, 96, 8, 0, 8]],
        },
    ]  # fmt: skip
    content = {
        "images": [{"id": 1, "file_name": "a.png", "width": 96, "height": 64}],
        "annotations": annotations,
        "categories": [{"id": 1, "name": "disc"}],
    }
    (tmp_path / "annotations" / "instances_train.json").write_text(json.dumps(content))
    seen = {}

    def draw(image, boxes, masks, class_ids, class_names, **options):
        seen.update(image=image, boxes=boxes, masks=masks, captions=options["captions"])
        return image

    monkeypatch.setattr(visualize, "draw_instances", draw)
    out = tmp_path / "sheet.png"
    options = ("--count", "1", "--augmentations", "1")
    modes = ["FLIP=false", "IMAGE_RESIZE_MODE=canvas", "IMAGE_MIN_DIM=128", "IMAGE_MAX_DIM=192"]
    assert run(command, tmp_path, out, *options, settings=modes) == 0
    assert seen["captions"] == ["disc", "disc (box alone)", "disc (crowd)"]
    # Twice as large, the mean added again.
    assert seen["image"].shape == (128, 192, 3) and (seen["image"] == 90).all()
    assert seen["boxes"].tolist() == [[40, 20, 100, 60], [20, 100, 60, 160], [0, 0, 16, 192]]
    wanted = np.zeros((128, 192, 3), bool)
    wanted[40:100, 20:60, 0] = wanted[0:16, :, 2] = True
    masks = np.stack([decode(mask, (64, 64)) for mask in seen["masks"]], axis=2)
    np.testing.assert_array_equal(masks, wanted)


@pytest.mark.parametrize("mini", [True, False])
def test_masks_of_the_picture_are_those_of_the_dataset(folder, monkeypatch, mini):
    dataset = CocoDataset.from_folder(folder, "train")
    config = Config().update(
        NUM_CLASSES=6,
        CLASS_NAMES=list(dataset.class_names),
        IMAGE_MIN_DIM=64,
        IMAGE_MAX_DIM=64,
        USE_MINI_MASK=mini,
    )
    image_id = browse.choose_images(dataset, 1, 0)[0]
    batch = Loader(dataset, config, flip=False).example(image_id)
    drawn = {}
    monkeypatch.setattr(
        visualize, "draw_instances", lambda *given, **_: drawn.update(masks=given[2])
    )
    browse.picture(batch, config)
    y1, x1, y2, x2 = batch["input_image_meta"][0, 7:11].astype(int)
    for index, mask in enumerate(np.moveaxis(dataset.load_instances(image_id).masks(), 2, 0)):
        masks = drawn["masks"]
        shown = decode(masks[index], (64, 64)) if mini else masks[:, :, index]
        expected = np.asarray(Image.fromarray(mask).resize((x2 - x1, y2 - y1)))
        part = shown[y1:y2, x1:x2]
        assert part.sum() == shown.sum()
        assert (part & expected).sum() > 0.85 * (part | expected).sum()


def test_images_without_objects_come_last(folder):
    dataset = CocoDataset.from_folder(folder, "train")
    chosen = browse.choose_images(dataset, 9, 0)
    assert sorted(chosen) == [0, 1, 2, 3]
    counts = [len(dataset.load_instances(image_id)) for image_id in chosen]
    assert counts[-1] == 0 and min(counts[:-1]) > 0
    assert browse.choose_images(dataset, 2, 1) == browse.choose_images(dataset, 2, 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--count", "0"], "--count must be at least 1, got 0"),
        (["--augmentations", "-1"], "--augmentations must be at least 1"),
        (["--split", "test"], "test"),
    ],
)
def test_bad_arguments_end_in_one_line(command, folder, tmp_path, capsys, options, message):
    assert run(command, folder, tmp_path / "sheet.png", *options) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert run(command, folder, tmp_path / "sheet.bmp") == 2
    assert "--out must be a .png or .jpg file" in capsys.readouterr().err
