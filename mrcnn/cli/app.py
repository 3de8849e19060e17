"""The table of subcommands, and how a command line becomes an exit code.

Exit codes: 0 all is well, 1 some of the work failed, 2 bad input, 130 interrupted (143 by SIGTERM).
"""

import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Any, NoReturn

from cyclopts import App, CycloptsError, Group, Parameter
from cyclopts.exceptions import UnusedCliTokensError

from mrcnn import __version__
from mrcnn.cli.benchmark import benchmark
from mrcnn.cli.browse import browse
from mrcnn.cli.check import check
from mrcnn.cli.convert import convert
from mrcnn.cli.demo import demo, sheet
from mrcnn.cli.detect import detect
from mrcnn.cli.download import download
from mrcnn.cli.evaluate import evaluate
from mrcnn.cli.train import train
from mrcnn.cli.weights import weights
from mrcnn.errors import InputError, run_cli

USE = Group("Train and use a model", sort_key=1)
DATA = Group("Data", sort_key=2)
TOOLS = Group("Weights and tools", sort_key=3)
SETUP = Group("Setup", sort_key=4)

# A file and a place here make a subcommand.
COMMANDS: dict[Group, dict[str, Any]] = {
    USE: {"train": train, "evaluate": evaluate, "detect": detect, "demo": demo},
    DATA: {"check": check, "browse": browse, "convert": convert, "download": download},
    TOOLS: {"weights": weights, "benchmark": benchmark},
}

app = App(
    "mrcnn",
    help="Mask R-CNN with the Edge Agreement Head, on Keras 3.\n\n"
    "`mrcnn COMMAND --help` explains a command.",
    version=__version__,
    version_flags=("--version",),
    help_flags=("--help", "-h"),
    suppress_keyboard_interrupt=False,
    # Of an option that is repeated the last one counts, and lists grow.
    default_parameter=Parameter(negative_iterable=(), allow_repeating=True),
)
for group, commands in COMMANDS.items():
    for place, (name, command) in enumerate(commands.items()):
        app.command(command)
        app[name].group, app[name].sort_key = group, place
# The second half of the demo alone, for the script that earlier releases had.
app.command(sheet, name="demo-sheet", show=False)
app["--help"].group = SETUP
app["--version"].group = SETUP
app.register_install_completion_command(
    group=SETUP, help="Install completion for the shell in use (bash, zsh, fish, PowerShell)."
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command of a process and return its exit code.

    Args:
        argv: The arguments; None for those of the process.
    """
    # A program that a shell starts in the background may have been told to ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _terminate)
    return run(sys.argv[1:] if argv is None else argv)


def run(argv: Sequence[str]) -> int:
    """Run a command line, without a change of signal handlers; return its exit code."""
    tokens = [str(token) for token in argv]
    return run_cli(lambda _: _call(tokens))


def _call(tokens: list[str]) -> int:
    try:
        outcome = app(
            tokens,
            exit_on_error=False,
            print_error=False,
            verbose=False,
            result_action="return_value",
        )
    except CycloptsError as error:
        raise InputError(_in_words(error)) from None
    return outcome if isinstance(outcome, int) else 0


def _in_words(error: CycloptsError) -> str:
    words = str(error)
    if isinstance(error, UnusedCliTokensError) and error.unused_tokens:
        words = f"unexpected argument {error.unused_tokens[0]!r}."
    command = " ".join(["mrcnn", *(error.command_chain or ())])
    end = "" if words[-1] in ".?" else "."
    return f"{words}{end} `{command} --help` lists what there is."


def _terminate(number: int, _: FrameType | None) -> NoReturn:
    print("terminated", file=sys.stderr)
    sys.exit(128 + number)
