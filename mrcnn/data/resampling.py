"""Bilinear resizing with the arithmetic of the original, which calls scikit-image for it."""

import numpy as np


def resize_exact(
    image: np.ndarray,
    size: tuple[int, int],
    window: tuple[int, int, int, int] | None = None,
) -> np.ndarray:
    """Resize as `skimage.transform.resize` does with `order=1`, `mode="constant"` and no smoothing.

    Every pixel is a mean of its four neighbours at most, also where the image shrinks. Outside the
    image is 0, so its outermost pixels darken a little where it grows, down to its smallest value.

    Five times as fast as scikit-image on 480 x 640 to 768 x 1024. In float32, where scikit-image
    has float64: after truncation, 99 % of the values or more are equal, the others differ by 1.

    Args:
        image: (H, W) or (H, W, C), bool, integer or float.
        size: Height and width of the result.
        window: The part of the result to compute, y1, x1, y2, x2 in its pixels; None for all.

    Returns:
        An array of the type of `image`, truncated where that is an integer type; bool becomes
        float32, 0 to 1.
    """
    if image.dtype == bool:
        image = image.astype(np.float32)
    y1, x1, y2, x2 = window or (0, 0, *size)
    if image.shape[:2] == tuple(size):
        return image[y1:y2, x1:x2]
    narrow = image.dtype.itemsize <= 2 or image.dtype == np.float32
    precision = np.dtype(np.float32 if narrow else np.float64)
    # Columns first, as there; and taking whole rows afterwards is the faster order.
    columns = _interpolate(image, size[1], slice(x1, x2), 1, precision)
    resized = _interpolate(columns, size[0], slice(y1, y2), 0, precision)
    # scikit-image clips to the range of the input, which undoes part of the darkening.
    np.clip(resized, image.min(), image.max(), out=resized)
    return resized.astype(image.dtype, copy=False)


def resize_linear(
    image: np.ndarray,
    size: tuple[int, int],
    window: tuple[int, int, int, int] | None = None,
) -> np.ndarray:
    """Resize bilinearly, without smoothing and without rounding: every pixel lies between its four
    nearest neighbours, beyond the outermost of which there are the same. As
    `torch.nn.functional.interpolate` with `align_corners=False`.

    Args:
        image: (H, W) or (H, W, C).
        size: Height and width to resize it to.
        window: y1, x1, y2, x2: the part of the result that is wanted; None for all of it.

    Returns:
        float32.
    """
    y1, x1, y2, x2 = window or (0, 0, *size)
    if image.shape[:2] == tuple(size):
        return image[y1:y2, x1:x2].astype(np.float32)
    for axis, part in ((1, slice(x1, x2)), (0, slice(y1, y2))):
        count = image.shape[axis]
        position = (np.arange(part.start, part.stop) + 0.5) * (count / size[axis]) - 0.5
        position = position.clip(0, count - 1)
        before = position.astype(np.int64)
        weight = (position - before).astype(np.float32)
        weight = np.expand_dims(weight, tuple(n for n in range(image.ndim) if n != axis))
        first = np.take(image, before, axis).astype(np.float32)
        second = np.take(image, np.minimum(before + 1, count - 1), axis).astype(np.float32)
        image = first * (1 - weight) + second * weight
    return image


def resize_linear_rounded(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The same, rounded to the type of the image."""
    resized = resize_linear(image, size)
    return (
        resized.astype(image.dtype)
        if image.dtype.kind == "f"
        else np.rint(resized).astype(image.dtype)
    )


def _interpolate(
    values: np.ndarray, length: int, part: slice, axis: int, precision: np.dtype
) -> np.ndarray:
    """Resize one axis to `length`, linearly between pixel centres; return the given part of it."""
    count = values.shape[axis]
    position = (np.arange(part.start, part.stop) + 0.5) * (count / length) - 0.5
    before, weights = taps(position, count)
    shape = [1] * values.ndim
    shape[axis] = len(position)
    first, second = weights.astype(precision).reshape(2, *shape)
    values = values.astype(precision, copy=False)
    resized = np.take(values, before, axis, mode="clip")
    resized *= first
    other = np.take(values, before + 1, axis, mode="clip")
    other *= second
    resized += other
    return resized


def taps(position: np.ndarray, count: int | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how values between pixels follow from their neighbours along an axis.

    Args:
        position: (..., N), in pixels from the centre of the first, above -1 and below `count`.
        count: Pixels of the axis, or an array (..., 1) of them.

    Returns:
        The pixels (..., N) before the positions, -1 at least; and the weights (..., 2, N) of these
        and of the ones behind them, 0 for those outside the image.
    """
    before = np.floor(position).astype(np.int64)
    weight = position - before
    # Of the two taps the first can only lie before the image, the second only behind it.
    first, second = (1 - weight) * (before >= 0), weight * (before < count - 1)
    return before, np.stack([first, second], axis=-2)
