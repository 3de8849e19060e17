"""`mrcnn benchmark`: benchmarks/benchmark.py of a checkout."""

import importlib
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from mrcnn.errors import InputError

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def benchmark(
    *arguments: Annotated[str, Parameter(allow_leading_hyphen=True, show_default=False)],
) -> int:
    """Measure training steps, inference, detection and the loader of this machine.

    ```
    mrcnn benchmark --part train-all detect --backbone resnet101 --size 1024x1024
    mrcnn benchmark -- --help
    ```

    The second line lists all options. The benchmarks are no part of an installed package: they are
    run from a checkout.

    Args:
        arguments: Options of benchmarks/benchmark.py.
    """
    if not (BENCHMARKS / "benchmark.py").is_file():
        raise InputError(
            "the benchmarks are no part of the installed package: clone the repository of "
            "mask-rcnn-edge and run `python benchmarks/benchmark.py` there"
        )
    sys.path.insert(0, str(BENCHMARKS))
    return importlib.import_module("benchmark").main(list(arguments))
