"""Write a small dataset as the VGG Image Annotator would have left it, from drawn scenes.

python samples/own_data/via_sample.py datasets/own
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mrcnn.data.datasets.toy_sample import SHAPES, draw_scene
from mrcnn.errors import InputError, run_cli

FILE_NAME = "via_region_data.json"
ATTRIBUTE = "shape"
CLASSES = tuple(name for name in SHAPES if name != "ring")
SIZE = 192  # pixels, of the longer side of an image


def write_via_sample(folder: Path, train: int = 200, val: int = 25, seed: int = 0) -> Path:
    """Write `train/` and `val/`, each with images and a VIA file.

    That of `train/` is a project of VIA 2, which VIA opens; that of `val/` an export of VIA 1.

    Args:
        folder: Must not hold anything yet.
        train: Number of training images.
        val: Number of validation images.
        seed: Of all random choices.

    Raises:
        InputError: There is something in the folder, or a number is below 1.
    """
    if min(train, val) < 1:
        raise InputError(f"a dataset needs at least 1 image, got {min(train, val)}")
    if folder.is_dir() and any(folder.iterdir()):
        raise InputError(f"{folder} is not empty; give a new folder")
    for number, (split, count) in enumerate((("train", train), ("val", val))):
        (folder / split).mkdir(parents=True)
        entries = {}
        for index in range(count):
            rng = np.random.default_rng([seed, number, index])
            name = f"{split}{index:04d}.jpg"
            regions = _write_image(rng, folder / split / name)
            bytes_ = (folder / split / name).stat().st_size
            entries[f"{name}{bytes_}"] = {
                "filename": name,
                "size": bytes_,
                "regions": regions,
                "file_attributes": {},
            }
        content = _project(entries) if split == "train" else _version_1(entries)
        (folder / split / FILE_NAME).write_text(json.dumps(content), encoding="utf-8")
    return folder


def _write_image(rng: np.random.Generator, path: Path) -> list[dict[str, Any]]:
    """Draw an image whose objects have one outline each, and return them as regions.

    VIA knows no holes, and no objects of several parts: scenes with such are drawn again.
    """
    while True:
        scene = draw_scene(rng, SIZE, empty=False, crowd=False)
        outlines = [item["segmentation"] for item in scene.objects]
        single = all(isinstance(o, list) and len(o) == 1 for o in outlines)
        if outlines and single and all(_name(item) in CLASSES for item in scene.objects):
            break
    Image.fromarray(scene.image).save(path, quality=92, subsampling=0)
    regions = []
    for item, ((*outline,),) in zip(scene.objects, outlines, strict=True):
        shape = {"name": "polygon", "all_points_x": outline[::2], "all_points_y": outline[1::2]}
        regions.append({"shape_attributes": shape, "region_attributes": {ATTRIBUTE: _name(item)}})
    return regions


def _name(item: dict[str, Any]) -> str:
    return SHAPES[item["category_id"] - 1]


def _project(entries: dict[str, Any]) -> dict[str, Any]:
    options = dict.fromkeys(CLASSES, "")
    attribute = {"type": "radio", "description": "", "options": options, "default_options": {}}
    return {
        "_via_settings": {
            "ui": {},
            "core": {"buffer_size": 18, "filepath": {}, "default_filepath": ""},
            "project": {"name": "own_data"},
        },
        "_via_img_metadata": entries,
        "_via_attributes": {"region": {ATTRIBUTE: attribute}, "file": {}},
        "_via_data_format_version": "2.0.10",
        "_via_image_id_list": list(entries),
    }


def _version_1(entries: dict[str, Any]) -> dict[str, Any]:
    return {
        key: {
            **entry,
            "fileref": "",
            "base64_img_data": "",
            "regions": {str(number): region for number, region in enumerate(entry["regions"])},
        }
        for key, entry in entries.items()
    }


def main(argv: list[str] | None = None) -> int:
    """Run the command; `argv` is None for the arguments of the process."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path, help="a new folder")
    parser.add_argument(
        "--images",
        type=int,
        default=200,
        help="to train on; an eighth more to validate (%(default)s)",
    )
    args = parser.parse_args(argv)
    print(f"dataset in {write_via_sample(args.folder, args.images, args.images // 8)}")
    return 0


if __name__ == "__main__":
    sys.exit(run_cli(main))
