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
