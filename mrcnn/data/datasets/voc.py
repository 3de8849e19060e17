"""Pascal VOC segmentation: palette PNGs of objects and of classes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mrcnn.data import image as images
from mrcnn.data.annotation_files import IMAGE_SUFFIXES, files_by_stem, refuse_missing
from mrcnn.data.datasets.dataset import Dataset, Instances
from mrcnn.data.datasets.mask_files import value_instances
from mrcnn.data.image_files import composed, find_images
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


class VocDataset(Dataset):
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
        """Return the objects on an image, as masks.

        Raises:
            InputError: A mask does not open, the two differ in size, or an object has a class that
                the dataset does not have.
        """
        info = self.image_info[image_id]
        objects, classes = images.load_values(info["mask"]), images.load_values(info["classes"])
        if objects.shape != classes.shape:
            raise InputError(
                f"{info['mask']} is {objects.shape}, {info['classes']} is {classes.shape}"
            )

        def class_of(value: int) -> int:
            if value in (0, VOID):
                return 0
            inside = classes[objects == value]
            drawn = inside[(inside != 0) & (inside != VOID)]
            numbers, counts = np.unique(drawn if len(drawn) else inside, return_counts=True)
            number = int(numbers[counts.argmax()])
            known = self.class_from_source_map.get(f"{SOURCE}.{number}")
            if known is None:
                raise InputError(
                    f"object {value} of {info['mask']} has the class {number} in "
                    f"{info['classes']}; there are 1 to {self.num_classes - 1}"
                )
            return known

        return value_instances(objects, class_of)


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


def _read_text(file: Path, what: str) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise InputError(f"cannot read {file}, {what}: {reason}") from None
