"""A CSV file that only grows: what a kill or a full disk leaves of it is mended when it goes on."""

import csv
import errno
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mrcnn.errors import InputError
from mrcnn.files.writing import write_text


class Rows:
    """Rows of numbers by step, each on the disk as soon as it is added.

    Rows that cannot be written are kept, and written with the next one.

    Args:
        path: The file. Of one that is there the rows up to `start` are kept, the others and a last
            line that was torn are dropped.
        columns: Names of the columns; the first is the step. A row gets the columns that are asked
            for now.
        start: Steps that are done; 0 begins anew.

    Raises:
        InputError: What is there is no such file, or it cannot be written.
    """

    def __init__(self, path: Path, columns: Sequence[str], start: int = 0):
        self._path, self._columns = path, columns
        self._waiting = ""
        before = _read(path) if start and path.is_file() else ""
        text = _text(columns, [dict(zip(columns, columns, strict=True))])
        text += _text(columns, _rows_before(path, before, start))
        if not path.is_file() or text != before:
            write_text(path, text)
        self._size = len(text.encode())

    def add(self, row: dict[str, Any]) -> None:
        """Add a row.

        Raises:
            OSError: It cannot be written now.
        """
        self._waiting += _text(self._columns, [row])
        self.flush()

    def flush(self) -> None:
        """Write what could not be written before.

        Raises:
            OSError: It cannot be written now either.
        """
        if not self._waiting:
            return
        content = self._waiting.encode()
        with open(self._path, "r+b", buffering=0) as file:
            # Not at its end: half of a row may stand there, from a try that failed.
            file.seek(self._size)
            if file.write(content) != len(content):
                file.truncate(self._size)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(file.fileno())
        self._size += len(content)
        self._waiting = ""


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no log of a run: byte {error.start} is no UTF-8") from None


def _rows_before(path: Path, text: str, step: int) -> list[dict[str, str]]:
    """The whole rows up to a step; those after it will come again."""
    whole = text[: text.rfind("\n") + 1]
    try:
        rows = list(csv.DictReader(io.StringIO(whole)))
    except csv.Error as error:
        raise InputError(f"{path} is no log of a run: {error}") from None
    kept = []
    for row in rows:
        number = row.get("step") or ""
        if number.isascii() and number.isdigit() and len(number) < 19 and int(number) <= step:
            kept.append({name: value for name, value in row.items() if name and value is not None})
    return kept


def _text(columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> str:
    lines = io.StringIO()
    csv.DictWriter(lines, columns, extrasaction="ignore", lineterminator="\n").writerows(rows)
    return lines.getvalue()
