"""Cityscapes: 16-bit PNGs of instances."""

from pathlib import Path
from typing import Any

from mrcnn.data import image as images
from mrcnn.data.dataset import Dataset, Instances
from mrcnn.data.files import refuse_missing
from mrcnn.data.formats.mask_files import value_instances
from mrcnn.errors import InputError

SOURCE = "cityscapes"
# The classes with instances that its benchmark scores, by their numbers in the masks.
CLASSES = {
    24: "person",
    25: "rider",
    26: "car",
    27: "truck",
    28: "bus",
    31: "train",
    32: "motorcycle",
    33: "bicycle",
}
INSTANCES = 1000  # a value is the class times this, plus the number of the object


class CityscapesDataset(Dataset):
    """Cityscapes, or a dataset in its layout.

    A folder has `leftImg8bit/SUBSET/CITY/NAME_leftImg8bit.png` and
    `gtFine/SUBSET/CITY/NAME_gtFine_instanceIds.png`. A value of 26003 is the fourth car of an
    image; a plain 26 is a group of cars that were not told apart, which becomes a crowd.
    """

    @classmethod
    def from_folder(cls, root: str | Path, subset: str, **kwargs: Any) -> "CityscapesDataset":
        """Return a prepared dataset; the arguments are those of `load_cityscapes`."""
        dataset = cls()
        dataset.load_cityscapes(root, subset, **kwargs)
        dataset.prepare()
        return dataset

    def load_cityscapes(
        self,
        root: str | Path,
        subset: str,
        classes: dict[int, str] = CLASSES,
        annotation: str = "gtFine",
        limit: int | None = None,
    ) -> None:
        """Add the images of a subset.

        Args:
            root: Has `leftImg8bit/` and `gtFine/`.
            subset: `"train"` or `"val"`.
            classes: Names of the classes, by their numbers in the masks; others are no objects.
            annotation: `"gtFine"` or `"gtCoarse"`.
            limit: Add only the first so many images.

        Raises:
            InputError: A folder or an image is missing.
        """
        top = Path(root) / annotation / subset
        ending = f"_{annotation}_instanceIds.png"
        masks = sorted(str(path) for path in top.glob(f"*/*{ending}"))[:limit]
        if not masks:
            raise InputError(f"{top} has no files CITY/NAME{ending}")
        paths = []
        for mask in masks:
            city = Path(mask).parent.name
            name = Path(mask).name.removesuffix(ending)
            folder = Path(root) / "leftImg8bit" / subset / city
            paths.append(str(folder / f"{name}_leftImg8bit.png"))
        refuse_missing(paths, top)
        for number, name in classes.items():
            self.add_class(SOURCE, number, name)
        for path, mask in zip(paths, masks, strict=True):
            name = Path(mask).name.removesuffix(ending)
            self.add_image(SOURCE, name, path, mask=mask)

    def load_instances(self, image_id: int) -> Instances:
        """Return the objects on an image, as masks; groups are crowds."""
        values = images.load_values(self.image_info[image_id]["mask"])

        def class_of(value: int) -> int:
            group = value < INSTANCES
            number = value if group else value // INSTANCES
            class_id = self.class_from_source_map.get(f"{SOURCE}.{number}", 0)
            return -class_id if group else class_id

        return value_instances(values, class_of)
