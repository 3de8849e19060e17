"""Copy-paste: the objects of one image on another (Ghiasi et al., arXiv 2012.07177)."""

import numpy as np

from mrcnn.data.datasets.dataset import Instances
from mrcnn.data.masks import decode, encode, extract_bboxes
from mrcnn.data.transforms.geometric import Sample


def paste(sample: Sample, other: Sample) -> Sample:
    """Paste the objects of another sample of the same size, with their pixels, in front of it.

    Objects that they cover in part keep the mask of what is still visible and get its box, those
    that they cover in full are dropped. Of an object with a box alone it is not known what is
    visible: it stays as it is, unless its box is covered in full.

    Args:
        sample: The background.
        other: Its objects all have masks; those without a pixel are left out.

    Returns:
        A new sample: the objects of `sample`, then those of `other`.
    """
    cover = np.zeros(sample.instances.size, bool)
    drawn = np.zeros(len(other.instances), bool)
    for index, segmentation in enumerate(other.instances.segmentations):
        mask = decode(segmentation, sample.instances.size)
        drawn[index] = mask.any()
        cover |= mask
    pasted = other.instances.select(drawn)
    behind = _covered(sample.instances, cover)
    image = sample.image.copy()
    image[cover] = other.image[cover]
    instances = Instances(
        np.concatenate([behind.boxes, pasted.boxes]),
        np.concatenate([behind.class_ids, pasted.class_ids]),
        [*behind.segmentations, *pasted.segmentations],
        behind.size,
    )
    return Sample(image, instances)


def _covered(instances: Instances, cover: np.ndarray) -> Instances:
    """Return what is left of objects behind `cover` (H, W), bool."""
    boxes, segmentations = instances.boxes.copy(), list(instances.segmentations)
    visible = np.ones(len(instances), bool)
    has_mask = instances.has_mask
    for index, segmentation in enumerate(instances.segmentations):
        (y1, x1), (y2, x2) = np.floor(boxes[index, :2]), np.ceil(boxes[index, 2:])
        behind = cover[int(y1) : int(y2), int(x1) : int(x2)]
        if not has_mask[index]:
            visible[index] = not behind.all()
        elif behind.any():
            mask = decode(segmentation, instances.size)
            if (mask & cover).any():
                left = mask & ~cover
                segmentations[index] = encode(left, instances.size)
                boxes[index] = extract_bboxes(left[:, :, None])[0]
                visible[index] = left.any()
    return Instances(boxes, instances.class_ids, segmentations, instances.size).select(visible)
