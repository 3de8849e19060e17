"""Worker processes that build batches, one pipe to each and nothing shared.

A process that is killed while it holds the lock of a shared queue leaves everybody else waiting for
that lock. Here no lock is shared: each worker has a pipe of its own, and its death is the end of
the file at the other end.
"""

import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any

import cloudpickle
import numpy as np

from mrcnn.data.pipeline.batch import Batch
from mrcnn.data.reading.header import allow_pixels, allowed_pixels
from mrcnn.errors import WorkerError

Build = Callable[[int], Batch]


class WorkerPool:
    """Processes that all run the same function of a step; call it from as many threads.

    The processes are started anew (not forked), so the main script needs its
    `if __name__ == "__main__"`. They end with `close`, or when this process ends in any way.

    Args:
        build: Makes the batch of a step. It may be defined in a notebook.
        count: How many processes.
    """

    def __init__(self, build: Build, count: int) -> None:
        self._idle: SimpleQueue[_Worker] = SimpleQueue()
        with _interrupts_stay_here():
            self._workers = [_Worker(build) for _ in range(count)]
        for worker in self._workers:
            self._idle.put(worker)

    def __call__(self, step: int) -> Batch:
        """Return the batch of a step, from the first process that is free.

        Raises:
            WorkerError: The process died.
            Exception: What `build` raised.
        """
        worker = self._idle.get()
        try:
            return worker.build(step)
        finally:
            # A dead one too: the next call must not wait for a live one, there may be none.
            self._idle.put(worker)

    def end(self) -> None:
        """End the processes at once; calls that wait for them raise."""
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            worker.join()

    def close(self) -> None:
        """Free the pipes, after `end` and once no call is left."""
        for worker in self._workers:
            worker.connection.close()


class _Worker:
    """One process, and this side of its pipe."""

    def __init__(self, build: Build) -> None:
        context = get_context("spawn")
        self.connection, other = context.Pipe()
        arguments = (other, _ByValue(build), allowed_pixels())
        self.process = context.Process(
            target=_serve, args=arguments, daemon=True, name="mrcnn-loader"
        )
        self.process.start()
        # Only the worker holds the other end now, so that its death ends the pipe.
        other.close()
        self._joining = threading.Lock()

    def join(self) -> None:
        """Wait for the end of the process; of two threads that do, Python tells only one."""
        with self._joining:
            self.process.join()

    def build(self, step: int) -> Batch:
        try:
            self.connection.send(step)
            answer = self.connection.recv()
            if isinstance(answer, Exception):
                raise answer
            return {name: self._receive(shape, dtype) for name, shape, dtype in answer}
        except (EOFError, OSError) as error:
            if isinstance(error, OSError) and not isinstance(error, ConnectionError):
                raise
            self.join()
            raise WorkerError(
                f"a worker process of the loader died (exit code {self.process.exitcode}); mostly "
                "the memory was full: use fewer workers, or none"
            ) from None

    def _receive(self, shape: tuple[int, ...], dtype: str) -> np.ndarray:
        array = np.empty(shape, dtype)
        if array.size:
            self.connection.recv_bytes_into(array.reshape(-1).view(np.uint8))
        return array


def _serve(connection: Connection, build: Build, pixels: int) -> None:
    """What a worker does: answer steps with batches until the pipe ends."""
    allow_pixels(pixels)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        while True:
            step = connection.recv()
            try:
                batch = build(step)
            except Exception as error:
                connection.send(_portable(error))
                continue
            connection.send([(name, array.shape, array.dtype.str) for name, array in batch.items()])
            for array in batch.values():
                if array.size:
                    flat = np.ascontiguousarray(array).reshape(-1)
                    connection.send_bytes(flat.view(np.uint8).data)
    except (EOFError, ConnectionError):
        return  # the program that gave the steps has ended


def _portable(error: Exception) -> Exception:
    """The error in a form that reaches the other side, where it has no traceback of its own."""
    trace = "".join(traceback.format_exception(error))
    try:
        cloudpickle.loads(cloudpickle.dumps(error))
    except Exception:
        error = RuntimeError(f"{type(error).__name__}: {error}")
    error.add_note(f"in a worker process of the loader:\n{trace}")
    return error


class _ByValue:
    """Ships an object with its code, where a process cannot import that, as from a notebook."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __reduce__(self) -> tuple[Callable, tuple[bytes]]:
        return cloudpickle.loads, (cloudpickle.dumps(self.value),)


@contextmanager
def _interrupts_stay_here() -> Iterator[None]:
    """Keep Ctrl-C, which a terminal sends to all processes, from those that are started inside.

    A worker that it hits would print a traceback of its own.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    # Started later, inside, it would unblock the signal again.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
