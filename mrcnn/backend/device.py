"""What the backend runs on, and whether to compile for it."""

import functools
import importlib
import logging
import os

import keras

from mrcnn.backend.quiet import without_chatter


@functools.cache
def has_accelerator() -> bool:
    """Whether the backend computes on a GPU or TPU."""
    # TensorFlow and JAX look for devices on first use, and print messages about it.
    with without_chatter():
        return _has_accelerator()


def _has_accelerator() -> bool:
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return bool(
            tf.config.list_physical_devices("GPU") or tf.config.list_physical_devices("TPU")
        )
    if backend == "jax":
        import jax

        return jax.default_backend() != "cpu"
    import torch

    return torch.cuda.is_available()


def jit_compile() -> bool:
    """Whether to compile training and inference with XLA.

    JAX always compiles. TensorFlow compiles for accelerators alone: on a CPU its own kernels are
    several times faster than XLA's. PyTorch runs eagerly. MRCNN_JIT=0 or 1 in the environment
    overrides this.
    """
    forced = os.environ.get("MRCNN_JIT")
    if forced in ("0", "1"):
        return forced == "1"
    backend = keras.backend.backend()
    return backend == "jax" or (backend == "tensorflow" and has_accelerator())


def expect_retracing() -> None:
    """Keep TensorFlow from warning that a function is traced several times.

    A run traces one function per stage and orientation on purpose, detection one per image size.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.get_logger().addFilter(_is_no_retracing)


def _is_no_retracing(record: logging.LogRecord) -> bool:
    return "triggered tf.function retracing" not in record.getMessage()


def device_name() -> str:
    """The device in words, such as "cpu (2 threads)" or "gpu: NVIDIA H200"."""
    if not has_accelerator():
        affinity = getattr(os, "sched_getaffinity", None)
        return f"cpu ({len(affinity(0)) if affinity else os.cpu_count()} threads)"
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        gpu = tf.config.list_physical_devices("GPU")[0]
        return f"gpu: {tf.config.experimental.get_device_details(gpu).get('device_name', gpu.name)}"
    if backend == "jax":
        import jax

        return f"{jax.default_backend()}: {jax.devices()[0].device_kind}"
    import torch

    return f"gpu: {torch.cuda.get_device_name()}"


def peak_memory() -> int | None:
    """Peak bytes in use on the accelerator since the start, or None on a CPU."""
    if not has_accelerator():
        return None
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return tf.config.experimental.get_memory_info("GPU:0")["peak"]
    if backend == "jax":
        import jax

        return (jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use")
    import torch

    return torch.cuda.max_memory_allocated()


def version() -> str:
    """Backend and version, such as "tensorflow 2.21.0"."""
    name = keras.backend.backend()
    return f"{name} {importlib.import_module(name).__version__}"
