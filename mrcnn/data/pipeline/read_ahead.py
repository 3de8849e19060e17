"""Results of a function of a step, in order, made ahead in threads or processes."""

import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from types import FrameType, TracebackType

from mrcnn.data.pipeline.batch import Batch
from mrcnn.data.pipeline.workers import WorkerPool

# Pillow decodes and resizes without holding Python's lock, so two threads use two cores.
_THREADS = 2
# Batches that wait, ready, in front of the consumer.
_READY = 2


def read_ahead(
    build: Callable[[int], Batch],
    steps: range,
    workers: int,
    then: Callable[[Batch], Batch] | None = None,
) -> "BatchIterator":
    """Return an iterator over `build` of each step, in order, made in threads or processes.

    Args:
        build: A pure function of the step.
        steps: A range of step 1.
        workers: Processes; with 0, threads of this process.
        then: What is done to each result here, in a thread.
    """
    pool = WorkerPool(build, workers) if workers else None
    return BatchIterator(_Task(pool or build, then), steps, workers or _THREADS, pool)


class BatchIterator(Iterator[Batch]):
    """Iterates over batches that are made ahead.

    Its end, an error, `close`, or leaving a `with` block ends the worker processes.

    Args:
        make: Makes the batch of a step; called in threads.
        steps: The steps, in the order of the batches.
        threads: How many batches are made at a time.
        pool: Ended with the iterator.
    """

    def __init__(
        self,
        make: Callable[[int], Batch],
        steps: range,
        threads: int,
        pool: WorkerPool | None = None,
    ) -> None:
        self._make = make
        self._pool = pool
        self._steps = iter(steps)
        self._pending: deque[Future[Batch]] = deque()
        self._threads: ThreadPoolExecutor | None = ThreadPoolExecutor(threads, "mrcnn-loader")
        for _ in range(2 * threads + _READY):
            self._request()

    def __next__(self) -> Batch:
        """Return the next batch.

        Raises:
            InputError: An image or its annotation cannot be used.
            WorkerError: A worker process died.
        """
        if self._threads is None:
            raise StopIteration
        try:
            with _interrupt_afterwards():
                if not self._pending:
                    raise StopIteration
                batch = self._pending.popleft().result()
                self._request()
                return batch
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Stop reading ahead and end the worker processes."""
        threads, self._threads = self._threads, None
        if threads is None:
            return
        with _interrupt_afterwards():
            threads.shutdown(wait=False, cancel_futures=True)
            if self._pool:
                self._pool.end()
            threads.shutdown(wait=True)
            if self._pool:
                self._pool.close()
            self._pending.clear()

    def __enter__(self) -> "BatchIterator":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_threads", None):
            self.close()

    def _request(self) -> None:
        """Let the next batch be made, if there is one."""
        step = next(self._steps, None)
        if step is not None and self._threads is not None:
            self._pending.append(self._threads.submit(self._make, step))


class _Task:
    """What a thread does for a step."""

    def __init__(
        self, build: Callable[[int], Batch], then: Callable[[Batch], Batch] | None
    ) -> None:
        self._build = build
        self._then = then

    def __call__(self, step: int) -> Batch:
        batch = self._build(step)
        return self._then(batch) if self._then else batch


@contextmanager
def _interrupt_afterwards() -> Iterator[None]:
    """Let a Ctrl-C wait for the end of the block; a second one does not wait.

    A KeyboardInterrupt just after a lock of the thread pool was taken would leave it locked for
    ever, and `close` waiting for it.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    received: list[tuple[int, FrameType | None]] = []

    def note(number: int, frame: FrameType | None) -> None:
        received.append((number, frame))
        if len(received) > 1:
            before(number, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if received:
            before(*received[0])
