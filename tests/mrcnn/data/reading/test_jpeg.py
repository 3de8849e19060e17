"""Damage inside JPEG files, with which decoders go on silently."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from mrcnn.data.checks.files import file_fault
from mrcnn.data.reading import jpeg

PHOTO = Image.fromarray(data.astronaut())


def saved(picture, **options):
    file = io.BytesIO()
    picture.save(file, "JPEG", **options)
    return file.getvalue()


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("place", [0.3, 0.5, 0.8])
def test_zeros_inside_are_found(tmp_path, place, progressive):
    content = bytearray(saved(PHOTO, progressive=progressive))
    start = int(place * len(content))
    content[start : start + 4096] = bytes(4096)
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    Image.open(path).load()  # Pillow says nothing
    assert file_fault(str(path), (512, 512), decode=False) is None
    code, message = file_fault(str(path), (512, 512), decode=True)
    assert code == "file-damaged" and "Corrupt JPEG data" in message and "tj" not in message


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"subsampling": 0}, {"restart_marker_blocks": 3}]
)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_whole_files_pass(tmp_path, mode, options):
    path = tmp_path / "a.jpg"
    path.write_bytes(saved(PHOTO.convert(mode).crop((0, 0, 131, 77)), **options))
    assert jpeg.damage(path) == ""
    assert file_fault(str(path), (77, 131), decode=True) is None


def test_other_files_under_the_name_are_left_to_pillow(tmp_path):
    path = tmp_path / "a.jpg"
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(path, "PNG")
    assert file_fault(str(path), (8, 8), decode=True) is None


def test_photographs_are_whole():
    folder = os.environ.get("MRCNN_COCO_DIR")
    if folder is None:
        pytest.skip("MRCNN_COCO_DIR names no COCO images")
    paths = sorted(Path(folder).rglob("*.jpg"))
    assert len(paths) > 20
    assert [path for path in paths if jpeg.damage(path)] == []
