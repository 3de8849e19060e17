"""A small COCO from a server on this machine that breaks off, waits, lies and refuses."""

import hashlib
import io
import json
import zipfile
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mrcnn.cli.common import dataset_folder, open_dataset
from mrcnn.cli.train import TrainOptions
from mrcnn.cli.training.run import open_splits
from mrcnn.data.datasets.coco import CocoDataset, find_year
from mrcnn.hub import coco

IMAGES = {"train": 5, "val": 2}


def zipped(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def picture(number):
    """A JPEG of 60 x 40 that no compression makes smaller."""
    noise = np.random.default_rng(number).integers(0, 255, (40, 60, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "jpeg")
    return buffer.getvalue()


def small_coco(year):
    """The contents of its archives by their names, laid out as those of COCO."""
    prefix = {"2014": "COCO_{subset}2014_", "2017": ""}[year]
    archives, listed = {}, {"annotations/": ""}
    for subset, count in IMAGES.items():
        names = [f"{prefix.format(subset=subset)}{n:012}.jpg" for n in range(1, count + 1)]
        files = {f"{subset}{year}/{name}": picture(n) for n, name in enumerate(names)}
        archives[f"{subset}{year}"] = {f"{subset}{year}/": "", **files}
        content = {
            "images": [
                {"id": n, "file_name": name, "height": 40, "width": 60}
                for n, name in enumerate(names)
            ],
            "annotations": [
                {"id": 1, "image_id": 0, "category_id": 7, "segmentation": [[2, 2, 9, 2, 9, 8]]}
            ],
            "categories": [{"id": 7, "name": "train"}],
        }
        listed[f"annotations/instances_{subset}{year}.json"] = json.dumps(content)
        listed[f"annotations/captions_{subset}{year}.json"] = "{}"
    return {**archives, f"annotations{year}": listed}


@pytest.fixture
def publish(web_server, monkeypatch):
    """Put archives on the server, with the sizes and sums that are expected of them."""

    def put(name, files, **changes):
        content = files if isinstance(files, bytes) else zipped(files)
        old = coco.ARCHIVES[name]
        web_server.files[f"/mirror/{old.place}"] = content
        md5 = hashlib.md5(content).hexdigest()
        images = IMAGES.get(name[:-4], 0)
        new = {"size": len(content), "md5": md5, "images": images, **changes}
        monkeypatch.setitem(coco.ARCHIVES, name, coco.Archive(old.place, **new))

    return put


@pytest.fixture
def server(publish, web_server):
    for year in ("2017", "2014"):
        for name, files in small_coco(year).items():
            publish(name, files)
    return web_server


@pytest.fixture
def out(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Path("datasets/coco")


@pytest.fixture
def get(command, server, out, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    return lambda *args: command("download")(
        "--base-url", f"{server.url}/mirror/", "--quiet", *args
    )


def files(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


COMPLETE = [
    "annotations/instances_train2017.json", "annotations/instances_val2017.json",
    *(f"train2017/{n:012}.jpg" for n in range(1, 6)),
    *(f"val2017/{n:012}.jpg" for n in range(1, 3)),
]  # fmt: skip


def fails(get, capsys, message, *args):
    assert get(*args) == 2
    error = capsys.readouterr().err
    assert message in error and error.startswith("error: ") and error.count("\n") == 1


def test_everything_comes_and_stays(get, server, out, capsys):
    assert get() == 0
    assert files(out) == COMPLETE
    assert "mrcnn train --edge" in capsys.readouterr().out
    assert len(server.requests) == 3
    assert get() == 0
    assert "nothing to do" in capsys.readouterr().out
    assert len(server.requests) == 3 and files(out) == COMPLETE


@pytest.mark.parametrize("year", ["2017", "2014"])
def test_the_commands_find_it(get, out, year):
    """With the folder search of `mrcnn train` and `mrcnn evaluate` themselves."""
    assert get("--year", year) == 0
    folder, options = dataset_folder(None), TrainOptions()
    assert folder == out and find_year(folder) == year
    assert open_dataset(None, "train").num_images == 5
    opened = [split.dataset.num_images for split in open_splits(options, folder, None, False)[0]]
    assert opened == [5, 2]
    # The images of another year's validation may be among those trained on.
    other = {"2014": "2017", "2017": "2014"}[year]
    annotations = folder / "annotations" / f"instances_val{year}.json"
    annotations.rename(annotations.with_name(f"instances_val{other}.json"))
    assert len(open_splits(options, folder, None, False)[0]) == 1
    dataset = CocoDataset.from_folder(out, "train", year=year)
    assert dataset.load_image(4).shape == (40, 60, 3)
    assert dataset.load_instances(0).masks().sum() > 0
    assert dataset.get_source_class_id(1, "coco") == 7


def test_one_subset_after_the_other(get, server, out, capsys):
    assert get("--subset", "val") == 0
    assert files(out) == [name for name in COMPLETE if "val" in name]
    printed = capsys.readouterr().out
    assert "mrcnn evaluate" in printed and "mrcnn train" not in printed
    assert get("--subset", "val", "train", "--out", out) == 0
    assert files(out) == COMPLETE


def test_archives_can_stay(get, server, out):
    assert get("--keep-zip") == 0
    archives = ["annotations_trainval2017.zip", "train2017.zip", "val2017.zip"]
    assert files(out) == sorted([*COMPLETE, *archives])
    (out / "train2017" / "000000000003.jpg").unlink()
    assert get("--keep-zip") == 0
    assert len(server.requests) == 3 and len(files(out)) == len(COMPLETE) + 3


@pytest.mark.parametrize(
    "faults",
    [
        ["breaks off", "breaks off", "breaks off"],
        [503, 429, "breaks off", 500],
        ["throttles"] * 3,
        ["no length"] * 3,
        ["breaks off", "no ranges"],
        ["breaks off", "other range"],
        ["corrupts"],
    ],
)
def test_servers_with_faults(get, server, out, faults):
    server.faults = faults
    assert get() == 0
    assert files(out) == COMPLETE and server.faults == []


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("claims less", "train2017.zip could not be downloaded: it has 1000 bytes, not "),
        ("claims more", "train2017.zip could not be downloaded: it has "),
        (404, "answered 404"),
    ],
)
def test_servers_that_lie_or_refuse(get, server, out, capsys, fault, message):
    server.faults = [fault]
    fails(get, capsys, message)
    assert not (out / "train2017").exists() and not (out / "annotations").exists()
    assert get() == 0
    assert files(out) == COMPLETE


def test_another_archive_than_expected(get, publish, out, capsys):
    publish("val2017", small_coco("2017")["val2017"], md5="0" * 32)
    fails(get, capsys, f"expected {'0' * 32}", "--subset", "val")
    assert files(out) == []


def broken(name, **changes):
    return {**small_coco("2017")[name], **changes}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("val2017", broken("val2017", **{"../../evil.jpg": b""}), "'../../evil.jpg' is not what"),
        ("val2017", broken("val2017", **{"/tmp/evil.jpg": b""}), "'/tmp/evil.jpg' is not what"),
        ("val2017", broken("val2017", **{"val2017/a.exe": b""}), "'val2017/a.exe' is not what"),
        ("val2017", {"val2017/000000000001.jpg": b""}, "val2017.zip has 1 images, expected 2"),
        ("val2017", {"val2017/000000000001.jpg": bytes(10**7)}, "would take 10000000 bytes"),
        ("val2017", b"PK", "is no whole zip file"),
        ("annotations2017", {"annotations/": b""}, "lacks one of annotations/instances_val2017"),
        ("annotations2017", broken("annotations2017", x=b""), "'x' is not what should be in it"),
    ],
)
def test_archives_that_are_not_what_they_should_be(
    get, publish, out, tmp_path, capsys, name, content, message
):
    """Even where their checksums are right."""
    publish(name, content)
    fails(get, capsys, message, "--subset", "val")
    assert not (out / "annotations").exists()
    assert {p.name for p in tmp_path.iterdir()} == {"datasets"}


class Stop:
    """Ctrl-C when so many files have been unpacked."""

    def __init__(self, unzip, count):
        self.unzip, self.count = unzip, count

    def __call__(self, *args):
        if not self.count:
            raise KeyboardInterrupt
        self.count -= 1
        self.unzip(*args)


def test_interrupted_while_unpacking(get, server, out, capsys, monkeypatch):
    from mrcnn.hub import unzip

    write = unzip._write
    with monkeypatch.context() as patch:
        patch.setattr(unzip, "_write", Stop(write, 3))
        assert get() == 130
    assert "the same command goes on" in capsys.readouterr().err
    assert [p.name for p in sorted(out.iterdir())] == ["train2017.part", "train2017.zip"]
    # The rest of train, val, and two files of annotations.
    with monkeypatch.context() as patch:
        patch.setattr(unzip, "_write", Stop(write, 2 + 2 + 2))
        assert get() == 0
    assert files(out) == COMPLETE
    assert len(server.requests) == 3


def test_interrupted_while_downloading(get, server, out, monkeypatch):
    from mrcnn.hub import download

    blocks = download._blocks

    def interrupted(response):
        yield from [next(blocks(response))]
        raise KeyboardInterrupt

    monkeypatch.setattr(download, "_BLOCK", 1000)
    with monkeypatch.context() as patch:
        patch.setattr(download, "_blocks", interrupted)
        assert get() == 130
    assert get() == 0
    assert server.requests[1]["Range"] == "bytes=1000-"
    assert files(out) == COMPLETE


def test_a_folder_that_is_not_complete_is_filled(get, server, out, capsys):
    assert get() == 0
    (out / "train2017" / "000000000002.jpg").unlink()
    (out / "train2017" / "mine.txt").write_text("kept")
    (out / "annotations" / "instances_train2017.json").unlink()
    assert get() == 0
    assert files(out) == sorted([*COMPLETE, "train2017/mine.txt"])
    (out / "val2017" / "000000000002.jpg").unlink()
    (out / "val2017.part").mkdir()
    fails(get, capsys, "val2017 is not complete, but there is")


def test_two_years_in_one_folder_are_refused(get, server, out, capsys):
    assert get("--subset", "val") == 0
    fails(get, capsys, "has COCO 2017: give COCO 2014 another folder with --out", "--year", 2014)
    assert get("--year", 2014, "--out", "datasets/old") == 0
    assert "mrcnn train datasets/old" in capsys.readouterr().out


def test_disk_space(get, server, out, capsys, monkeypatch):
    """By hand: unpacked, images take what their archive takes, and annotations twice that."""
    assert coco.bytes_needed([(10, 10), (4, 4), (1, 2)], keep_zip=False) == 20
    assert coco.bytes_needed([(10, 10), (4, 8), (1, 2)], keep_zip=False) == 22
    assert coco.bytes_needed([(10, 10), (4, 4), (1, 2)], keep_zip=True) == 31
    assert coco.bytes_needed([], keep_zip=True) == 0
    usage = namedtuple("usage", "free")
    total = 2 * sum(coco.ARCHIVES[f"{n}2017"].size for n in ("train",))
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(total - 1))
    fails(get, capsys, "GB free, but 0.00 GB are needed", "--subset", "train")
    assert server.requests == [] and not out.exists()
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(total))
    assert get("--subset", "train") == 0


def test_the_disk_is_asked_again_before_unpacking(get, out, capsys, monkeypatch):
    usage = namedtuple("usage", "free")
    free = [usage(10**9), usage(10)]
    monkeypatch.setattr("shutil.disk_usage", lambda path: free.pop(0))
    fails(get, capsys, "GB are needed", "--subset", "val")
    assert files(out) == ["val2017.zip"]


def test_the_real_archives():
    """Sums are of MD5; addresses as cocodataset.org gives them."""
    assert all(len(bytes.fromhex(a.md5)) == 16 for a in coco.ARCHIVES.values())
    assert len({a.md5 for a in coco.ARCHIVES.values()}) == 6
    places = {a.place for a in coco.ARCHIVES.values()}
    assert "zips/train2017.zip" in places
    assert "annotations/annotations_trainval2014.zip" in places
    allowed = coco.image_members("train2014")
    assert allowed.fullmatch("train2014/COCO_train2014_000000000009.jpg")
    assert coco.image_members("val2017").fullmatch("val2017/000000000139.jpg")
    assert not allowed.fullmatch("train2014/COCO_val2014_000000000009.jpg")
