"""Signals that stop a training: they are noted, and the loop ends after the step that it is in."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# Ctrl-C, a polite kill, and a terminal that was closed; not every system has the last one.
STOPPING = tuple(
    number
    for name in ("SIGINT", "SIGTERM", "SIGHUP")
    if (number := getattr(signal, name, None)) is not None
)


class Received(list[int]):
    """The signals so far; the first one stops the run, a second one interrupts it at once."""

    def __init__(self) -> None:
        super().__init__()
        self._saving = False

    def note(self, number: int, _: object) -> None:
        """Take a signal; while a checkpoint is written, it waits."""
        if self and not self._saving:
            raise KeyboardInterrupt
        self.append(number)

    @contextmanager
    def saving(self) -> Iterator[None]:
        """What must not be interrupted: the checkpoint that the first signal asked for."""
        self._saving = True
        try:
            yield
        finally:
            self._saving = False


@contextmanager
def stopping_signals() -> Iterator[Received]:
    """Collect `STOPPING` while the block runs; in another thread than the main one nothing is."""
    received = Received()
    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    before = {number: signal.getsignal(number) for number in STOPPING}
    try:
        for number, handler in before.items():
            # nohup: what is to be ignored stays so.
            if handler is not signal.SIG_IGN:
                signal.signal(number, received.note)
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
