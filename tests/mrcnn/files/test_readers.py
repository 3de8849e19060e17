"""Every reader of a file from outside, on files of any content: it gives what is sound, or an
InputError of one line, in less than 10 seconds and 1 GB.
"""

import json
import re
import resource
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from mrcnn.config_io import load_config
from mrcnn.data.reading import jpeg, labels, picture
from mrcnn.data.reading.header import read_size
from mrcnn.data.recognition.opening import open_splits
from mrcnn.data.recognition.recognise import recognise
from mrcnn.drawing.losses import plot_losses
from mrcnn.errors import InputError
from mrcnn.files.rows import Rows
from mrcnn.hub.unzip import list_members
from mrcnn.weights.file_formats import read_weights
from mrcnn.weights.run_state import read_run_state
from tests.chaos.data_damage import places
from tests.mrcnn.data.conftest import WRITERS, _photos

# Of files that are cut off inside their tags; the picture is read all the same.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")

GIGABYTE = 1 << 20  # in the kilobytes of getrusage
SETTINGS = settings(
    max_examples=60,
    deadline=10_000,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

MAGIC = [
    b"", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", b"\xff\xd8\xff\xe0\x00\x10JFIF\x00", b"GIF89a",
    b"II*\x00\x08\x00\x00\x00", b"MM\x00*", b"BM", b"RIFF\xff\xff\xff\x7fWEBPVP8 ",
    b"P6\n9 9 255\n",
    b"\x89HDF\r\n\x1a\n\x00", b"PK\x03\x04", b"\x80\x02}q\x00.",
    b"\x20\x00\x00\x00\x00\x00\x00\x00{",
    b"8BPS\x00\x01", b"\x00\x00\x00\x0cjP  \r\n\x87\n", b"<?xml?>",
]  # fmt: skip
CONTENT = st.builds(bytes.__add__, st.sampled_from(MAGIC), st.binary(max_size=300))

ODD = [
    1e308,
    -1e308,
    float("inf"),
    float("nan"),
    1 << 80,
    -1,
    0,
    0.5,
    10,
    "0",
    "",
    "a/../b",
    "\x00",
]
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 50), st.floats(), st.text(max_size=8),
    st.sampled_from(ODD),
)  # fmt: skip
# Keys that the formats have, so that what is made gets past the first look.
KEYS = [
    "images", "annotations", "categories", "id", "image_id", "category_id", "segmentation", "bbox",
    "file_name", "height", "width", "iscrowd", "counts", "size", "shapes", "points", "label",
    "imagePath", "imageData", "imageHeight", "shape_type", "group_id", "regions", "filename",
    "shape_attributes", "region_attributes", "all_points_x", "all_points_y", "objects", "polygon",
]  # fmt: skip
ANY_JSON = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.sampled_from(KEYS), st.text(max_size=3)), inner, max_size=5),
    ),
    max_leaves=25,
)


@pytest.fixture(autouse=True)
def little_memory():
    """Fail where a test makes the process larger by a gigabyte than it ever was."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < GIGABYTE


@pytest.fixture(scope="module")
def layouts(tmp_path_factory):
    """A folder of three photographs in every layout."""
    root = tmp_path_factory.mktemp("layouts")
    for kind, write in WRITERS.items():
        (root / kind).mkdir()
        write(root / kind, _photos(4))
    return root


def outcome(read, *arguments):
    """Return what a reader gives, or None where it refuses in one line."""
    try:
        return read(*arguments)
    except InputError as error:
        assert str(error).strip() and "\n" not in str(error) and len(str(error)) < 2000, str(error)
        return None


def assert_sound(folder):
    """Read a dataset as a training does."""
    for dataset in (outcome(lambda: open_splits(recognise(folder))) or {}).values():
        for image_id in dataset.image_ids:
            instances = outcome(dataset.load_instances, image_id)
            if instances is None:
                continue
            height, width = instances.size
            y1, x1, y2, x2 = instances.boxes.T
            assert ((y1 >= 0) & (y1 <= y2) & (y2 <= height)).all(), instances.boxes
            assert ((x1 >= 0) & (x1 <= x2) & (x2 <= width)).all(), instances.boxes
            masks = outcome(instances.masks)
            assert masks is None or masks.shape == (height, width, len(instances))


@SETTINGS
@given(CONTENT, st.sampled_from([".png", ".jpg", ".tif", ".webp", ".bmp", ".npy", ""]))
def test_bytes_as_a_picture(content, suffix):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a{suffix}"
        path.write_bytes(content)
        size, image = outcome(read_size, path), outcome(picture.load, path)
        if image is not None:
            assert image.shape == (*size, 3) and image.dtype == np.uint8
        for read in (labels.load_values, labels.load_shape, jpeg.damage):
            outcome(read, path)


MODES = ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "HSV", "I", "F",
         "I;16", "I;16B", "La", "RGBa"]  # fmt: skip


@SETTINGS
@given(
    st.sampled_from(MODES),
    st.sampled_from(["png", "jpg", "tif", "webp", "bmp", "gif", "ppm", "tga", "jp2"]),
    st.integers(1, 40),
    st.integers(1, 40),
    st.integers(0, 9),
    st.integers(0, 255),
)
def test_pictures_of_any_mode_and_size(mode, suffix, width, height, turn, value):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a.{suffix}"
        about = Image.Exif()
        about[0x0112] = turn
        bands = len(Image.new(mode, (1, 1)).getbands())
        color = value if bands == 1 else (value,) * bands
        try:
            Image.new(mode, (width, height), color).save(path, exif=about)
        except (OSError, KeyError, ValueError, TypeError):
            return  # Pillow cannot write this
        size, image = outcome(read_size, path), outcome(picture.load, path)
        if image is not None:
            assert image.shape == (*size, 3) and image.dtype == np.uint8
            assert size in ((height, width), (width, height))
        values = outcome(labels.load_values, path)
        assert values is None or values.shape in ((height, width), (width, height))


@SETTINGS
@given(ANY_JSON, st.sampled_from(sorted(WRITERS)), st.integers(0, 99))
def test_json_of_any_shape(layouts, content, kind, choice):
    with tempfile.TemporaryDirectory() as place:
        folder = Path(shutil.copytree(layouts / kind, Path(place) / "photos"))
        files = sorted(folder.rglob("*.json")) or [folder / "any.json"]
        files[choice % len(files)].write_text(json.dumps(content))
        assert_sound(folder)


@SETTINGS
@given(ANY_JSON, st.sampled_from(sorted(WRITERS)), st.integers(0, 9), st.integers(0, 10_000))
def test_annotations_with_another_value(layouts, value, kind, which, where):
    with tempfile.TemporaryDirectory() as place:
        folder = Path(shutil.copytree(layouts / kind, Path(place) / "photos"))
        files = sorted(folder.rglob("*.json"))
        if not files:
            return
        file = files[which % len(files)]
        content = json.loads(file.read_text())
        found = places(content, [])
        holder, key = found[where % len(found)]
        holder[key] = value
        file.write_text(json.dumps(content))
        assert_sound(folder)


WORDS = st.one_of(
    st.sampled_from(["0", "1", "99", "-1", "0.5", "1.5", "nan", "inf", "1e400", "x", "train",
                     "names:", "photo00", "photo99", "..", "\ufeff", "٣",
                     "images/train", "[", "&a", "*a"]),
    st.text(max_size=6),
)  # fmt: skip
TEXT = st.lists(st.lists(WORDS, max_size=9).map(" ".join), max_size=6).map("\n".join)


@SETTINGS
@given(st.one_of(TEXT.map(str.encode), CONTENT), st.sampled_from(["yolo", "voc", "voc, divided"]),
       st.integers(0, 99))  # fmt: skip
def test_text_files_of_any_content(layouts, content, kind, choice):
    with tempfile.TemporaryDirectory() as place:
        folder = Path(shutil.copytree(layouts / kind, Path(place) / "photos"))
        files = sorted(p for p in folder.rglob("*") if p.suffix in (".txt", ".yaml"))
        files[choice % len(files)].write_bytes(content)
        assert_sound(folder)


@SETTINGS
@given(
    CONTENT,
    st.sampled_from([".h5", ".keras", ".pth", ".pt", ".safetensors", ".npz", ".weights.h5"]),
)
def test_bytes_as_weights(content, suffix):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a{suffix}"
        path.write_bytes(content)
        assert outcome(read_weights, path) is None
        assert outcome(read_run_state, path) is None


@SETTINGS
@given(st.one_of(TEXT.map(str.encode), ANY_JSON.map(json.dumps).map(str.encode), CONTENT))
def test_anything_as_settings_a_log_or_an_archive(content):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a"
        for suffix, read in (
            (".yaml", load_config),
            (".csv", plot_losses),
            (".csv", lambda file: Rows(file, ["step", "loss"], start=5)),
            (".zip", lambda file: list_members(file, re.compile(".*"), 1000)),
        ):
            path.with_suffix(suffix).write_bytes(content)
            outcome(read, path.with_suffix(suffix))
