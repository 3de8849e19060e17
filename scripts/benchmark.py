"""benchmarks/benchmark.py, from any current folder and without an installed package."""

import runpy
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

if __name__ == "__main__":
    runpy.run_path(str(ROOT / "benchmarks" / "benchmark.py"), run_name="__main__")
