"""Docstrings are whole: their sections end with a sentence, and tell every argument of a layer."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted(
    path for package in ("mrcnn", "edge_agreement") for path in (ROOT / package).rglob("*.py")
)
DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
SECTION = re.compile(r"^(Args|Call arguments|Attributes|Returns|Yields|Raises):$", re.MULTILINE)


def sections(text):
    """The sections of a docstring by title."""
    pieces = SECTION.split(text)[1:]
    # What is not indented, or begins with a prompt, is no part of a section any more.
    return {
        title: re.split(r"\n(?=\S)|\n\s*>>>", body.strip("\n"))[0].strip()
        for title, body in zip(pieces[::2], pieces[1::2], strict=True)
    }


def docstrings(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = [node for node in ast.walk(tree) if isinstance(node, DOCUMENTED)]
    return [(node, ast.get_docstring(node)) for node in nodes if ast.get_docstring(node)]


def cut_short(text):
    """Titles of the sections that end within a sentence."""
    return [title for title, body in sections(text).items() if not body.endswith((".", ".)"))]


def untold(node, text):
    """Arguments of a layer's `call` that its docstring does not name."""
    calls = [f for f in node.body if isinstance(f, ast.FunctionDef) and f.name == "call"]
    told = sections(text).get("Call arguments")
    if told is None or not calls:
        return []
    names = [argument.arg for argument in calls[0].args.args[1:]]
    return [name for name in names if not re.search(rf"\b{name}\b", told)]


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(ROOT)) for path in FILES])
def test_sections_are_whole(path):
    faults = []
    for node, text in docstrings(path):
        name = getattr(node, "name", "the file")
        faults += [f"{name}: {title} is cut short" for title in cut_short(text)]
        if isinstance(node, ast.ClassDef):
            faults += [f"{name}: nothing on argument {argument}" for argument in untold(node, text)]
    assert not faults


def test_a_cut_is_seen():
    assert cut_short("Does it.\n\nReturns:\n    a `(B, N)`, the first;\n") == ["Returns"]
    assert cut_short("Does it.\n\nReturns:\n    a `(B, N)`, the first.\n") == []
    layer = 'class A:\n    def call(self, one, two):\n        "x"'
    text = "Does it.\n\nCall arguments:\n    one `(B,)`.\n"
    assert untold(ast.parse(layer).body[0], text) == ["two"]
