"""The formats of datasets: how each is recognised and opened, and which options it takes."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from mrcnn.data.datasets.cityscapes import CityscapesDataset
from mrcnn.data.datasets.coco import CocoDataset
from mrcnn.data.datasets.dataset import Dataset
from mrcnn.data.datasets.labelme import LabelmeDataset
from mrcnn.data.datasets.mask_files import InstancePngDataset, ObjectPngDataset
from mrcnn.data.datasets.via import ViaDataset
from mrcnn.data.datasets.voc import VocDataset
from mrcnn.data.datasets.yolo import YoloDataset
from mrcnn.data.recognition import layouts
from mrcnn.data.recognition.layouts import Part, Parts
from mrcnn.data.recognition.listing import Listing
from mrcnn.errors import InputError, nearest

AUTO = "auto"


@dataclass(frozen=True)
class Options:
    """What some of the formats can be told.

    Attributes:
        masks: The folder of the masks.
        images: The folder of the images.
        attribute: The attribute of VIA's regions that is the class.
        class_name: The one class of all objects.
        classes: The classes in the order of their ids.
    """

    masks: Path | None = None
    images: Path | None = None
    attribute: str | None = None
    class_name: str | None = None
    classes: tuple[str, ...] | None = None

    def given(self) -> list[str]:
        """Return the names of those that are set."""
        return [field.name for field in fields(self) if getattr(self, field.name) is not None]


@dataclass(frozen=True)
class Format:
    """A format.

    Attributes:
        title: What it is, in words.
        find: Returns the parts of a dataset in a folder; none where it is of another format.
        open: Reads a part.
        options: Those of `Options` that it uses.
        listed: Its classes are those that the objects name: together they are sorted.
        in_file: A file says everything, and a folder alone is nothing that can be read.
    """

    title: str
    find: Callable[[Listing], Parts]
    open: Callable[[Part, Options], Dataset]
    options: tuple[str, ...] = ()
    listed: bool = False
    in_file: bool = False


def _coco(part: Part, options: Options) -> Dataset:
    dataset = CocoDataset()
    dataset.load_file(part.path, options.images or part.images or part.path.parent)
    dataset.prepare()
    return dataset


def _via(part: Part, options: Options) -> Dataset:
    return ViaDataset.from_file(
        part.path,
        image_dir=options.images or part.images,
        attribute=options.attribute,
        class_name=options.class_name,
        classes=options.classes,
    )


def _labelme(part: Part, options: Options) -> Dataset:
    # Where the folder itself has none, they are in folders inside it.
    nested = part.path.is_dir() and not any(part.path.glob("*.json"))
    nested = nested and any(part.path.glob("*/*.json"))
    return LabelmeDataset.from_folder(part.path, classes=options.classes, nested=nested)


def _png(part: Part, options: Options) -> Dataset:
    masks = options.masks or part.masks
    if masks is None:
        raise InputError("the format png needs --masks, the folder of the masks")
    own: dict[str, Any] = {"ending": part.ending, **_one_class(options)}
    return InstancePngDataset.from_folders(part.path, masks, **own)


def _objects(part: Part, options: Options) -> Dataset:
    masks = options.masks or part.masks
    if masks is None:
        dataset = ObjectPngDataset.from_tree(part.path, **_one_class(options))
    else:
        dataset = ObjectPngDataset.from_folders(part.path, masks, **_one_class(options))
    if options.class_name and options.class_name not in dataset.class_names:
        raise InputError(
            f"--class-name {options.class_name} has no effect: all masks are in folders that name "
            f"their classes, {', '.join(dataset.class_names[1:])}"
        )
    return dataset


def _one_class(options: Options) -> dict[str, str]:
    return {"class_name": options.class_name} if options.class_name else {}


def _voc(part: Part, options: Options) -> Dataset:
    return VocDataset.from_folder(part.path, part.split, classes=options.classes)


FORMATS: dict[str, Format] = {
    "coco": Format(
        "COCO's instances, in its own layout or Roboflow's",
        layouts.coco,
        _coco,
        ("images",),
        in_file=True,
    ),
    "via": Format(
        "VGG Image Annotator 1 or 2",
        layouts.via,
        _via,
        ("images", "attribute", "class_name", "classes"),
        listed=True,
        in_file=True,
    ),
    "labelme": Format(
        "labelme's JSON files beside the images", layouts.labelme, _labelme, ("classes",), True
    ),
    "voc": Format("Pascal VOC: JPEGImages, SegmentationObject", layouts.voc, _voc, ("classes",)),
    "yolo": Format(
        "YOLO segmentation: data.yaml",
        layouts.yolo,
        lambda part, _: YoloDataset.from_file(part.path, part.split),
        in_file=True,
    ),
    "png": Format(
        "a mask file for each image: images, masks",
        layouts.png,
        _png,
        ("masks", "class_name"),
    ),
    "objects": Format(
        "a mask file for each object: images, masks/NAME, or NAME/images, NAME/masks",
        layouts.objects,
        _objects,
        ("masks", "class_name"),
        listed=True,
    ),
    "cityscapes": Format(
        "Cityscapes: leftImg8bit, gtFine",
        layouts.cityscapes,
        lambda part, _: CityscapesDataset.from_folder(part.path, part.split),
    ),
}


def named_format(name: str) -> Format:
    """Return a format by its name.

    Raises:
        InputError: There is none of this name.
    """
    if name not in FORMATS:
        raise InputError(
            f"no such format: {name!r}; there are {', '.join(FORMATS)}.{nearest(name, FORMATS)}"
        )
    return FORMATS[name]


def refuse_unused(name: str, options: Options) -> None:
    """Refuse options that a format does not use.

    Raises:
        InputError: One is set; it names the formats that use it.
    """
    for option in options.given():
        if option not in named_format(name).options:
            users = ", ".join(n for n, entry in FORMATS.items() if option in entry.options)
            raise InputError(
                f"{as_argument(option)} is for {users}; the data are of the format {name}"
            )


def as_argument(option: str) -> str:
    """Return an option as it is written in a command line."""
    return f"--{option.replace('_', '-')}"
