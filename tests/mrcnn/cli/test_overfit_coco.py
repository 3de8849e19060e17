"""Eight real images and an ImageNet backbone: the network can learn them by heart."""

import json

import pytest
import yaml

pytestmark = pytest.mark.slow

SETTINGS = {
    "NAME": "overfit",
    "BACKBONE": "MobileNet",
    "BACKBONE_ARGS": {"alpha": 0.75},
    "TOP_DOWN_PYRAMID_SIZE": 128,
    "RPN_CHANNELS": 128,
    "FPN_CLASSIF_FC_LAYERS_SIZE": 256,
    "MASK_HEAD_CHANNELS": 64,
    "IMAGE_MIN_DIM": 256,
    "IMAGE_MAX_DIM": 256,
    "IMAGES_PER_GPU": 4,
    "RPN_ANCHOR_SCALES": [16, 32, 64, 128, 192],
    "PRE_NMS_LIMIT": 1000,
    "POST_NMS_ROIS_TRAINING": 300,
    "POST_NMS_ROIS_INFERENCE": 200,
    "TRAIN_ROIS_PER_IMAGE": 64,
    "MAX_GT_INSTANCES": 16,
    "DETECTION_MAX_INSTANCES": 50,
    "FLIP": False,
    "OPTIMIZER": "adamw",
    "WARMUP_STEPS": 20,
    "SCHEDULE": [["all", 140, 0.001]],
}


@pytest.fixture
def eight(coco_dir, tmp_path):
    """A dataset of eight images with a few large objects each, the same for training and test."""
    content = json.loads((coco_dir / "annotations" / "instances_train2017.json").read_text())
    objects = {image["id"]: [] for image in content["images"]}
    for annotation in content["annotations"]:
        objects[annotation["image_id"]].append(annotation)

    def fits(image):
        found = objects[image["id"]]
        large = all(a["area"] > 1500 and not a["iscrowd"] for a in found)
        return 2 <= len(found) <= 6 and large

    images = [image for image in content["images"] if fits(image)][:8]
    kept = [annotation for image in images for annotation in objects[image["id"]]]
    folder = tmp_path / "eight"
    (folder / "annotations").mkdir(parents=True)
    for split in ("train2017", "val2017"):
        (folder / split).mkdir()
        for image in images:
            source = coco_dir / "train2017" / image["file_name"]
            (folder / split / image["file_name"]).write_bytes(source.read_bytes())
        (folder / "annotations" / f"instances_{split}.json").write_text(
            json.dumps({**content, "images": images, "annotations": kept})
        )
    assert len(images) == 8
    return folder


def test_eight_coco_images_are_learnt_by_heart(command, eight, weights_dir, tmp_path):
    config = tmp_path / "overfit.yaml"
    weights = next(weights_dir.glob("mobilenet*.h5"))
    config.write_text(yaml.safe_dump({**SETTINGS, "BACKBONE_WEIGHTS": str(weights)}))
    code = command("train")(
        "--dataset", eight, "--config", config, "--edge", "sobel", "--p", "2",
        "--logs", tmp_path / "run", "--quiet",
    )  # fmt: skip
    assert code == 0
    code = command("evaluate")(
        "--weights", tmp_path / "run", "--dataset", eight, "--out", tmp_path / "evaluation"
    )
    assert code == 0
    metrics = json.loads((tmp_path / "evaluation" / "metrics.json").read_text())
    assert metrics["segm"]["AP50"] >= 0.5
