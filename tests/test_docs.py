"""The pages and the README: their links, their code, and the parts that are made from the code."""

import importlib.util
import pkgutil
import re
import shlex
import sys
from pathlib import Path
from types import ModuleType
from typing import Annotated, Literal

import annotated_types
import pydantic
import pytest
from cyclopts import CycloptsError

from mrcnn.cli.app import app, run
from mrcnn.config import SETTINGS
from mrcnn.config_io import config_names, load_config
from mrcnn.data.recognition import formats

ROOT = Path(__file__).resolve().parent.parent
PAGES = [
    ROOT / "README.md",
    ROOT / "configs" / "README.md",
    ROOT / "samples" / "own_data" / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
DOCUMENTS = [ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *PAGES]
# A fenced block with the comment above it, if there is one.
BLOCK = re.compile(r"(?:^<!-- (.*?) -->\n)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NO_TEST = "no-test: "
# Commands without side effects, which are run.
QUICK = (["--help"], ["train", "--help"], ["--version"], ["weights", "list"])


def extension(name: str) -> ModuleType:
    """A module of `docs/extensions`, which is no package: Sphinx imports it by its path."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / "extensions" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


command_reference = extension("command_reference")
config_reference = extension("config_reference")
link_check = extension("link_check")


def blocks(*languages: str) -> list:
    """The blocks in some languages, as (comment, source), named after their page."""
    found = []
    for path in PAGES:
        for number, match in enumerate(BLOCK.finditer(path.read_text("utf-8"))):
            comment, language, source = match.groups()
            if language in languages:
                name = f"{path.relative_to(ROOT).as_posix()}-{number}"
                found.append(pytest.param(comment or "", source, id=name))
    return found


@pytest.mark.parametrize(("comment", "source"), blocks("python"))
def test_python_runs(comment, source, tmp_path, monkeypatch):
    compiled = compile(source, "example", "exec")
    if comment.startswith(NO_TEST):
        assert len(comment.removeprefix(NO_TEST)) > 10, "say why"
        return
    monkeypatch.chdir(tmp_path)
    exec(compiled, {"__name__": "example"})  # noqa: S102


@pytest.mark.parametrize(("comment", "source"), blocks("yaml"))
def test_settings_can_be_read(comment, source, tmp_path):
    (tmp_path / "own.yaml").write_text(source)
    config = load_config(tmp_path / "own.yaml")
    assert config.EDGE_LOSS_FILTERS == ["sobel"]


def test_every_built_in_configuration_is_listed():
    listed = re.findall(r"^\| `(.+?)` \|", config_reference.built_in_configs(), re.MULTILINE)
    assert sorted(listed) == sorted(config_names())


def test_every_format_is_listed_with_its_reader():
    text = (ROOT / "docs" / "formats.md").read_text("utf-8")
    rows = re.findall(r"^\| \[.*\| `(\w+)` \| `(\w+)\.(\w+)\(", text, re.MULTILINE)
    assert sorted(name for name, _, _ in rows) == sorted(formats.FORMATS)
    assert all(hasattr(getattr(formats, reader), method) for _, reader, method in rows)


NAMED = [
    pytest.param(name, id=f"{path.name}-{name}")
    for path in PAGES
    for name in sorted(
        set(re.findall(r"`((?:mrcnn|edge_agreement)(?:\.\w+)+)`", path.read_text("utf-8")))
    )
]


@pytest.mark.parametrize("name", NAMED)
def test_modules_and_functions_that_are_named_exist(name):
    assert pkgutil.resolve_name(name)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_files_that_are_named_exist(page):
    folders = "benchmarks|configs|docs|mrcnn|samples|scripts|tests"
    for name in re.findall(rf"`((?:{folders})/[\w/.]+)`", page.read_text("utf-8")):
        assert (ROOT / name).exists(), name


def test_there_is_python_to_run():
    run = [block for block in blocks("python") if not block.values[0].startswith(NO_TEST)]
    assert len(run) >= 8


def heading_ids(text: str) -> set[str]:
    """The names by which links reach the headings of a page, on the site and on GitHub."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_between_documents_lead_somewhere(path):
    text = re.sub(r"^```.*?^```", "", path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith("https://"):
            continue
        file, _, heading = target.partition("#")
        there = path.parent / file if file else path
        assert there.exists(), target
        if heading:
            assert heading in heading_ids(there.read_text("utf-8")), target


@pytest.mark.parametrize(
    ("page", "fault"),
    [
        ('<a href="b.html#part">', None),
        ('<a href="https://example.org/x">', None),
        ('<a href="#here"><p id="here">', None),
        ('<a href="c.html">', "a.html has a link to c.html, which does not exist"),
        ('<img src="c.png">', "a.html has a link to c.png, which does not exist"),
        ('<a href="b.html#x">', "a.html has a link to b.html#x, where no part has this name"),
        ('<a href="#x">', "a.html has a link to #x, where no part has this name"),
        ('<script src="//cdn.example/x.js">', "a.html loads //cdn.example/x.js"),
        ('<link rel="stylesheet" href="https://f.example/f.css">', "a.html loads https://f.ex"),
    ],
)
def test_faults_of_built_pages_are_found(page, fault, tmp_path):
    (tmp_path / "a.html").write_text(page)
    (tmp_path / "b.html").write_text('<p id="part">')
    found = list(link_check.site_faults(tmp_path))
    assert len(found) == (fault is not None)
    assert all(text.startswith(fault) for text in found)


@pytest.mark.parametrize("key", list(config_reference.config_keys()), ids=lambda key: key.name)
def test_every_setting_has_a_group_and_a_meaning(key):
    assert key.group
    assert len(key.meaning) > 15 and key.meaning.endswith(".")


def test_the_reference_has_every_setting_once():
    assert [key.name for key in config_reference.config_keys()] == [
        name for name in SETTINGS if name.isupper()
    ]


@pytest.mark.parametrize(
    ("hint", "words"),
    [
        (int, "whole number"),
        (Annotated[int, annotated_types.Gt(0)], "whole number, above 0"),
        (Annotated[float, pydantic.Field(ge=0, le=1)], "number, 0 to 1"),
        (str | None, "text, or null"),
        (
            Annotated[tuple[float, float], "be [low, high] within 0 and 1"],
            "[low, high] within 0 and 1",
        ),
        (Literal["zero", "edge"], "`zero`, `edge`"),
        (list[float], "list of numbers"),
        (tuple[float, float], "2 numbers"),
        (list[tuple[str, int]], "list of [text, whole number]"),
    ],
)
def test_types_in_words(hint, words):
    assert config_reference.describe(hint) == words


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "null"), ((28, 28), "[28, 28]"), (True, "true"), ("sgd", "sgd"), (40_000, "40000")],
)
def test_defaults_as_yaml(value, text):
    assert config_reference.as_yaml(value) == text


def command_lines() -> list:
    """The lines of all shell blocks as words, continued ones joined, without comments; and those
    of the examples in the help of the commands.
    """
    help_blocks = re.findall(
        r"^```\n(mrcnn .*?)^```$", command_reference.command_reference(), re.MULTILINE | re.DOTALL
    )
    sources = [
        *((block.id, block.values[1]) for block in blocks("sh")),
        *((f"help-{number}", source) for number, source in enumerate(help_blocks)),
    ]
    found = []
    for name, source in sources:
        for number, line in enumerate(source.replace("\\\n", " ").splitlines()):
            words = shlex.split(line, comments=True)
            if words:
                found.append(pytest.param(words, id=f"{name}-{number}"))
    return found


@pytest.mark.parametrize("words", command_lines())
def test_command_lines_are_right(words, capsys):
    while "=" in words[0]:  # KERAS_BACKEND=jax before a command
        words = words[1:]
    if words[0] == "python":
        assert (ROOT / words[1]).is_file()
    elif words[0] == "make":
        assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    elif words[0] == "mrcnn":
        app.parse_args(words[1:], exit_on_error=False, print_error=False)
        if words[1:] in QUICK:
            assert run(words[1:]) == 0
            assert capsys.readouterr().out
    else:
        assert words[0] == "pip"


@pytest.mark.parametrize("line", ["mrcnn train --edgy sobel", "mrcnn trane", "mrcnn detect a.jpg"])
def test_wrong_command_lines_are_noticed(line):
    with pytest.raises(CycloptsError):
        app.parse_args(line.split()[1:], exit_on_error=False, print_error=False)


def test_the_reference_has_every_command_and_option():
    text = command_reference.command_reference()
    for title in ("mrcnn train", "mrcnn evaluate", "mrcnn check", "mrcnn weights convert"):
        assert re.search(rf"^##+ {title}$", text, re.MULTILINE)
    assert "\nmrcnn train [OPTIONS] [ARGS]\n" in text
    for option in ("--edge STR", "--steps-scale FLOAT", "--skip-bad"):
        assert f"* `{option}`: " in text
    headings = {
        command_reference.heading_id(title) for title in re.findall(r"^#+ (.*)$", text, re.M)
    }
    links = set(re.findall(r"\(#(.+?)\)", text))
    assert len(links) > 8 and links <= headings
