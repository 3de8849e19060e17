"""Ours beside torchvision, in a small form; where that is missing, its line says so."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "peers.py"


def test_ours_and_torchvision_take_turns(tmp_path):
    python = os.environ.get("MRCNN_TORCHVISION_PYTHON") or sys.executable
    command = [sys.executable, SCRIPT, "--size", "64x64", "--repeats", "2", "--out", tmp_path]
    command += ["--work", "heads:resnet50:float32:1", "--peer-python", python]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    cases = json.loads((tmp_path / "peers.json").read_text())["cases"]
    ours = cases["ours:heads:resnet50:float32:1"]
    assert len(ours["repeats"]) == 2 and all(r["gigabytes"] > 0.3 for r in ours["repeats"])
    assert ours["first"] > ours["repeats"][0]["seconds"] > 0
    theirs = cases["torchvision:heads:resnet50:float32:1"]
    assert theirs == {"error": "it does not run here"} or len(theirs["repeats"]) == 2
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[1][:2] == ["heads:resnet50:float32:1", "ours"]


def test_what_is_no_case_is_one_line():
    done = subprocess.run(
        [sys.executable, SCRIPT, "--work", "train:resnet18:float32:1"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2 and "a case is such as ours:train" in done.stderr
