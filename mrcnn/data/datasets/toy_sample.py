"""The built-in sample: a small COCO-format dataset of drawn shapes, the same bytes for the same
seed.

It has what makes real annotations hard: objects that cover each other (masks are of the visible
part), holes, thin parts, crowds, images without objects, and several sizes of both orientations.
"""

import colorsys
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from faster_coco_eval.core import mask as coco_mask
from PIL import Image, ImageDraw
from skimage.measure import find_contours

from mrcnn.errors import InputError
from mrcnn.files.writing import write_text

VERSION = 1
YEAR = 2017
MIN_IMAGES = 3
# Width and height as shares of the longer side.
_ASPECTS = ((1, 0.75), (0.75, 1), (1, 0.875), (0.9375, 0.9375), (0.8125, 1), (1, 1))
# Diameters as shares of the longer side: 24 to 120 pixels of 256.
_DIAMETERS = (24 / 256, 120 / 256)
_FINE = 4  # shapes are drawn so many times larger, then averaged
_MIN_VISIBLE = 0.45  # share of an object that others leave uncovered
_MIN_AREA = 12  # square pixels, of an object
_MIN_FRAGMENT = 4  # and of a part or a hole of one

Points = np.ndarray  # (K, 2) x, y


def generate_sample(
    out_dir: str | Path, train: int = 320, val: int = 64, seed: int = 0, size: int = 256
) -> Path:
    """Write the sample dataset, or keep the one that is there if it was made with the same
    arguments.

    Args:
        out_dir: Gets `train2017/`, `val2017/` and `annotations/instances_{train,val}2017.json`.
        train: Number of training images, at least 3.
        val: Number of validation images, at least 3.
        seed: Of all random choices.
        size: Longer side of the largest images, in pixels.

    Returns:
        `out_dir`.

    Raises:
        InputError: An argument is out of range, or `out_dir` holds another dataset.
    """
    counts = {"train": train, "val": val}
    for split, count in counts.items():
        if count < MIN_IMAGES:
            raise InputError(f"{split} must be at least {MIN_IMAGES} images, got {count}")
    if size < 64:
        raise InputError(f"size must be at least 64 pixels, got {size}")
    root = Path(out_dir)
    marker = {"name": "mrcnn sample", "version": VERSION, "seed": seed, "size": size, **counts}
    if all(_marker(root, split) == marker for split in counts):
        return root
    _clear(root, counts)
    (root / "annotations").mkdir(parents=True, exist_ok=True)
    for number, (split, count) in enumerate(counts.items()):
        content = _write_split(root, split, count, (seed, number), size)
        content["info"]["generator"] = marker
        # Written last and in one piece: the file is there only when its images are.
        file = _annotation_file(root, split)
        write_text(file, json.dumps(content, separators=(",", ":")))
    return root


def _annotation_file(root: Path, split: str) -> Path:
    return root / "annotations" / f"instances_{split}{YEAR}.json"


def _marker(root: Path, split: str) -> Any:
    """Return the arguments that a split was generated with; None if it is missing or not ours."""
    try:
        content = json.loads(_annotation_file(root, split).read_text(encoding="utf-8"))
        return content["info"]["generator"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _clear(root: Path, splits: dict[str, int]) -> None:
    """Remove an older sample, and nothing else."""
    for split in splits:
        file, folder = _annotation_file(root, split), root / f"{split}{YEAR}"
        marker = _marker(root, split)
        if marker is not None and marker.get("name") == "mrcnn sample":
            file.unlink()
            shutil.rmtree(folder, ignore_errors=True)
        elif file.exists():
            raise InputError(f"{root} holds a dataset that is not the sample; give another folder")


def _write_split(
    root: Path, split: str, count: int, seed: tuple[int, int], size: int
) -> dict[str, Any]:
    folder = root / f"{split}{YEAR}"
    folder.mkdir(parents=True, exist_ok=True)
    first_id = 1 + seed[1] * 1_000_000
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for index in range(count):
        rng = np.random.default_rng([*seed, index])
        scene = draw_scene(rng, size, empty=index % 20 == 1, crowd=index % 20 == 2)
        image_id = first_id + index
        height, width = scene.image.shape[:2]
        name = f"{image_id:012d}.jpg"
        Image.fromarray(scene.image).save(folder / name, quality=92, subsampling=0)
        images.append(
            {"id": image_id, "file_name": name, "width": width, "height": height, "license": 1}
        )
        for item in scene.objects:
            annotations.append({"id": first_id + len(annotations), "image_id": image_id, **item})
    return {
        "info": {
            "description": "Drawn shapes, the built-in sample",
            "version": "1.0",
            "year": YEAR,
        },
        "licenses": [
            {
                "id": 1,
                "name": "CC0 1.0",
                "url": "https://creativecommons.org/publicdomain/zero/1.0/",
            }
        ],
        "images": images,
        "annotations": annotations,
        "categories": [
            {"id": number, "name": name, "supercategory": "shape"}
            for number, name in enumerate(SHAPES, start=1)
        ],
    }


@dataclass(frozen=True)
class Scene:
    """A drawn image (H, W, 3) uint8 and its objects as COCO annotations without ids."""

    image: np.ndarray
    objects: list[dict[str, Any]]


@dataclass
class _Item:
    """Something drawn: its outlines, its share of each pixel (H, W) in 0..1, and its class."""

    category: int
    outlines: list[Points]
    cover: np.ndarray
    crowd: bool = False


def draw_scene(rng: np.random.Generator, size: int, empty: bool, crowd: bool) -> Scene:
    """Draw one image.

    Args:
        rng: Source of all random choices.
        size: Longer side of the largest images, in pixels.
        empty: No objects.
        crowd: A group of small discs, annotated as one crowd, is among the objects.
    """
    aspect = _ASPECTS[rng.integers(len(_ASPECTS))]
    width, height = round(aspect[0] * size), round(aspect[1] * size)
    picture = _background(rng, height, width)
    items: list[_Item] = []
    if not empty:
        items += [_crowd(rng, height, width, size)] if crowd else []
        for _ in range(int(rng.integers(1, 6))):
            _add_item(rng, items, height, width, size)
    for item in items:
        paint = _paint(rng, item.category, height, width)
        picture += item.cover[:, :, None] * (paint - picture)
    picture += rng.normal(0, 3, picture.shape)  # the grain of a camera
    image = picture.clip(0, 255).astype(np.uint8)
    above = np.zeros((height, width))
    objects: list[dict[str, Any]] = []
    for item in reversed(items):
        objects.insert(0, _annotate(item, item.cover * (1 - above), hidden=above))
        above = np.maximum(above, item.cover)
    return Scene(image, [item for item in objects if item["area"] >= _MIN_AREA])


def _add_item(
    rng: np.random.Generator, items: list[_Item], height: int, width: int, size: int
) -> None:
    """Add an object on top of the others, where enough of each of them stays visible."""
    for _ in range(20):
        category = int(rng.integers(1, len(SHAPES) + 1))
        low, high = np.log(_DIAMETERS)
        radius = size * np.exp(rng.uniform(low, high)) / 2
        if items and rng.random() < 0.3:
            # Beside an earlier object, so that they overlap.
            y, x = np.argwhere(items[-1].cover > 0.5)[rng.integers((items[-1].cover > 0.5).sum())]
            centre = np.array([x, y]) + rng.normal(0, radius, 2)
        else:
            centre = rng.uniform([0, 0], [width, height])
        centre = centre.clip(0.8 * radius, [width - 0.8 * radius, height - 0.8 * radius])
        outlines = [centre + radius * part for part in _OUTLINES[category - 1](rng)]
        item = _Item(category, outlines, _cover(outlines, height, width))
        if all(_visible_share(items + [item])):
            items.append(item)
            return


def _visible_share(items: list[_Item]) -> list[bool]:
    """Return for each item whether those above it leave enough of it to see."""
    enough, above = [], np.zeros(items[0].cover.shape, bool)
    for item in reversed(items):
        own = item.cover > 0.5
        enough.append((own & ~above).sum() >= max(_MIN_VISIBLE * own.sum(), 4 * _MIN_AREA))
        above |= own
    return enough


def _crowd(rng: np.random.Generator, height: int, width: int, size: int) -> _Item:
    """Return a group of small discs."""
    centre = rng.uniform([0.3 * width, 0.3 * height], [0.7 * width, 0.7 * height])
    spots = centre + rng.normal(0, 0.08 * size, (int(rng.integers(8, 16)), 2))
    outlines = [spot + rng.uniform(0.016, 0.027) * size * _circle(24) for spot in spots]
    cover = np.max([_cover([outline], height, width) for outline in outlines], axis=0)
    return _Item(1, outlines, cover, crowd=True)


def _annotate(item: _Item, visible: np.ndarray, hidden: np.ndarray) -> dict[str, Any]:
    """Return the annotation of what is visible: polygons, or runs where it has holes."""
    mask = (item.cover >= 0.5) & (hidden < 0.5)
    height, width = mask.shape
    runs = coco_mask.encode(np.asfortranarray(mask, np.uint8))
    polygons = None if item.crowd else _polygons(item, visible)
    if polygons is not None:
        points = np.concatenate([np.reshape(polygon, (-1, 2)) for polygon in polygons])
        low, high = points.min(axis=0), points.max(axis=0)
        box = [*low, *(high - low)]
        segmentation: Any = polygons
        runs = coco_mask.merge(coco_mask.frPyObjects(polygons, height, width))
    else:
        box = coco_mask.toBbox(runs).ravel().tolist()
        # COCO has both forms: crowds as a list of counts, results as a string.
        counts = _run_lengths(mask) if item.crowd else runs["counts"].decode("ascii")
        segmentation = {"size": [height, width], "counts": counts}
    return {
        "category_id": item.category,
        "iscrowd": int(item.crowd),
        "area": int(coco_mask.area(runs)),
        "bbox": [round(float(value), 2) for value in box],
        "segmentation": segmentation,
    }


def _polygons(item: _Item, visible: np.ndarray) -> list[list[float]] | None:
    """Return the outlines of what is visible, flat x, y, ...; None where it has holes."""
    height, width = visible.shape
    # Contours run through pixel centres; the margin closes those that meet the border.
    contours = find_contours(np.pad(visible, 1), 0.5, positive_orientation="low")
    outlines = []
    for contour in contours:
        points = contour[:-1, ::-1] - 0.5
        area = _signed_area(points)
        if abs(area) < _MIN_FRAGMENT:
            continue
        if area < 0:
            return None  # a hole
        outlines.append(points.clip(0, (width, height)))
    if not outlines:
        return None
    return [np.round(points.ravel(), 2).tolist() for points in outlines]


def _signed_area(points: Points) -> float:
    x, y = points.T
    return float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y) / 2)


def _run_lengths(mask: np.ndarray) -> list[int]:
    """Return COCO's uncompressed counts: lengths of the runs of 0, 1, 0, ... down the columns."""
    flat = np.concatenate([[0], mask.ravel(order="F").astype(np.int8)])
    changes = np.flatnonzero(np.diff(flat))
    return np.diff(np.concatenate([[0], changes, [mask.size]])).tolist()


def _cover(outlines: list[Points], height: int, width: int) -> np.ndarray:
    """Return the share of each pixel inside the first outline and outside the others."""
    fine = Image.new("L", (width * _FINE, height * _FINE))
    draw = ImageDraw.Draw(fine)
    for index, outline in enumerate(outlines):
        # Pillow's coordinates are those of pixel centres.
        points = np.rint(outline * _FINE - 0.5).ravel().tolist()
        draw.polygon(points, fill=0 if index else 255)
    return np.asarray(fine.reduce(_FINE), np.float64) / 255


def _circle(corners: int, start: float = 0.0) -> Points:
    angles = start + 2 * np.pi * np.arange(corners) / corners
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _stretched(rng: np.random.Generator, points: Points, turn: float) -> Points:
    """Return points turned by up to `turn` radians and stretched a little."""
    angle = rng.uniform(-turn, turn)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return points @ rotation.T * (1, rng.uniform(0.8, 1))


def _disc(rng: np.random.Generator) -> list[Points]:
    return [_stretched(rng, _circle(48), 0)]


def _square(rng: np.random.Generator) -> list[Points]:
    return [_stretched(rng, _circle(4, np.pi / 4), 0.3)]


def _triangle(rng: np.random.Generator) -> list[Points]:
    return [_stretched(rng, _circle(3, -np.pi / 2), 0.4)]


def _ring(rng: np.random.Generator) -> list[Points]:
    outer = _stretched(rng, _circle(48), 0)
    return [outer, rng.uniform(0.5, 0.7) * outer]


def _star(rng: np.random.Generator) -> list[Points]:
    points = _circle(10, -np.pi / 2)
    points[1::2] *= rng.uniform(0.35, 0.45)
    return [_stretched(rng, points, np.pi / 5)]


SHAPES = ("disc", "square", "triangle", "ring", "star")
_OUTLINES: tuple[Callable[[np.random.Generator], list[Points]], ...] = (
    _disc,
    _square,
    _triangle,
    _ring,
    _star,
)


def _background(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Return a greyish texture (H, W, 3), 0 to 255: clouds, and stripes on every other image."""
    colour = _rgb(rng.random(), rng.uniform(0, 0.25), rng.uniform(0.25, 0.75))
    cells = int(rng.integers(3, 12))
    picture = colour + 25 * _clouds(rng, cells, height, width)[:, :, None]
    if rng.random() < 0.5:
        picture += 14 * _stripes(rng, height, width)[:, :, None]
    return picture + rng.normal(0, 6, (height, width, 3))


def _paint(rng: np.random.Generator, category: int, height: int, width: int) -> np.ndarray:
    """Return what an object is filled with (H, W, 3): most objects of a class have similar hues."""
    own_hue = (category - 1) / len(SHAPES) + rng.normal(0, 0.04)
    hue = own_hue if rng.random() < 0.75 else rng.random()
    colour = _rgb(hue, rng.uniform(0.55, 0.95), rng.uniform(0.55, 1))
    pattern = _stripes(rng, height, width) if rng.random() < 0.4 else _clouds(rng, 4, height, width)
    return colour + 18 * pattern[:, :, None]


def _rgb(hue: float, saturation: float, value: float) -> np.ndarray:
    return 255 * np.array(colorsys.hsv_to_rgb(hue % 1, saturation, value))


def _clouds(rng: np.random.Generator, cells: int, height: int, width: int) -> np.ndarray:
    """Return smooth noise (H, W) with about `cells` bumps along a side, mostly -1 to 1."""
    coarse = Image.fromarray(rng.normal(0, 0.6, (cells, cells)).astype(np.float32))
    return np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), np.float64)


def _stripes(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Return a wave (H, W), -1 to 1, of any direction."""
    angle, period = rng.uniform(0, np.pi), rng.uniform(5, 16)
    y, x = np.mgrid[:height, :width]
    return np.sin(2 * np.pi / period * (x * np.cos(angle) + y * np.sin(angle)))
