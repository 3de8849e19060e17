"""Datasets of mask pictures: one file for each image, or one file for each object."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mrcnn.data.annotation_files import IMAGE_SUFFIXES, files_by_stem, refuse_unpaired
from mrcnn.data.datasets.dataset import Dataset, Instances
from mrcnn.data.encodings import Encoding, boxes_of, encode, encode_values
from mrcnn.data.image_files import Folders
from mrcnn.data.reading.header import Size, read_sizes
from mrcnn.data.reading.labels import load_shape, load_values
from mrcnn.errors import InputError

SOURCE = "png"
MASK_SUFFIXES = (".png", ".tif", ".tiff", ".bmp")

# What a mask can be that was hardly meant.
EMPTY = "mask without a pixel"
FULL = "mask that covers its whole image"
BLANK = "picture of masks without an object"


class OddMask(NamedTuple):
    """A mask that was hardly meant: `EMPTY`, `FULL` or `BLANK`, and the file that it is in."""

    kind: str
    file: str


class MaskDataset(Dataset):
    """Base of the datasets whose objects are in pictures, which are read when they are needed.

    Attributes:
        odd_masks: The masks that were hardly meant, by the number of their image, of the images
            whose objects were read.
    """

    def __init__(self, class_map: Any = None) -> None:
        super().__init__(class_map)
        self.odd_masks: dict[int, list[OddMask]] = {}

    @property
    def remarks(self) -> Counter[str]:
        """How many masks are odd but used, by what they are."""
        return Counter(odd.kind for odd in self._odd() if odd.kind != EMPTY)

    def annotated_size(self, image_id: int) -> Size | None:
        """Return height and width of the picture of masks."""
        return label_size(self.image_info[image_id]["mask"], super().annotated_size(image_id))

    def with_values(
        self, image_id: int, values: np.ndarray, class_of: Callable[[int], int]
    ) -> Instances:
        """Return the objects of the picture of masks of an image, see `value_instances`."""
        found = value_instances(values, class_of)
        file = self.image_info[image_id]["mask"]
        odd = [] if len(found) else [OddMask(BLANK, file)]
        if len(found) == 1 and values.min() == values.max():
            odd = [OddMask(FULL, file)]
        self.odd_masks[int(image_id)] = odd
        return found

    def _odd(self) -> list[OddMask]:
        return [odd for _, masks in sorted(self.odd_masks.items()) for odd in masks]


class InstancePngDataset(MaskDataset):
    """Images with one mask file each: 0 is the background, every other value one object.

    The objects are of one class. A mask has the name of its image, and any suffix.
    """

    @classmethod
    def from_folders(
        cls, image_dir: str | Path, mask_dir: str | Path, **kwargs: Any
    ) -> "InstancePngDataset":
        """Return a prepared dataset; the arguments are those of `load_masks`."""
        dataset = cls()
        dataset.load_masks(image_dir, mask_dir, **kwargs)
        dataset.prepare()
        return dataset

    def load_masks(
        self,
        image_dir: str | Path,
        mask_dir: str | Path,
        class_name: str = "object",
        ending: str = "",
        limit: int | None = None,
    ) -> None:
        """Add the images of a folder.

        Args:
            image_dir: Folder of the images.
            mask_dir: Folder of the masks.
            class_name: The class of all objects.
            ending: What the names of masks have after those of their images, such as `"_mask"`.
            limit: Add only the first so many images.

        Raises:
            InputError: A folder is missing or empty, or an image has no mask or the reverse.
        """
        pictures = files_by_stem(image_dir, IMAGE_SUFFIXES)
        masks = files_by_stem(mask_dir, MASK_SUFFIXES, ending)
        refuse_unpaired(list(masks), list(pictures), "image", image_dir)
        refuse_unpaired(list(pictures), list(masks), "mask", mask_dir)
        self.add_class(SOURCE, class_name, class_name)
        for stem in list(masks)[:limit]:
            self.add_image(SOURCE, stem, pictures[stem], mask=masks[stem], label=class_name)

    def load_instances(self, image_id: int) -> Instances:
        """Return the objects on an image, as encodings."""
        info = self.image_info[image_id]
        class_id = self.map_source_class_id(f"{SOURCE}.{info['label']}")
        return self.with_values(image_id, load_values(info["mask"]), lambda _: class_id)


class ObjectPngDataset(MaskDataset):
    """Images with a folder of masks each, one file for each object: what is not 0 belongs to it.

    Masks straight in the folder are of one class; those in a folder inside it are of the class that
    this is named after.
    """

    @classmethod
    def from_folders(
        cls, image_dir: str | Path, mask_dir: str | Path, **kwargs: Any
    ) -> "ObjectPngDataset":
        """Return a prepared dataset; the arguments are those of `load_masks`."""
        dataset = cls()
        dataset.load_masks(image_dir, mask_dir, **kwargs)
        dataset.prepare()
        return dataset

    @classmethod
    def from_tree(cls, root: str | Path, **kwargs: Any) -> "ObjectPngDataset":
        """Return a prepared dataset; the arguments are those of `load_tree`."""
        dataset = cls()
        dataset.load_tree(root, **kwargs)
        dataset.prepare()
        return dataset

    def load_masks(
        self,
        image_dir: str | Path,
        mask_dir: str | Path,
        class_name: str = "object",
        limit: int | None = None,
    ) -> None:
        """Add the images of a folder.

        Args:
            image_dir: Folder of the images.
            mask_dir: Has a folder for each image, of its name without the suffix.
            class_name: The class of the objects whose masks are in no folder of a class.
            limit: Add only the first so many images.

        Raises:
            InputError: A folder is missing, or an image has no folder of masks.
        """
        pictures = files_by_stem(image_dir, IMAGE_SUFFIXES)
        folders = Folders().names(str(mask_dir))
        refuse_unpaired(list(pictures), list(folders), "folder of masks", mask_dir)
        chosen = list(pictures.items())[:limit]
        entries = [(stem, path, Path(mask_dir) / folders[stem]) for stem, path in chosen]
        self._add(entries, class_name)

    def load_tree(
        self, root: str | Path, class_name: str = "object", limit: int | None = None
    ) -> None:
        """Add the images of a folder with one folder NAME for each image, which has the image as
        `images/NAME.png` (or another suffix) and its masks in `masks/`.

        Raises:
            InputError: The folder is missing or empty, or one in it is not like that.
        """
        top = Path(root)
        names = sorted(p.name for p in top.iterdir() if p.is_dir()) if top.is_dir() else []
        if not names:
            raise InputError(f"{top} has no folders NAME/images and NAME/masks")
        entries = []
        for name in names[:limit]:
            pictures = files_by_stem(top / name / "images", IMAGE_SUFFIXES)
            if len(pictures) > 1:
                raise InputError(f"{top / name / 'images'} has {len(pictures)} images, not one")
            entries.append((name, next(iter(pictures.values())), top / name / "masks"))
        self._add(entries, class_name)

    def _add(self, entries: list[tuple[str, str, Path]], class_name: str) -> None:
        found = [_object_files(folder, class_name) for _, _, folder in entries]
        for label in sorted({label for files in found for _, label in files} or {class_name}):
            self.add_class(SOURCE, label, label)
        for (name, path, _), files in zip(entries, found, strict=True):
            self.add_image(SOURCE, name, path, masks=files)

    @property
    def skipped(self) -> Counter[str]:
        """How many objects were left out, by reason, on the images whose objects were read."""
        return Counter(odd.kind for odd in self._odd() if odd.kind == EMPTY)

    def annotated_size(self, image_id: int) -> Size | None:
        """Return height and width of the masks: of the first that is not like its image."""
        image = self.image_size(image_id)
        for path, _ in self.image_info[image_id]["masks"]:
            size = label_size(path, image)
            if size != image:
                return size
        return image

    def load_instances(self, image_id: int) -> Instances:
        """Return the objects on an image, as encodings; empty masks are left out.

        Raises:
            InputError: A mask does not open, or has another size than its image.
        """
        size = self.image_size(image_id)
        found, odd = [], []
        for path, label in self.image_info[image_id]["masks"]:
            mask = load_shape(path)
            if mask.shape != size:
                raise InputError(
                    f"mask {path} is {mask.shape[1]}x{mask.shape[0]}, its image "
                    f"{size[1]}x{size[0]} (width x height)"
                )
            if not mask.any():
                odd.append(OddMask(EMPTY, path))
                continue
            if mask.all():
                odd.append(OddMask(FULL, path))
            class_id = self.map_source_class_id(f"{SOURCE}.{label}")
            found.append((encode(mask), class_id))
        self.odd_masks[int(image_id)] = odd
        return _instances(found, size)


def _object_files(folder: Path, class_name: str) -> list[tuple[str, str]]:
    """Return the mask files of an image with their classes, sorted."""
    if not folder.is_dir():
        raise InputError(f"no folder of masks {folder}")
    files = []
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            files += [(str(p), path.name) for p in sorted(path.iterdir()) if _is_mask(p)]
        elif _is_mask(path):
            files.append((str(path), class_name))
    return files


def _is_mask(path: Path) -> bool:
    return path.suffix.lower() in MASK_SUFFIXES


def value_instances(values: np.ndarray, class_of: Callable[[int], int]) -> Instances:
    """Return the objects of a picture in which each has a value of its own, as encodings.

    Args:
        values: (H, W), whole numbers.
        class_of: Gives the class id of a value: 0 where it is no object, negative for a crowd.
    """
    chosen = [(e, class_of(int(v))) for v, e in zip(*encode_values(values), strict=True)]
    drawn = [(encoding, class_id) for encoding, class_id in chosen if class_id]
    return _instances(drawn, (values.shape[0], values.shape[1]))


def mask_instances(masks: Sequence[np.ndarray], class_ids: Sequence[int], size: Size) -> Instances:
    """Return objects from full masks (H, W), bool, as encodings; empty ones are left out."""
    drawn = [(encode(m), c) for m, c in zip(masks, class_ids, strict=True) if m.any()]
    return _instances(drawn, size)


def _instances(found: Sequence[tuple[Encoding, int]], size: Size) -> Instances:
    """Return objects from their encodings and class ids."""
    encodings = [encoding for encoding, _ in found]
    ids = np.array([class_id for _, class_id in found], np.int32)
    return Instances(boxes_of(encodings).astype(np.float32), ids, list(encodings), size)


def label_size(path: str, wanted: Size | None) -> Size:
    """Return height and width of a file of labels, from its header; `wanted` if it has that."""
    sizes = read_sizes(path, wanted)
    return wanted if wanted in sizes else sizes[0]
