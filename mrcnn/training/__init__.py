"""Training: the schedule, the optimizer, checkpoints, logs, and the loop over them."""

import mrcnn.backend  # noqa: F401 (before Keras, see mrcnn.backend.quiet)
