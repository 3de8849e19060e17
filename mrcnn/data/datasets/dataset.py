"""A dataset: classes, images and the objects on them, whatever format they come from."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mrcnn.data.masks import Segmentation, decode, extract_bboxes
from mrcnn.data.reading.header import MAX_PIXELS, Size, allow_pixels, read_size
from mrcnn.data.reading.picture import load
from mrcnn.data.reading.pixels import AUTO, Range
from mrcnn.errors import InputError


@dataclass(frozen=True)
class Instances:
    """The objects on one image.

    Attributes:
        boxes: (N, 4) float32, y1, x1, y2, x2 in pixels of the image, ends exclusive.
        class_ids: (N,) int32, 1 to `num_classes` - 1; negative for crowds.
        segmentations: N polygon lists, run-length encodings or masks, see `mrcnn.data.masks`; an
            empty polygon list for an object that has a box alone.
        size: Height and width of the image in pixels.
    """

    boxes: np.ndarray
    class_ids: np.ndarray
    segmentations: list[Segmentation] = field(default_factory=list)
    size: tuple[int, int] = (0, 0)

    def __len__(self) -> int:
        return len(self.class_ids)

    @property
    def has_mask(self) -> np.ndarray:
        """Which objects have a mask and not a box alone, (N,), bool."""
        return np.array([not isinstance(s, list) or len(s) > 0 for s in self.segmentations], bool)

    def select(self, keep: np.ndarray) -> "Instances":
        """Return the objects at the positions `keep`, or where the mask `keep` (N,) is True."""
        positions = np.flatnonzero(keep) if keep.dtype == bool else keep
        segmentations = [self.segmentations[index] for index in positions]
        return Instances(self.boxes[positions], self.class_ids[positions], segmentations, self.size)

    def masks(self) -> np.ndarray:
        """Return the full masks (H, W, N), bool; nothing but False where there is none."""
        full = np.zeros((*self.size, len(self)), bool)
        for index, segmentation in enumerate(self.segmentations):
            full[:, :, index] = decode(segmentation, self.size)
        return full


class Dataset:
    """Base of all datasets: add classes and images, call `prepare`, hand it to a loader or a model.

    A dataset of your own overrides `load_mask` (full masks), or `load_instances` (polygons or
    run-length encodings, which the loader turns into mini masks without a full mask). Either one
    gives the other.

    Example:

    >>> dataset = Dataset()
    >>> dataset.add_class("shapes", 7, "disc")
    >>> dataset.add_image("shapes", image_id="a", path="a.png", height=10, width=20)
    >>> dataset.prepare()
    >>> dataset.class_names
    ['BG', 'disc']
    >>> dataset.map_source_class_id("shapes.7")
    1

    Attributes:
        image_range: The values that become black and white in images of more than 8 bits a channel,
            low and high; `"auto"` assumes them file by file, see `mrcnn.data.reading.picture.load`.
    """

    image_range: Range = AUTO

    def __init__(self, class_map: Any = None) -> None:
        # `class_map` has no effect here, nor in the original: its subclasses hand it on.
        self.image_info: list[dict[str, Any]] = []
        self.class_info: list[dict[str, Any]] = [{"source": "", "id": 0, "name": "BG"}]
        self._prepared = False
        self._classes: set[tuple[str, int | str]] = set()

    def add_class(self, source: str, class_id: int | str, class_name: str) -> None:
        """Add a class of a source; a second one with the same source and id is ignored.

        Raises:
            InputError: `source` contains a dot, which separates source and id in
                `map_source_class_id`.
        """
        if "." in source:
            raise InputError(f"the source name {source!r} must not contain a dot")
        if len(self._classes) != len(self.class_info):  # new, or a script has changed the list
            self._classes = {(c["source"], c["id"]) for c in self.class_info}
        if (source, class_id) in self._classes:
            return
        self._classes.add((source, class_id))
        self.class_info.append({"source": source, "id": class_id, "name": class_name})

    def add_image(self, source: str, image_id: int | str, path: str | None, **kwargs: Any) -> None:
        """Add an image; `height` and `width` among the keywords spare opening its file for them."""
        self.image_info.append({"id": image_id, "source": source, "path": path, **kwargs})

    def append_data(
        self, class_info: list[dict[str, Any]], image_info: list[dict[str, Any]]
    ) -> None:
        """Add classes and images as another dataset has them; call `prepare` after it.

        Args:
            class_info: As `Dataset.class_info`; the background is left out.
            image_info: As `Dataset.image_info`.
        """
        for info in class_info:
            if info["source"]:
                self.add_class(info["source"], info["id"], info["name"])
        self.image_info += [dict(info) for info in image_info]

    def prepare(self, class_map: Any = None) -> None:
        """Number classes and images consecutively. Call it once everything is added.

        Args:
            class_map: Without effect, as in the original.
        """
        self.num_classes = len(self.class_info)
        self.class_ids = np.arange(self.num_classes)
        self.class_names = [_one_line(info["name"]) for info in self.class_info]
        self.num_images = len(self.image_info)
        self._image_ids = np.arange(self.num_images)
        self.class_from_source_map = {
            f"{info['source']}.{info['id']}": index for index, info in enumerate(self.class_info)
        }
        self.image_from_source_map = {
            f"{info['source']}.{info['id']}": index for index, info in enumerate(self.image_info)
        }
        self.sources = list(dict.fromkeys(info["source"] for info in self.class_info))
        # The background belongs to every source.
        self.source_class_ids = {
            source: [i for i, c in enumerate(self.class_info) if i == 0 or c["source"] == source]
            for source in self.sources
        }
        self._prepared = True

    @property
    def image_ids(self) -> np.ndarray:
        """The numbers of all images, 0 to N - 1, as `load_image` and the others take them.

        Raises:
            InputError: `prepare` was not called.
        """
        if not self._prepared:
            raise InputError("call dataset.prepare() after the last add_class and add_image")
        return self._image_ids

    def map_source_class_id(self, source_class_id: str) -> int:
        """Return the class id of `"source.id"`, for example `"coco.12"`.

        Raises:
            InputError: There is no such class.
        """
        try:
            return self.class_from_source_map[source_class_id]
        except KeyError:
            raise InputError(f"no class {source_class_id!r} in the dataset") from None

    def get_source_class_id(self, class_id: int, source: str) -> int | str:
        """Return the id that a class has in its source.

        Raises:
            InputError: The class belongs to another source.
        """
        info = self.class_info[class_id]
        if info["source"] != source:
            raise InputError(f"class {class_id} is of source {info['source']!r}, not {source!r}")
        return info["id"]

    def image_reference(self, image_id: int) -> str:
        """Return a link or path that identifies an image for a person."""
        return str(self.image_info[image_id]["path"] or "")

    def source_image_link(self, image_id: int) -> str | None:
        """Return the path of an image."""
        return self.image_info[image_id]["path"]

    def read_by(self, config: Any) -> None:
        """Read images by `IMAGE_RANGE` and `IMAGE_MAX_PIXELS` of a configuration; the defaults
        leave what was set before.
        """
        # Configurations of old scripts may be of any class.
        image_range = getattr(config, "IMAGE_RANGE", AUTO)
        most = getattr(config, "IMAGE_MAX_PIXELS", MAX_PIXELS)
        if image_range != AUTO:
            self.image_range = image_range
        if most != MAX_PIXELS:
            allow_pixels(most)

    def annotated_size(self, image_id: int) -> Size | None:
        """Return height and width that the annotation of an image gives; None where it gives none.

        Raises:
            InputError: The file that says it does not open.
        """
        info = self.image_info[image_id]
        return (info["height"], info["width"]) if "height" in info and "width" in info else None

    def image_size(self, image_id: int) -> tuple[int, int]:
        """Return height and width of an image in pixels, from its info or else from its file."""
        info = self.image_info[image_id]
        if "height" in info and "width" in info:
            return info["height"], info["width"]
        if info["path"] is not None and type(self).load_image is Dataset.load_image:
            return read_size(info["path"])
        height, width = self.load_image(image_id).shape[:2]
        return height, width

    def load_image(self, image_id: int) -> np.ndarray:
        """Return an image (H, W, 3), uint8, RGB.

        Raises:
            InputError: There is no path, the file does not open, or its size is not that of the
                annotation.
        """
        info = self.image_info[image_id]
        if info["path"] is None:
            raise InputError(f"image {info['id']!r} has no path: give one, or override load_image")
        size = (info["height"], info["width"]) if "height" in info and "width" in info else None
        return load(info["path"], size, self.image_range)

    def load_instances(self, image_id: int) -> Instances:
        """Return the objects on an image; objects without a pixel are left out."""
        masks, class_ids = self.load_mask(image_id)
        if len(class_ids) == 0:
            return empty_instances(self.image_size(image_id))
        boxes = extract_bboxes(masks)
        full: list[Segmentation] = [
            np.asarray(masks[:, :, index], bool) for index in range(masks.shape[-1])
        ]
        ids = np.asarray(class_ids, np.int32)
        instances = Instances(boxes.astype(np.float32), ids, full, (masks.shape[0], masks.shape[1]))
        return instances.select(boxes[:, 2] > 0)

    def load_mask(self, image_id: int) -> tuple[np.ndarray, np.ndarray]:
        """Return full masks (H, W, N), bool, and class ids (N,), int32, negative for crowds."""
        if type(self).load_instances is Dataset.load_instances:
            # Neither of the two is overridden: a dataset of images without objects.
            return np.zeros((*self.image_size(image_id), 0), bool), np.zeros(0, np.int32)
        instances = self.load_instances(image_id)
        return instances.masks(), instances.class_ids


def empty_instances(size: tuple[int, int]) -> Instances:
    """Return the `Instances` of an image of `size` (H, W) without objects."""
    return Instances(np.zeros((0, 4), np.float32), np.zeros(0, np.int32), [], size)


def _one_line(name: str) -> str:
    return " ".join(str(name).split())
