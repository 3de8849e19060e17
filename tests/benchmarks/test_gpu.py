"""The benchmark of accelerators, in a small form on this machine's processor."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


def run(*arguments, out):
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "PYTHON": sys.executable}
    return subprocess.run(
        [FOLDER / "gpu.sh", "--size", "64x64", "--repeats", "2", "--out", out, *arguments],
        capture_output=True,
        text=True,
        env=environment,
    )


def test_every_case_has_its_line(tmp_path):
    pytest.importorskip("jax")
    case, other = "ours:detect:resnet50:bfloat16:1", "torchvision:detect:resnet50:float32:1"
    done = run("--cases", case, other, "--profile", case, out=tmp_path)
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "gpu.json").read_text())
    assert result["cases"][case]["min"] > 0 and result["cases"][case]["flops"] > 1e10
    assert result["peak"]["bfloat16"] > 0 and result["profile"]["kernels"][0]["name"] == "all"
    # What cannot be measured is a line that says why.
    assert other in result["cases"]
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["detect", "resnet50", "bfloat16", "1", "ours"] in [line[:5] for line in lines]


def test_what_is_no_case_is_one_line(tmp_path):
    done = run("--cases", "ours:train:resnet18:float32:1", out=tmp_path)
    assert done.returncode == 2
    assert "a case is such as ours:train:resnet50:bfloat16:8, got" in done.stderr
