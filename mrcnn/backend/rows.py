"""Rows of a matrix, weighted sums of them, and a convolution that few rows of are looked at: the
inner loops of RoIAlign, forward and backward.
"""

import keras
from keras import ops

from mrcnn.backend.device import jit_compile

HALF = ("bfloat16", "float16")


def gather_rows(values, rows):
    """Rows of `values` `(S, C)` at `rows`, of any shape.

    Gradients of half precision are summed in float32: where many RoIs read one row, as empty ones
    do, most addends would be below the last digit of the sum and be lost. It is also faster on
    accelerators, which add float32 in one operation, and half precision by reading, adding and
    trying to write until nothing came between.
    """
    dtype = keras.backend.standardize_dtype(values.dtype)
    if dtype in HALF:
        # TensorFlow sums the gradients of rows where it must: with the reshape, before the cast.
        wide = ops.reshape(ops.cast(values, "float32"), ops.shape(values))
        return ops.cast(ops.take(wide, rows, axis=0), dtype)
    return ops.take(values, rows, axis=0)


def weighted_rows(values, rows, weights):
    """`sum over t of weights[b, n, t] * values[b, rows[b, n, t]]`.

    The gradient reaches `values` alone.

    Args:
        values: `(B, S, C)`.
        rows: `(B, N, T)` int32, each below S.
        weights: `(B, N, T)` float32.

    Returns:
        `(B, N, C)` in the dtype of `values`.
    """
    weights = ops.stop_gradient(weights)
    batch, size = ops.shape(values)[0], values.shape[1]
    flat = ops.reshape(values, (-1, values.shape[2]))
    rows = rows + ops.reshape(ops.arange(batch, dtype="int32") * size, (-1, 1, 1))
    if keras.backend.backend() == "tensorflow" and not jit_compile():
        from mrcnn.backend.tensorflow import weighted_rows as native

        return native(flat, rows, weights)
    weights = ops.cast(weights, values.dtype)
    # One tap after the other: all at once would be 16 times the result.
    total = 0.0
    for tap in range(rows.shape[-1]):
        total = total + gather_rows(flat, rows[..., tap]) * weights[..., tap, None]
    return total


def conv_at_rows(inputs, kernel):
    """Convolution `(B, H, W, C)` with `kernel` `(h, w, C, D)`, padding "same", for outputs that few
    positions of are looked at.

    Its gradient is computed at those positions alone where that of the outputs is not 0, as long as
    they are few: the same numbers, but for the order of sums. On backends that compile it is that
    of any convolution.
    """
    if keras.backend.backend() == "tensorflow" and not jit_compile():
        from mrcnn.backend.tensorflow import conv_at_rows as native

        return native(inputs, kernel)
    return ops.conv(inputs, kernel, padding="same", data_format="channels_last")
