import hashlib
import shutil

import numpy as np
import pytest
from PIL import Image

from mrcnn.data.checks.files import (
    digest,
    duplicate_findings,
    file_fault,
    file_findings,
    missing_findings,
    refuse_other_sizes,
    size_faults,
)
from mrcnn.data.datasets.dataset import Dataset
from mrcnn.data.datasets.mask_files import InstancePngDataset
from mrcnn.errors import InputError


def picture(path, seed, size=(40, 60)):
    noise = np.random.default_rng(seed).integers(0, 255, (*size, 3), np.uint8)
    Image.fromarray(noise).save(path)
    return str(path)


def dataset_of(paths, **info):
    dataset = Dataset()
    for path in paths:
        dataset.add_image("own", path[-5:], path, **info)
    dataset.prepare()
    return dataset


def placed(dataset):
    return lambda number: {"image": dataset.image_info[number]["id"]}


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_one_image(tmp_path, suffix):
    path = picture(tmp_path / f"a.{suffix}", 0)
    for size in ((40, 60), None):
        assert file_fault(path, size, decode=True) is None
    code, message = file_fault(path, (60, 40), decode=False)
    assert code == "size-differs"
    assert message == "the image is 60x40, its annotation says 40x60 (width x height)"
    whole = (tmp_path / f"a.{suffix}").read_bytes()
    (tmp_path / f"a.{suffix}").write_bytes(whole[: len(whole) // 2])
    assert file_fault(path, (40, 60), decode=False) is None  # the header is there
    assert file_fault(path, (40, 60), decode=True)[0] == "file-truncated"
    (tmp_path / f"a.{suffix}").write_bytes(b"GIF89a")
    code, message = file_fault(path, (40, 60), decode=False)
    assert code == "file-unreadable" and path not in message


def test_an_image_that_lies_on_its_side(tmp_path):
    path = picture(tmp_path / "a.jpg", 0)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(path).save(path, exif=exif)
    # An annotation may have been made on either one, as when it is loaded.
    assert file_fault(path, (60, 40), True) is None and file_fault(path, (40, 60), True) is None
    assert file_fault(path, (61, 40), False)[0] == "size-differs"
    # But the stored size may also have been written for outlines on the upright photo.
    ((_, _, severity, said),) = [
        (f.code, f.image, f.severity, f.message)
        for size in ((60, 40), (40, 60))
        for f in file_findings(_sized(path, *size), "train", lambda _: {})
        if f.code == "turned-photo"
    ]
    assert severity == "warning" and "to 40x60" in said and "stored pixels, 60x40" in said


def _sized(path, height, width):
    return dataset_of([path], height=height, width=width)


def test_masks_of_another_size_than_their_image(tmp_path):
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    picture(tmp_path / "images" / "a.png", 0)
    picture(tmp_path / "images" / "b.png", 0)
    for name, size in (("a", (40, 60)), ("b", (20, 30))):
        Image.fromarray(np.ones(size, np.uint8)).save(tmp_path / "masks" / f"{name}.png")
    dataset = InstancePngDataset.from_folders(tmp_path / "images", tmp_path / "masks")
    (finding,) = file_findings(dataset, "train", placed(dataset))
    assert (finding.code, finding.image) == ("size-differs", "b")
    assert len(size_faults(dataset)) == 1
    with pytest.raises(InputError, match=r"an image differs .*b\.png.* says 30x20"):
        refuse_other_sizes(size_faults(dataset))
    refuse_other_sizes([])
    # Read upright, masks on the stored pixels of a photo that is turned do not fit.
    photo, exif = tmp_path / "images" / "b.png", Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(photo.with_suffix(".jpg"), exif=exif)
    photo.unlink()
    dataset = InstancePngDataset.from_folders(tmp_path / "images", tmp_path / "masks")
    assert [f.code for f in file_findings(dataset, "", placed(dataset))] == ["size-differs"]


def test_what_is_no_file(tmp_path):
    for path in (tmp_path, tmp_path / "none.jpg", "nul\0.jpg"):
        assert file_fault(str(path), None, decode=True)[0] == "file-missing"


def test_findings_come_in_the_order_of_the_images(tmp_path):
    paths = [picture(tmp_path / f"{n}.jpg", n) for n in range(12)]
    for number in (3, 7):
        (tmp_path / f"{number}.jpg").unlink()
    (tmp_path / "5.jpg").write_text("no")
    dataset = dataset_of(paths, height=40, width=60)
    seen = []

    def progress(faults, total):
        for fault in faults:
            seen.append(total)
            yield fault

    found = list(file_findings(dataset, "train", placed(dataset), progress=progress))
    assert [(f.code, f.image) for f in found] == [
        ("file-missing", "3.jpg"),
        ("file-unreadable", "5.jpg"),
        ("file-missing", "7.jpg"),
    ]
    assert seen == [12] * 12
    some = file_findings(dataset, "train", placed(dataset), numbers=[6, 7])
    assert [f.image for f in some] == ["7.jpg"]
    assert [f.image for f in missing_findings(dataset, "train", placed(dataset))] == [
        "3.jpg",
        "7.jpg",
    ]


def test_duplicates(tmp_path):
    train, val = tmp_path / "train", tmp_path / "val"
    train.mkdir()
    val.mkdir()
    names = "a.bmp", "b.bmp", "c.bmp"  # all of one length
    ours = [picture(train / name, seed) for seed, name in enumerate(names)]
    theirs = [picture(val / name, 10 + seed) for seed, name in enumerate(("c.bmp", "d.bmp"))]
    shutil.copy(train / "a.bmp", train / "b.bmp")
    shutil.copy(train / "a.bmp", val / "d.bmp")
    subsets = [("train", dataset_of(ours)), ("val", dataset_of(theirs))]
    found = list(duplicate_findings([(n, dataset, placed(dataset)) for n, dataset in subsets]))
    assert [(f.code, f.subset, f.image, f.message) for f in found] == [
        ("repeated-file", "train", "b.bmp", "the same image as 'a.bmp' of train"),
        ("in-both-subsets", "val", "d.bmp", "the same image as 'a.bmp' of train"),
        ("repeated-name", "val", "c.bmp", "another image of train has the same file name"),
    ]


def test_digest(tmp_path):
    (tmp_path / "a").write_bytes(b"abc" * 1_000_000)
    assert digest(tmp_path / "a") == hashlib.sha256(b"abc" * 1_000_000).hexdigest()
