import io
import tomllib
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from jinja2 import UndefinedError
from PIL import Image

from mrcnn.data.checks.anchors import Anchors
from mrcnn.data.checks.statistics import ObjectNumbers, fit_anchors
from mrcnn.data.findings import found
from mrcnn.drawing.figures import new_figure
from mrcnn.report import data_pictures
from mrcnn.report.data_page import PICTURED, Subset, data_page, pictured
from mrcnn.report.data_pictures import data_uri, number_plots, problem_picture, turned_picture
from mrcnn.report.pages import render

ROOT = Path(__file__).resolve().parents[3]
ANCHORS = Anchors((32, 64, 128, 256, 512), (0.5, 1, 2), (4, 8, 16, 32, 64))
EVIL = '"><script>alert(1)</script>$x^{\ud800\n'


def numbers_of(count):
    corners = np.linspace(0, 500, count)[:, None] * np.ones(2)
    boxes = np.concatenate([corners, corners + np.array([20.0, 60.0])], axis=1)
    index = np.arange(count)
    canvas = np.full((count, 2), 1024)
    return ObjectNumbers(index * 0, index, index * 0 + 1, boxes, canvas, np.array([count, 0]))


class Elements(HTMLParser):
    """The tags of a page, and the addresses in them."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.addresses = [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href")]
        assert not [name for name, _ in attrs if name.startswith("on")]


def test_names_of_files_and_classes_stay_text(tmp_path):
    findings = [
        found("file-missing", EVIL, subset=EVIL, file_name=EVIL, image=1),
        found("unused-category", EVIL, subset=EVIL),
    ]
    numbers = numbers_of(20)
    subset = Subset(EVIL, EVIL, numbers, ["BG", EVIL], fit_anchors(numbers, ANCHORS))
    pictures = {0: problem_picture(None, [])}
    page = data_page(EVIL, findings, pictures, [subset], EVIL)
    page.encode("utf-8")
    elements = Elements(page)
    assert "script" not in elements.tags
    assert elements.tags.count("img") == 2
    assert all(a.startswith(("data:image/", "#")) for a in elements.addresses)
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in page
    assert "&lt;script&gt;" in page and "1 error, 0 warnings, 1 note" in page


@pytest.mark.parametrize("count", [0, 1, 20])
def test_plots_of_any_number_of_objects(count):
    numbers = numbers_of(count)
    picture = number_plots(numbers, fit_anchors(numbers, ANCHORS))
    assert Image.open(io.BytesIO(picture)).size[0] > 600
    assert data_uri(picture).startswith("data:image/png;base64,")
    page = data_page("t", [], {}, [Subset("a", "b", numbers, ["BG", "c"],
                     fit_anchors(numbers, ANCHORS))], "s")  # fmt: skip
    assert "Nothing was found" in page


def red(picture):
    pixels = np.asarray(Image.open(io.BytesIO(picture)), int)
    return (pixels[:, :, 0] > 150) & (pixels[:, :, 1:] < 110).all(axis=2), pixels


def test_the_object_is_outlined(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(np.full((100, 200, 3), 90, np.uint8)).save(path)
    box = np.array([[50, 20], [150, 20], [150, 80], [50, 80.0]])
    mask, pixels = red(problem_picture(str(path), [box], side=200))
    assert pixels.shape == (100, 200, 3)
    rows, columns = np.nonzero(mask)
    assert abs(rows.min() - 20) <= 2 and abs(rows.max() - 80) <= 2
    assert abs(columns.min() - 50) <= 2 and abs(columns.max() - 150) <= 2

    # Beyond the border it shows on white.
    mask, pixels = red(problem_picture(str(path), [box + (100, 0)], side=200))
    assert pixels.shape[1] == 200 and pixels[50, 10].max() < 120 and pixels[5, 190].min() > 240
    # A small one is shown from near.
    mask, pixels = red(problem_picture(str(path), [box / 20 + (100, 50)], side=200))
    assert np.ptp(np.nonzero(mask)[1]) > 40
    # Coordinates of any size end at the margin.
    problem_picture(str(path), [box * 1e9, box * -1e9])


def test_axes_of_counts_have_whole_numbers(monkeypatch):
    figure, numbers = new_figure((11, 6)), numbers_of(2)
    monkeypatch.setattr(data_pictures, "new_figure", lambda size: figure)
    number_plots(numbers, fit_anchors(numbers, ANCHORS))
    axes = figure.axes
    for ticks in (axes[0].get_xticks(), *(ax.get_yticks() for ax in axes)):
        assert len(ticks) >= 2 and all(tick == int(tick) for tick in ticks)
    assert all(ax.get_xlabel() and ax.get_ylabel() for ax in axes)


def test_a_page_without_something_that_its_template_names_is_an_error():
    with pytest.raises(UndefinedError, match="settings|subsets|counts|kinds"):
        render("data_page.html", title="t")


def test_the_templates_are_part_of_the_package():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]
    patterns = settings["package-data"]["mrcnn"]
    folder = ROOT / "mrcnn"
    files = {file for pattern in patterns for file in folder.glob(pattern)}
    assert set((folder / "report" / "templates").iterdir()) <= files


def test_a_file_that_does_not_open_is_a_grey_square(tmp_path):
    (tmp_path / "a.jpg").write_text("no image")
    for path in (None, str(tmp_path / "a.jpg"), str(tmp_path / "none")):
        mask, pixels = red(problem_picture(path, [np.zeros((3, 2))], side=90))
        assert pixels.shape == (90, 90, 3) and not mask.any()


def test_the_first_of_each_kind_get_a_picture():
    findings = [found("file-missing", "m", file_name=str(n)) for n in range(PICTURED + 3)]
    findings += [found("unused-category", "u"), found("no-objects", "n", file_name="x")]
    assert pictured(findings) == [*range(PICTURED), PICTURED + 4]


def test_a_turned_photo_is_shown_both_ways(tmp_path):
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[5:15, 5:25] = (0, 0, 255)
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "a.png"
    Image.fromarray(pixels).save(path, exif=exif)
    # Upright, row y and column x lie at row x and column 39 - y.
    outline = np.array([[25.0, 5], [35, 5], [35, 25], [25, 25]])
    with Image.open(io.BytesIO(turned_picture(str(path), [outline], side=120))) as found:
        sheet = np.asarray(found).astype(int)
    upright = sheet[16:, 128:208]  # 80 x 120, twice the photo of 40 x 60
    blue = upright[:, :, 2] - upright[:, :, 0] > 100
    rows, columns = np.nonzero(blue)
    # The blue square lies inside of the outline, which is drawn on its border.
    assert abs(rows.mean() - 30) < 2 and abs(columns.mean() - 60) < 2
    stored = sheet[16:96, :120]
    assert (stored[10:30, 10:50, 2] - stored[10:30, 10:50, 0] > 100).mean() > 0.8
