"""What a function does in a process of its own, with limits on its time and memory."""

import faulthandler
import json
import os
import resource
import select
import signal
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Seconds between two looks at the memory of the process.
LOOK = 0.002
PAGE = resource.getpagesize()


@dataclass(frozen=True)
class Outcome:
    """What became of a function.

    Attributes:
        value: What it returned, where it did (as JSON: tuples are lists).
        error: The name of the class of the exception, or "".
        message: Its text.
        traceback: The whole of it.
        ended: What ended the process in place of the function: "time", "memory", "signal 11",
            "exit 1"; else "".
        seconds: What it took.
        memory: Bytes that the process grew by, at most.
    """

    value: Any = None
    error: str = ""
    message: str = ""
    traceback: str = ""
    ended: str = ""
    seconds: float = 0.0
    memory: int = 0


def run_limited(function: Callable[[], Any], seconds: float, memory_bytes: int) -> Outcome:
    """Call `function` in a forked process, which is killed past a limit.

    The process starts with all that this one has in memory; what it grows by is counted. What it
    prints goes to where this one prints.

    Args:
        function: Takes nothing and returns what JSON can hold.
        seconds: Of the clock.
        memory_bytes: That the process may grow by.
    """
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        # Of threads, of which the child has none. It computes with what is its own.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        os.close(reader)
        _report(function, writer)
    os.close(writer)
    return _watched(child, reader, seconds, memory_bytes)


def _report(function: Callable[[], Any], writer: int) -> None:
    """In the child: call the function, write what came of it, and end without cleaning up, which is
    for the parent to do.
    """
    code = 1
    try:
        # Ctrl-C and the report of a crash are for the parent.
        faulthandler.disable()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        before = _peak()
        try:
            told: dict[str, Any] = {"value": function()}
        except BaseException as error:
            told = {
                "error": type(error).__name__,
                "message": str(error),
                "traceback": traceback.format_exc(),
            }
        told["memory"] = max(0, _peak() - before)
        with open(writer, "wb") as pipe:
            pipe.write(json.dumps(told).encode())
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _watched(child: int, reader: int, seconds: float, memory: int) -> Outcome:
    start, size = time.monotonic(), _size(child)
    text, grown, ended = b"", 0, ""
    with open(reader, "rb", buffering=0) as pipe:
        while not ended:
            grown = max(grown, _size(child) - size)
            if grown > memory:
                ended = "memory"
            elif time.monotonic() - start > seconds:
                ended = "time"
            elif select.select([pipe], [], [], LOOK)[0]:
                piece = pipe.read(1 << 16)
                if not piece:
                    break
                text += piece
    if ended:
        os.kill(child, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    took = time.monotonic() - start
    if not ended and code:
        ended = f"signal {-code}" if code < 0 else f"exit {code}"
    told = json.loads(text) if text and not ended else {}
    told["memory"] = max(grown, told.get("memory", 0))
    if not ended and told["memory"] > memory:
        # It grew and shrank between two looks.
        ended = "memory"
    return Outcome(**told, ended=ended, seconds=took)


def _size(process: int) -> int:
    """Bytes of a process that lie in memory; 0 once it is gone."""
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * PAGE
    except (OSError, IndexError):
        return 0


def _peak() -> int:
    """The most bytes that this process had in memory."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0
