"""Errors that a user can act on, and the one place where a command turns them into exit codes."""

import difflib
import sys
from collections.abc import Callable, Iterable


class InputError(ValueError):
    """What the user gave cannot be used. The message says what came and what would be right."""


class MissingFileError(InputError, FileNotFoundError):
    """A file that is looked for is not there; `except FileNotFoundError` catches it too."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `" Did you mean 'X'?"` for the known name closest to `name`, or an empty string."""
    matches = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" Did you mean {matches[0]!r}?" if matches else ""


def run_cli(main: Callable[[list[str] | None], int | None], argv: list[str] | None = None) -> int:
    """Run a command's `main` and return its exit code.

    Bad input and files that cannot be used become one line on stderr and 2, Ctrl-C becomes 130.
    """
    try:
        return main(argv) or 0
    except InputError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except OSError as error:
        # A file or folder that cannot be made, written or read; anything else is a fault of ours.
        if error.filename is None:
            raise
        print(f"error: {error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
