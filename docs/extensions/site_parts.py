"""What Sphinx runs while it builds the site: generated parts of pages, formulas, docstrings, and a
last look at the links.
"""

import inspect
import re
from typing import Any

import keras
from command_reference import command_reference
from config_reference import built_in_configs, config_reference
from docutils import nodes
from latex2mathml.converter import convert
from link_check import site_faults
from sphinx.application import Sphinx
from sphinx.util import logging

logger = logging.getLogger(__name__)

# A page has one of these comments where its generated part belongs.
GENERATED = {
    "<!-- generated: commands -->": command_reference,
    "<!-- generated: configuration -->": config_reference,
    "<!-- generated: built-in configurations -->": built_in_configs,
}
CODE = re.compile(r"(``.*?``|`[^`]*`)", re.DOTALL)
# What means something to reStructuredText and nothing in our docstrings.
MARKUP = re.compile(r"[|*]|(?<=\w)_(?=\W|$)")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register everything with Sphinx."""
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_displaymath, None))
    app.connect("source-read", put_generated_parts)
    # After napoleon, which has turned sections into fields by then.
    app.connect("autodoc-process-docstring", escape_docstring, priority=900)
    app.connect("autodoc-process-signature", keras_signature)
    app.connect("doctree-resolved", draw_dashes)
    app.connect("build-finished", check_links)
    return {"parallel_read_safe": True}


def put_generated_parts(app: Sphinx, page: str, source: list[str]) -> None:
    """Put generated parts in their places on a page."""
    for place, generate in GENERATED.items():
        if place in source[0]:
            source[0] = source[0].replace(place, generate())


def visit_math(translator: Any, node: nodes.Element) -> None:
    """Write a formula in a line as MathML, which browsers draw without a script."""
    translator.body.append(convert(node.astext()))
    raise nodes.SkipNode


def visit_displaymath(translator: Any, node: nodes.Element) -> None:
    """Write a formula on lines of its own as MathML."""
    formula = convert(node.astext(), display="block")
    translator.body.append(f'<div class="math-block">{formula}</div>')
    raise nodes.SkipNode


def escape_docstring(app: Sphinx, kind: str, name: str, thing: Any, options: Any, lines: list[str]):
    """Let bars and stars of formulas in a docstring be themselves, outside of code."""
    text = "\n".join(lines)
    parts = [part if n % 2 else _escape(part) for n, part in enumerate(CODE.split(text))]
    lines[:] = "".join(parts).split("\n")


def keras_signature(
    app: Sphinx, kind: str, name: str, thing: Any, options: Any, signature: Any, returned: Any
) -> tuple[str, None] | None:
    """Return the arguments of a Keras layer or loss, whose `__new__` takes anything."""
    if kind != "class" or not issubclass(thing, keras.layers.Layer):
        return None
    parameters = list(inspect.signature(thing.__init__).parameters.values())[1:]
    plain = [p.replace(annotation=p.empty) for p in parameters]
    return str(inspect.Signature(plain)), None


def draw_dashes(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Draw the dash between a parameter and its meaning, which Sphinx writes as two hyphens."""
    for text in list(doctree.findall(nodes.Text)):
        if text == " -- ":
            text.parent.replace(text, nodes.Text(" \N{EN DASH} "))


def check_links(app: Sphinx, failure: Exception | None) -> None:
    """Warn of every fault of the pages, which ends a strict build with an error."""
    if failure is None and app.builder.name == "html":
        for fault in site_faults(app.outdir):
            logger.warning("%s", fault)


def _escape(text: str) -> str:
    return "\n".join(
        line if line.lstrip().startswith((">>>", "...", ":")) else MARKUP.sub(r"\\\g<0>", line)
        for line in text.split("\n")
    )
