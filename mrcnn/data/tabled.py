"""The base of datasets whose objects are known, in a compact form, once their files are read."""

from bisect import bisect_right
from collections import Counter

import numpy as np

from mrcnn.data.dataset import Dataset, Instances, empty_instances
from mrcnn.data.objects import ObjectFault, ObjectTable, ObjectTableBuilder


class TabledDataset(Dataset):
    """A dataset that keeps its objects in one `ObjectTable` for each file or folder read.

    Attributes:
        skipped: How many polygons and objects were left out, by reason.
        faults: Those of them that the builder left out, one by one, in the order of the images.
        boxes_alone: How many objects have a box but no mask.
    """

    def __init__(self) -> None:
        super().__init__()
        self.skipped: Counter[str] = Counter()
        self.faults: list[ObjectFault] = []
        self.boxes_alone = 0
        self._first_images: list[int] = []
        self._tables: list[ObjectTable] = []

    def add_objects(self, first_image: int, builder: ObjectTableBuilder) -> None:
        """Add the objects of a row of images that were added before.

        Args:
            first_image: The number of the first of them in `image_info`.
            builder: Has all of them, in their order.
        """
        table, faults = builder.build()
        self.boxes_alone += table.boxes_alone
        self.skipped.update(fault.reason for fault in faults)
        self.faults += [f._replace(image=first_image + f.image) for f in faults]
        self._first_images.append(first_image)
        self._tables.append(table)

    def load_instances(self, image_id: int) -> Instances:
        """Return the objects on an image, as polygons and run-length encodings."""
        size = self.image_size(image_id)
        position = bisect_right(self._first_images, image_id) - 1
        index = int(image_id) - self._first_images[position] if position >= 0 else 0
        # Images that were added one by one, not with a table, have no objects.
        if position < 0 or index >= len(self._tables[position]):
            return empty_instances(size)
        found = self._tables[position].instances(index, size)
        return found if "height" in self.image_info[image_id] else _inside(found)


def _inside(instances: Instances) -> Instances:
    """Cut boxes off at the border of their image; objects that are outside are left out."""
    boxes = np.minimum(instances.boxes, np.array(instances.size * 2, np.float32))
    kept = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    cut = Instances(boxes, instances.class_ids, instances.segmentations, instances.size)
    return cut.select(kept)
