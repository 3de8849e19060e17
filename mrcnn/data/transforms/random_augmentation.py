"""What training images go through beside the flip: drawn for each of them from its own rng."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mrcnn.data.transforms.color import recolor
from mrcnn.data.transforms.copy_paste import paste
from mrcnn.data.transforms.geometric import (
    Sample,
    crop,
    flip_horizontal,
    flip_vertical,
    rescale,
    rotate_90,
)

Range = tuple[float, float]


@dataclass(frozen=True)
class RandomAugmentation:
    """Random transforms, one field for each of the `AUGMENT_` keys of `mrcnn.config.Config`.

    Attributes:
        flip_vertical: Mirror half of the images top to bottom.
        rotate_90: Turn images by 0, 90, 180 or 270 degrees.
        scale: Least and largest factor of the size that an image has without it.
        crop: Least and largest share of height and of width that is cut out, each drawn by itself.
        color: Largest change of brightness, contrast, saturation (as shares) and hue (in turns).
        copy_paste: Probability that objects of another image are pasted.
    """

    flip_vertical: bool = False
    rotate_90: bool = False
    scale: Range | None = None
    crop: Range | None = None
    color: tuple[float, float, float, float] | None = None
    copy_paste: float = 0.0

    @classmethod
    def of(cls, config: Any) -> "RandomAugmentation":
        """Take the settings from a `mrcnn.config.Config`."""
        return cls(
            flip_vertical=config.AUGMENT_FLIP_VERTICAL,
            rotate_90=config.AUGMENT_ROTATE_90,
            scale=config.AUGMENT_SCALE,
            crop=config.AUGMENT_CROP,
            color=config.AUGMENT_COLOR_JITTER,
            copy_paste=config.AUGMENT_COPY_PASTE,
        )

    @property
    def moves(self) -> bool:
        """Whether an image may come out in another size or at another place than planned."""
        return self.rotate_90 or self.scale is not None or self.crop is not None

    def apply(
        self,
        sample: Sample,
        rng: np.random.Generator,
        flip: bool,
        draw_other: Callable[[], Sample | None],
    ) -> Sample:
        """Transform a sample; its scale is left to `draw_scale`.

        Args:
            sample: The sample.
            rng: Of all choices.
            flip: Mirror half of the samples left to right.
            draw_other: Returns the sample to take objects from, or None where it does not fit.
        """
        sample = self._moved(sample, rng, flip)
        if self.copy_paste and rng.random() < self.copy_paste:
            other = draw_other()
            if other is not None:
                sample = paste(sample, self._fitted(other, sample.instances.size, rng, flip))
        if self.color is not None:
            brightness, contrast, saturation = (rng.uniform(1 - s, 1 + s) for s in self.color[:3])
            hue = rng.uniform(-self.color[3], self.color[3])
            image = recolor(sample.image, brightness, contrast, saturation, hue)
            sample = replace(sample, image=image)
        return sample

    def draw_scale(self, rng: np.random.Generator) -> float:
        """Return a factor; twice as large is as likely as half."""
        if self.scale is None:
            return 1.0
        low, high = np.log(self.scale)
        return float(np.exp(rng.uniform(low, high)))

    def _moved(self, sample: Sample, rng: np.random.Generator, flip: bool) -> Sample:
        if flip and rng.random() < 0.5:
            sample = flip_horizontal(sample)
        if self.flip_vertical and rng.random() < 0.5:
            sample = flip_vertical(sample)
        if self.rotate_90:
            sample = rotate_90(sample, int(rng.integers(4)))
        if self.crop is not None:
            sample = crop(sample, _draw_window(sample.instances.size, self.crop, rng))
        return sample

    def _fitted(
        self, other: Sample, size: tuple[int, int], rng: np.random.Generator, flip: bool
    ) -> Sample:
        """Return some of the objects of a sample, each with the probability 1/2, for an image of
        `size`, which the whole sample fits before its scale is drawn.
        """
        instances = other.instances
        usable = instances.has_mask & (instances.class_ids > 0)
        chosen = instances.select(usable & (rng.random(len(instances)) < 0.5))
        other = self._moved(Sample(other.image, chosen), rng, flip)
        height, width = other.instances.size
        scale = min(size[0] / height, size[1] / width) * self.draw_scale(rng)
        return rescale(other, scale, size, rng)


def _draw_window(
    size: tuple[int, int], shares: Range, rng: np.random.Generator
) -> tuple[int, int, int, int]:
    sides = [max(1, round(side * rng.uniform(*shares))) for side in size]
    y, x = (int(rng.integers(full - side + 1)) for full, side in zip(size, sides, strict=True))
    return y, x, y + sides[0], x + sides[1]
