"""Every layout becomes one COCO dataset: with all images and objects, one list of classes, ids that
no splits share, and images that move with it.
"""

import json
import os
import shutil

import numpy as np
import pytest

from mrcnn.data.checks.training import open_checked, open_without_bad
from mrcnn.data.conversion.convert import convert_folder, training_folder
from mrcnn.data.datasets.coco import CocoDataset
from mrcnn.data.datasets.coco_files import find_splits
from mrcnn.data.recognition.formats import Options
from mrcnn.data.recognition.opening import open_splits
from mrcnn.data.recognition.recognise import recognise
from mrcnn.errors import InputError

SHARES = {"train": 0.75, "val": 0.25}


def plain(items, total):
    return items


def convert(root, out, **more):
    return convert_folder(recognise(root), out, plain, **more)


def files(root):
    """The contents of the annotation files of a dataset, by split."""
    return {name: json.loads(file.read_text()) for name, file in find_splits(root).items()}


def picture_names(content):
    return sorted(image["file_name"] for image in content["images"])


def drawn(datasets):
    """The sum of all images, and for each class of all masks, whatever their order is."""
    pictures, masks = 0, {}
    for dataset in datasets:
        for number in dataset.image_ids:
            pictures += int(dataset.load_image(number).sum())
            found = dataset.load_instances(number)
            for index, class_id in enumerate(found.class_ids):
                name = dataset.class_names[class_id]
                masks[name] = masks.get(name, 0) + found.masks()[:, :, index].astype(int)
    return pictures, masks


def test_every_layout_converts_with_all_that_it_has(laid_out, tmp_path):
    root, _ = laid_out
    source = recognise(root)
    pictures, masks = drawn(open_splits(source).values())
    written = convert(root, tmp_path / "out", shares=None if len(source.splits) > 1 else SHARES)
    assert sum(written.images.values()) == 12
    assert sum(sum(counts.values()) for counts in written.counts.values()) == 24
    # Moved, with nothing left where it was.
    shutil.move(tmp_path / "out", tmp_path / "moved")
    shutil.rmtree(root)
    splits = find_splits(tmp_path / "moved")
    assert list(splits) == (source.splits if len(source.splits) > 1 else ["train", "val"])
    datasets = [CocoDataset.from_folder(tmp_path / "moved", name) for name in splits]
    again, masks_again = drawn(datasets)
    assert again == pictures and masks_again.keys() == masks.keys()
    for name, total in masks.items():
        np.testing.assert_array_equal(masks_again[name], total)
    assert len({tuple(dataset.class_names) for dataset in datasets}) == 1
    assert not any(dataset.skipped for dataset in datasets)
    contents = files(tmp_path / "moved").values()
    for part, count in (("images", 12), ("annotations", 24)):
        ids = [entry["id"] for content in contents for entry in content[part]]
        assert len(set(ids)) == len(ids) == count


def test_a_division_into_three(lay_out, tmp_path):
    shares = {"train": 0.5, "val": 0.25, "test": 0.25}
    written = convert(lay_out("via", tmp_path / "in"), tmp_path / "out", shares=shares)
    assert written.images == {"train": 6, "val": 3, "test": 3}
    assert written.table().splitlines()[-1].split() == ["images", "6", "3", "3"]
    # No image is in two splits.
    names = [picture_names(content) for content in files(tmp_path / "out").values()]
    assert len(set(sum(names, []))) == 12


def test_the_seed_divides(lay_out, tmp_path):
    root, first = lay_out("labelme", tmp_path / "in"), []
    for number, seed in enumerate((0, 0, 1)):
        convert(root, tmp_path / f"out{number}", shares=SHARES, seed=seed)
        first.append(picture_names(files(tmp_path / f"out{number}")["val"]))
    assert first[0] == first[1] != first[2]


def test_training_data_are_divided_and_test_data_stay(lay_out, photos, tmp_path):
    lay_out("labelme", tmp_path / "in" / "train", photos(12)[:8])
    lay_out("labelme", tmp_path / "in" / "test", photos(12)[8:])
    written = convert(tmp_path / "in", tmp_path / "out", shares=SHARES)
    assert written.images == {"train": 6, "val": 2, "test": 4}
    assert picture_names(files(tmp_path / "out")["test"]) == [
        f"photo{n:02}.png" for n in range(8, 12)
    ]


def test_data_that_are_divided_are_not_divided_again(lay_out, tmp_path):
    root = lay_out("yolo", tmp_path / "in")
    with pytest.raises(InputError, match="is divided into train, val already: leave out --split"):
        convert(root, tmp_path / "out", shares=SHARES)
    assert not (tmp_path / "out" / "annotations").exists()


def test_too_few_images(lay_out, photos, tmp_path):
    root = lay_out("labelme", tmp_path / "in", photos(1))
    with pytest.raises(InputError, match="1 images .* cannot be divided into train, val"):
        convert(root, tmp_path / "out", shares=SHARES)


def test_classes_of_all_splits_are_one_list(lay_out, photos, tmp_path):
    """Also where no reader can be told the classes: those of masks are names of folders."""
    lay_out("objects", tmp_path / "in" / "train", photos(4, ("dog", "cat")))
    lay_out("objects", tmp_path / "in" / "val", photos(4, ("bird", "dog")))
    written = convert(tmp_path / "in", tmp_path / "out")
    assert written.classes == ["bird", "cat", "dog"]
    assert written.counts == {"train": {"dog": 4, "cat": 4}, "val": {"bird": 4, "dog": 4}}
    for content in files(tmp_path / "out").values():
        assert content["categories"] == [
            {"id": n, "name": name} for n, name in enumerate(("bird", "cat", "dog"), start=1)
        ]
    assert written.notes == [
        "this class is in val alone, so it cannot be learned: 'bird'",
        "this class is in train alone, so it cannot be evaluated: 'cat'",
    ]


def test_names_that_are_nearly_equal_are_said(lay_out, photos, tmp_path):
    lay_out("labelme", tmp_path / "in", photos(12, ("nucleus", "nuclues", "cat", "Cat", "cat ")))
    written = convert(tmp_path / "in", tmp_path / "out")
    assert written.classes == ["Cat", "cat", "nucleus", "nuclues"]
    assert written.notes == [
        "taken for one class, 'cat': 'cat', 'cat '",
        "are these one class? 'Cat' (4 objects) and 'cat' (9)",
        "are these one class? 'nucleus' (5 objects) and 'nuclues' (6)",
    ]


def test_images_of_one_name_keep_apart(lay_out, photos, tmp_path):
    for day, count in (("monday", 2), ("tuesday", 2)):
        lay_out("labelme", tmp_path / "in" / day, photos(count))
    # Of one name, but not the same picture.
    shutil.copy(tmp_path / "in/monday/photo00.png", tmp_path / "in/monday/photo01.png")
    convert(tmp_path / "in", tmp_path / "out")
    assert picture_names(files(tmp_path / "out")["train"]) == [
        f"{day}/photo{n:02}.png" for day in ("monday", "tuesday") for n in range(2)
    ]
    dataset = CocoDataset.from_folder(tmp_path / "out", "train")
    first, third = dataset.load_image(1), dataset.load_image(3)
    assert not np.array_equal(first, third)


def test_ids_and_keys_of_coco_stay(lay_out, tmp_path):
    root = lay_out("coco", tmp_path / "in")
    file = root / "annotations" / "instances_train.json"
    content = json.loads(file.read_text())
    content["licenses"] = [{"id": 1, "name": "CC0"}]
    for entry in (*content["images"], *content["annotations"]):
        entry["id"] += 100
    for annotation in content["annotations"]:
        annotation["image_id"] += 100
        annotation["category_id"] *= 10
    for category in content["categories"]:
        category.update(id=category["id"] * 10, supercategory="animal")
    file.write_text(json.dumps(content))
    convert(root, tmp_path / "out", shares=SHARES)
    parts = files(tmp_path / "out").values()
    for part in parts:
        assert part["licenses"] == content["licenses"]
        assert part["categories"] == content["categories"]
    for key in ("images", "annotations"):
        assert sorted((e for p in parts for e in p[key]), key=lambda e: e["id"]) == content[key]


def test_categories_of_other_ids_are_matched_by_name(lay_out, photos, tmp_path):
    root = lay_out("coco, Roboflow", tmp_path / "in")
    file = root / "valid" / "_annotations.coco.json"
    content = json.loads(file.read_text())
    content["categories"] = [{"id": 0, "name": "dog"}, {"id": 5, "name": "bird"}]
    for annotation, category in zip(content["annotations"], (0, 5, 5, 5), strict=True):
        annotation["category_id"] = category
    file.write_text(json.dumps(content))
    written = convert(root, tmp_path / "out")
    assert written.classes == ["bird", "cat", "dog"]
    assert written.counts["val"] == {"dog": 1, "bird": 3}
    found = [a["category_id"] for a in files(tmp_path / "out")["val"]["annotations"]]
    assert found == [3, 1, 1, 1]


def test_the_same_picture_stays_in_one_split(lay_out, photos, tmp_path):
    root = lay_out("labelme", tmp_path / "in", photos(20))
    for n in range(10):  # each of ten twice, under another name
        shutil.copy(root / f"photo{n:02}.png", root / f"photo{n + 10}.png")
    convert(root, tmp_path / "out", shares={"train": 0.5, "val": 0.5})
    parts = [picture_names(content) for content in files(tmp_path / "out").values()]
    for n in range(10):
        pair = {f"photo{n:02}.png", f"photo{n + 10}.png"}
        assert any(pair <= set(part) for part in parts)
    # Roboflow's copies are not the same picture, but have its name.
    root = lay_out(
        "labelme",
        tmp_path / "rf",
        [p._replace(name=f"{p.name[:6]}.rf.{p.name}") for p in photos(20)],
    )
    convert(root, tmp_path / "out2", shares={"train": 0.5, "val": 0.5})
    first, second = (picture_names(content) for content in files(tmp_path / "out2").values())
    assert {len(first), len(second)} == {10} and len({name[:6] for name in first}) == 1


def test_images_are_linked_or_copied(lay_out, tmp_path, monkeypatch):
    root = lay_out("labelme", tmp_path / "in")
    picture = root / "photo00.png"

    def written(name, **more):
        ways = convert(root, tmp_path / name, **more).ways
        return ways, tmp_path / name / "train" / "photo00.png"

    ways, file = written("a")
    assert ways == ["hard links"] and file.samefile(picture) and not file.is_symlink()
    ways, file = written("b", copy=True)
    assert ways == ["copied"] and not file.samefile(picture)
    assert file.read_bytes() == picture.read_bytes()

    def refuse(source, target):
        raise OSError("another disk")

    monkeypatch.setattr(os, "link", refuse)
    ways, file = written("c")
    assert ways == ["symbolic links"] and file.is_symlink() and file.samefile(picture)
    monkeypatch.setattr(os, "symlink", refuse)
    ways, file = written("d")
    assert ways == ["copied"] and file.read_bytes() == picture.read_bytes()


def test_a_dataset_is_not_written_over_another(lay_out, tmp_path):
    root = lay_out("labelme", tmp_path / "in")
    convert(root, tmp_path / "out")
    with pytest.raises(InputError, match="holds a dataset already"):
        convert(root, tmp_path / "out")
    # What an interrupted conversion left, images alone, is no dataset.
    shutil.rmtree(tmp_path / "out" / "annotations")
    (tmp_path / "out" / "train" / "photo00.png").unlink()
    (tmp_path / "out" / "train" / "photo00.png").write_bytes(b"half")
    convert(root, tmp_path / "out")
    assert CocoDataset.from_folder(tmp_path / "out", "train").load_image(0).shape == (30, 40, 3)


def test_a_missing_image_ends_it(lay_out, tmp_path):
    root = lay_out("coco, any name", tmp_path / "in")
    (root / "photo03.png").unlink()
    with pytest.raises(InputError, match=r"1 of 12 images are missing.*photo03\.png"):
        convert(root, tmp_path / "out")


def train(root, out, **more):
    return training_folder(root, out, plain, **more)


def test_every_layout_can_be_trained_on(laid_out, tmp_path):
    root, kind = laid_out
    folder, written = train(root, tmp_path / "run" / "dataset")
    splits = open_checked(folder, ["train", "val"])
    counts = [split.dataset.num_images for split in splits]
    if kind == "coco, Roboflow":
        assert (folder, written, counts) == (root, None, [8, 2])
    else:
        assert folder == tmp_path / "run" / "dataset" and sum(counts) == 12
        assert counts == list(written.images.values())
        # The images are where they were.
        assert not any(path.is_file() for path in (folder / "train").rglob("*"))
        assert all(split.dataset.load_image(0).any() for split in splits)
    assert splits[0].dataset.class_names == splits[1].dataset.class_names


def test_the_share_of_validation(lay_out, tmp_path):
    root = lay_out("labelme", tmp_path / "in")
    assert train(root, tmp_path / "a")[1].images == {"train": 10, "val": 2}
    assert train(root, tmp_path / "b", val_fraction=0.5)[1].images == {"train": 6, "val": 6}
    assert train(root, tmp_path / "c", val_fraction=0)[1].images == {"train": 12}
    with pytest.raises(InputError, match="at least 0 and below 1, got 15"):
        train(root, tmp_path / "d", val_fraction=15)


def test_data_with_validation_keep_it(lay_out, tmp_path):
    root = lay_out("labelme, divided", tmp_path / "in")
    assert train(root, tmp_path / "a")[1].images == {"train": 9, "val": 3}
    assert train(root, tmp_path / "b", val_fraction=0)[1].images == {"train": 9, "val": 3}
    with pytest.raises(InputError, match="has a split for validation already"):
        train(root, tmp_path / "c", val_fraction=0.2)


def test_coco_data_are_divided_with_their_faults(lay_out, tmp_path):
    """So that the checks find them, and --skip-bad can leave them out."""
    root = lay_out("coco", tmp_path / "in")
    file = root / "annotations" / "instances_train.json"
    content = json.loads(file.read_text())
    content["annotations"][0]["segmentation"] = [[1, 1, float("nan"), 5, 3, 3]]
    content["annotations"].append({"id": 99, "image_id": 1234, "category_id": 1})
    content["annotations"].append("nothing")
    content["images"].append({"id": 77})
    file.write_text(json.dumps(content))
    folder, written = train(root, tmp_path / "out")
    assert written.images == {"train": 11, "val": 2}
    with pytest.raises(InputError, match="4 errors"):
        open_checked(folder, ["train", "val"])
    splits, _ = open_without_bad(folder, ["train", "val"], plain)
    assert [split.dataset.num_images for split in splits] == [10, 2]
    # Nothing is written where nothing has to be divided.
    assert train(root, tmp_path / "none", val_fraction=0) == (root, None)


def test_a_run_folder_behind_a_link(lay_out, tmp_path):
    """`..` leads out of where a link leads to, not out of the folder that has the link."""
    root = lay_out("labelme", tmp_path / "home" / "photos")
    (tmp_path / "disk" / "deep" / "runs").mkdir(parents=True)
    (tmp_path / "home" / "runs").symlink_to(tmp_path / "disk" / "deep" / "runs")
    folder, _ = train(root, tmp_path / "home" / "runs" / "dataset")
    assert CocoDataset.from_folder(folder, "train").load_image(0).any()


def test_options_reach_the_reader(lay_out, tmp_path):
    root = lay_out("via", tmp_path / "in")
    order = ("dog", "cat", "bird")
    _, written = train(root, tmp_path / "a", options=Options(classes=order))
    assert written.classes == list(order)
    with pytest.raises(InputError, match="--masks is for png, objects"):
        train(root, tmp_path / "b", options=Options(masks=root))


def test_nothing_to_train_on(lay_out, photos, tmp_path):
    lay_out("labelme", tmp_path / "test", photos(3))
    lay_out("labelme", tmp_path / "val", photos(3))
    with pytest.raises(InputError, match="has no split train; it has val, test"):
        train(tmp_path, tmp_path / "out")


def test_images_that_nothing_is_drawn_on(lay_out, photos, tmp_path):
    root = lay_out("labelme", tmp_path / "in", [photo._replace(objects=[]) for photo in photos(3)])
    with pytest.raises(InputError, match="no object is drawn on any of the 3 images"):
        train(root, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_a_reader_leaves_out_is_said(lay_out, tmp_path):
    root = lay_out("labelme", tmp_path / "in")
    file = root / "photo00.json"
    content = json.loads(file.read_text())
    content["shapes"].append({"label": "cat", "points": [[1, 1]], "shape_type": "point"})
    file.write_text(json.dumps(content))
    assert convert(root, tmp_path / "out").notes == ["left out: 1 (shape of type point)"]


def test_odd_file_names_of_one_file_that_is_divided(lay_out, tmp_path):
    root = lay_out("coco", tmp_path / "photos")
    file = root / "annotations" / "instances_train.json"
    content = json.loads(file.read_text())
    for image in content["images"]:
        image["file_name"] = f"C:\\data\\train\\{image['file_name']}"
    file.write_text(json.dumps(content))
    folder, _ = training_folder(root, tmp_path / "run", plain)
    names = [name for part in files(folder).values() for name in picture_names(part)]
    assert len(names) == 12 and all("\\" not in name for name in names)
    assert all((folder / "train" / name).is_file() for name in names)
    convert(root, tmp_path / "moved")
    assert len(list((tmp_path / "moved" / "train").iterdir())) == 12
