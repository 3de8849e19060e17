"""Augmentation of an image together with its masks, by a callable or an imgaug augmenter.

imgaug is not imported: an augmenter is used through its methods. The package `imaug` of PyPI
provides the module `imgaug` for current NumPy.
"""

import copy
import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np

from mrcnn.data.datasets.dataset import Instances
from mrcnn.data.masks import Segmentation, extract_bboxes
from mrcnn.data.transforms.geometric import Sample
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


def augment_sample(augmentation: Any, sample: Sample, rng: np.random.Generator) -> Sample:
    """Augment a sample; objects without a pixel afterwards are dropped.

    A box alone is moved as a mask that fills it.

    Args and raises: see `augment`.
    """
    before = sample.instances
    masks, known = before.masks(), before.has_mask
    for index in np.flatnonzero(~known):
        y1, x1, y2, x2 = np.rint(before.boxes[index]).astype(int)
        masks[y1:y2, x1:x2, index] = True
    image, masks = augment(augmentation, sample.image, masks, rng)
    shapes: list[Segmentation] = [masks[:, :, i] if known[i] else [] for i in range(len(before))]
    boxes = extract_bboxes(masks).astype(np.float32)
    after = Instances(boxes, before.class_ids, shapes, before.size)
    return Sample(image, after.select(np.any(masks, axis=(0, 1))))


def augment(
    augmentation: Any, image: np.ndarray, masks: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Augment an image with its masks.

    Args:
        augmentation: Either a callable that takes `image` and `masks`, and `rng` if it has a
            parameter of that name, and returns both; or an imgaug augmenter. Of the latter, those
            in `MASK_AUGMENTERS` act on masks too, those that change colours on the image alone.
        image: (H, W, C), uint8.
        masks: (H, W, N), bool.
        rng: Seeds a copy of the augmenter, whatever seed that had before.

    Returns:
        Image and masks of the same shapes and types.

    Raises:
        InputError: `check_augmentation` refuses the augmentation, or a shape has changed.
    """
    check_augmentation(augmentation)
    moved: Any
    masked: Any
    if _is_augmenter(augmentation):
        # A copy, because several threads share the augmenter.
        fixed = copy.deepcopy(augmentation).to_deterministic()
        fixed.seed_(int(rng.integers(2**31)), deterministic_too=True)
        moved = fixed.augment_image(image)
        if masks.shape[-1]:
            masked = fixed.augment_image(masks.astype(np.uint8), hooks=_MaskHooks())
        else:
            masked = masks
    else:
        options = {"rng": rng} if _takes_rng(augmentation) else {}
        answer = augmentation(image, masks, **options)
        if not isinstance(answer, tuple | list) or len(answer) != 2:
            raise InputError(
                "augmentation must return (image, masks), both changed alike, "
                f"got {type(answer).__name__}"
            )
        moved, masked = answer
    for name, before, after in (("image", image, moved), ("masks", masks, masked)):
        if np.shape(after) != before.shape:
            raise InputError(
                f"augmentation must keep the shape of the {name}, {before.shape}, "
                f"got {np.shape(after)}"
            )
    return np.asarray(moved, image.dtype), np.asarray(masked, bool)


def check_augmentation(augmentation: Any) -> None:
    """Check that something can be given to `augment`.

    Raises:
        InputError: It is neither a callable nor an imgaug augmenter, or one that would move the
            pixels of the image but not those of the masks.
    """
    if _is_augmenter(augmentation):
        check_augmenter(augmentation)
    elif not callable(augmentation):
        raise InputError(
            "augmentation must be an imgaug augmenter or a callable (image, masks) -> "
            f"(image, masks), got {type(augmentation).__name__}"
        )
    elif not _takes_masks(augmentation):
        raise InputError(
            f"augmentation must take two arguments, (image, masks), and return both; "
            f"{getattr(augmentation, '__name__', type(augmentation).__name__)}"
            f"{inspect.signature(augmentation)} does not"
        )


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


def _is_augmenter(augmentation: Any) -> bool:
    return hasattr(augmentation, "to_deterministic") and hasattr(augmentation, "augment_image")


def _takes_masks(function: Any) -> bool:
    options = {"rng": None} if _takes_rng(function) else {}
    try:
        inspect.signature(function).bind(None, None, **options)
    except TypeError:
        return False
    except ValueError:  # written in C: nothing is known of its parameters
        return True
    return True


def _takes_rng(function: Any) -> bool:
    try:
        return "rng" in inspect.signature(function).parameters
    except (TypeError, ValueError):
        return False  # written in C: nothing is known of its parameters


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
