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


# A gradient with more rows than this share that are not 0 is computed everywhere.
MOST_ROWS = 0.25


def conv_at_rows(inputs, kernel):
    """As `mrcnn.backend.rows.conv_at_rows`."""
    # A variable would not be seen as an argument.
    return _conv_at_rows(tf.identity(inputs), tf.identity(kernel))


@tf.custom_gradient
def _conv_at_rows(inputs, kernel):
    outputs = tf.nn.conv2d(inputs, kernel, 1, "SAME")

    def gradient(upstream):
        flat = tf.reshape(upstream, [-1, upstream.shape[-1]])
        places = tf.where(tf.reduce_any(tf.not_equal(flat, 0), axis=1))[:, 0]
        share = tf.size(places) / tf.shape(flat)[0]

        def everywhere():
            of_inputs = tf.nn.conv2d_transpose(upstream, kernel, tf.shape(inputs), 1, "SAME")
            of_kernel = tf.raw_ops.Conv2DBackpropFilter(
                input=inputs,
                filter_sizes=tf.shape(kernel),
                out_backprop=upstream,
                strides=[1, 1, 1, 1],
                padding="SAME",
            )
            return of_inputs, of_kernel

        def at_rows():
            return _gradients_at(places, tf.gather(flat, places), inputs, kernel)

        return tf.cond(share < MOST_ROWS, at_rows, everywhere)

    return outputs, gradient


def _gradients_at(places, upstream, inputs, kernel):
    """Gradients of a convolution, of the inputs `(B, H, W, C)` and of the kernel, where that of its
    outputs is `upstream` `(N, D)` at `places` `(N,)` of `B * H * W` and 0 elsewhere.
    """
    shape = tf.shape(inputs, out_type=tf.int64)
    rows, columns, depth = kernel.shape[:3]
    height, width = shape[1], shape[2]
    y, x = places // width % height, places % width
    # With a border of zeros around each image no neighbour is outside.
    top, left = (rows - 1) // 2, (columns - 1) // 2
    high, wide = height + rows - 1, width + columns - 1
    first = (places // (height * width) * high + y) * wide + x
    taps = tf.constant([[i, j] for i in range(rows) for j in range(columns)], tf.int64)
    indices = first[:, None] + taps[:, 0] * wide + taps[:, 1]
    borders = [[0, 0], [top, rows - 1 - top], [left, columns - 1 - left], [0, 0]]
    padded = tf.reshape(tf.pad(inputs, borders), [-1, depth])
    patches = tf.reshape(tf.gather(padded, indices), [-1, rows * columns * depth])
    of_kernel = tf.matmul(patches, upstream, transpose_a=True)
    matrix = tf.reshape(kernel, [rows * columns * depth, -1])
    of_patches = tf.reshape(tf.matmul(upstream, matrix, transpose_b=True), [-1, depth])
    size = shape[0] * high * wide
    # Up to rows * columns addends meet in a place: too many for the digits of half precision.
    of_patches = tf.cast(of_patches, tf.float32)
    of_inputs = tf.math.unsorted_segment_sum(of_patches, tf.reshape(indices, [-1]), size)
    of_inputs = tf.reshape(of_inputs, tf.stack([shape[0], high, wide, depth]))
    of_inputs = tf.cast(of_inputs[:, top : top + height, left : left + width], inputs.dtype)
    return tf.reshape(of_inputs, tf.shape(inputs)), tf.reshape(of_kernel, tf.shape(kernel))
