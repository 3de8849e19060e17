"""`mrcnn detect`: find objects on images."""

import sys
from collections.abc import Iterable, Sequence
from functools import partial
from glob import glob, has_magic
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from mrcnn.cli.common import (
    OUTPUT,
    PICTURES,
    Batch,
    FormatOptions,
    ModelOptions,
    PictureOptions,
    refuse_wrong_names,
    trained_config,
)
from mrcnn.data.annotation_files import IMAGE_SUFFIXES
from mrcnn.errors import InputError
from mrcnn.files.background import in_background
from mrcnn.files.reading import refuse_special
from mrcnn.files.writing import write_json, write_with
from mrcnn.hub.words import TRAINED

if TYPE_CHECKING:
    from mrcnn.data.datasets.dataset import Dataset

# How pictures are saved: a PNG in the least time, not the least bytes.
SAVED: dict[str, dict[str, Any]] = {
    "png": {"format": "PNG", "compress_level": 1},
    "jpg": {"format": "JPEG", "quality": 92},
}


def detect(
    *images: Annotated[str, Parameter(required=True)],
    model: ModelOptions,
    min_score: Annotated[float | None, Parameter(show_default=False)] = None,
    batch: Batch = 2,
    color_by: Annotated[Literal["instance", "class"], Parameter(group=PICTURES)] = "instance",
    pictures: PictureOptions = PictureOptions(),
    format: Annotated[Literal["png", "jpg"], Parameter(group=OUTPUT)] = "png",
    out: Annotated[Path, Parameter(group=OUTPUT)] = Path("results/detect"),
) -> int:
    """Find objects on images: a picture of each, and all objects in COCO's format.

    ```
    mrcnn detect photos/ "more/*.jpg" --weights runs/coco --out results
    ```

    It writes results/NAME_detections.png for every image and results/detections.json with the lists

    ```
    images       id, file_name (the path as it was given or found), height, width
    categories   id, name
    annotations  id, image_id, category_id, bbox [x, y, width, height], area of the mask
                 in pixels, segmentation (run-length encoding), iscrowd (always 0), score
    ```

    which tools for COCO annotations open; `annotations` alone is a list in COCO's result format.

    An image that does not open is refused before the first one is worked on. One that turns out to
    be damaged later is left out, named and counted, and the exit code is then 1.

    Args:
        images: Image files, folders or globs (** for all depths).
        min_score: Leave out objects of a lower score [default: DETECTION_MIN_CONFIDENCE of the
            config].
        color_by: What has a color of its own; a class has the same one on all images. (By match
            needs a ground truth: `mrcnn demo` draws so.)
        format: Format of the pictures.
        out: Folder of the results.
    """
    refuse_wrong_names(None, "auto", FormatOptions(), model, model.weights, TRAINED)
    paths = find_images(images)
    from PIL import Image

    from mrcnn.data.coco_names import class_names
    from mrcnn.evaluation import Passed, coco_results, detect_readable
    from mrcnn.trained import find_weights, load_model
    from mrcnn.visualize import draw_instances

    style = pictures.style(color_by)
    config = trained_config(model).update(IMAGES_PER_GPU=batch, GPU_COUNT=1)
    if min_score is not None:
        config = config.update(DETECTION_MIN_CONFIDENCE=min_score)
    dataset = image_dataset(paths, class_names(config.CLASS_NAMES, config.NUM_CLASSES))
    detector = load_model(config, find_weights(model.weights))
    out.mkdir(parents=True, exist_ok=True)
    # An older one must not be taken for that of this run.
    (out / "detections.json").unlink(missing_ok=True)

    results: list[dict[str, Any]] = []
    names, passed = picture_names(paths, format), Passed(len(paths))

    def draw(image_id: int, found: dict[str, Any]) -> None:
        picture = Image.fromarray(
            draw_instances(
                dataset.load_image(image_id),
                found["rois"],
                found["masks"],
                found["class_ids"],
                dataset.class_names,
                found["scores"],
                style=style,
            )
        )
        write_with(out / names[image_id], partial(picture.save, **SAVED[format]))

    try:
        with in_background() as call:
            for image_id, found in detect_readable(detector, dataset, masks="rle"):
                if isinstance(found, InputError):
                    passed(image_id, found)
                    continue
                results += coco_results(image_id, found, dataset)
                call(draw, image_id, found)
    finally:
        write_detections(out / "detections.json", dataset, results)
    done = len(paths) - len(passed.ids)
    print(f"{len(results)} objects on {done} images: pictures and detections.json in {out}")
    if passed:
        print(passed, file=sys.stderr)
    return 1 if passed else 0


def find_images(patterns: Iterable[str]) -> list[Path]:
    """Expand files, folders and globs, without duplicates and in the order of the arguments.

    Raises:
        InputError: A pattern stands for no image, or a file does not open as one.
    """
    paths = [path for pattern in patterns for path in _expand(pattern)]
    return list(dict.fromkeys(paths))


def _expand(pattern: str) -> list[Path]:
    path = Path(pattern)
    if path.is_file():
        return [path]  # whatever its suffix, and even with a * or [ in its name
    if path.is_dir():
        found = sorted(p for p in path.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
        if not found:
            raise InputError(f"folder {pattern} holds no image ({', '.join(IMAGE_SUFFIXES)})")
        return found
    refuse_special(path)
    if not has_magic(pattern):
        raise InputError(f"image {pattern} does not exist")
    matches = sorted(Path(match) for match in glob(pattern, recursive=True))
    found = [p for p in matches if p.is_file() and p.suffix.lower() in IMAGE_SUFFIXES]
    if not found:
        raise InputError(
            f"nothing matches {pattern} that is an image ({', '.join(IMAGE_SUFFIXES)})"
        )
    return found


def image_dataset(paths: Sequence[Path], names: Sequence[str]) -> "Dataset":
    """Make a dataset of image files, with COCO's category ids where the classes are COCO's.

    Raises:
        InputError: Files do not open as images; it counts them and names the first.
    """
    from mrcnn.data.coco_names import COCO_IDS, COCO_NAMES
    from mrcnn.data.datasets.dataset import Dataset
    from mrcnn.data.image import read_size

    dataset = Dataset()
    ids = COCO_IDS if list(names[1:]) == COCO_NAMES else range(1, len(names))
    for category_id, name in zip(ids, names[1:], strict=True):
        dataset.add_class("files", category_id, name)
    bad: list[InputError] = []
    for number, path in enumerate(paths, start=1):
        # Only the header, but for all files before the first is worked on.
        try:
            height, width = read_size(path)
        except InputError as error:
            bad.append(error)
        else:
            dataset.add_image("files", number, str(path), height=height, width=width)
    if bad:
        count = f"{len(bad)} of {len(paths)} images cannot be used, the first: "
        raise InputError(f"{count if len(bad) > 1 else ''}{bad[0]}")
    dataset.prepare()
    return dataset


def picture_names(paths: Sequence[Path], suffix: str) -> list[str]:
    """Name the picture of each image; images of the same name from two folders get a number."""
    names: list[str] = []
    for path in paths:
        numbered = (path.stem, *(f"{path.stem}_{number}" for number in range(2, len(paths) + 1)))
        candidates = (f"{stem}_detections.{suffix}" for stem in numbered)
        names.append(next(name for name in candidates if name not in names))
    return names


def write_detections(path: Path, dataset: "Dataset", results: Sequence[dict[str, Any]]) -> None:
    """Write images, categories and results as one COCO file."""
    from faster_coco_eval.core import mask as rle_masks

    images = [
        {"id": i["id"], "file_name": i["path"], "height": i["height"], "width": i["width"]}
        for i in dataset.image_info
    ]
    annotations = [
        {
            "id": number,
            **result,
            "area": float(rle_masks.area(result["segmentation"])),
            "iscrowd": 0,
        }
        for number, result in enumerate(results, start=1)
    ]
    categories = [{"id": c["id"], "name": c["name"]} for c in dataset.class_info[1:]]
    content = {"images": images, "annotations": annotations, "categories": categories}
    write_json(path, content)
