"""Mini masks: objects inside their boxes on a small grid, as the network learns them.

The original draws the full mask in whole pixels, resizes it with the image to the nearest pixels,
cuts out the box and resizes again, to values from 0 to 1 that it rounds. Here a cell whose value is
near 0 or 1 is as there. In the others, on the border of the object, the value depends on how the
pixels happen to lie; the segmentation itself decides there. So the masks are those of the original
but for their borders, and closer to the object.
"""

from collections.abc import Sequence

import numpy as np

from mrcnn.data.masks import Segmentation, decode_part, rasterize
from mrcnn.data.resampling import taps
from mrcnn.data.resize import ResizeTransform

# The original's values from here to 1 minus this are those of the border. A wider border brings
# the masks closer to the polygons and further from the original's.
BORDER = 0.25
# Pixels; boxes come back from the image with rounding errors.
_SLACK = 1e-3


def mini_masks(
    segmentations: Sequence[Segmentation],
    boxes: np.ndarray,
    transform: ResizeTransform,
    shape: tuple[int, int],
) -> np.ndarray:
    """Draw objects inside their boxes, without full-size masks.

    Args:
        segmentations: N objects, in pixels of the image.
        boxes: (N, 4), y1, x1, y2, x2 on the canvas, inside the window, a pixel wide and high at
            least.
        transform: Of the image on the canvas.
        shape: Rows and columns of a mask.

    Returns:
        Masks (N, h, w), bool. An object that would lose more than half of the cells which it covers
        by `mrcnn.data.masks.rasterize` keeps those, so none is lost, however thin; so does one that
        fills its box.
    """
    values = resized_values(segmentations, boxes, transform, shape)
    drawn = np.zeros(values.shape, bool)
    for index, source in enumerate(transform.to_image(boxes)):
        drawn[index] = rasterize(segmentations[index], source, shape)
    masks = (values > 1 - BORDER) | ((values >= BORDER) & drawn)
    covered = np.count_nonzero(drawn, axis=(1, 2))
    thin = 2 * np.count_nonzero(masks, axis=(1, 2)) < covered
    # Resizing to the nearest pixels shifts objects by up to half a pixel of the image, so that one
    # that fills its box would miss an edge of it.
    kept = thin | (covered == shape[0] * shape[1])
    masks[kept] = drawn[kept]
    return masks


def resized_values(
    segmentations: Sequence[Segmentation],
    boxes: np.ndarray,
    transform: ResizeTransform,
    shape: tuple[int, int],
) -> np.ndarray:
    """Return what the original rounds to mini masks, (N, h, w), float32, 0 to 1.

    In boxes of whole pixels these are the values of `mrcnn.data.masks.resize_mask` and
    `mrcnn.data.resampling.resize_exact`, but only the pixels that they depend on are looked at.
    Arguments as for `mini_masks`.
    """
    rows, down = _sampled(boxes[:, 0::2], transform, 0, shape[0])
    columns, across = _sampled(boxes[:, 1::2], transform, 1, shape[1])
    values = np.empty((len(segmentations), *shape), np.float32)
    for index, segmentation in enumerate(segmentations):
        x, y = columns[index].ravel(), rows[index].ravel()
        part = decode_part(segmentation, slice(y[0], y[-1] + 1), slice(x[0], x[-1] + 1))
        # Columns first, as in the original, and as they are drawn.
        seen = part.T.take(x - x[0], axis=0).take(y - y[0], axis=1)
        if seen.all():
            values[index] = 1  # an object that fills its box does not darken towards the border
            continue
        pixels = seen.astype(np.float32).reshape(2, shape[1], 2 * shape[0])
        pixels *= across[index, :, :, None]
        halves = (pixels[0] + pixels[1]).reshape(shape[1], 2, shape[0])
        halves *= down[index]
        values[index] = (halves[:, 0] + halves[:, 1]).T
    return values


def _sampled(
    ends: np.ndarray, transform: ResizeTransform, axis: int, cells: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the pixels of the image on either side of the centres of cells, along an axis.

    Args:
        ends: (N, 2), where boxes begin and end on the canvas.
        transform: Of the image on the canvas.
        axis: 0 for rows, 1 for columns.
        cells: Of every box.

    Returns:
        The pixels (N, 2, cells), and their weights of the same shape, float32.
    """
    start, end = ends[:, :1].astype(np.float64), ends[:, 1:].astype(np.float64)
    first = np.floor(start + _SLACK).astype(np.int64)
    count = np.ceil(end - _SLACK).astype(np.int64) - first
    position = (np.arange(cells) + 0.5) * ((end - start) / cells) - 0.5 + (start - first)
    before, weights = taps(position, count)
    sides = np.stack([np.maximum(before, 0), np.minimum(before + 1, count - 1)], axis=1)
    return transform.source_pixels(sides + first[:, None], axis), weights.astype(np.float32)
