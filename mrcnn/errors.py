"""Errors that a user can act on, and the one place where a command turns them into exit codes."""

import difflib
import io
import os
import re
import signal
import sys
from collections.abc import Callable, Iterable
from pathlib import Path


class InputError(ValueError):
    """What the user gave cannot be used. The message says what came and what would be right.

    It is one line: line feeds become spaces, and what cannot be printed, such as the control codes
    of terminals in names from files, is escaped.
    """

    def __str__(self) -> str:
        return one_line(re.sub(r"\s*[\r\n\t]\s*", " ", super().__str__()))


class MissingFileError(InputError, FileNotFoundError):
    """A file that is looked for is not there; `except FileNotFoundError` catches it too."""


def one_line(text: str) -> str:
    """Return a text with escapes in place of what cannot be printed: line feeds, control codes."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `" Did you mean 'X'?"` for the known name closest to `name`, or an empty string."""
    matches = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" Did you mean {matches[0]!r}?" if matches else ""


def misspelt(name: str, given: Iterable[str]) -> str:
    """Return a sentence on the one of the given names closest to `name`, where either of the two
    may be the wrong one, or an empty string.
    """
    matches = difflib.get_close_matches(name, list(given), n=1, cutoff=0.6)
    return f" Is {name!r} misspelt, or {matches[0]!r}?" if matches else ""


def near_path(path: Path) -> str:
    """Return `" Did you mean 'X'?"` for what lies beside a path that does not exist and has the
    nearest name; where its folder does not exist either, say that; or an empty string.
    """
    if not path.parent.is_dir():
        return f" There is no folder {path.parent}."
    close = difflib.get_close_matches(path.name, os.listdir(path.parent), 1, 0.6)
    return f" Did you mean {str(path.parent / close[0])!r}?" if close else ""


class WorkerError(InputError, RuntimeError):
    """A process that loads images has died."""


# What TensorFlow and PyTorch raise where a device has no memory left.
_NO_MEMORY = ("ResourceExhaustedError", "OutOfMemoryError")


def run_cli(main: Callable[[list[str] | None], int | None], argv: list[str] | None = None) -> int:
    """Run a command's `main` and return its exit code.

    Bad input, files that cannot be used and a full memory become one line on stderr and 2, Ctrl-C
    becomes 130.
    What the terminal cannot show, such as a class name in another script, is printed as "?".
    """
    # stderr replaces already. Notebooks have streams of another kind.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    try:
        code = main(argv) or 0
        sys.stdout.flush()
        return code
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # Who reads the output, `head` for example, has read enough. What is left in the buffer must
        # go nowhere, or Python complains when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except OSError as error:
        # A file or folder that cannot be made, written or read, or a device that is full or gone.
        place = "" if error.filename is None else f"{error.filename}: "
        print(f"error: {place}{error.strerror or error}", file=sys.stderr)
        return 2
    except RecursionError:
        print("error: a file is nested too deep to be read", file=sys.stderr)
        return 2
    except Exception as error:
        if not (isinstance(error, MemoryError) or type(error).__name__ in _NO_MEMORY):
            raise
        print(
            "error: there is not enough memory: take smaller images (IMAGE_MAX_DIM), fewer at a "
            "time (IMAGES_PER_GPU, --batch) or fewer --workers",
            file=sys.stderr,
        )
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
