"""The commands as modules, and one tiny run that several tests look at."""

import importlib.util
import sys
from pathlib import Path

import pytest
import yaml

from mrcnn.data.datasets.toy_sample import generate_sample
from mrcnn.errors import run_cli

ROOT = Path(__file__).resolve().parents[2]


def _load(path):
    sys.path.insert(0, str(path.parent))
    try:
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(path.parent))
    return module


@pytest.fixture(scope="session")
def command():
    """`command("train")(arguments...)` runs a command in this process and returns its exit code."""
    folders = {"train": "samples/coco", "evaluate": "samples/coco", "detect": "samples/coco"}
    folders |= {"demo_sheet": "scripts", "check_data": "scripts"}
    modules = {name: _load(ROOT / folder / f"{name}.py") for name, folder in folders.items()}
    return lambda name: lambda *args: run_cli(modules[name].main, [str(arg) for arg in args])


@pytest.fixture(scope="session")
def shapes(tmp_path_factory):
    """A tiny built-in sample."""
    return generate_sample(tmp_path_factory.mktemp("shapes"), train=12, val=4, size=96)


@pytest.fixture(scope="session")
def tiny_yaml(tmp_path_factory, tiny_settings):
    """The tiny network as a config file: three stages, 40 / 80 / 40 k steps."""
    path = tmp_path_factory.mktemp("config") / "tiny.yaml"
    schedule = [["heads", 40_000, 1e-3], ["4+", 80_000, 1e-3], ["all", 40_000, 1e-4]]
    own = {"EDGE_LOSS_FILTERS": [], "IMAGE_RESIZE_MODE": "canvas", "IMAGE_MAX_DIM": 96}
    path.write_text(yaml.safe_dump({**tiny_settings, **own, "SCHEDULE": schedule}))
    return path


@pytest.fixture(scope="session")
def run(tmp_path_factory, command, shapes, tiny_yaml):
    """The folder of a run through all stages of the paper's schedule, at a ten thousandth."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    code = command("train")(
        "--dataset", shapes, "--config", tiny_yaml, "--edge", "sobel", "--p", "2", "--logs", folder,
        "--steps-scale", "0.0001", "--quiet",
    )  # fmt: skip
    assert code == 0
    return folder
