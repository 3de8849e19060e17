"""The names of the original's `mrcnn/utils.py`; most live elsewhere.

Importing this does not load Keras: a script about a dataset starts at once.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mrcnn.compat.loading import resize_image
from mrcnn.data.boxes import (
    apply_box_deltas,
    box_refinement,
    compute_iou,
    compute_overlaps,
    compute_overlaps_masks,
    denorm_boxes,
    non_max_suppression,
    norm_boxes,
    trim_zeros,
)
from mrcnn.data.datasets.dataset import Dataset
from mrcnn.data.masks import (
    expand_mask,
    extract_bboxes,
    minimize_mask,
    resize_mask,
    unmold_mask,
)
from mrcnn.evaluation.matching import (
    compute_ap,
    compute_ap_range,
    compute_matches,
    compute_recall,
)
from mrcnn.hub.imagenet import COCO_MODEL_URL, download_trained_weights

if TYPE_CHECKING:
    from mrcnn.modeling.anchors import generate_anchors, generate_pyramid_anchors


def box_refinement_graph(box: Any, gt_box: Any) -> Any:
    """`box_refinement` for tensors `(..., 4)` of the Keras backend."""
    # Inside the function, because it loads Keras.
    from mrcnn.modeling.boxes import deltas_between

    return deltas_between(box, gt_box)


def batch_slice(
    inputs: Any, graph_fn: Callable[..., Any], batch_size: int, names: Sequence[str] | None = None
) -> Any:
    """Call a function on one image of a batch after the other, and stack what it returns.

    Args:
        inputs: A tensor (B, ...), or a list of them; one slice of each is an argument.
        graph_fn: Returns a tensor, or a list or tuple of them.
        batch_size: B, a number.
        names: For the original's calls; has no effect.

    Returns:
        A tensor (B, ...), or a list of them where `graph_fn` returns more than one.
    """
    from keras import ops

    tensors = inputs if isinstance(inputs, list | tuple) else [inputs]
    outputs = []
    for index in range(batch_size):
        output = graph_fn(*(tensor[index] for tensor in tensors))
        outputs.append(output if isinstance(output, list | tuple) else [output])
    stacked = [ops.stack(values, axis=0) for values in zip(*outputs, strict=True)]
    return stacked[0] if len(stacked) == 1 else stacked


def mold_mask(mask: np.ndarray, config: Any) -> np.ndarray:
    """Bring masks to the form in which the network takes them, which in the original is a name
    without content.

    Args:
        mask: (H, W, N), full masks in the size of the network's input.
        config: A `mrcnn.config.Config`.

    Returns:
        Mini masks (h, w, N), bool, with `config.USE_MINI_MASK`; else the masks.
    """
    if not config.USE_MINI_MASK:
        return mask.astype(bool)
    return minimize_mask(extract_bboxes(mask), mask, config.MINI_MASK_SHAPE)


def resize(
    image: np.ndarray,
    output_shape: Sequence[int],
    order: int = 1,
    mode: str = "constant",
    cval: float = 0,
    clip: bool = True,
    preserve_range: bool = False,
    anti_aliasing: bool = False,
    anti_aliasing_sigma: float | Sequence[float] | None = None,
) -> np.ndarray:
    """Call `skimage.transform.resize`, without smoothing by default.

    Args and returns: see there. For images, `resize_image` is much faster.
    """
    import skimage.transform

    return skimage.transform.resize(
        image,
        output_shape,
        order=order,
        mode=mode,
        cval=cval,
        clip=clip,
        preserve_range=preserve_range,
        anti_aliasing=anti_aliasing,
        anti_aliasing_sigma=anti_aliasing_sigma,
    )


__all__ = [
    "COCO_MODEL_URL",
    "download_trained_weights",
    "Dataset",
    "apply_box_deltas",
    "batch_slice",
    "box_refinement",
    "box_refinement_graph",
    "compute_ap",
    "compute_ap_range",
    "compute_iou",
    "compute_matches",
    "compute_overlaps",
    "compute_overlaps_masks",
    "compute_recall",
    "denorm_boxes",
    "expand_mask",
    "extract_bboxes",
    "generate_anchors",
    "generate_pyramid_anchors",
    "minimize_mask",
    "mold_mask",
    "non_max_suppression",
    "norm_boxes",
    "resize",
    "resize_image",
    "resize_mask",
    "trim_zeros",
    "unmold_mask",
]


def __getattr__(name: str) -> Any:
    # Not before they are asked for, because the package that they are in loads Keras.
    if name in ("generate_anchors", "generate_pyramid_anchors"):
        from mrcnn.modeling import anchors

        return getattr(anchors, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
