"""Work that goes on in other threads while the main one computes, such as drawing and writing."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

THREADS = 2
# Calls that may wait, so that what they hold does not pile up.
WAITING = 8


@contextmanager
def in_background() -> Iterator[Callable[..., None]]:
    """Give a function that calls another one, with its arguments, in another thread.

    Where many calls wait it waits for the first of them. The block ends when all are done; where it
    ends by an error, those that have not begun are left out.

    Raises:
        Exception: What a call raised, at a later call or at the end of the block.
    """
    pool = ThreadPoolExecutor(THREADS)
    waiting: deque[Future[Any]] = deque()

    def call(function: Callable[..., Any], *arguments: Any) -> None:
        while waiting and (waiting[0].done() or len(waiting) >= WAITING):
            waiting.popleft().result()
        waiting.append(pool.submit(function, *arguments))

    try:
        yield call
        for future in waiting:
            future.result()
    finally:
        pool.shutdown(cancel_futures=True)
