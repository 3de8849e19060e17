"""The network: backbone, FPN, RPN, targets, heads, losses and detection, in `keras.ops` alone."""

import mrcnn.backend  # noqa: F401 (before Keras, see mrcnn.backend.quiet)
