"""The package's metadata, lock file and documents agree with the code and with each other."""

import ast
import doctest
import importlib
import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
RUNTIME = [Requirement(line) for line in PROJECT["dependencies"]]
EXTRAS = PROJECT["optional-dependencies"]
DEV = [Requirement(line) for name in ("dev", "docs") for line in EXTRAS[name]]
LOCK = (ROOT / "requirements.lock").read_text("utf-8")
# Folders of programs, which import one another by file name.
PROGRAMS = ("benchmarks", "samples", "scripts")
# Modules whose distribution has another name.
DISTRIBUTIONS = {"PIL": "pillow", "skimage": "scikit-image", "yaml": "pyyaml"}
# Imported only where the user has chosen that backend, or wants that kind of augmentation.
OPTIONAL = {"imgaug", "jax", "torch", "torchvision"}
# Imported by the command that runs the notebooks anew.
NOTEBOOKS = {"nbclient", "nbformat"}


def python_sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def test_version_is_the_same_everywhere():
    version = PROJECT["version"]
    assert metadata.version("mask-rcnn-edge") == version
    assert importlib.import_module("mrcnn").__version__ == version
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))["version"] == version
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert headings[:2] == ["Unreleased", version]


def test_citation_names_the_paper():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))["preferred-citation"]
    assert [author["family-names"] for author in citation["authors"]] == ["Zimmermann", "Siems"]
    assert citation["identifiers"][0]["value"] == "arXiv:1809.07069"


def test_everything_imported_is_declared():
    declared = {canonicalize_name(requirement.name) for requirement in RUNTIME}
    own = {"edge_agreement", "mrcnn", *(path.stem for path in python_sources(*PROGRAMS))}
    known = {*own, *sys.stdlib_module_names, *OPTIONAL, *NOTEBOOKS}
    missing = set()
    for path in python_sources("edge_agreement", "mrcnn", *PROGRAMS):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [str(node.module)]
            for top in {name.partition(".")[0] for name in names} - known:
                distribution = canonicalize_name(DISTRIBUTIONS.get(top, top))
                if distribution not in declared:
                    missing.add(f"{path.relative_to(ROOT)}: {top}")
    assert sorted(missing) == []


@pytest.mark.parametrize("requirement", RUNTIME + DEV, ids=lambda requirement: requirement.name)
def test_lock_pins_every_dependency_within_its_range(requirement):
    pins = [Requirement(line) for line in LOCK.splitlines() if re.match(r"[a-z]", line)]
    name = canonicalize_name(requirement.name)
    versions = [
        next(iter(pin.specifier)).version for pin in pins if canonicalize_name(pin.name) == name
    ]
    assert versions
    assert all(requirement.specifier.contains(version) for version in versions)


def test_lock_is_exact_and_small():
    lines = [line for line in LOCK.splitlines() if line.strip() and line.lstrip()[0] != "#"]
    assert all(re.match(r"[a-z0-9.-]+==[^ ]+( ; .+)?$", line) for line in lines)
    names = {line.partition("==")[0] for line in lines}
    assert names.isdisjoint({"torch", "opencv-python", "opencv-python-headless", "numba"})


@pytest.mark.parametrize(
    "path",
    [
        path
        for path in python_sources("edge_agreement", "mrcnn")
        if ">>> " in path.read_text("utf-8")
    ],
    ids=lambda path: path.relative_to(ROOT).as_posix(),
)
def test_docstring_examples_run(path):
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    outcome = doctest.testmod(importlib.import_module(name))
    assert outcome.attempted > 0
    assert outcome.failed == 0
