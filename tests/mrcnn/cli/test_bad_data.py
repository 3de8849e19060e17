"""A corrupted copy of real images: every planted fault is reported case by case, train.py refuses
the copy, and with --skip-bad it trains through.
"""

import copy
import json
import shutil

import pytest

# Faults are (code, subset, file name, annotation id).
Fault = tuple[str, str, str | None, int | None]
COUNT = {"train": 16, "val": 4}


def piece_of(source, target):
    """Copy a few images, with objects that are neither crowds nor small, and all categories."""
    (target / "annotations").mkdir(parents=True)
    for subset, count in COUNT.items():
        name = f"{subset}2017"
        content = json.loads((source / "annotations" / f"instances_{name}.json").read_text())
        usable: dict[int, list] = {}
        for annotation in content["annotations"]:
            if not annotation["iscrowd"] and annotation["area"] > 2000:
                usable.setdefault(annotation["image_id"], []).append(annotation)
        chosen = [i for i in content["images"] if len(usable.get(i["id"], ())) >= 3][:count]
        content["images"] = chosen
        content["annotations"] = [a for i in chosen for a in usable[i["id"]][:3]]
        (target / name).mkdir()
        for image in chosen:
            shutil.copy(source / name / image["file_name"], target / name)
        write(target, subset, content)
    return target


def read(root, subset):
    return json.loads((root / "annotations" / f"instances_{subset}2017.json").read_text())


def write(root, subset, content):
    (root / "annotations" / f"instances_{subset}2017.json").write_text(json.dumps(content))


@pytest.fixture(scope="module")
def clean(coco_dir, tmp_path_factory):
    return piece_of(coco_dir, tmp_path_factory.mktemp("clean") / "coco")


class Corruption:
    """Plants faults, and keeps what must be reported."""

    def __init__(self, root):
        self.root = root
        self.content = read(root, "train")
        self.images = self.content["images"]
        self.planted: set[Fault] = set()

    def objects(self, number):
        own = self.images[number]["id"]
        return [a for a in self.content["annotations"] if a["image_id"] == own]

    def image(self, number, code):
        entry = self.images[number]
        self.planted.add((code, "train", entry["file_name"], None))
        return entry, self.root / "train2017" / entry["file_name"]

    def annotation(self, number, index, *codes):
        found = self.objects(number)[index]
        name = self.images[number]["file_name"]
        self.planted |= {(code, "train", name, found["id"]) for code in codes}
        return found


def corrupt(root):
    """Plant one or several faults of every kind that --skip-bad can leave out."""
    bad = Corruption(root)
    files(bad)
    polygons(bad)
    runs_and_boxes(bad)
    ids(bad)
    write(root, "train", bad.content)
    twins(bad)
    return bad.planted


def files(bad):
    _, path = bad.image(0, "file-truncated")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    bad.image(1, "file-missing")[1].unlink()
    bad.image(2, "file-unreadable")[1].write_text("<html>404</html>")
    entry, _ = bad.image(3, "size-differs")
    entry["height"], entry["width"] = entry["width"] + 200, entry["height"] + 200


def polygons(bad):
    bad.annotation(4, 0, "polygon-few-points").update(segmentation=[[10, 10, 50, 60]], bbox=None)
    bad.annotation(4, 1, "polygon-few-points")["segmentation"].append([10, 10, 50, 60])
    for index, value in enumerate((float("nan"), float("inf"), 10**400)):
        bad.annotation(5, index, "polygon-not-finite")["segmentation"][0][0] = value
    bad.annotation(6, 0, "polygon-odd")["segmentation"][0].append(3)
    bad.annotation(6, 1, "polygon-far")["segmentation"].append([0, 0, 1e7, 0, 5, 5])
    flat = bad.annotation(6, 2, "polygon-no-area", "box-size")
    # The one that MS COCO itself has.
    flat["segmentation"] = [[296.65, 388.33, 296.65, 388.33, 297.68, 388.33, 297.68, 388.33]]
    flat["bbox"] = [296.65, 388.33, 1.03, 0.0]
    bow = bad.annotation(7, 0, "polygon-crossing")
    bow.update(segmentation=[[10, 10, 90, 90, 90, 10, 10, 60]], bbox=[10, 10, 80, 80])
    over = bad.annotation(7, 1, "beyond-image", "box-unlike-mask")
    over["segmentation"] = [[-30, 20, 60, 20, 60, 100, -30, 100]]
    over["bbox"] = [400, 300, 20, 20]
    width = bad.images[7]["width"]
    out = bad.annotation(7, 2, "outside-image")
    out["segmentation"] = [[width + 5, 5, width + 50, 5, width + 50, 50]]


def runs_and_boxes(bad):
    height, width = bad.images[8]["height"], bad.images[8]["width"]
    size = [height, width]
    bad.annotation(8, 0, "rle-size")["segmentation"] = {"size": [9, 9], "counts": [40, 41]}
    bad.annotation(8, 1, "rle-broken")["segmentation"] = {"size": size, "counts": "8ol"}
    empty = {"size": size, "counts": [height * width]}
    bad.annotation(8, 2, "empty-mask")["segmentation"] = empty
    for index, box in enumerate(([5, 5, 0, 9], [50, 50, -20, 10], [5, 5, float("nan"), 9])):
        bad.annotation(9, index, "box-size").update(segmentation=[], bbox=box)


def ids(bad):
    bad.annotation(10, 0, "unknown-category")["category_id"] = 12
    bad.annotation(10, 1, "malformed-annotation")["segmentation"] = [["a"] * 6]
    lost = bad.objects(10)[2]
    lost["image_id"] = 987654321
    bad.planted.add(("unknown-image", "train", None, lost["id"]))

    first, second, third = bad.objects(11)
    second["id"] = first["id"]
    bad.annotation(11, 1, "repeated-annotation-id")
    bad.content["annotations"].append({**copy.deepcopy(third), "id": 5})
    bad.annotation(11, 3, "repeated-object")

    for annotation in bad.objects(13):
        annotation["image_id"] = bad.images[12]["id"]
    bad.image(13, "repeated-image-id")[0]["id"] = bad.images[12]["id"]
    bad.images.append({"id": 3, "file_name": "no_size.jpg"})
    bad.image(16, "malformed-image")


def twins(bad):
    """A training image among those of validation, and another image of the name of one."""
    content = read(bad.root, "val")
    folders = bad.root / "train2017", bad.root / "val2017"
    first, second = content["images"][:2]
    shutil.copy(folders[0] / bad.images[14]["file_name"], folders[1] / first["file_name"])
    first["height"], first["width"] = bad.images[14]["height"], bad.images[14]["width"]
    bad.planted.add(("in-both-subsets", "val", first["file_name"], None))
    name = bad.images[15]["file_name"]
    (folders[1] / second["file_name"]).rename(folders[1] / name)
    second["file_name"] = name
    bad.planted.add(("repeated-name", "val", name, None))
    write(bad.root, "val", content)


@pytest.fixture(scope="module")
def corrupted(clean, tmp_path_factory):
    root = shutil.copytree(clean, tmp_path_factory.mktemp("bad") / "coco")
    return root, corrupt(root)


@pytest.fixture
def check(command, tmp_path, tiny_yaml):
    def run(dataset, *args):
        out = tmp_path / "check"
        code = command("check")(
            "--dataset", dataset, "--out", out, "--config", tiny_yaml, "--quiet", *args
        )
        return code, json.loads((out / "findings.json").read_text()), out / "report.html"

    return run


def test_a_clean_copy_has_no_errors(clean, check):
    code, content, _ = check(clean)
    assert code == 0 and content["counts"]["error"] == 0
    assert {f["code"] for f in content["findings"]} <= {
        "unused-category", "category-ids", "polygon-crossing", "small-object",
    }  # fmt: skip
    assert content["subsets"]["train"]["statistics"]["objects"] == 48


def test_every_planted_fault_is_reported(corrupted, check, capsys):
    root, planted = corrupted
    code, content, report = check(root)
    assert code == 1
    found = {
        (f["code"], f["subset"], f.get("file_name"), f.get("annotation"))
        for f in content["findings"]
        if f["severity"] != "note" or f["code"] == "repeated-name"
    }
    # Real outlines cross themselves too.
    extra = {fault for fault in found - planted if fault[0] != "polygon-crossing"}
    assert planted - found == set() and extra == set()
    printed = capsys.readouterr().out
    page = report.read_text()
    for kind in {fault[0] for fault in planted}:
        assert kind in printed and kind in page
    severities = {
        f["annotation"]: f["severity"]
        for f in content["findings"]
        if f["code"] == "polygon-few-points"
    }
    assert sorted(severities.values()) == ["error", "warning"]


SMALL = ("SCHEDULE=[[heads,2,0.001]]", "VALIDATION_STEPS=0")


@pytest.fixture
def train(command, corrupted, tiny_yaml, tmp_path, capsys):
    """Run train.py on the corrupted copy; returns its code and what it printed."""

    def run(*args, settings=("--config", tiny_yaml, "--weights", "none", "--set", *SMALL)):
        code = command("train")(
            "--dataset",
            corrupted[0],
            "--logs",
            tmp_path / "run",
            "--quiet",
            "--no-report",
            *settings,
            *args,
        )
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def test_training_refuses_it_and_names_the_faults(train, tmp_path):
    code, _, error = train()
    assert code == 2
    assert error.startswith("error: ") and error.count("\n") == 1
    assert "`mrcnn check" in error and "--skip-bad" in error
    assert "3 x polygon-not-finite (first: train: " in error
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("eager")
def test_training_goes_through_without_them(train, corrupted, tmp_path):
    root, planted = corrupted
    code, printed, _ = train("--skip-bad")
    assert code == 0
    file = tmp_path / "run" / "skipped.json"
    record = json.loads(file.read_text())["train"]
    # 0-3 have bad files, 12 and 13 share an id, and 16 has no size.
    assert record["images"] == [0, 1, 2, 3, 12, 13, 16]
    listed = {(f["code"], f.get("file_name"), f.get("annotation")) for f in record["findings"]}
    wanted = {(code, name, own) for code, subset, name, own in planted if subset == "train"}
    assert listed < wanted and len(listed) == 21
    assert "left out of train by --skip-bad: 7 images and 33 annotations" in printed
    assert "1 x file-truncated" in printed and "10 images, 2 steps" in printed
    assert f"listed in {file}" in printed

    # Going on leaves out the same, without looking for it.
    code, printed, _ = train("--resume", settings=())
    assert code == 0 and "left out of train by --skip-bad: 7 images and 33" in printed
    file.rename(file.with_suffix(".gone"))
    code, _, error = train("--resume", settings=())
    assert code == 2 and "skipped.json" in error
