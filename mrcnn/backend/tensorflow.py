"""TensorFlow's own kernels, for graphs that are not compiled by XLA."""

import tensorflow as tf


def non_max_suppression(boxes, valid, iou_threshold: float, max_output: int):
    """As `mrcnn.backend.nms.non_max_suppression`, by TensorFlow's C++ kernel."""
    count = boxes.shape[1]
    order = tf.range(count, 0, -1, dtype=tf.float32)

    def one_image(image):
        indices, number = tf.raw_ops.NonMaxSuppressionV4(
            boxes=image[0],
            scores=tf.where(image[1], order, -1.0),
            max_output_size=max_output,
            iou_threshold=iou_threshold,
            score_threshold=0.0,
            pad_to_max_output_size=True,
        )
        return indices, tf.range(max_output) < number

    indices, kept = tf.map_fn(
        one_image,
        (boxes, valid),
        fn_output_signature=(
            tf.TensorSpec([max_output], tf.int32),
            tf.TensorSpec([max_output], tf.bool),
        ),
    )
    return tf.where(kept, indices, 0), kept


def weighted_rows(values, rows, weights):
    """As `mrcnn.backend.rows.weighted_rows`, of `values` `(S, C)`: a product with a sparse matrix,
    which reads each row where it is and writes sums alone.
    """
    batch, count, taps = tf.unstack(tf.shape(rows, out_type=tf.int64))
    size = tf.shape(values, out_type=tf.int64)[0]
    places = tf.repeat(tf.range(batch * count), taps)
    indices = tf.stack([places, tf.cast(tf.reshape(rows, [-1]), tf.int64)], axis=1)
    matrix = tf.SparseTensor(indices, tf.reshape(weights, [-1]), [batch * count, size])
    # The kernel has no half precision.
    found = tf.sparse.sparse_dense_matmul(matrix, tf.cast(values, tf.float32))
    shape = [-1, rows.shape[1], values.shape[-1]]
    return tf.reshape(tf.cast(found, values.dtype), shape)
