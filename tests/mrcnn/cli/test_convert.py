"""Conversion to COCO: what CocoDataset and pycocotools read back is what went in."""

import json
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from mrcnn.cli.common import FormatName
from mrcnn.cli.convert import compare
from mrcnn.data.datasets.coco import CocoDataset
from mrcnn.data.datasets.dataset import Dataset
from mrcnn.data.datasets.to_coco import coco_content
from mrcnn.data.reading.header import allow_pixels, allowed_pixels
from mrcnn.data.recognition import formats
from mrcnn.data.recognition.formats import Options
from mrcnn.data.recognition.opening import open_dataset
from mrcnn.errors import InputError


@pytest.fixture
def convert(command):
    return lambda *args: command("convert")(*args, "--quiet")


def picture(path, values=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((12, 20, 3), np.uint8) if values is None else values).save(path)


VALUES = np.zeros((12, 20), np.uint16)
VALUES[4:6, 2:18] = 26001
VALUES[2:8, 5:11] = 24000
VALUES[9:, :4] = 26
POINTS = [[2, 1], [8.5, 1], [8.5, 5.25]]


def via(folder):
    """One image with a triangle and a disc."""
    picture(folder / "photos" / "a.png")
    x, y = zip(*POINTS, strict=True)
    shapes = [
        {"name": "polygon", "all_points_x": x, "all_points_y": y},
        {"name": "circle", "cx": 14, "cy": 6, "r": 4},
        {"name": "point", "cx": 1, "cy": 1},
    ]
    regions = [
        {"shape_attributes": s, "region_attributes": {"kind": kind}}
        for s, kind in zip(shapes, ("tri", "disc", "dot"), strict=True)
    ]
    file = folder / "via.json"
    file.write_text(json.dumps({"a": {"filename": "a.png", "size": 1, "regions": regions}}))
    return (file, "--images", folder / "photos"), 2


def labelme(folder):
    picture(folder / "a.png")
    shape = {"label": "tri", "points": POINTS, "shape_type": "polygon", "group_id": None}
    content = {"shapes": [shape], "imagePath": "a.png", "imageHeight": 12, "imageWidth": 20}
    (folder / "a.json").write_text(json.dumps(content))
    return (folder,), 1


def png(folder):
    picture(folder / "images" / "a.png")
    picture(folder / "masks" / "a.png", VALUES)
    return (folder / "images", "--masks", folder / "masks", "--class-name", "cell"), 3


def objects(folder):
    picture(folder / "a" / "images" / "a.png")
    picture(folder / "a" / "masks" / "1.png", (VALUES == 26001).astype(np.uint8))
    return (folder,), 1


def voc(folder):
    picture(folder / "JPEGImages" / "a.jpg")
    mask = (VALUES == 24000).astype(np.uint8)
    picture(folder / "SegmentationObject" / "a.png", mask)
    picture(folder / "SegmentationClass" / "a.png", mask * 15)
    (folder / "ImageSets" / "Segmentation").mkdir(parents=True)
    (folder / "ImageSets" / "Segmentation" / "val.txt").write_text("a")
    return (folder, "--subset", "val"), 1


def yolo(folder):
    picture(folder / "images" / "a.jpg")
    (folder / "labels").mkdir()
    # The second one is a box alone.
    (folder / "labels" / "a.txt").write_text("0 .1 .1 .4 .1 .4 .5\n0 .5 .5 .2 .2\n")
    (folder / "data.yaml").write_text("train: images\nnames: [tri]\n")
    return (folder / "data.yaml",), 2


def cityscapes(folder):
    picture(folder / "leftImg8bit" / "train" / "ulm" / "a_leftImg8bit.png")
    picture(folder / "gtFine" / "train" / "ulm" / "a_gtFine_instanceIds.png", VALUES)
    return (folder,), 3


def polygons(folder):
    """Cityscapes without the pictures of instances."""
    picture(folder / "leftImg8bit" / "train" / "ulm" / "a_leftImg8bit.png")
    objects = [{"label": label, "polygon": POINTS} for label in ("sky", "car", "persongroup")]
    objects[1]["polygon"] = [[1, 5], [9, 5], [9, 9]]
    file = folder / "gtFine" / "train" / "ulm" / "a_gtFine_polygons.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"imgHeight": 12, "imgWidth": 20, "objects": objects}))
    return (folder,), 2


FORMATS = {f.__name__: f for f in (via, labelme, png, objects, voc, yolo, cityscapes)}
# Of some there are two kinds.
KINDS = {
    **{name: (name, write) for name, write in FORMATS.items()},
    "polygons": ("cityscapes", polygons),
}


def opened(name, path, *options):
    """The dataset that a command with these arguments converts."""
    told = {
        flag.removeprefix("--").replace("-", "_"): value
        for flag, value in zip(options[::2], options[1::2], strict=True)
    }
    return open_dataset(path, told.pop("subset", "train"), name, Options(**told))


def test_every_format_is_tried():
    assert set(FORMATS) | {"coco"} == set(formats.FORMATS)
    assert {"auto", *formats.FORMATS} == set(get_args(FormatName))


# pycocotools has not followed NumPy 2 here.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_formats_convert_and_read_back_the_same(convert, tmp_path, capsys, kind):
    name, write = KINDS[kind]
    arguments, count = write(tmp_path / name)
    out = tmp_path / "coco" / "annotations" / "instances_all.json"
    assert convert(name, arguments[0], out, *arguments[1:], "--check") == 0
    printed = capsys.readouterr().out
    assert f"1 images, {count} objects" in printed and "the same when read back" in printed
    # Read by another program, the masks are those of the dataset.
    dataset = opened(name, *arguments)
    coco = COCO(str(out))
    (image,) = coco.dataset["images"]
    path = tmp_path / "coco" / "all" / image["file_name"]
    assert path.resolve() == Path(dataset.image_info[0]["path"]).resolve()
    found = dataset.load_instances(0)
    masks = found.masks()
    for index, annotation in enumerate(coco.dataset["annotations"]):
        number = abs(int(found.class_ids[index]))
        assert annotation["category_id"] == number
        assert coco.cats[number]["name"] == dataset.class_names[number]
        assert annotation["iscrowd"] == (found.class_ids[index] < 0)
        y1, x1, y2, x2 = found.boxes[index].tolist()
        assert annotation["bbox"] == pytest.approx([x1, y1, x2 - x1, y2 - y1], abs=1e-3)
        if found.has_mask[index]:
            np.testing.assert_array_equal(coco.annToMask(annotation), masks[:, :, index])
            assert annotation["area"] == masks[:, :, index].sum()
            polygons = isinstance(found.segmentations[index], list)
            assert polygons == isinstance(annotation["segmentation"], list)
        else:
            assert "segmentation" not in annotation


def test_what_is_left_out_is_said(convert, tmp_path, capsys):
    arguments, _ = via(tmp_path)
    assert convert("via", arguments[0], tmp_path / "out.json", *arguments[1:]) == 0
    assert "left out: 1 (point, which has no area)" in capsys.readouterr().out
    content = json.loads((tmp_path / "out.json").read_text())
    # Polygons stay as they were drawn; file names are relative to the folder of the result.
    assert content["annotations"][0]["segmentation"] == [[v for point in POINTS for v in point]]
    assert content["images"][0]["file_name"] == "photos/a.png"


def test_a_result_that_reads_back_differently_is_found(convert, tmp_path):
    arguments, _ = labelme(tmp_path)
    out = tmp_path / "annotations" / "instances_x.json"
    dataset = opened("labelme", *arguments)
    assert convert("labelme", arguments[0], out) == 0
    compare(dataset, out)
    content = json.loads(out.read_text())
    content["annotations"][0]["segmentation"][0][3] += 1
    out.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"other objects on .*a\.png"):
        compare(dataset, out)
    content["categories"][0]["name"] = "x"
    out.write_text(json.dumps(content))
    with pytest.raises(InputError, match="other classes"):
        compare(dataset, out)


def test_bad_input_is_one_line(convert, tmp_path, capsys):
    for arguments, message in (
        (("png", tmp_path, tmp_path / "o.json"), "--masks"),
        (("labelme", tmp_path, tmp_path / "o.json"), "no files *.json"),
    ):
        assert convert(*arguments) == 2
        error = capsys.readouterr().err
        assert message in error and error.count("\n") == 1
    labelme(tmp_path)
    assert convert("labelme", tmp_path, tmp_path / "o.json", "--check") == 2
    assert "annotations/instances_NAME.json" in capsys.readouterr().err


def test_an_image_without_a_file():
    dataset = Dataset()
    dataset.add_image("own", 3, None, height=5, width=6)
    dataset.prepare()
    with pytest.raises(InputError, match="image 3 has no file"):
        coco_content(dataset, ".")


def test_coco_to_coco_keeps_real_annotations(coco_dir, tmp_path):
    """Polygons with several parts, crowds and run-length encodings."""
    source = CocoDataset.from_folder(coco_dir, "val", limit=25)
    (tmp_path / "val").mkdir()
    (tmp_path / "annotations").mkdir()
    content = coco_content(source, tmp_path / "val")
    (tmp_path / "annotations" / "instances_val.json").write_text(json.dumps(content))
    twin = CocoDataset.from_folder(tmp_path, "val")
    crowds = 0
    for image_id in source.image_ids:
        ours, theirs = source.load_instances(image_id), twin.load_instances(image_id)
        assert ours.class_ids.tolist() == theirs.class_ids.tolist()
        np.testing.assert_array_equal(ours.masks(), theirs.masks())
        crowds += (ours.class_ids < 0).sum()
    assert crowds


def test_a_folder_gets_all_splits_and_a_table(convert, lay_out, tmp_path, capsys):
    root = lay_out("yolo", tmp_path / "photos")
    assert convert("yolo", root / "data.yaml", tmp_path / "mine") == 0
    printed = capsys.readouterr().out
    assert "images              9         3" in printed
    assert f"written: {tmp_path / 'mine'} (images: hard links)" in printed
    counts = [CocoDataset.from_folder(tmp_path / "mine", s).num_images for s in ("train", "val")]
    assert counts == [9, 3]
    assert convert("yolo", root, tmp_path / "one", "--subset", "valid", "--copy") == 0
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == ["annotations", "val"]
    assert "(images: copied)" in capsys.readouterr().out


def test_a_folder_is_divided(convert, lay_out, tmp_path, capsys):
    root = lay_out("labelme", tmp_path / "photos")
    assert convert("auto", root, tmp_path / "mine", "--split", "0.5/0.25/0.25", "--seed", 2) == 0
    printed = capsys.readouterr().out
    assert f"{root}: labelme's JSON files beside the images" in printed
    assert printed.count("images              6         3         3") == 1


@pytest.mark.parametrize(
    ("out", "options", "message"),
    [
        ("mine", ["--split", "0.85"], "such as 0.85/0.15"),
        ("mine", ["--check"], "--check is for a file"),
        ("mine", ["--attribute", "kind"], "--attribute is for via"),
        ("mine", ["--subset", "val"], "is not divided into splits"),
        ("mine", ["--seed", "3"], "--seed draws the images of --split"),
        ("mine.json", ["--subset", "val"], "is not divided into splits"),
        ("mine", ["--classes", ""], "--classes must be names joined by commas, got ''"),
        ("mine", ["--classes", "bird,,cat"], "--classes must be names joined by commas"),
        ("mine.json", ["--class-name", "cell"], "--class-name is for via, png, objects"),
        ("mine.json", ["--masks", "nowhere"], "--masks is for png, objects"),
        ("mine.json", ["--split", "0.8/0.2"], "are for a folder"),
        ("mine.json", ["--copy"], "are for a folder"),
    ],
)
def test_options_that_do_not_fit_end_in_one_line(
    convert, lay_out, tmp_path, capsys, out, options, message
):
    root = lay_out("labelme", tmp_path / "photos")
    assert convert("labelme", root, tmp_path / out, *options) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not (tmp_path / out).exists()


def test_a_list_of_voc_is_taken_by_its_name(convert, lay_out, tmp_path, capsys):
    root = lay_out("voc, divided", tmp_path / "photos")
    folder = root / "ImageSets" / "Segmentation"
    for name in ("photo00.jpg", "photo11.jpg"):
        (root / "JPEGImages" / name).rename(root / "JPEGImages" / f"my {name}")
    for name in ("photo00.png", "photo11.png"):
        for part in ("SegmentationObject", "SegmentationClass"):
            (root / part / name).rename(root / part / f"my {name}")
    (folder / "train.txt").write_text("my photo00\nphoto01\n")
    (folder / "some.txt").write_text("my photo00\n my photo11\n")
    out = tmp_path / "mine" / "annotations" / "instances_some.json"
    assert convert("voc", root, out, "--subset", "some", "--check") == 0
    content = json.loads(out.read_text())
    assert [Path(i["file_name"]).name for i in content["images"]] == [
        "my photo00.jpg",
        "my photo11.jpg",
    ]
    # It is no split of its own: its images are in others.
    (folder / "val.txt").write_text("my photo11\n")
    assert convert("voc", root, tmp_path / "all") == 0
    assert "images              2         1" in capsys.readouterr().out
    assert convert("voc", root, tmp_path / "no.json", "--subset", "other") == 2
    assert "has no split 'other'; it has train, val, some, trainval" in capsys.readouterr().err


def test_masks_of_another_size_are_refused(convert, tmp_path, capsys):
    picture(tmp_path / "images" / "a.png")
    picture(tmp_path / "masks" / "a.png", np.ones((6, 10), np.uint8))
    for out in ("out.json", "out"):
        assert convert("png", tmp_path, tmp_path / out) == 2
        assert "image is 20x12, its annotation says 10x6" in capsys.readouterr().err
    picture(tmp_path / "masks" / "a.png", np.ones((12, 20), np.uint8))
    assert convert("png", tmp_path, tmp_path / "out") == 0
    assert "look at: 1 (mask that covers its whole image)" in capsys.readouterr().out


def test_large_images_are_taken_knowingly(convert, tmp_path, capsys):
    picture(tmp_path / "images" / "a.png")
    picture(tmp_path / "masks" / "a.png", np.ones((12, 20), np.uint8))
    before = allowed_pixels()
    try:
        assert convert("png", tmp_path, tmp_path / "a.json", "--max-pixels", 239) == 2
        assert "20x12 = 240 pixels, more than IMAGE_MAX_PIXELS 239" in capsys.readouterr().err
        assert convert("png", tmp_path, tmp_path / "a.json", "--max-pixels", 240) == 0
        assert convert("png", tmp_path, tmp_path / "a.json", "--max-pixels", 0) == 2
    finally:
        allow_pixels(before)
