"""One run in a folder at a time."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from mrcnn.errors import InputError
from mrcnn.files.writing import clear_unfinished, write_text

LOCK, OWNER = "run.lock", "run.lock.txt"


@contextmanager
def run_lock(folder: str | Path, force: bool = False) -> Iterator[None]:
    """Keep other runs out of a folder while the block runs; within a process it may be nested.

    The lock is the system's, so it goes with the process, whatever ends that. What a killed run
    left half written is deleted.

    Args:
        folder: The run folder; it is made if need be.
        force: Take the lock where the system says that another process has it: for a lock that
            stayed behind on a disk of another machine.

    Raises:
        InputError: Another process has it; the message says which one.
    """
    folder = Path(folder)
    made = not folder.is_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if force:
            (folder / LOCK).unlink(missing_ok=True)
        lock = FileLock(folder / LOCK, blocking=False, is_singleton=True)
        nested = lock.is_locked
        lock.acquire()
    except Timeout:
        raise InputError(
            f"{folder} is in use by {_owner(folder)}: wait for its end, or choose another folder "
            "with --logs; if there is no such process any more, add --force"
        ) from None
    except OSError as error:
        raise InputError(f"{folder} cannot be used: {error.strerror or error}") from None
    try:
        if not nested:
            clear_unfinished(folder)
            write_text(folder / OWNER, _ourselves())
        yield
    finally:
        if not nested:
            with suppress(OSError):
                (folder / OWNER).unlink()
                if made and [path.name for path in folder.iterdir()] == [LOCK]:
                    (folder / LOCK).unlink()
                    folder.rmdir()  # Nothing came of the run.
        lock.release()


def _ourselves() -> str:
    now = datetime.now().isoformat(" ", "seconds")
    return f"process {os.getpid()} on {socket.gethostname()}, since {now}"


def _owner(folder: Path) -> str:
    try:
        return (folder / OWNER).read_text(encoding="utf-8").strip() or "another process"
    except (OSError, ValueError):
        return "another process"
