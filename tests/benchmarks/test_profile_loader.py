"""What a sample costs and the memory of the loader, on the built-in sample."""

import importlib.util
import os
from pathlib import Path

import pytest

from mrcnn.data.datasets.toy_sample import generate_sample
from mrcnn.errors import run_cli

pytestmark = pytest.mark.slow
SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "profile_loader.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("profile_loader", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return str(generate_sample(tmp_path_factory.mktemp("sample"), train=6, val=3, size=96))


def test_every_stage_takes_its_share(script, folder, capsys):
    assert script.main(["--dataset", folder, "--size", "192x256"]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = {line[:26].strip(): line[26:].split() for line in lines[3:]}
    assert set(rows) == {*script.STAGES, "the rest", "all"}
    shares = {name: float(row[1].rstrip("%")) for name, row in rows.items() if name != "all"}
    assert sum(shares.values()) == pytest.approx(100, abs=1)
    # A stage whose function was renamed would have no time at all.
    assert all(share > 0 for share in shares.values())


def test_own_numbers_are_those_of_the_system(script):
    size = script.resident_bytes(os.getpid())
    block = bytearray(b"x" * 50_000_000)
    assert script.resident_bytes(os.getpid()) > size + 40_000_000 and block
    user, system = os.times()[:2]
    assert script.cpu_seconds([os.getpid()]) == pytest.approx(user + system, abs=0.1)


@pytest.mark.parametrize("workers", ["0", "1"])
def test_memory_is_flat_over_passes(script, folder, capsys, workers):
    arguments = ["--dataset", folder, "--size", "192x256", "--passes", "40", "--workers", workers]
    assert script.main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    totals = [sum(map(float, line.split()[1:3])) for line in lines[1:-1]]
    assert len(totals) == 40
    assert max(totals[20:]) < 1.05 * max(totals[4:20])


@pytest.mark.parametrize("arguments", [["--size", "96"], ["--passes", "-1"], ["--batch", "0"]])
def test_bad_arguments_are_one_line(script, folder, capsys, arguments):
    assert run_cli(script.main, ["--dataset", folder, *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {arguments[0]}") and error.count("\n") == 1
