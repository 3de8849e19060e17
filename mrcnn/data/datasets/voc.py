"""Pascal VOC segmentation: palette PNGs of objects and of classes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mrcnn.data.annotation_files import IMAGE_SUFFIXES, files_by_stem, refuse_missing
from mrcnn.data.datasets.dataset import Instances
from mrcnn.data.datasets.mask_files import MaskDataset
from mrcnn.data.encodings import runs_of
from mrcnn.data.image_files import composed, find_images
from mrcnn.data.reading.labels import load_values
from mrcnn.errors import InputError

SOURCE = "voc"
VOID = 255  # the outlines of objects, and what is too hard to tell
# fmt: off
CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train",
    "tvmonitor",
)
# fmt: on
CLASS_FILE = "class_names.txt"
NO_CLASS = ("_background_", "background", "__ignore__")


class VocDataset(MaskDataset):
    """Pascal VOC, or a dataset in its layout.

    A folder has `JPEGImages/NAME.jpg` (or another suffix), `SegmentationObject/NAME.png` with a
    value for each object, `SegmentationClass/NAME.png` with the numbers of their classes, and the
    names of the images of each subset in `ImageSets/Segmentation/SUBSET.txt`. In both masks 0 is
    background and 255 void. `class_names.txt` may name the classes, one a line.
    """

    @classmethod
    def from_folder(cls, root: str | Path, subset: str, **kwargs: Any) -> "VocDataset":
        """Return a prepared dataset; the arguments are those of `load_voc`."""
        dataset = cls()
        dataset.load_voc(root, subset, **kwargs)
        dataset.prepare()
        return dataset

    def load_voc(
        self,
        root: str | Path,
        subset: str,
        classes: Sequence[str] | None = None,
        limit: int | None = None,
    ) -> None:
        """Add the images of a subset.

        Args:
            root: For example `VOCdevkit/VOC2012`.
            subset: `"train"`, `"val"` or `"trainval"`; `""` for every image that has masks.
            classes: Names of the classes; the first has the number 1 in the masks. Without it those
                of `class_names.txt`, or else those of Pascal VOC.
            limit: Add only the first so many images.

        Raises:
            InputError: A folder or file is missing.
        """
        top = Path(root)
        names = (_subset(top, subset) if subset else _with_masks(top))[:limit]
        found = files_by_stem(top / "JPEGImages", IMAGE_SUFFIXES)
        own = {name: found.get(composed(name)) for name in names}
        pictures = [own[name] or str(top / "JPEGImages" / f"{name}.jpg") for name in names]
        objects, areas = (
            find_images(top / folder, [f"{name}.png" for name in names])
            for folder in ("SegmentationObject", "SegmentationClass")
        )
        for paths in (pictures, objects, areas):
            refuse_missing(paths, subset_file(top, subset) if subset else top)
        for number, name in enumerate(classes or _class_names(top), start=1):
            self.add_class(SOURCE, number, name)
        for name, path, mask, area in zip(names, pictures, objects, areas, strict=True):
            self.add_image(SOURCE, name, path, mask=mask, classes=area)

    def load_instances(self, image_id: int) -> Instances:
        """Return the objects on an image, as encodings.

        Raises:
            InputError: A mask does not open, the two differ in size, or an object has a class that
                the dataset does not have.
        """
        info = self.image_info[image_id]
        objects, classes = load_values(info["mask"]), load_values(info["classes"])
        if objects.shape != classes.shape:
            raise InputError(
                f"{info['mask']} is {objects.shape}, {info['classes']} is {classes.shape}"
            )
        drawn = _main_classes(objects, classes)

        def class_of(value: int) -> int:
            if value in (0, VOID):
                return 0
            number = drawn[value]
            known = self.class_from_source_map.get(f"{SOURCE}.{number}")
            if known is None:
                raise InputError(
                    f"object {value} of {info['mask']} has the class {number} in "
                    f"{info['classes']}; there are 1 to {self.num_classes - 1}"
                )
            return known

        return self.with_values(image_id, objects, class_of)


def subset_file(root: str | Path, subset: str) -> Path:
    """Return the file that names the images of a subset."""
    return Path(root) / "ImageSets" / "Segmentation" / f"{subset}.txt"


def _subset(root: Path, subset: str) -> list[str]:
    file = subset_file(root, subset)
    lines = _read_text(file, "the names of the images").splitlines()
    names = [line.strip() for line in lines if line.strip()]
    if not names:
        raise InputError(f"{file} names no images")
    return names


def _with_masks(root: Path) -> list[str]:
    return list(files_by_stem(root / "SegmentationObject", (".png",)))


def _class_names(root: Path) -> Sequence[str]:
    """Return the classes that the folder names, as labelme's exports do, or those of Pascal VOC."""
    file = root / CLASS_FILE
    if not file.is_file():
        return CLASSES
    lines = [line.strip() for line in _read_text(file, "the names of the classes").splitlines()]
    names = [line for line in lines if line and line.lower() not in NO_CLASS]
    if not names:
        raise InputError(f"{file} names no classes")
    return names


def _main_classes(objects: np.ndarray, classes: np.ndarray) -> dict[int, int]:
    """Return the class that most pixels of each object have, void and background last."""
    both = objects.astype(np.int64) * (int(classes.max(initial=0)) + 1) + classes
    pairs, starts = runs_of(both)
    lengths = np.diff(starts, append=both.size)
    kinds, inverse = np.unique(pairs, return_inverse=True)
    pixels = np.bincount(inverse, lengths)
    found: dict[int, tuple[bool, int, int]] = {}
    for pair, count in zip(kinds.tolist(), pixels.tolist(), strict=True):
        value, number = divmod(pair, int(classes.max(initial=0)) + 1)
        drawn = number not in (0, VOID)
        # Of two classes with as many pixels the first.
        found[value] = max(found.get(value, (False, 0, 0)), (drawn, int(count), -number))
    return {value: -number for value, (_, _, number) in found.items()}


def _read_text(file: Path, what: str) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise InputError(f"cannot read {file}, {what}: {reason}") from None
