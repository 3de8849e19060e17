import contextlib
import copy
import io
import json
import sys
import threading
from types import SimpleNamespace

import numpy as np
import pytest
from pycocotools import mask as reference_masks
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from scipy import ndimage

from mrcnn.errors import InputError
from mrcnn.evaluation import coco_results, detect_dataset, evaluate_results, metrics_table

THRESHOLDS = np.linspace(0.5, 0.95, 10)


def disc(radius, center, size):
    y, x = np.mgrid[: size[0], : size[1]]
    return (y - center[0]) ** 2 + (x - center[1]) ** 2 <= radius**2


def encode(mask):
    run = reference_masks.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {"size": [int(side) for side in run["size"]], "counts": run["counts"].decode()}


def uncompressed(mask):
    """Run lengths as a list of numbers, the way COCO stores its crowds."""
    flat = mask.ravel(order="F").astype(int)
    edges = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
    return {"size": list(mask.shape), "counts": ([0] if flat[0] else []) + runs}


def box_of(mask):
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    x, y = columns[0], rows[0]
    return [float(v) for v in (x, y, columns[-1] + 1 - x, rows[-1] + 1 - y)]


def random_scene(seed):
    """12 images (every fourth without objects), three classes, all sizes and encodings, crowds."""
    rng = np.random.default_rng(seed)
    images, annotations, results = [], [], []
    for image_id in range(100, 112):
        size = (240, 320) if image_id % 3 else (320, 240)
        images.append(
            {"id": image_id, "height": size[0], "width": size[1], "file_name": f"{image_id}.jpg"}
        )
        if image_id % 4 == 0:
            results.append(result(image_id, 7, disc(20, (60, 60), size), 0.4))
            continue
        for number in range(6):
            center, radius = (
                rng.uniform(30, 200, 2),
                rng.choice([9.0, 25.0, 70.0]) * rng.uniform(0.8, 1.2),
            )
            category, crowd = int(rng.choice([3, 7, 40])), number == 5
            truth = disc(radius, center, size)
            box = box_of(truth)
            if crowd:
                segmentation = uncompressed(truth)
            elif number % 2:
                segmentation = encode(truth)
            else:
                angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
                points = np.stack(
                    [center[1] + radius * np.cos(angle), center[0] + radius * np.sin(angle)], 1
                )
                points = points.clip(0, [size[1], size[0]])
                segmentation = [points.ravel().tolist()]
                box = [*points.min(0).tolist(), *np.ptp(points, axis=0).tolist()]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": category,
                    "segmentation": segmentation,
                    "area": float(truth.sum()),
                    "bbox": box,
                    "iscrowd": int(crowd),
                }
            )
            for _ in range(rng.integers(0, 4)):
                found = disc(
                    radius * rng.uniform(0.8, 1.15), center + rng.normal(0, radius / 15, 2), size
                )
                label = category if rng.random() < 0.8 else 3
                # One decimal, so that many scores are equal and the order of the images matters.
                results.append(result(image_id, label, found, float(rng.integers(1, 10)) / 10))
    categories = [
        {"id": i, "name": name} for i, name in ((3, "car"), (7, "cat"), (40, "cup"), (50, "none"))
    ]
    rng.shuffle(images)
    return {"images": images, "annotations": annotations, "categories": categories}, results


def result(image_id, category_id, mask, score):
    return {
        "image_id": image_id,
        "category_id": category_id,
        "bbox": box_of(mask),
        "score": score,
        "segmentation": encode(mask),
    }


def reference(truth, results, iou_type, image_ids=None):
    """The twelve numbers of pycocotools; masks judged without their boxes."""
    drop = "bbox" if iou_type == "segm" else "segmentation"
    results = [{k: v for k, v in r.items() if k != drop} for r in copy.deepcopy(results)]
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = copy.deepcopy(truth)
        coco.createIndex()
        evaluator = COCOeval(coco, coco.loadRes(results), iou_type)
        if image_ids is not None:
            evaluator.params.imgIds = list(image_ids)
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return evaluator


KEYS = ["AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"]


@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
@pytest.mark.parametrize("image_ids", [None, range(100, 107)])
def test_the_twelve_scores_equal_those_of_pycocotools(iou_type, image_ids):
    truth, results = random_scene(seed=0)
    # All types in one call, in an order that would show if one left traces for the next.
    order = ["boundary", "segm", "bbox"] if iou_type == "bbox" else ["bbox", "boundary", "segm"]
    ours = evaluate_results(truth, results, image_ids, order)[iou_type]
    theirs = reference(truth, results, iou_type, image_ids).stats
    np.testing.assert_allclose([ours[key] for key in KEYS], theirs, rtol=0, atol=1e-6)
    assert 0.05 < ours["AP"] < 0.95  # neither trivial end of the scale
    # Five objects that are no crowd on each image whose id does not divide by 4.
    chosen = [i for i in image_ids or range(100, 112) if i % 4]
    assert sum(c["objects"] for c in ours["per_class"].values()) == 5 * len(chosen)


def test_class_scores_equal_those_of_pycocotools_restricted_to_one_class():
    truth, results = random_scene(seed=1)
    ours = evaluate_results(truth, results, iou_types=["segm"])["segm"]["per_class"]
    precision = reference(truth, results, "segm").eval["precision"][:, :, :, :, -1]
    for index, name in enumerate(["car", "cat", "cup"]):
        assert ours[name]["AP"] == pytest.approx(precision[:, :, index, 0].mean(), abs=1e-6)
        assert ours[name]["AP50"] == pytest.approx(precision[0, :, index, 0].mean(), abs=1e-6)
        assert ours[name]["AP75"] == pytest.approx(precision[5, :, index, 0].mean(), abs=1e-6)
        category = {"car": 3, "cat": 7, "cup": 40}[name]
        plain = [
            a for a in truth["annotations"] if a["category_id"] == category and not a["iscrowd"]
        ]
        assert ours[name]["objects"] == len(plain)
    assert ours["none"] == {"AP": None, "AP50": None, "AP75": None, "APl": None, "objects": 0}


@pytest.mark.parametrize(
    ("radius", "segm", "boundary"), [(10, 0.8, 0.8), (30, 0.8, 0.7), (150, 0.8, 0.0)]
)
def test_boundary_ap_of_discs_shrunk_by_seven_percent(radius, segm, boundary):
    """The mask IoU is 0.93^2 = 0.865 at every size; the IoU of the rims falls as the disc grows."""
    size, center = (480, 640), (240, 320)
    truth, found = disc(radius, center, size), disc(0.93 * radius, center, size)
    metrics = evaluate_results(one_object(truth), [result(1, 1, found, 0.9)])
    assert metrics["segm"]["AP"] == pytest.approx(segm, abs=1e-6)
    assert metrics["boundary"]["AP"] == pytest.approx(boundary, abs=1e-6)

    def rim(mask):  # 2 % of the diagonal of 800 px
        return mask & ~ndimage.binary_erosion(mask, np.ones((3, 3)), iterations=16)

    iou = (rim(truth) & rim(found)).sum() / (rim(truth) | rim(found)).sum()
    assert metrics["boundary"]["AP"] == pytest.approx((iou >= THRESHOLDS).mean(), abs=1e-6)
    large = {10: None, 30: None, 150: 0.0}[radius]
    assert metrics["boundary"]["APl"] == large
    assert metrics["boundary"]["per_class"]["thing"]["APl"] == large


def one_object(mask, **extra):
    annotation = {"id": 0, "image_id": 1, "category_id": 1, "segmentation": encode(mask), **extra}
    height, width = mask.shape
    return {
        "images": [{"id": 1, "height": height, "width": width}],
        "annotations": [annotation],
        "categories": [{"id": 1, "name": "thing"}],
    }


def test_an_annotation_id_of_0_without_area_box_and_crowd_flag_still_counts():
    mask = disc(20, (50, 60), (100, 120))
    metrics = evaluate_results(one_object(mask), [result(1, 1, mask, 0.5)])
    assert {name: scores["AP"] for name, scores in metrics.items()} == {
        "bbox": 1.0,
        "segm": 1.0,
        "boundary": 1.0,
    }
    # 1257 px: larger than 32^2, smaller than 96^2.
    assert (metrics["segm"]["APs"], metrics["segm"]["APm"], metrics["segm"]["APl"]) == (
        None,
        1.0,
        None,
    )


def test_no_results_are_zeros():
    truth, _ = random_scene(seed=2)
    metrics = evaluate_results(truth, [])
    for scores in metrics.values():
        assert [scores[key] for key in KEYS] == [0.0] * 12
        assert scores["per_class"]["car"]["AP"] == 0.0


def test_no_ground_truth_is_undefined_rather_than_zero():
    truth = one_object(disc(9, (20, 20), (40, 40)))
    truth["annotations"] = []
    metrics = evaluate_results(truth, [])
    assert metrics["segm"]["AP"] is None
    assert "-" in metrics_table(metrics)


def test_nothing_is_printed_and_no_argument_is_changed(capfd, tmp_path):
    truth, results = random_scene(seed=3)
    before = copy.deepcopy((truth, results))
    metrics = evaluate_results(truth, results, range(100, 106))
    assert (truth, results) == before
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(truth), encoding="utf-8")
    assert evaluate_results(path, results, range(100, 106)) == metrics
    assert json.loads(json.dumps(metrics)) == metrics
    assert capfd.readouterr() == ("", "")


def test_of_equal_scores_the_image_with_the_lower_number_comes_first():
    """Numbers of one and two digits, whose order as texts is another one."""
    truth, results = random_scene(seed=2)
    for item in (*truth["annotations"], *results):
        item["image_id"] -= 95
    for image in truth["images"]:
        image["id"] -= 95
    ours = evaluate_results(truth, results, iou_types=["segm"])["segm"]
    theirs = reference(truth, results, "segm").stats
    np.testing.assert_allclose([ours[key] for key in KEYS], theirs, rtol=0, atol=1e-6)


def test_image_ids_may_be_texts():
    truth, results = random_scene(seed=5)
    expected = evaluate_results(truth, results, [101, 102, 103])
    for item in (*truth["annotations"], *results):
        item["image_id"] = f"photo {item['image_id']}"
    for image in truth["images"]:
        image["id"] = f"photo {image['id']}"
    assert evaluate_results(truth, results, ["photo 101", "photo 102", "photo 103"]) == expected


@pytest.mark.parametrize(
    "polygon", [[], [5, 5, 15, 15], [5, 5, 15, 5, 15], [5, 5, float("nan"), 5, 9, 9], [1e12] * 6]
)
def test_unusable_polygons_have_no_part_in_a_mask(polygon):
    mask = disc(20, (50, 60), (100, 120))
    square = [[10, 20, 70, 20, 70, 80, 10, 80]]
    found = np.zeros((100, 120), bool)
    found[20:80, 10:70] = True
    truth = one_object(mask, segmentation=[*square, polygon])
    metrics = evaluate_results(truth, [result(1, 1, found, 0.5)])
    assert [metrics[name]["AP"] for name in metrics] == [1.0, 1.0, 1.0]


def test_bad_input_is_named(tmp_path):
    truth, results = random_scene(seed=4)
    with pytest.raises(InputError, match="nowhere.json"):
        evaluate_results(tmp_path / "nowhere.json", results)
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(InputError, match="list.json is not in COCO's instances format"):
        evaluate_results(tmp_path / "list.json", results)
    with pytest.raises(InputError, match="no image with id 5"):
        evaluate_results(truth, results, [5])
    with pytest.raises(InputError, match="image_id 99 of a result"):
        evaluate_results(truth, [{**results[0], "image_id": 99}])
    with pytest.raises(InputError, match="category_id 8 of a result"):
        evaluate_results(truth, [{**results[0], "category_id": 8}])
    with pytest.raises(InputError, match="'mask' does not exist"):
        evaluate_results(truth, results, iou_types=["mask"])


def test_metrics_table_by_hand():
    scores = dict.fromkeys(KEYS, 0.25)
    metrics = {
        "segm": {**scores, "APl": None, "per_class": {"cat": {"AP": 0.1234, "objects": 12}}},
        "boundary": {**scores, "AP": 1.0, "per_class": {"cat": {"AP": None, "objects": 12}}},
    }
    assert metrics_table(metrics).splitlines() == [
        "             AP   AP50   AP75    APs    APm    APl  AR100",
        "segm      0.250  0.250  0.250  0.250  0.250      -  0.250",
        "boundary  1.000  0.250  0.250  0.250  0.250  0.250  0.250",
        "",
        "class  objects  segm AP  boundary AP",
        "cat         12    0.123            -",
    ]
    assert "cat" not in metrics_table(metrics, per_class=False)


@pytest.fixture
def dataset():
    """Two images; the model's classes 1 and 2 are the categories 18 and 44 of the file."""
    return SimpleNamespace(
        image_ids=np.arange(2),
        image_info=[{"id": 139}, {"id": 285}],
        class_info=[{"id": 0}, {"id": 18}, {"id": 44}],
        load_image=lambda image_id: np.full((5, 6, 3), image_id, np.uint8),
    )


def detections():
    masks = np.zeros((5, 6, 2), bool)
    masks[1:3, 2:4, 0] = True  # columns of 5: 11 zeros, 2 ones, 3 zeros, 2 ones, 12 zeros
    masks[:, :, 1] = True
    return {
        "rois": np.array([[1, 2, 3, 4], [0, 0, 5, 6]], np.int32),
        "class_ids": np.array([2, 1], np.int32),
        "scores": np.array([0.5, 0.25], np.float32),
        "masks": masks,
    }


def test_coco_results_by_hand(dataset):
    first, second = json.loads(json.dumps(coco_results(1, detections(), dataset)))
    run = first.pop("segmentation")
    assert first == {"image_id": 285, "category_id": 44, "bbox": [2, 1, 2, 2], "score": 0.5}
    assert second["bbox"] == [0, 0, 6, 5] and second["category_id"] == 18
    expected = reference_masks.frPyObjects({"size": [5, 6], "counts": [11, 2, 3, 2, 12]}, 5, 6)
    assert run == {"size": [5, 6], "counts": expected["counts"].decode()}
    assert reference_masks.area(second["segmentation"]) == 30


def test_coco_results_of_an_image_without_detections(dataset):
    empty = {name: value[..., :0] for name, value in detections().items()}
    empty["rois"] = np.zeros((0, 4), np.int32)
    assert coco_results(0, empty, dataset) == []


def test_detect_dataset_gives_the_model_one_image_at_a_time(dataset, capsys, monkeypatch):
    # On a terminal there is a bar.
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    seen = []

    class Model:
        def detect(self, images, verbose=0):
            assert len(images) == 1 and verbose == 0
            seen.append(int(images[0][0, 0, 0]))
            return [{"of": seen[-1]}]

    running = detect_dataset(Model(), dataset)
    assert seen == []
    assert next(running) == (0, {"of": 0})
    assert seen == [0]
    assert list(running) == [(1, {"of": 1})]
    output = capsys.readouterr()
    assert output.out == "" and "detect" in output.err
    assert list(detect_dataset(Model(), dataset, [1], progress=False)) == [(1, {"of": 1})]
    assert capsys.readouterr() == ("", "")


def test_detect_dataset_reads_while_the_model_computes(dataset):
    """The model waits for the second image to be read before it answers on the first."""
    both_read, load = threading.Event(), dataset.load_image

    def load_image(image_id):
        if image_id == 1:
            both_read.set()
        return load(image_id)

    class Model:
        def detect(self, images, verbose=0):
            assert both_read.wait(10)
            return [{}]

    dataset.load_image = load_image
    assert list(detect_dataset(Model(), dataset, progress=False)) == [(0, {}), (1, {})]
