"""The configuration reference, made from the source and the annotations of `mrcnn.config.Config`.

In the source, a comment `# -- Title` begins a group of keys, and the comment above a key says what
it means, in Markdown.
"""

import ast
import inspect
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import annotated_types
import numpy as np
import pydantic.fields
import yaml

from mrcnn.config import Config

README = Path(__file__).resolve().parents[2] / "configs" / "README.md"
GROUP = "-- "
LIST_WORDS = "be ["
NAMES = {int: "whole number", float: "number", str: "text", bool: "true or false"}
PLURALS = {int: "whole numbers", float: "numbers", str: "texts"}


@dataclass(frozen=True)
class Key:
    """A key of the configuration.

    Attributes:
        group: The title above it.
        meaning: The comment above it, in one line.
        kind: Type and range in words; empty where anything goes.
        default: The default as YAML.
    """

    name: str
    group: str
    meaning: str
    kind: str
    default: str


def config_reference() -> str:
    """Return the reference as Markdown: a heading for each group, an entry for each key."""
    lines, group = [], None
    for key in config_keys():
        if key.group != group:
            group = key.group
            lines += [f"## {group}", ""]
        kind = f"{key.kind}; " if key.kind else ""
        lines += [
            f"`{key.name}`{{#{key.name.lower()}}}",
            f":   {key.meaning}",
            "",
            f"    *{kind}default* `{key.default}`",
            "",
        ]
    return "\n".join(lines)


def built_in_configs() -> str:
    """Return the table of the configurations that are built in, from their README."""
    text = README.read_text("utf-8")
    return "\n".join(line for line in text.splitlines() if line.startswith("|"))


def config_keys() -> Iterator[Key]:
    """Yield the keys in their order."""
    source = inspect.getsource(Config).splitlines()
    hints = get_type_hints(Config, include_extras=True)
    group, comment = "", list[str]()
    for node in ast.parse("\n".join(source)).body[0].body:  # type: ignore[attr-defined]
        if not isinstance(node, ast.AnnAssign) or node.value is None:
            continue
        comment = comment_above(source, node.lineno - 1)
        if comment and comment[0].startswith(GROUP):
            group = comment.pop(0).removeprefix(GROUP)
        name = ast.unparse(node.target)
        yield Key(
            name=name,
            group=group,
            meaning=" ".join(comment),
            kind=describe(hints[name]),
            default=as_yaml(getattr(Config, name)),
        )


def comment_above(source: list[str], line: int) -> list[str]:
    """Return the lines of the comment that ends above a line, without their `#`; a title first."""
    found: list[str] = []
    while line and (source[line - 1].strip().startswith("#") or not source[line - 1].strip()):
        line -= 1
        text = source[line].strip().removeprefix("#").strip()
        if text:
            found.insert(0, text)
    return found


def as_yaml(value: Any) -> str:
    """Return a value in one line of YAML."""
    plain = yaml.safe_load(yaml.safe_dump(_lists(value)))
    text = yaml.safe_dump(plain, default_flow_style=True, width=10_000)
    return text.removesuffix("\n").removesuffix("\n...")


def _lists(value: Any) -> Any:
    value = value.tolist() if isinstance(value, np.ndarray) else value
    return [_lists(item) for item in value] if isinstance(value, list | tuple) else value


def describe(hint: Any, plural: bool = False) -> str:
    """Return what an annotation asks for, in words."""
    if get_origin(hint) is Annotated:
        base, *metadata = get_args(hint)
        # Beside its limits, an annotation may have words for the error message; of a list or pair
        # they say more than the limits of its entries.
        for item in metadata:
            if isinstance(item, str) and item.startswith(LIST_WORDS):
                return item.removeprefix("be ")
        words = [describe(base, plural), *(limit for item in metadata for limit in limits(item))]
        return ", ".join(word for word in words if word)
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        words = " or ".join(describe(arg) for arg in args if arg is not type(None))
        return f"{words}, or null" if type(None) in args else words
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in args)
    if origin is list:
        return f"list of {describe(args[0], plural=True)}"
    if origin is tuple:
        if len(set(args)) == 1:
            return f"{len(args)} {describe(args[0], plural=True)}"
        entry = ", ".join(describe(arg) for arg in args)
        return f"[{entry}]"
    if origin is dict:
        return "keys and values" if args[1] is Any else f"names and {describe(args[1], True)}"
    return (PLURALS if plural else NAMES).get(hint, "")


def limits(item: Any) -> Iterator[str]:
    """Yield in words what a piece of metadata of `Annotated` demands."""
    if isinstance(item, pydantic.fields.FieldInfo | annotated_types.GroupedMetadata):
        parts = item.metadata if isinstance(item, pydantic.fields.FieldInfo) else list(item)
        bounds = {type(part): part for part in parts}
        low, high = bounds.get(annotated_types.Ge), bounds.get(annotated_types.Le)
        if low is not None and high is not None:
            yield f"{low.ge} to {high.le}"
            parts = [part for part in parts if part not in (low, high)]
        for part in parts:
            yield from limits(part)
    elif isinstance(item, annotated_types.Gt):
        yield f"above {item.gt}"
    elif isinstance(item, annotated_types.Ge):
        yield f"at least {item.ge}"
    elif isinstance(item, annotated_types.Lt):
        yield f"below {item.lt}"
    elif isinstance(item, annotated_types.Le):
        yield f"at most {item.le}"
    elif isinstance(item, annotated_types.MinLen):
        yield f"with at least {item.min_length} entry"
