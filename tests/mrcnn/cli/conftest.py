"""The command in this process, photographs in any format, and one tiny run that several tests look
at.
"""

import runpy
from pathlib import Path

import pytest
import yaml

from mrcnn.cli.app import run as run_command
from mrcnn.data.datasets.toy_sample import generate_sample


@pytest.fixture(scope="session")
def command():
    """`command("train")(arguments...)` runs a subcommand in this process; returns its exit code."""
    return lambda *names: lambda *args: run_command([*names, *args])


@pytest.fixture(scope="session")
def lay_out():
    """Write 12 photographs in a format, as the tests of the formats have them."""
    layouts = runpy.run_path(str(Path(__file__).parents[1] / "data" / "conftest.py"))

    def write(kind, root):
        root.mkdir(parents=True, exist_ok=True)
        return layouts["WRITERS"][kind](root, layouts["_photos"]())

    return write


@pytest.fixture(scope="session")
def shapes(tmp_path_factory):
    """A tiny built-in sample."""
    return generate_sample(tmp_path_factory.mktemp("shapes"), train=12, val=4, size=96)


@pytest.fixture(scope="session")
def tiny_yaml(tmp_path_factory, tiny_settings):
    """The tiny network as a config file: three stages, 40 / 80 / 40 k steps."""
    path = tmp_path_factory.mktemp("config") / "tiny.yaml"
    schedule = [["heads", 40_000, 1e-3], ["4+", 80_000, 1e-3], ["all", 40_000, 1e-4]]
    own = {"EDGE_LOSS_FILTERS": [], "SCHEDULE": schedule}
    path.write_text(yaml.safe_dump({**tiny_settings, **own}))
    return path


@pytest.fixture(scope="session")
def run(tmp_path_factory, command, shapes, tiny_yaml, eagerly):
    """The folder of a run through all stages of the paper's schedule, at a ten thousandth."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    with eagerly():
        code = command("train")(
            "--dataset", shapes, "--config", tiny_yaml, "--edge", "sobel", "--p", "2",
            "--logs", folder, "--steps-scale", "0.0001", "--weights", "none", "--no-report",
            "--quiet",
        )  # fmt: skip
    assert code == 0
    return folder
