"""Files from outside, read without trust."""

from typing import Any

import yaml

from mrcnn.errors import InputError

# PyYAML raises others than its own for odd tags, numbers of thousands of digits, dates that do not
# exist and brackets without end.
_UNREADABLE = (yaml.YAMLError, ValueError, KeyError, AttributeError, TypeError, RecursionError)


def parse_yaml(text: str, what: str) -> Any:
    """Return the content of YAML: plain values, lists and objects alone.

    Args:
        text: The YAML.
        what: The file or option that it is of, for the message.

    Raises:
        InputError: It is none.
    """
    try:
        return yaml.safe_load(text)
    except _UNREADABLE as error:
        raise InputError(f"{what} is no valid YAML: {error}") from None
