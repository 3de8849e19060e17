"""Where an image went when it was resized and put on a canvas."""

from dataclasses import dataclass

import numpy as np

from mrcnn.data.image import Box
from mrcnn.data.masks import Segmentation, nearest_pixels, rasterize


@dataclass(frozen=True)
class ResizeTransform:
    """The way from the pixels of an image to those of a canvas: times `factor`, plus `offset`.

    Attributes:
        size: Height and width of the image.
        factor: (2,), y, x.
        offset: (2,), y, x, in pixels of the canvas.
        window: What of the canvas shows the image: y1, x1, y2, x2.
    """

    size: tuple[int, int]
    factor: np.ndarray
    offset: np.ndarray
    window: Box

    @classmethod
    def of(
        cls, size: tuple[int, int], scale: float, window: Box, part: Box | None
    ) -> "ResizeTransform":
        """Return the transform of an image.

        Args:
            size: Its height and width.
            scale: The factor that it was resized by.
            window: Where it is on the canvas.
            part: What is there, y, x, height, width in the resized image; None for all of it.
        """
        # Sides are rounded to whole pixels one by one, so the factors of the axes differ a little.
        resized = np.array(
            [max(1, round(side * scale)) for side in size]
            if part
            else [window[2] - window[0], window[3] - window[1]]
        )
        offset = np.array(window[:2]) - (part[:2] if part else (0, 0))
        return cls(size, resized / size, offset, window)

    @classmethod
    def whole(cls, size: tuple[int, int]) -> "ResizeTransform":
        """Return the transform of an image that is its own canvas."""
        return cls(size, np.ones(2), np.zeros(2), (0, 0, *size))

    @property
    def region(self) -> np.ndarray:
        """The window in the pixels of the image, (4,)."""
        return self.to_image(np.array(self.window, np.float64))

    def to_canvas(self, boxes: np.ndarray) -> np.ndarray:
        """Return boxes (N, 4) of the image in pixels of the canvas."""
        return (boxes.reshape(-1, 2) * self.factor + self.offset).reshape(-1, 4)

    def to_image(self, boxes: np.ndarray) -> np.ndarray:
        """Return boxes (..., 4) on the canvas in pixels of the image."""
        return ((boxes.reshape(-1, 2) - self.offset) / self.factor).reshape(boxes.shape)

    def source_pixels(self, index: np.ndarray, axis: int) -> np.ndarray:
        """Return which rows (axis 0) or columns (axis 1) of the image those at `index` in the
        window show of a mask that is resized with it, see `mrcnn.data.masks.resize_mask`.
        """
        length = round(self.size[axis] * self.factor[axis])
        return nearest_pixels(index - self.offset[axis], self.size[axis], length)

    def draw(self, segmentation: Segmentation, canvas: tuple[int, int]) -> np.ndarray:
        """Return the full mask of an object on a canvas (H, W), uint8."""
        y1, x1, y2, x2 = self.window
        mask = np.zeros(canvas, np.uint8)
        mask[y1:y2, x1:x2] = rasterize(segmentation, self.region, (y2 - y1, x2 - x1))
        return mask
