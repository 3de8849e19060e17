"""Weighted sums of rows, the inner loop of a RoIAlign with several samples a bin."""

import keras
from keras import ops

from mrcnn.backend.device import jit_compile


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
        total = total + ops.take(flat, rows[..., tap], axis=0) * weights[..., tap, None]
    return total
