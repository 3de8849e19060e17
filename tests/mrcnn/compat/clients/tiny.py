"""What the client scripts share: the settings of a network that computes a step in milliseconds,
and drawn data in the layouts that they read.
"""

import json
from pathlib import Path

import numpy as np
import skimage.draw
import skimage.io

SIDE = 64


class Tiny:
    """Settings, to be mixed into a Config."""

    BACKBONE = "small"
    BACKBONE_ARGS = {"width": 8}
    TOP_DOWN_PYRAMID_SIZE = 16
    RPN_CHANNELS = 16
    FPN_CLASSIF_FC_LAYERS_SIZE = 16
    MASK_HEAD_CHANNELS = 8
    IMAGE_MIN_DIM = SIDE
    IMAGE_MAX_DIM = SIDE
    RPN_ANCHOR_SCALES = (8, 16, 24, 32, 48)
    RPN_TRAIN_ANCHORS_PER_IMAGE = 32
    PRE_NMS_LIMIT = 200
    POST_NMS_ROIS_TRAINING = 50
    POST_NMS_ROIS_INFERENCE = 50
    TRAIN_ROIS_PER_IMAGE = 20
    MAX_GT_INSTANCES = 8
    DETECTION_MAX_INSTANCES = 10
    STEPS_PER_EPOCH = 1
    VALIDATION_STEPS = 1


def draw(seed: int, count: int = 2) -> tuple[np.ndarray, list[np.ndarray]]:
    """An image, and the outlines (x, y) of the squares on it."""
    rng = np.random.default_rng(seed)
    image = rng.integers(150, 220, (SIDE, SIDE, 3)).astype(np.uint8)
    outlines = []
    for index in range(count):
        left, top = int(rng.integers(4, 12)) + 28 * index, int(rng.integers(4, 36))
        outline = np.array([[left, top], [left + 18, top], [left + 18, top + 20], [left, top + 20]])
        rows, columns = skimage.draw.polygon(outline[:, 1], outline[:, 0], (SIDE, SIDE))
        image[rows, columns] = rng.integers(0, 100, 3)
        outlines.append(outline)
    return image, outlines


def write_via(folder: Path, images: int) -> None:
    """A folder in the layout of VGG's annotator, version 2, with an image that has no region."""
    folder.mkdir(parents=True)
    content = {}
    for seed in range(images):
        image, outlines = draw(seed, 2 if seed else 0)
        skimage.io.imsave(folder / f"{seed}.png", image, check_contrast=False)
        shapes = [
            {"name": "polygon", "all_points_x": o[:, 0].tolist(), "all_points_y": o[:, 1].tolist()}
            for o in outlines
        ]
        regions = [{"shape_attributes": shape, "region_attributes": {}} for shape in shapes]
        content[f"{seed}.png1"] = {"filename": f"{seed}.png", "size": 1, "regions": regions}
    (folder / "via_region_data.json").write_text(json.dumps(content))


def write_nuclei(folder: Path, images: int) -> None:
    """A folder for each image, with one mask file for each object."""
    for seed in range(images):
        image, outlines = draw(seed)
        home = folder / f"nucleus{seed}"
        (home / "images").mkdir(parents=True)
        (home / "masks").mkdir()
        skimage.io.imsave(home / "images" / f"nucleus{seed}.png", image, check_contrast=False)
        for index, outline in enumerate(outlines):
            mask = skimage.draw.polygon2mask((SIDE, SIDE), outline[:, ::-1])
            file = home / "masks" / f"{index}.png"
            skimage.io.imsave(file, (mask * 255).astype(np.uint8), check_contrast=False)
