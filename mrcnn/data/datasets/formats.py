"""The annotation formats that are read beside COCO's, by name."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mrcnn.data.datasets.cityscapes import CityscapesDataset
from mrcnn.data.datasets.dataset import Dataset
from mrcnn.data.datasets.labelme import LabelmeDataset
from mrcnn.data.datasets.mask_files import InstancePngDataset, ObjectPngDataset
from mrcnn.data.datasets.via import ViaDataset
from mrcnn.data.datasets.voc import VocDataset
from mrcnn.data.datasets.yolo import YoloDataset
from mrcnn.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Source:
    """A dataset on disk, and what some formats need to be told.

    Attributes:
        path: File or folder, by format.
        subset: Of the formats that have several: voc, yolo, cityscapes.
        masks: png, objects: folder of the masks.
        images: via: folder of the images; None is that of the file.
        attribute: via: the attribute of regions that is the class.
        class_name: via, png, objects: the one class.
        classes: via, labelme: the classes in order.
    """

    path: Path
    subset: str = "train"
    masks: Path | None = None
    images: Path | None = None
    attribute: str | None = None
    class_name: str | None = None
    classes: Sequence[str] | None = None


def _via(source: Source) -> Dataset:
    return ViaDataset.from_file(
        source.path,
        image_dir=source.images,
        attribute=source.attribute,
        class_name=source.class_name,
        classes=source.classes,
    )


def _png(source: Source) -> Dataset:
    if source.masks is None:
        raise InputError("the format png needs --masks, the folder of the masks")
    return InstancePngDataset.from_folders(source.path, source.masks, **_one_class(source))


def _objects(source: Source) -> Dataset:
    if source.masks is None:
        return ObjectPngDataset.from_tree(source.path, **_one_class(source))
    return ObjectPngDataset.from_folders(source.path, source.masks, **_one_class(source))


def _one_class(source: Source) -> dict[str, str]:
    return {"class_name": source.class_name} if source.class_name else {}


FORMATS: dict[str, Callable[[Source], Dataset]] = {
    "via": _via,
    "labelme": lambda source: LabelmeDataset.from_folder(source.path, classes=source.classes),
    "png": _png,
    "objects": _objects,
    "voc": lambda source: VocDataset.from_folder(source.path, source.subset),
    "yolo": lambda source: YoloDataset.from_file(source.path, source.subset),
    "cityscapes": lambda source: CityscapesDataset.from_folder(source.path, source.subset),
}
