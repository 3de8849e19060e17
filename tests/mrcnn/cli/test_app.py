"""The command as a whole: what its help loads, its exit codes, and the scripts that call it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mrcnn.cli.app import COMMANDS

ROOT = Path(__file__).resolve().parents[3]
NAMES = [name for commands in COMMANDS.values() for name in commands]
# coco.py is a module of its own; see tests/samples/test_coco.py.
SHIMS = sorted([*(ROOT / "samples" / "coco").glob("[!c]*.py"), *(ROOT / "scripts").glob("*.py")])
HEAVY = ("keras", "tensorflow", "jax", "torch", "matplotlib", "numpy", "PIL", "h5py")


def python(*arguments, **options):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True, text=True, env=environment, timeout=120, **options,
    )  # fmt: skip


HELP = """
import contextlib, io, json, sys
from mrcnn.cli.app import run
commands, heavy = json.loads(sys.argv[1])
loaded = {}
for arguments in commands:
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert run([*arguments, "--help"]) == 0
    assert "Usage: mrcnn" in out.getvalue()
    loaded[" ".join(arguments)] = sorted(set(heavy) & sys.modules.keys())
print(json.dumps(loaded))
"""


def test_help_loads_nothing_heavy():
    commands = [[], *([name] for name in NAMES), ["demo-sheet"], ["weights", "convert"]]
    outcome = python("-c", HELP, json.dumps([commands, HEAVY]))
    assert outcome.returncode == 0, outcome.stderr
    loaded = json.loads(outcome.stdout)
    assert len(loaded) == len(commands) >= 13
    assert all(not modules for modules in loaded.values()), loaded


def test_every_subcommand_is_listed_with_words(command, capsys):
    assert command()("--help") == 0
    out = capsys.readouterr().out
    for name in NAMES:
        (line,) = [line for line in out.splitlines() if line.startswith(f"│ {name} ")]
        assert len(line.split()) > 4
    assert "demo-sheet" not in out
    assert "--install-completion" in out


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["trian"], ["trian", "Did you mean", "mrcnn --help"]),
        (["train", "--egde", "sobel"], ["--egde", "--edge", "mrcnn train --help"]),
        (["train", "--p", "two"], ["--p", "two", "float"]),
        (["train", "a", "b"], ["unexpected argument 'b'"]),
        (["evaluate", "--dataset", "x"], ["--weights"]),
        (["evaluate", "--weights", "x", "--limit", "1.5"], ["--limit", "1.5", "whole number"]),
        (["convert", "voc2", "a", "b"], ["voc2", "cityscapes"]),
        (["download", "--year", "2015"], ["2015", "2014"]),
        (["train", "--set"], ["--set"]),
        (["weights", "convert", "a.pth", "b.h5", "--to", "c"], ["--to", "c"]),
        (["detect", "--weights", "x"], ["IMAGES"]),
    ],
)
def test_bad_command_lines_are_one_line(command, capsys, arguments, parts):
    assert command()(*arguments) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ") and captured.err.count("\n") == 1
    assert captured.out == ""
    for part in parts:
        assert part in captured.err


WRONG_NAMES = """
import json, sys
from mrcnn.cli.app import run
for arguments in json.loads(sys.argv[1]):
    assert run(arguments) == 2
    assert not {"keras", "tensorflow", "jax", "torch"} & sys.modules.keys(), arguments
"""


def test_wrong_names_are_answered_before_a_network_library_is_loaded(tmp_path):
    """A library takes seconds to load, and the answer is a matter of a moment."""
    (tmp_path / "photos").mkdir()
    (tmp_path / "photo.png").touch()
    (tmp_path / "mine.h5").touch()
    lines = [
        (["train", "photo"], "Did you mean 'photos'?"),
        (["train", "photos"], "photos is no dataset of a known format"),
        (["train", "--weights", "imagnet"], "Did you mean 'imagenet'?"),
        (["train", "--config", "finetun"], "the nearest: finetune"),
        (["train", "--set", "IMAGE_MIN_DIM"], "KEY=VALUE"),
        (["evaluate", "--weights", "min.h5"], "Did you mean 'mine.h5'?"),
        (["evaluate", "--weights", "runs/x"], "weight file or run folder runs/x does not exist"),
        (["detect", "photo.png", "--weights", "imagenet"], "the names are last"),
        (["detect", "phot.png", "--weights", "mine.h5"], "phot.png does not exist"),
    ]
    arguments = json.dumps([line for line, _ in lines])
    outcome = python("-c", WRONG_NAMES, arguments, cwd=tmp_path)
    assert outcome.returncode == 0, outcome.stderr
    answers = outcome.stderr.splitlines()
    for (line, part), answer in zip(lines, answers, strict=True):
        assert part in answer, line


@pytest.mark.parametrize("shim", SHIMS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_shims_work_from_any_folder(shim, tmp_path):
    environment = {name: v for name, v in os.environ.items() if name != "PYTHONPATH"}
    outcome = subprocess.run(
        [sys.executable, str(shim), "--help"],
        capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=120,
    )  # fmt: skip
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout.lower().startswith("usage: ")
    assert list(tmp_path.iterdir()) == []


def test_every_script_of_the_last_release_is_there():
    assert {path.stem for path in SHIMS} >= {
        "benchmark", "browse_data", "check_data", "compare_masks", "convert_dataset",
        "convert_weights", "demo_sheet", "detect", "download_coco", "evaluate", "profile_loader",
        "train",
    }  # fmt: skip


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_command_that_is_interrupted(number, code):
    program = (
        "import os, signal, sys; import mrcnn.cli.check as check; from mrcnn.cli import app\n"
        f"app.app.command(lambda: os.kill(os.getpid(), {int(number)}), name='wait')\n"
        "sys.exit(app.main(['wait']))"
    )
    outcome = python("-c", program)
    assert outcome.returncode == code
    assert outcome.stderr in ("interrupted\n", "terminated\n")


def test_it_is_a_module_too():
    outcome = python("-m", "mrcnn", "--version")
    assert (outcome.returncode, outcome.stdout) == (0, "0.1.0\n")
