"""Times of repeated work beside the convolution rate of the machine around each repeat."""

import contextlib
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from mrcnn.backend import compiled, has_accelerator, peak_memory

# Kernel side, channels in, channels out, side of the feature map: a 3 x 3 convolution of the FPN at
# P3 and at P2 of a 1024 x 1024 image, and one of the many 1 x 1 convolutions of ResNet stage 4.
SHAPES = {
    "3x3 256>256 @128": (3, 256, 256, 128),
    "3x3 256>256 @256": (3, 256, 256, 256),
    "1x1 1024>256 @64": (1, 1024, 256, 64),
}
# The one that shares refer to. It takes a tenth of a second on two CPU cores, so it can be run
# around each repeat, and most of the FPN, the RPN and the mask head is of its kind.
REFERENCE = "3x3 256>256 @128"
RUNS = 5
# One convolution takes an accelerator less time than its call takes the CPU.
DEPTH_ON_ACCELERATOR = 32


class ConvolutionRate:
    """Measures GFLOP/s of single float32 convolutions, compiled like the models.

    Args:
        shapes: As `SHAPES`, which are the default.
        reference: The shape that `quick` measures.
    """

    def __init__(
        self,
        shapes: dict[str, tuple[int, int, int, int]] | None = None,
        reference: str = REFERENCE,
    ):
        self.reference = reference
        depth = DEPTH_ON_ACCELERATOR if has_accelerator() else 1
        self._probes = {name: _probe(*shape, depth) for name, shape in (shapes or SHAPES).items()}
        self.all()  # traces and compiles

    def all(self) -> dict[str, float]:
        """GFLOP/s of every shape, the median of a few runs."""
        return {name: self._measure(name) for name in self._probes}

    def quick(self) -> float:
        """GFLOP/s of the reference shape."""
        return self._measure(self.reference)

    def _measure(self, name: str) -> float:
        run, flops = self._probes[name]
        return statistics.median(flops / timed(run)[0] / 1e9 for _ in range(RUNS))


def _probe(kernel: int, channels: int, filters: int, side: int, depth: int):
    """A function that convolves `depth` times, there and back where channels differ; its FLOPs."""
    x = inputs = keras.Input((side, side, channels))
    for index in range(depth):
        width = channels if index % 2 else filters
        x = keras.layers.Conv2D(width, kernel, padding="same", use_bias=False)(x)
    model = compiled(keras.Model(inputs, x))
    data = ops.convert_to_tensor(
        np.random.default_rng(0).normal(size=(1, side, side, channels)).astype("float32")
    )

    def run() -> None:
        wait_for(model(data)[0, 0, 0, 0])

    return run, 2 * depth * side * side * kernel * kernel * channels * filters


@dataclass
class Timing:
    """Raw values: seconds on the clock and of CPU time, and GFLOP/s around each repeat."""

    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    gflops_around: list[float] = field(default_factory=list)
    warmup_seconds: list[float] = field(default_factory=list)

    def shares(self, flops: float) -> list[float]:
        """Share of the convolution rate that each repeat reached with `flops` operations."""
        return [
            flops / seconds / (rate * 1e9)
            for seconds, rate in zip(self.seconds, self.gflops_around, strict=True)
        ]

    def work(self) -> list[float]:
        """GFLOP that the machine could have convolved in the time of each repeat."""
        return [a * b for a, b in zip(self.seconds, self.gflops_around, strict=True)]

    def raw(self) -> dict[str, list[float]]:
        """All values, for JSON."""
        return asdict(self)


def measure(
    work: dict[str, Callable[[], Any]], repeats: int, warmup: int, rate: Callable[[], float]
) -> dict[str, Timing]:
    """Time several pieces of work in turn: A B, B A, A B, ...

    A drift of the machine's speed, and what the first of a pair leaves behind in the caches, falls
    on both alike.

    Args:
        work: Functions that return when their work is done.
        repeats: Repeats that count.
        warmup: Repeats before them, which compile.
        rate: The machine's rate; called between repeats, so that each has one before and one after.
    """
    timings = {name: Timing() for name in work}
    for name, run in work.items():
        for _ in range(warmup):
            timings[name].warmup_seconds.append(timed(run)[0])
    before = rate()
    for repeat in range(repeats):
        for name in list(work)[:: -1 if repeat % 2 else 1]:
            seconds, cpu_seconds = timed(work[name])
            after = rate()
            timings[name].seconds.append(seconds)
            timings[name].cpu_seconds.append(cpu_seconds)
            timings[name].gflops_around.append((before + after) / 2)
            before = after
    return timings


def timed(run: Callable[[], Any]) -> tuple[float, float]:
    """Seconds on the clock and of this process's CPU time that `run` takes."""
    start, cpu = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - start, time.process_time() - cpu


def wait_for(outputs: Any) -> None:
    """Return when the backend has computed `outputs`."""
    keras.tree.map_structure(ops.convert_to_numpy, outputs)


def summary(values: Sequence[float]) -> dict[str, float]:
    """Median, extremes and quartiles."""
    low, high = np.percentile(values, [25, 75])
    return {
        "median": statistics.median(values),
        "min": min(values),
        "max": max(values),
        "q25": float(low),
        "q75": float(high),
        "iqr": float(high - low),
    }


def paired_ratios(timing: Timing, base: Timing) -> dict[str, dict[str, float]]:
    """Ratios of paired repeats: on the clock, in CPU time, and on the clock at equal rate."""
    pairs = zip(timing.seconds, base.seconds, strict=True)
    cpu = zip(timing.cpu_seconds, base.cpu_seconds, strict=True)
    work = zip(timing.work(), base.work(), strict=True)
    return {
        "seconds": summary([a / b for a, b in pairs]),
        "cpu_seconds": summary([a / max(b, 1e-9) for a, b in cpu]),
        "seconds_at_equal_rate": summary([a / b for a, b in work]),
    }


class PeakMemory:
    """Highest memory in use since this was made.

    On Linux the host's peak restarts here; elsewhere it is that of the process since its start, as
    is the accelerator's everywhere.
    """

    def __init__(self) -> None:
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")

    def bytes(self) -> dict[str, int | None]:
        """Peak bytes on the host and on the accelerator, None where there is none."""
        return {"host": host_peak(), "accelerator": peak_memory()}


def host_peak() -> int | None:
    """Peak resident bytes of this process, or None where the system does not tell."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
