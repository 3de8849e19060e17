"""Who may import whom, read from the syntax tree; and nothing that runs code from data."""

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("edge_agreement", "mrcnn")

BACKENDS = {"tensorflow", "jax", "jaxlib", "torch", "torchvision"}
PICKLERS = {"cPickle", "cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve"}
# It hands objects of this program to processes of this program; no file is read that way.
TO_OWN_PROCESSES = "mrcnn.data.pipeline.workers"
SAFE_YAML = {"YAMLError", "safe_dump", "safe_dump_all", "safe_load", "safe_load_all"}

MOST_LINES = 400
MOST_FILES = 15
# What a longer file has at its top.
REASON = re.compile(r"# Long because: .+")

# For every part of mrcnn the parts that it may import, beside itself and `constants`. A room that
# is divided names its own parts in turn: `data.datasets`. The facade wires the others and may
# import all of them.
DATA = {
    "data",
    "data.reading",
    "data.datasets",
    "data.transforms",
    "data.pipeline",
    "data.checks",
    "data.recognition",
    "data.conversion",
}
LAYERS = {
    "errors": set(),
    "constants": set(),
    "files": {"errors"},
    "compat.warn": set(),
    "compat.removed": {"compat.warn"},
    "compat.moved": {"compat.removed"},
    "compat.settings": {"errors", "compat.warn", "config_types"},
    "config_types": {"errors"},
    "config": {"errors", "compat.moved", "compat.settings", "config_types"},
    "config_io": {"errors", "config"},
    "config_effects": {"errors", "config"},
    "data.reading": {"errors"},
    "data": {"errors", "data.reading"},
    "data.datasets": {"errors", "data", "data.reading"},
    "data.transforms": {"errors", "compat.moved", "data", "data.datasets"},
    "data.pipeline": {"errors", "data", "data.reading", "data.datasets", "data.transforms"},
    "data.checks": {"errors", "data", "data.reading", "data.datasets"},
    "data.recognition": {"errors", "data", "data.datasets"},
    "data.conversion": {"errors", "data", "data.datasets", "data.checks", "data.recognition"},
    "backend": {"errors"},
    "hub": {"errors"},
    "modeling": {"errors", "compat.moved", "config", "backend", *DATA},
    "weights": {"errors", "config", "config_io", "backend", "hub", "modeling", *DATA},
    "training": {"errors", "config", "config_io", "backend", "modeling", "weights", *DATA},
    "evaluation": {"errors", "compat.moved", *DATA},
    "compat": {
        *("errors", "config", "backend", "hub", "modeling", "weights", "training", "drawing"),
        *DATA,
    },
    "drawing": {"errors", "compat.moved", "evaluation", *DATA},
    "report": {"errors", "drawing", *DATA},
    "visualize": {"drawing"},
}
FACADE = {
    *("__init__", "__main__", "cli", "edge", "finish", "model", "model_weights", "trained"),
    "utils",
}
# What a part must do without, beyond the backends: Keras, where it is not about the network.
WITHOUT = {
    name: {"keras"}
    for name in (
        *("config", "config_effects", "config_io", "config_types"),
        *("compat.moved", "compat.removed", "compat.settings", "constants", "errors"),
        *DATA,
        *("hub", "evaluation", "drawing", "report"),
        "visualize",
    )
}


class Import(NamedTuple):
    """One imported module, in full, and the line that imports it."""

    module: str
    line: int


def imports(tree: ast.AST, module: str, is_package: bool = False) -> Iterator[Import]:
    """Yield what the module named `module` imports, relative and dynamic imports included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = module.split(".") + (["__init__"] if is_package else [])
                base = ".".join([*parents[: -node.level], *filter(None, [base])])
            # `from mrcnn import data` names a module too.
            for alias in node.names:
                yield Import(f"{base}.{alias.name}", node.lineno)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = ast.unparse(node.func)
            if called in ("__import__", "import_module", "importlib.import_module"):
                yield Import(str(node.args[0].value), node.lineno)


def root(module: str) -> str:
    return module.partition(".")[0]


def part(module: str) -> str:
    """Return the part of mrcnn that a module belongs to: `data.datasets` for
    `mrcnn.data.datasets.coco`, and `data` for `mrcnn.data.image`.
    """
    names = module.split(".")
    divided = ".".join(names[1:3])
    if divided in LAYERS:
        return divided
    return names[1] if len(names) > 1 else "__init__"


def import_faults(source: str, module: str, is_package: bool = False) -> list[str]:
    """Return one line for every import that the module named `module` must not have."""
    faults = []
    for name, line in imports(ast.parse(source), module, is_package):
        where = f"{module}:{line} imports {name}"
        top = root(name)
        if top in BACKENDS and not module.startswith("mrcnn.backend"):
            faults.append(f"{where}: only mrcnn.backend knows the backends")
        if top in PICKLERS and module != TO_OWN_PROCESSES:
            faults.append(f"{where}: no pickles")
        if root(module) == "edge_agreement":
            if top not in {"edge_agreement", "keras", "numpy", *sys.stdlib_module_names}:
                faults.append(f"{where}: edge_agreement needs Keras and NumPy only")
            continue
        own = part(module)
        if own in FACADE:
            continue
        if top in WITHOUT.get(own, ()):
            faults.append(f"{where}: mrcnn.{own} does without {top}")
        if top == "edge_agreement":
            faults.append(f"{where}: the facade wires the edge head")
        if top == "mrcnn" and part(name) not in {own, "constants", "files", *LAYERS.get(own, ())}:
            faults.append(f"{where}: mrcnn.{own} is not above mrcnn.{part(name)}")
    return faults


def unsafe_calls(source: str, module: str) -> list[str]:
    """Return one line for every call that could run code found in data."""
    faults = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module == "yaml":
            bad = {alias.name for alias in node.names} - SAFE_YAML
            faults += [f"{module}:{node.lineno} from yaml import {name}" for name in sorted(bad)]
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        if called in ("eval", "exec", "builtins.eval", "builtins.exec"):
            faults.append(f"{module}:{node.lineno} calls {called}")
        if root(called) == "yaml" and called.removeprefix("yaml.") not in SAFE_YAML:
            faults.append(f"{module}:{node.lineno} calls {called}, not yaml.safe_load")
        for keyword in node.keywords:
            value = keyword.value.value if isinstance(keyword.value, ast.Constant) else None
            if (keyword.arg, value) in (("allow_pickle", True), ("safe_mode", False)):
                faults.append(f"{module}:{node.lineno} passes {keyword.arg}={value}")
    return faults


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def module_name(path: Path) -> str:
    names = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(names[:-1] if names[-1] == "__init__" else names)


def long_files(lines: dict[str, list[str]]) -> list[str]:
    """Return the files of more than `MOST_LINES` that give no reason in a comment at their top."""
    return [
        name
        for name, text in lines.items()
        if len(text) > MOST_LINES and not any(REASON.match(line) for line in text[:10])
    ]


def full_folders(paths: list[Path]) -> list[str]:
    """Return the folders with more than `MOST_FILES` Python files."""
    counts = Counter(path.parent for path in paths)
    full = {str(folder): count for folder, count in counts.items() if count > MOST_FILES}
    return [f"{folder}: {count}" for folder, count in full.items()]


def test_files_are_short_and_folders_small():
    paths = sources(*PACKAGES, "benchmarks", "samples", "scripts", "tests")
    assert long_files({str(p): p.read_text("utf-8").splitlines() for p in paths}) == []
    assert full_folders(paths) == []


def test_long_files_and_full_folders_are_found():
    long = ["a = 1"] * (MOST_LINES + 1)
    reasoned = ["# Long because: it is one table.", *long]
    assert long_files({"a": long, "b": long[1:], "c": reasoned}) == ["a"]
    few = [Path("a", f"{n}.py") for n in range(MOST_FILES)]
    assert full_folders(few) == []
    assert full_folders([*few, Path("a/more.py"), Path("b/one.py")]) == [f"a: {MOST_FILES + 1}"]


def test_every_part_has_a_layer():
    parts = {part(module_name(path)) for path in sources("mrcnn")}
    assert parts <= LAYERS.keys() | FACADE
    assert LAYERS.keys() <= parts


@pytest.mark.parametrize("path", sources(*PACKAGES), ids=module_name)
def test_imports_follow_the_layers(path):
    is_package = path.name == "__init__.py"
    assert import_faults(path.read_text("utf-8"), module_name(path), is_package) == []


@pytest.mark.parametrize(
    "path", sources(*PACKAGES, "benchmarks", "samples", "scripts"), ids=module_name
)
def test_no_code_is_run_from_data(path):
    source = path.read_text("utf-8")
    module = module_name(path)
    assert unsafe_calls(source, module) == []
    if module != TO_OWN_PROCESSES:
        names = imports(ast.parse(source), module)
        assert [name for name in names if root(name.module) in PICKLERS] == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("mrcnn.modeling.rpn", "import tensorflow as tf"),
        ("mrcnn.modeling.rpn", "def f():\n    from torch import nn"),
        ("mrcnn.training.callbacks", "import importlib\nimportlib.import_module('jax.numpy')"),
        ("mrcnn.data.datasets.coco", "import keras"),
        ("mrcnn.data.datasets.coco", "from mrcnn.config import Config"),
        ("mrcnn.data.datasets.coco", "from ...modeling import boxes"),
        ("mrcnn.backend.nms", "from mrcnn import modeling"),
        ("mrcnn.modeling.heads", "import edge_agreement"),
        ("mrcnn.modeling.heads", "from mrcnn.training.schedule import Stage"),
        ("mrcnn.training.callbacks", "from mrcnn.evaluation import coco"),
        ("mrcnn.evaluation.coco", "from mrcnn.model import MaskRCNN"),
        ("mrcnn.evaluation.coco", "import mrcnn"),
        ("mrcnn.drawing.boxes", "from mrcnn.modeling.boxes import area"),
        ("mrcnn.visualize", "from mrcnn.modeling.boxes import area"),
        ("mrcnn.model", "import pickle"),
        ("edge_agreement.head", "from mrcnn.errors import InputError"),
        ("edge_agreement.head", "import scipy.ndimage"),
    ],
)
def test_a_wrong_import_is_found(module, source):
    assert len(import_faults(source, module)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("mrcnn.backend.tensorflow", "import tensorflow as tf"),
        (
            "mrcnn.data.datasets.coco",
            "from .image import load\nfrom mrcnn.errors import InputError\nimport yaml",
        ),
        (
            "mrcnn.modeling.targets",
            "import keras\nfrom . import boxes\nfrom mrcnn.backend import nms",
        ),
        ("mrcnn.model", "import edge_agreement\nfrom mrcnn.evaluation import coco"),
        ("edge_agreement.head", "import math\nimport keras\nfrom . import filters"),
    ],
)
def test_a_right_import_passes(module, source):
    assert import_faults(source, module) == []


def test_relative_imports_of_a_package_start_at_itself():
    tree = ast.parse("from . import coco\nfrom ..errors import InputError")
    found = [name.module for name in imports(tree, "mrcnn.data", is_package=True)]
    assert found == ["mrcnn.data.coco", "mrcnn.errors.InputError"]


@pytest.mark.parametrize(
    "source",
    [
        "eval('1')",
        "exec('a = 1')",
        "yaml.load(text)",
        "yaml.load(text, Loader=yaml.SafeLoader)",
        "yaml.unsafe_load(text)",
        "from yaml import load",
        "np.load(path, allow_pickle=True)",
        "keras.models.load_model(path, safe_mode=False)",
    ],
)
def test_an_unsafe_call_is_found(source):
    assert len(unsafe_calls(source, "m")) == 1


@pytest.mark.parametrize(
    "source",
    [
        "yaml.safe_load(text)",
        "model.eval()",
        "np.load(path, allow_pickle=False)",
        "ast.literal_eval(text)",
    ],
)
def test_a_safe_call_passes(source):
    assert unsafe_calls(source, "m") == []
