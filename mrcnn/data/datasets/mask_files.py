"""Datasets of mask pictures: one file for each image, or one file for each object."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mrcnn.data import image as images
from mrcnn.data.annotation_files import IMAGE_SUFFIXES, files_by_stem, refuse_unpaired
from mrcnn.data.datasets.dataset import Dataset, Instances, empty_instances
from mrcnn.data.image_files import Folders
from mrcnn.data.masks import extract_bboxes
from mrcnn.errors import InputError

SOURCE = "png"
MASK_SUFFIXES = (".png", ".tif", ".tiff", ".bmp")


class InstancePngDataset(Dataset):
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
        """Return the objects on an image, as masks."""
        info = self.image_info[image_id]
        class_id = self.map_source_class_id(f"{SOURCE}.{info['label']}")
        return value_instances(images.load_values(info["mask"]), lambda v: class_id if v else 0)


class ObjectPngDataset(Dataset):
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

    def load_instances(self, image_id: int) -> Instances:
        """Return the objects on an image, as masks."""
        size = self.image_size(image_id)
        masks, class_ids = [], []
        for path, label in self.image_info[image_id]["masks"]:
            # Some tools write grey masks as RGB.
            masks.append(images.load(path, size).max(axis=2) > 0)
            class_ids.append(self.map_source_class_id(f"{SOURCE}.{label}"))
        return mask_instances(masks, class_ids, size)


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
    """Return the objects of a picture in which each has a value of its own.

    Args:
        values: (H, W), whole numbers.
        class_of: Gives the class id of a value: 0 where it is no object, negative for a crowd.
    """
    chosen = [(int(value), class_of(int(value))) for value in np.unique(values)]
    masks = [values == value for value, class_id in chosen if class_id]
    return mask_instances(masks, [c for _, c in chosen if c], (values.shape[0], values.shape[1]))


def mask_instances(
    masks: Sequence[np.ndarray], class_ids: Sequence[int], size: tuple[int, int]
) -> Instances:
    """Return objects from full masks (H, W), bool; empty ones are left out."""
    if not masks:
        return empty_instances(size)
    boxes = np.concatenate([extract_bboxes(mask[:, :, None]) for mask in masks])
    ids = np.array(class_ids, np.int32)
    instances = Instances(boxes.astype(np.float32), ids, list(masks), size)
    return instances.select(boxes[:, 2] > 0)
