"""Objects from pictures of masks, which are decoded when they are asked for."""

from collections.abc import Callable, Sequence

import numpy as np

from mrcnn.data.dataset import Instances, empty_instances
from mrcnn.data.masks import extract_bboxes


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
