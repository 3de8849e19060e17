"""Photographs with a few objects, laid out in every format."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image, ImageDraw

HEIGHT, WIDTH = 30, 40
LABELS = ("bird", "cat", "dog")


class Photo(NamedTuple):
    """A photograph: its name without a suffix, and its objects as label and corners [x, y]."""

    name: str
    objects: list


def _photos(count=12, labels=LABELS):
    """Two squares on every photograph, of the labels in turn, none above the other."""
    photos = []
    for n in range(count):
        boxes = ((2 + n % 5, 3), (22, 4 + n % 7))
        objects = [
            (labels[(n + i) % len(labels)], [[x, y], [x + 10, y], [x + 10, y + 9], [x, y + 9]])
            for i, (x, y) in enumerate(boxes)
        ]
        photos.append(Photo(f"photo{n:02}", objects))
    return photos


def _save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def _shoot(folder, photo, suffix="png"):
    """Write the picture of a photograph; each is unlike all others."""
    seed = sum(ord(letter) * 31**n for n, letter in enumerate(photo.name))
    noise = np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    _save(folder / f"{photo.name}.{suffix}", noise)


def _filled(photo, values):
    picture = Image.new("I", (WIDTH, HEIGHT), 0)
    for (_, corners), value in zip(photo.objects, values, strict=True):
        ImageDraw.Draw(picture).polygon([tuple(c) for c in corners], fill=value)
    return np.asarray(picture)


def _labelme(root, photos):
    for photo in photos:
        _shoot(root, photo)
        shapes = [{"label": label, "points": p, "group_id": None} for label, p in photo.objects]
        content = {"shapes": shapes, "imagePath": f"{photo.name}.png", "imageData": None}
        file = root / f"{photo.name}.json"
        file.write_text(json.dumps({**content, "imageHeight": HEIGHT, "imageWidth": WIDTH}))
    return root


def _via(root, photos, folder="."):
    content = {}
    for photo in photos:
        _shoot(root / folder, photo)
        regions = [
            {
                "shape_attributes": {
                    "name": "polygon",
                    "all_points_x": [x for x, _ in corners],
                    "all_points_y": [y for _, y in corners],
                },
                "region_attributes": {"kind": label},
            }
            for label, corners in photo.objects
        ]
        name = f"{photo.name}.png"
        content[f"{name}1"] = {"filename": name, "size": 1, "regions": regions}
    (root / "via_region_data.json").write_text(json.dumps(content))
    return root


def _coco_file(file, folder, photos, labels=LABELS):
    images, annotations = [], []
    for number, photo in enumerate(photos, start=1):
        _shoot(folder, photo)
        name = f"{photo.name}.png"
        images.append({"id": number, "file_name": name, "height": HEIGHT, "width": WIDTH})
        for label, corners in photo.objects:
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": labels.index(label) + 1,
                    "segmentation": [[v for corner in corners for v in corner]],
                    "iscrowd": 0,
                }
            )
    categories = [{"id": n, "name": name} for n, name in enumerate(labels, start=1)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content))


def _roboflow(root, photos):
    for split, part in (("train", photos[:-4]), ("valid", photos[-4:-2]), ("test", photos[-2:])):
        _coco_file(root / split / "_annotations.coco.json", root / split, part)
    return root


def _coco(root, photos):
    _coco_file(root / "annotations" / "instances_train.json", root / "train", photos)
    return root


def _coco_single(root, photos):
    _coco_file(root / "my cells.json", root, photos)
    return root


def _voc(root, photos, labels=LABELS):
    for photo in photos:
        _shoot(root / "JPEGImages", photo, "jpg")
        numbers = [labels.index(label) + 1 for label, _ in photo.objects]
        objects = _filled(photo, range(1, len(numbers) + 1)).astype(np.uint8)
        _save(root / "SegmentationObject" / f"{photo.name}.png", objects)
        _save(
            root / "SegmentationClass" / f"{photo.name}.png",
            _filled(photo, numbers).astype(np.uint8),
        )
    (root / "class_names.txt").write_text("\n".join(["__ignore__", "_background_", *labels]))
    return root


def _voc_sets(root, photos):
    _voc(root, photos)
    folder = root / "ImageSets" / "Segmentation"
    folder.mkdir(parents=True)
    for name, part in (("train", photos[:-3]), ("val", photos[-3:]), ("trainval", photos)):
        (folder / f"{name}.txt").write_text("\n".join(photo.name for photo in part))
    return root


def _yolo(root, photos, labels=LABELS):
    for split, part in (("train", photos[:-3]), ("val", photos[-3:])):
        for photo in part:
            _shoot(root / "images" / split, photo, "jpg")
            lines = [
                f"{labels.index(label)} "
                + " ".join(f"{x / WIDTH} {y / HEIGHT}" for x, y in corners)
                for label, corners in photo.objects
            ]
            file = root / "labels" / split / f"{photo.name}.txt"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("\n".join(lines))
    names = ", ".join(labels)
    (root / "data.yaml").write_text(f"train: images/train\nval: images/val\nnames: [{names}]\n")
    return root


def _png(root, photos, ending=""):
    for photo in photos:
        _shoot(root / "images", photo)
        values = _filled(photo, range(1, len(photo.objects) + 1)).astype(np.uint8)
        _save(root / "masks" / f"{photo.name}{ending}.png", values)
    return root


def _object_files(folder, photo):
    for number, (label, _) in enumerate(photo.objects):
        mask = _filled(photo, [n == number for n in range(len(photo.objects))])
        _save(folder / label / f"{number}.png", (mask * 255).astype(np.uint8))


def _objects(root, photos):
    for photo in photos:
        _shoot(root / "images", photo)
        _object_files(root / "masks" / photo.name, photo)
    return root


def _tree(root, photos):
    for photo in photos:
        _shoot(root / photo.name / "images", photo)
        _object_files(root / photo.name / "masks", photo)
    return root


def _cityscapes(root, photos):
    for n, photo in enumerate(photos):
        place = Path("val" if n % 4 == 0 else "train") / "ulm"
        _shoot(root / "leftImg8bit" / place, photo._replace(name=f"{photo.name}_leftImg8bit"))
        values = [26000 + index for index in range(len(photo.objects))]
        file = root / "gtFine" / place / f"{photo.name}_gtFine_instanceIds.png"
        _save(file, _filled(photo, values).astype(np.uint16))
    return root


def _divided(write):
    """Return a writer of folders train and val, each as `write` has it."""

    def both(root, photos):
        write(root / "train", photos[:-3])
        write(root / "val", photos[-3:])
        return root

    return both


WRITERS = {
    "labelme": _labelme,
    "labelme, divided": _divided(_labelme),
    "via": _via,
    "via, divided": _divided(_via),
    "via, images apart": lambda root, photos: _via(root, photos, "images"),
    "coco": _coco,
    "coco, any name": _coco_single,
    "coco, Roboflow": _roboflow,
    "voc": _voc,
    "voc, divided": _voc_sets,
    "yolo": _yolo,
    "png": _png,
    "png, endings": lambda root, photos: _png(root, photos, "_mask"),
    "png, divided": _divided(_png),
    "objects": _objects,
    "objects, tree": _tree,
    "objects, tree, divided": _divided(_tree),
    "cityscapes": _cityscapes,
}


@pytest.fixture(scope="session")
def photos():
    """Make photographs, of which each has two objects of three classes."""
    return _photos


@pytest.fixture(scope="session")
def lay_out():
    """Write photographs in a format: `lay_out("labelme", folder)` gives 12 with their files."""

    def write(kind, root, photos=None):
        root.mkdir(parents=True, exist_ok=True)
        return WRITERS[kind](root, _photos() if photos is None else photos)

    return write


@pytest.fixture(params=WRITERS)
def laid_out(request, tmp_path):
    """A folder of 12 photographs, in every layout of every format in turn, and its format."""
    root = tmp_path / "photos"
    root.mkdir()
    return WRITERS[request.param](root, _photos()), request.param
