"""The command reference, made from the commands of `mrcnn.cli` by Cyclopts."""

import re
import sys
from unittest import mock

from mrcnn.cli.app import app


def command_reference() -> str:
    """Return the reference as Markdown: a list of the commands, and a heading for each."""
    # Cyclopts takes a part of the usage line from the running program, which is Sphinx.
    with mock.patch.object(sys, "argv", ["mrcnn"]):
        text = app.generate_docs(output_format="markdown", usage_name="mrcnn")
    # The title, what the program is, and a table of contents: the page has its own.
    _, list_of_commands, rest = text.partition("\n**")
    # Links to a command whose name begins with hyphens lack them.
    known = {heading_id(title) for title in re.findall(r"^#+ (.*)$", rest, flags=re.MULTILINE)}
    return re.sub(
        r"\(#([\w-]+)\)", lambda link: f"(#{_closest(link[1], known)})", list_of_commands + rest
    )


def heading_id(title: str) -> str:
    """Return the name of a heading in links."""
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


def _closest(name: str, known: set[str]) -> str:
    plain = {re.sub(r"-+", "-", one): one for one in known}
    return name if name in known else plain.get(name, name)
