"""Compare mini masks drawn straight from polygons with those of the original, and with the truth.

    python benchmarks/compare_masks.py --dataset datasets/coco --split val

draws every object of a dataset both ways, inside the box that the original gives it: ours as the
loader does, with `mrcnn.data.mini_masks.mini_masks`; the original's as a full mask that is resized
with the image, cut out and resized again. The truth is the polygon, drawn 16 times finer than the
mini mask. The table has the mean intersection over union (IoU) of objects by their size on the
resized image, the same for all cells weighted by the pixels they stand for, and the CPU time of an
object.

Two ways that both miss the truth differ from one another by up to the sum of what they miss. So the
column "bound" says what IoU a mask that is as close to the truth as ours can have with the
original's at most: 1 - IoU is a metric, and the triangle inequality holds.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mrcnn.data.boxes import compute_overlaps_masks
from mrcnn.data.datasets.coco import CocoDataset
from mrcnn.data.datasets.dataset import Dataset
from mrcnn.data.image import resize_image
from mrcnn.data.masks import extract_bboxes, minimize_mask, rasterize, resize_mask
from mrcnn.data.mini_masks import mini_masks
from mrcnn.data.resize import ResizeTransform
from mrcnn.errors import InputError, run_cli

FINE = 16
MINI = (56, 56)
# Pixels of the box on the resized image, with COCO's limits between small, medium and large.
SIZES = {"small": (0, 32**2), "medium": (32**2, 96**2), "large": (96**2, np.inf)}


@dataclass(frozen=True)
class Comparison:
    """IoU of the mini masks of one object.

    Attributes:
        pixels: Of its box on the resized image.
        alike: Ours and the original's.
        ours: Ours and the truth; nan without polygons.
        original: The original's and the truth; nan without polygons.
        seconds: CPU time of our mask, the mean of its image.
        original_seconds: Of the original's, without the full mask at the size of the image.
    """

    pixels: float
    alike: float
    ours: float
    original: float
    seconds: float
    original_seconds: float


def main(argv: list[str] | None = None) -> int:
    """Run the command; `argv` is None for the arguments of the process."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", type=Path, required=True, help="folder in COCO's layout")
    parser.add_argument("--split", default="train", help="(default: %(default)s)")
    parser.add_argument("--limit", type=int, help="only the first N images")
    parser.add_argument(
        "--dims",
        nargs=2,
        type=int,
        default=(800, 1024),
        metavar=("MIN", "MAX"),
        help="IMAGE_MIN_DIM and IMAGE_MAX_DIM of the canvas (default: 800 1024)",
    )
    args = parser.parse_args(argv)
    dataset = CocoDataset.from_folder(args.dataset, args.split, limit=args.limit)
    found = [c for number in dataset.image_ids for c in compare(dataset, int(number), *args.dims)]
    if not found:
        raise InputError(f"{dataset.annotation_file} has no masks to compare")
    print(f"{len(found)} objects of {len(dataset.image_ids)} images\n\n{table(found)}")
    return 0


def compare(dataset: Dataset, image_id: int, min_dim: int, max_dim: int) -> Iterator[Comparison]:
    """Compare the masks of an image's objects; those of which the original keeps no pixel are left
    out.
    """
    instances = dataset.load_instances(image_id)
    blank = np.zeros((*instances.size, 1), np.uint8)
    _, window, scale, padding, _ = resize_image(blank, min_dim, max_dim, 0, "canvas")
    transform = ResizeTransform.of(instances.size, scale, window, None)
    shapes, boxes, theirs, times = [], [], [], []
    for index in np.flatnonzero(instances.has_mask):
        native = instances.select(np.array([index])).masks()
        start = time.process_time()
        full = resize_mask(native, scale, padding)
        box = extract_bboxes(full)
        if not box.any():
            continue
        theirs.append(minimize_mask(box, full, MINI)[:, :, 0])
        times.append(time.process_time() - start)
        shapes.append(instances.segmentations[index])
        boxes.append(box[0])
    if not shapes:
        return
    start = time.process_time()
    ours = mini_masks(shapes, np.array(boxes), transform, MINI)
    seconds = (time.process_time() - start) / len(shapes)
    for index, shape in enumerate(shapes):
        to_truth = [np.nan, np.nan]
        if isinstance(shape, list):
            fine = (FINE * MINI[0], FINE * MINI[1])
            truth = rasterize(shape, transform.to_image(boxes[index]), fine).astype(bool)
            to_truth = [iou(finer(mask[index]), truth) for mask in (ours, theirs)]
        pixels = float(np.prod(boxes[index][2:] - boxes[index][:2]))
        alike = iou(ours[index], theirs[index])
        yield Comparison(pixels, alike, *to_truth, seconds, times[index])


def finer(mask: np.ndarray) -> np.ndarray:
    """Repeat every cell of a mini mask (h, w) `FINE` times in both directions."""
    return mask.repeat(FINE, axis=0).repeat(FINE, axis=1)


def iou(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union of two bool masks; 1 where both are empty."""
    if not (one.any() or other.any()):
        return 1.0
    return float(compute_overlaps_masks(one[..., None], other[..., None])[0, 0])


def table(found: list[Comparison]) -> str:
    """Lay out the means by size of the objects, and for all."""
    lines = [
        f"{'':>16}  objects  ours/original  bound  ours/truth  original/truth  ours us  original us"
    ]
    groups = {name: [c for c in found if a <= c.pixels < b] for name, (a, b) in SIZES.items()}
    for name, group in {**groups, "all": found}.items():
        if group:
            lines.append(f"{name:>16}  {len(group):7}  {row(group, [1.0] * len(group))}")
    lines.append(f"{'all, by pixels':>16}  {len(found):7}  {row(found, [c.pixels for c in found])}")
    return "\n".join(lines)


def row(group: list[Comparison], weights: list[float]) -> str:
    """One line of the table; run-length encodings count in the first column alone."""
    polygons = [(c, w) for c, w in zip(group, weights, strict=True) if not np.isnan(c.ours)]
    ours, theirs = (
        float(np.average([getattr(c, name) for c, _ in polygons], weights=[w for _, w in polygons]))
        if polygons
        else np.nan
        for name in ("ours", "original")
    )
    alike = np.average([c.alike for c in group], weights=weights)
    us, original_us = (
        1e6 * np.mean([getattr(c, name) for c in group]) for name in ("seconds", "original_seconds")
    )
    return (
        f"{alike:13.4f}  {1 - abs(ours - theirs):5.3f}  {ours:10.4f}  {theirs:14.4f}"
        f"  {us:7.0f}  {original_us:11.0f}"
    )


if __name__ == "__main__":
    sys.exit(run_cli(main))
