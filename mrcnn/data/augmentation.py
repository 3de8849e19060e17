"""Augmentation of an image together with its masks, by a callable or an imgaug augmenter.

imgaug is not imported: an augmenter is used through its methods. The package `imaug` of PyPI
provides the module `imgaug` for current NumPy.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from mrcnn.errors import InputError

# These move pixels of masks as they move those of images; the list is the original's.
MASK_AUGMENTERS = frozenset(
    (
        "Sequential",
        "SomeOf",
        "OneOf",
        "Sometimes",
        "Fliplr",
        "Flipud",
        "CropAndPad",
        "Affine",
        "PiecewiseAffine",
    )
)
# Modules of imgaug, and single classes of others, that change colours and leave pixels where they
# are: they act on the image alone.
_COLOUR_MODULES = frozenset(
    (
        "arithmetic",
        "artistic",
        "blend",
        "blur",
        "collections",
        "color",
        "contrast",
        "convolutional",
        "edges",
        "imgcorruptlike",
        "pillike",
        "segmentation",
        "weather",
    )
)
_COLOUR_CLASSES = frozenset(("ChannelShuffle", "Identity", "Noop", "WithChannels"))


def augment(augmentation: Any, image: np.ndarray, masks: np.ndarray) -> tuple[Any, Any]:
    """Augment an image with its masks.

    Args:
        augmentation: Either a callable that takes `image` and `masks` and returns both, or an
            imgaug augmenter. Of the latter, those in `MASK_AUGMENTERS` act on masks too, those that
            change colours on the image alone.
        image: (H, W, C), uint8.
        masks: (H, W, N), bool.

    Returns:
        Image and masks of the same shapes and types.

    Raises:
        InputError: The argument is neither, an augmenter would move the pixels of the image but not
            those of the masks, or a shape has changed.
    """
    if hasattr(augmentation, "to_deterministic") and hasattr(augmentation, "augment_image"):
        check_augmenter(augmentation)
        fixed = augmentation.to_deterministic()
        moved = fixed.augment_image(image)
        if masks.shape[-1]:
            masked = fixed.augment_image(masks.astype(np.uint8), hooks=_MaskHooks())
        else:
            masked = masks
    elif callable(augmentation):
        moved, masked = augmentation(image, masks)
    else:
        raise InputError(
            "augmentation must be an imgaug augmenter or a callable (image, masks) -> "
            f"(image, masks), got {type(augmentation).__name__}"
        )
    for name, before, after in (("image", image, moved), ("masks", masks, masked)):
        if np.shape(after) != before.shape:
            raise InputError(
                f"augmentation must keep the shape of the {name}, {before.shape}, "
                f"got {np.shape(after)}"
            )
    return np.asarray(moved, image.dtype), np.asarray(masked, bool)


def check_augmenter(augmenter: Any) -> None:
    """Check that an imgaug augmenter, with all inside it, moves masks where it moves images.

    Raises:
        InputError: It does not.
    """
    moves_masks = _moves_masks(augmenter)
    if not moves_masks and not _changes_colours(augmenter):
        raise InputError(
            f"augmentation {type(augmenter).__name__} may move the pixels of an image and not "
            f"those of its masks; those that move both are {', '.join(sorted(MASK_AUGMENTERS))}"
        )
    for child in _children(augmenter):
        check_augmenter(child)
        if not moves_masks and _any_moves_masks(child):
            raise InputError(
                f"augmentation {type(augmenter).__name__} acts on the image alone, but has "
                f"{type(child).__name__} inside, which would have to act on the masks too"
            )


def _moves_masks(augmenter: Any) -> bool:
    # Base classes count: in imgaug Crop and Pad are CropAndPad, Rotate is Affine.
    return any(base.__name__ in MASK_AUGMENTERS for base in type(augmenter).__mro__)


def _any_moves_masks(augmenter: Any) -> bool:
    return _moves_masks(augmenter) or any(map(_any_moves_masks, _children(augmenter)))


def _changes_colours(augmenter: Any) -> bool:
    module = type(augmenter).__module__.split(".")
    known = module[0] == "imgaug" and module[-1] in _COLOUR_MODULES
    return known or type(augmenter).__name__ in _COLOUR_CLASSES


def _children(augmenter: Any) -> Iterator[Any]:
    for group in augmenter.get_children_lists():
        yield from group


class _MaskHooks:
    """What imgaug asks while it augments masks; stands in for its `HooksImages`."""

    def is_activated(self, images: Any, augmenter: Any, parents: Any, default: bool) -> bool:
        """Say whether an augmenter acts on masks."""
        return _moves_masks(augmenter)

    def is_propagating(self, images: Any, augmenter: Any, parents: Any, default: bool) -> bool:
        """Say whether the augmenters inside one are asked."""
        return default

    def preprocess(self, images: Any, augmenter: Any, parents: Any) -> Any:
        """Return the masks as they are."""
        return images

    def postprocess(self, images: Any, augmenter: Any, parents: Any) -> Any:
        """Return the masks as they are."""
        return images
