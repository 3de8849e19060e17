"""Checks, training and evaluation take the same objects of a file, however odd its fields are."""

import json
from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask as reference

from mrcnn.data.checks.coco import judge
from mrcnn.data.datasets.coco import CocoDataset
from mrcnn.errors import InputError
from mrcnn.evaluation import coco_results, evaluate_results
from mrcnn.evaluation.truth import read_truth

CELL = 16  # pixels; one object in each cell of a grid, so that none hides another
NONE = ([], None, [[]], [[], []], "", {}, ...)
CROWDS = {0: (0, None, "", [], False, "0", "false", ...), 1: (1, True, "1", "true")}
NUMBER = (None, "", [], True, "many", -1, 10**30, float("nan"), ...)


def pick(rng, values):
    return values[rng.integers(len(values))]


def shape(rng, corner, size):
    """A segmentation, and whether it is a mask: the kinds of the odd fields in turn."""
    (x, y), (height, width) = corner, size
    across, down = rng.integers(4, 12, 2).tolist()
    square = [x, y, x + across, y, x + across, y + down, x, y + down]
    pixels = np.zeros((height, width), np.uint8, order="F")
    kind = rng.integers(10)
    if kind < 3:
        return [square], True, square
    if kind == 3:
        return [[], square, [x, y, x + 1, y]], True, square
    if kind == 4:
        pixels[y : y + down, x : x + across] = 1
    if kind in (4, 5):
        runs = reference.encode(pixels)
        return {"size": [height, width], "counts": runs["counts"].decode()}, kind == 4, square
    if kind == 6:
        return [square[:4]], False, square
    return pick(rng, NONE), False, square


def random_file(seed):
    """A content of COCO, and the objects that it has: image, category, crowd, mask and box."""
    rng = np.random.default_rng(seed)
    images, annotations, wanted = [], [], []
    for image_id in range(3, 3 + rng.integers(1, 4)):
        height, width = (CELL * rng.integers(1, 4, 2)).tolist()
        images.append({"id": image_id, "file_name": "a.png", "height": height, "width": width})
        for x in range(2, width, CELL):
            for y in range(2, height, CELL):
                if rng.random() < 0.2:
                    continue
                segmentation, masked, (left, top, right, _, _, bottom, _, _) = shape(
                    rng, (x, y), (height, width)
                )
                box = [left, top, right - left, bottom - top]
                boxes = (box, [float(side) for side in box], [str(side) for side in box])
                boxed = rng.random() < 0.6
                crowd, category = int(rng.random() < 0.2), int(rng.choice([0, 5, 9]))
                fields = {
                    "id": pick(rng, (len(annotations), None, ...)),
                    "image_id": image_id,
                    "category_id": category,
                    "segmentation": segmentation,
                    "bbox": pick(rng, boxes if boxed else (None, [], "", True, "x", [1, 2], ...)),
                    "iscrowd": pick(rng, CROWDS[crowd]),
                    "area": pick(rng, (box[2] * box[3], *NUMBER)),
                }
                annotations.append({k: v for k, v in fields.items() if v is not ...})
                if masked or boxed:
                    corners = (top, left, bottom, right)
                    wanted.append((image_id, category, crowd, masked, *corners))
    categories = [{"id": n, "name": f"class {n}"} for n in (5, 0, 9)]
    return {"images": images, "annotations": annotations, "categories": categories}, wanted


def taken(dataset):
    """The objects of a dataset, in the words of `random_file`."""
    found = []
    for image in dataset.image_ids:
        instances = dataset.load_instances(image)
        for box, class_id, masked in zip(
            instances.boxes, instances.class_ids, instances.has_mask, strict=True
        ):
            category = dataset.class_info[abs(class_id)]["id"]
            source = dataset.image_info[image]["id"]
            corners = tuple(int(side) for side in box)
            found.append((source, category, int(class_id < 0), bool(masked), *corners))
    return found


def judged(content):
    """The objects that are evaluated, likewise."""
    numbers = {image["id"]: image["id"] - 2 for image in content["images"]}
    found = []
    for annotation in read_truth(content, numbers).annotations:
        x, y, width, height = (int(side) for side in annotation["bbox"])
        found.append(
            (
                annotation["image_id"] + 2,
                annotation["category_id"],
                annotation["iscrowd"],
                annotation["segmentation"] is not None,
                *(y, x, y + height, x + width),
            )
        )
    return found


def perfect(dataset):
    """Every object of a dataset as a detection, crowds too."""
    results = []
    for image in dataset.image_ids:
        instances = dataset.load_instances(image)
        found = {
            "rois": instances.boxes,
            "class_ids": np.abs(instances.class_ids),
            "scores": np.ones(len(instances)),
            "masks": instances.masks(),
        }
        results += coco_results(int(image), found, dataset)
    return results


def loaded(content):
    dataset = CocoDataset()
    dataset.add_content(content, Path("a.json"), Path("."))
    dataset.prepare()
    return dataset


@pytest.mark.parametrize("start", range(0, 300, 50))
def test_three_hundred_odd_files_are_read_alike_and_score_one(start):
    scored = 0
    for seed in range(start, start + 50):
        content, wanted = random_file(seed)
        content = json.loads(json.dumps(content))
        dataset = loaded(content)
        assert taken(dataset) == wanted, seed
        assert taken(judge("val", Path("a.json"), Path("."), content).dataset) == wanted, seed
        assert judged(content) == wanted, seed
        metrics = evaluate_results(content, perfect(dataset))
        objects = [entry for entry in wanted if not entry[2]]
        masks = [entry for entry in objects if entry[3]]
        assert metrics["bbox"]["AP"] == (pytest.approx(1) if objects else None), seed
        for name in ("segm", "boundary"):
            assert metrics[name]["AP"] == (pytest.approx(1) if masks else None), seed
        scored += bool(masks)
    assert scored > 40


SIZE = (40, 60)
SQUARE = [5, 5, 25, 5, 25, 20, 5, 20]


def content_of(*annotations):
    return {
        "images": [{"id": 1, "file_name": "a.png", "height": SIZE[0], "width": SIZE[1]}],
        "categories": [{"id": 1, "name": "thing"}],
        "annotations": [
            {"id": n, "image_id": 1, "category_id": 1, **fields}
            for n, fields in enumerate(annotations)
        ],
    }


def detection(box, mask, score=1.0):
    x, y, width, height = box
    pixels = np.zeros((*SIZE, 1), np.uint8, order="F")
    if mask:
        pixels[y : y + height, x : x + width] = 1
    runs = reference.encode(pixels)[0]
    run = {"size": list(SIZE), "counts": runs["counts"].decode()}
    return {"image_id": 1, "category_id": 1, "bbox": box, "score": score, "segmentation": run}


@pytest.mark.parametrize("filled", [True, False])
@pytest.mark.parametrize("box", [[30, 10, 20, 20], [32, 11, 17, 18]])
def test_a_detection_on_an_object_without_a_mask_costs_mask_ap_nothing(box, filled):
    truth = content_of({"segmentation": [SQUARE]}, {"bbox": [30, 10, 20, 20]})
    # The better score would come first, and halve the precision of the other.
    results = [detection(box, filled, 0.9), detection([5, 5, 20, 15], True, 0.8)]
    metrics = evaluate_results(truth, results)
    assert metrics["segm"]["AP"] == metrics["boundary"]["AP"] == 1.0
    assert metrics["bbox"]["AP50"] == 1.0
    assert metrics["bbox"]["per_class"]["thing"]["objects"] == 2
    assert metrics["segm"]["per_class"]["thing"]["objects"] == 1


def test_a_detection_elsewhere_still_costs():
    truth = content_of({"segmentation": [SQUARE]}, {"bbox": [30, 10, 20, 20]})
    for filled in (True, False):
        wrong = detection([2, 24, 20, 15], filled, 0.9)
        metrics = evaluate_results(truth, [wrong, detection([5, 5, 20, 15], True, 0.8)])
        assert metrics["segm"]["AP"] == 0.5


def test_an_object_whose_box_another_shares_is_not_mistaken_for_it():
    truth = content_of({"segmentation": [SQUARE]}, {"bbox": [5, 5, 20, 15]})
    box = [5, 5, 20, 15]
    metrics = evaluate_results(truth, [detection(box, True), detection(box, False, 0.9)])
    assert [metrics[name]["AP"] for name in metrics] == [1.0, 1.0, 1.0]
    assert evaluate_results(truth, [])["segm"]["AP"] == 0.0


def test_a_mask_without_a_pixel_is_judged_as_a_box():
    thin = [10.1, 10.1, 10.3, 10.1, 10.3, 30.0, 10.1, 30.0]  # between two columns of centres
    truth = content_of({"segmentation": [SQUARE]}, {"segmentation": [thin]})
    metrics = evaluate_results(truth, perfect(loaded(truth)))
    assert [metrics[name]["AP"] for name in metrics] == [1.0, 1.0, 1.0]


def test_a_box_unlike_the_mask_gives_way_to_it():
    own = read_truth(content_of({"segmentation": [SQUARE], "bbox": [5.1, 5, 20, 15]}), {1: 1})
    assert own.annotations[0]["bbox"] == [5.1, 5, 20, 15]
    for wrong in ([0, 0, 60, 40], [5, 5, 20, 12], [float("nan"), 5, 20, 15]):
        truth = read_truth(content_of({"segmentation": [SQUARE], "bbox": wrong}), {1: 1})
        assert truth.annotations[0]["bbox"] == [5, 5, 20, 15]


def test_an_annotation_that_cannot_be_read_is_named():
    with pytest.raises(InputError, match=r"annotations\[1\] of the ground truth: 'iscrowd'"):
        evaluate_results(content_of({"segmentation": [SQUARE]}, {"iscrowd": "some"}), [])
