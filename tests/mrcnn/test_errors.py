"""One line and exit code 2 for what a user can act on; a traceback for everything else."""

import io
import signal
import subprocess
import sys

import pytest

from mrcnn.errors import InputError, misspelt, near_path, nearest, run_cli


def test_input_error_is_a_value_error():
    assert issubclass(InputError, ValueError)


def test_an_input_error_is_one_line_whatever_it_quotes(capsys):
    error = InputError("no class 'a\nb\x1b[31m\u202e' in x")
    assert str(error) == r"no class 'a b\x1b[31m\u202e' in x"

    def main(_):
        raise error

    assert run_cli(main) == 2
    assert capsys.readouterr().err == f"error: {error}\n"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("LEARNING_RAT", " Did you mean 'LEARNING_RATE'?"),
        ("LEARNING_MOMENTUN", " Did you mean 'LEARNING_MOMENTUM'?"),
        ("zzz", ""),
    ],
)
def test_nearest(name, hint):
    assert nearest(name, ["LEARNING_RATE", "LEARNING_MOMENTUM", "SEED"]) == hint


def test_nearest_of_nothing_is_empty():
    assert nearest("SEED", []) == ""


def test_either_of_two_names_may_be_misspelt():
    assert misspelt("nucleus", ["cell", "nuclues"]) == " Is 'nucleus' misspelt, or 'nuclues'?"
    assert misspelt("nucleus", ["cell"]) == ""


def test_what_lies_beside_a_path_that_does_not_exist(tmp_path):
    (tmp_path / "photos").mkdir()
    assert near_path(tmp_path / "photo") == f" Did you mean {str(tmp_path / 'photos')!r}?"
    assert near_path(tmp_path / "xyz") == ""
    assert near_path(tmp_path / "none" / "a.h5") == f" There is no folder {tmp_path / 'none'}."


@pytest.mark.parametrize("lines", [1, 100_000])
def test_a_reader_that_went_away_is_no_fault(lines):
    """One line waits in the buffer until the end, many do not."""
    script = (
        "import sys, time; from mrcnn.errors import run_cli\n"
        f"def main(_): time.sleep(0.3); [print('line') for _ in range({lines})]\n"
        "sys.exit(run_cli(main))"
    )
    command = [sys.executable, "-c", script]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as writer:
        writer.stdout.close()
        assert writer.stderr.read() == ""
    assert writer.returncode == 128 + signal.SIGPIPE


@pytest.mark.parametrize(("returned", "code"), [(None, 0), (0, 0), (3, 3)])
def test_run_cli_passes_the_exit_code_on(returned, code):
    assert run_cli(lambda argv: returned) == code


def test_run_cli_passes_the_arguments_on():
    seen = []
    run_cli(seen.append, ["--seed", "1"])
    assert seen == [["--seed", "1"]]


def test_run_cli_turns_an_input_error_into_one_line_and_code_2(capsys):
    def main(argv):
        raise InputError("no such file\n  a.json:\tgive another")

    assert run_cli(main) == 2
    captured = capsys.readouterr()
    assert captured.err == "error: no such file a.json: give another\n"
    assert captured.out == ""


def test_run_cli_leaves_other_errors_alone():
    def main(argv):
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        run_cli(main)


def test_a_file_that_cannot_be_made_is_one_line(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert run_cli(lambda argv: (tmp_path / "file" / "folder").mkdir()) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1 and "folder" in error


def test_an_interrupt_is_no_traceback(capsys):
    def stop(argv):
        raise KeyboardInterrupt

    assert run_cli(stop) == 130
    assert capsys.readouterr().err == "interrupted\n"


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_what_a_terminal_cannot_show_is_replaced(monkeypatch, encoding):
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding=encoding))
    assert run_cli(lambda _: print("class \u732b 1.000")) == 0
    assert written.getvalue() == b"class ? 1.000\n"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(28, "No space left on device"), "error: No space left on device"),
        (OSError("no such thing"), "error: no such thing"),
        (RecursionError("maximum"), "error: a file is nested too deep to be read"),
        (MemoryError(), "error: there is not enough memory: take smaller images"),
        (type("ResourceExhaustedError", (Exception,), {})("OOM"), "error: there is not enough"),
    ],
    ids=repr,
)
def test_what_a_machine_lacks_is_one_line(capsys, error, line):
    def main(argv):
        raise error

    assert run_cli(main) == 2
    printed = capsys.readouterr().err
    assert printed.startswith(line) and printed.count("\n") == 1
