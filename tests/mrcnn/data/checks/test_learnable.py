"""Data without an object to learn from: which they are, and what is said."""

from pathlib import Path

import numpy as np
import pytest

from mrcnn.data.checks.coco import judge
from mrcnn.data.checks.dataset import check_dataset
from mrcnn.data.checks.learnable import refuse_nothing
from mrcnn.data.datasets.coco import CocoDataset
from mrcnn.data.datasets.dataset import Dataset
from mrcnn.errors import InputError

TRIANGLE = {"segmentation": [[1, 1, 9, 1, 5, 7]]}
EMPTY = {"size": [10, 12], "counts": [120]}
BOX = [1, 1, 8, 6]


def content(*objects, images=2, classes=1):
    return {
        "images": [
            {"id": n, "file_name": f"{n}.png", "height": 10, "width": 12} for n in range(images)
        ],
        "annotations": [
            {"id": n, "image_id": 0, "category_id": 1, **fields} for n, fields in enumerate(objects)
        ],
        "categories": [{"id": n + 1, "name": f"c{n}"} for n in range(classes)],
    }


NOTHING = [
    (content(), "no object is annotated on any of the 2 images"),
    (content(images=0), "there are no images"),
    (content(classes=0), "there are no categories"),
    (content(*[{**TRIANGLE, "iscrowd": 1}] * 3), r"all 3 objects are crowds \('iscrowd': 1\)"),
    (content({"iscrowd": True, "bbox": BOX}), "all 1 objects are crowds"),
    (content(*[{"segmentation": EMPTY}] * 2), "all 2 objects are left out .2 x object without a"),
    (content({"segmentation": EMPTY, "bbox": BOX}), "all 1 masks are empty or cannot be used"),
    (content({"segmentation": [[1, 1, 5, 5]], "bbox": BOX}), "all 1 masks are empty"),
]


@pytest.mark.parametrize(("broken", "message"), NOTHING)
def test_checks_and_training_say_why_there_is_nothing_to_learn(broken, message):
    found = judge("train", Path("a.json"), Path("."), broken)
    (finding,) = (f for f in found.findings if f.code == "nothing-to-learn")
    assert finding.severity == "error"
    with pytest.raises(InputError, match=f"^the dataset has no object to learn from: {message}"):
        refuse_nothing(found.dataset, "the dataset", "to learn from")


def codes(*objects):
    found = judge("train", Path("a.json"), Path("."), content(*objects)).findings
    kept = ("nothing-to-learn", "no-masks", "many-crowds")
    return [(f.code, f.severity) for f in found if f.code in kept]


def test_what_can_be_learned_from():
    crowd = {**TRIANGLE, "iscrowd": 1}
    assert codes(TRIANGLE) == codes(TRIANGLE, crowd) == []
    assert codes(TRIANGLE, {"segmentation": EMPTY, "bbox": BOX}) == []
    assert codes(TRIANGLE, crowd, crowd) == [("many-crowds", "warning")]
    assert codes({"bbox": BOX}) == [("no-masks", "warning")]


def test_some_images_of_a_dataset():
    dataset = CocoDataset()
    dataset.add_content(content(TRIANGLE), Path("a.json"), Path("."))
    dataset.prepare()
    refuse_nothing(dataset, "the dataset", "to learn from", [0, 1])
    with pytest.raises(InputError, match="no object is annotated on any of the 1 images"):
        refuse_nothing(dataset, "the dataset", "to be judged by", [1])


def test_masks_of_any_other_dataset():
    class Own(Dataset):
        def load_mask(self, image_id):
            masks = np.zeros((10, 12, 2), bool)
            masks[2:4, 2:4] = self.image_info[image_id]["filled"]
            return masks, np.array([1, -1], np.int32)

    for filled, wanted in ((True, []), (False, ["nothing-to-learn"])):
        dataset = Own()
        dataset.add_class("own", 1, "a")
        dataset.add_image("own", 0, None, height=10, width=12, filled=filled)
        dataset.prepare()
        found = check_dataset("train", dataset, lambda images, total: images).findings
        assert [f.code for f in found if f.code == "nothing-to-learn"] == wanted
