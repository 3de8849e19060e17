"""Pages from templates. What is put into them is text, whatever it holds: all of it is escaped."""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from mrcnn.data.findings import printable


def render(template: str, **content: Any) -> str:
    """Fill a template of `mrcnn/report/templates`.

    In a template, `| text(length)` cuts a value to so many characters and leaves out those that no
    page can show.

    Raises:
        jinja2.UndefinedError: The template names something that is not in `content`.
    """
    environment = Environment(
        loader=PackageLoader("mrcnn.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["text"] = lambda value, length=120: printable(value, length)
    return environment.get_template(template).render(**content)
