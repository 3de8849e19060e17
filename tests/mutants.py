"""Plants the faults of `mutants.md` one by one in a copy of the tree, and runs the test that must
fail.

python tests/mutants.py [NUMBER ...]: all faults, or those of some numbers. The exit code is 1 where
a fault is not caught, or a test fails without it.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
TABLE = Path(__file__).with_name("mutants.md")
ROW = re.compile(
    r"\| (?P<number>\d+) \| (?P<fault>[^|]+) \| `(?P<file>[^`]+)` "
    r"\| `(?P<old>[^`]+)` → `(?P<new>[^`]*)` \| `(?P<test>[^`]+)` \|"
)


class Mutant(NamedTuple):
    """A fault: what stands in a file, what is put in its place, and the test that must fail."""

    number: int
    fault: str
    file: str
    old: str
    new: str
    test: str

    @property
    def test_file(self) -> str:
        return self.test.partition("::")[0]

    def planted(self, text: str) -> str:
        """The content of the file with the fault in it.

        Raises:
            ValueError: What must stand there does not, or more than once.
        """
        count = text.count(self.old)
        if count != 1:
            raise ValueError(
                f"fault {self.number}: {self.file} has {self.old!r} {count} times, not once"
            )
        return text.replace(self.old, self.new)


def read_table(path: Path = TABLE) -> list[Mutant]:
    """The faults of the table.

    Raises:
        ValueError: A row is not in the form of the others.
    """
    mutants = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if re.match(r"\| \d", line):
            match = ROW.fullmatch(line)
            if not match:
                raise ValueError(f"{path.name}: not in the form of the other rows: {line}")
            fields = match.groupdict()
            mutants.append(Mutant(**{**fields, "number": int(fields["number"])}))
    return mutants


def copy_tree(target: Path) -> None:
    """Copy what git has, or would have, of the tree as it is now."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)


def run_tests(tree: Path, tests: list[str]) -> subprocess.CompletedProcess[str]:
    """Run tests of the copy, with the code of the copy."""
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    options = ["-q", "-x", "-p", "no:cacheprovider", "--durations=0", "--durations-min=1000"]
    command = [sys.executable, "-m", "pytest", *options, *tests]
    return subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True)


def survives(tree: Path, mutant: Mutant) -> str:
    """Plant a fault and run its test; what came instead of a failure, or nothing."""
    path = tree / mutant.file
    text = path.read_text(encoding="utf-8")
    path.write_text(mutant.planted(text), encoding="utf-8")
    try:
        done = run_tests(tree, [mutant.test])
    finally:
        path.write_text(text, encoding="utf-8")
    # 1: a test failed. Others: nothing was run, or it broke before.
    if done.returncode == 1 and re.search(r"^FAILED ", done.stdout, re.MULTILINE):
        return ""
    lines = (done.stdout + done.stderr).strip().splitlines()
    return f"exit code {done.returncode}, {lines[-1] if lines else 'no output'}"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("numbers", nargs="*", type=int, help="of the faults; all without it")
    chosen = parser.parse_args(argv).numbers
    mutants = [m for m in read_table() if not chosen or m.number in chosen]
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        copy_tree(tree)
        done = run_tests(tree, sorted({m.test for m in mutants}))
        if done.returncode or " skipped" in done.stdout:
            print(done.stdout[-5000:], done.stderr[-2000:])
            print("these tests must pass, none skipped, before a fault is planted")
            return 1
        missed = 0
        for mutant in mutants:
            start = time.perf_counter()
            reason = survives(tree, mutant)
            missed += bool(reason)
            verdict = f"NOT CAUGHT ({reason})" if reason else "caught"
            seconds = time.perf_counter() - start
            print(f"{mutant.number:2} {verdict:8} {seconds:5.1f} s  {mutant.fault}", flush=True)
    print(f"{len(mutants) - missed} of {len(mutants)} faults are caught")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
