"""What depends on the Keras backend: compilation, and native kernels where they beat the portable
ones.

Only this package imports TensorFlow, JAX or PyTorch.
"""

from mrcnn.backend import quiet  # noqa: F401 (first: it loads Keras without its messages)

# isort: split
from mrcnn.backend.compiled import compiled
from mrcnn.backend.device import (
    device_name,
    expect_retracing,
    has_accelerator,
    jit_compile,
    peak_memory,
    version,
)
from mrcnn.backend.gradients import gradient_norms
from mrcnn.backend.nms import first_true, non_max_suppression, suppress, top_slots
from mrcnn.backend.precision import built_in, scales_losses
from mrcnn.backend.rows import conv_at_rows, gather_rows, weighted_rows
from mrcnn.backend.seeds import seeded_weights

__all__ = [
    "built_in",
    "compiled",
    "conv_at_rows",
    "device_name",
    "expect_retracing",
    "first_true",
    "gather_rows",
    "gradient_norms",
    "has_accelerator",
    "jit_compile",
    "non_max_suppression",
    "peak_memory",
    "scales_losses",
    "seeded_weights",
    "suppress",
    "top_slots",
    "version",
    "weighted_rows",
]
