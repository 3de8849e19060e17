"""TensorFlow's start-up messages, held back.

No log level turns them off, because they are written before there is a log. Keras loads TensorFlow
for every backend where it is installed, so `mrcnn.backend` begins with this module, which loads
Keras; and what uses Keras elsewhere imports `mrcnn.backend` before it.
"""

import importlib
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

_CHATTER = (
    "InitializeLog",
    "oneDNN custom operations",
    "cudart_stub.cc",
    "cpu_feature_guard.cc",
    "To enable the following",
    "failed call to cuInit",
    "Failed to load jax profiler",
)


@contextmanager
def without_chatter() -> Iterator[None]:
    """Hold back what is written to stderr, then let through all but the lines above.

    C++ writes to the file descriptor 2, which is not `sys.stderr` in a notebook.
    """
    sys.stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:  # closed, as for a program without a console
        yield
        return
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            held.seek(0)
            for line in held.read().decode(errors="replace").splitlines():
                if not any(part in line for part in _CHATTER):
                    print(line, file=sys.stderr)


os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
with without_chatter():
    import keras

    if keras.config.backend() == "tensorflow":
        # It looks for devices when it is first used, and reports on it.
        importlib.import_module("tensorflow").config.list_physical_devices()
