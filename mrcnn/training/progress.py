"""How long a run takes: seconds of steps, without those that compile."""

import math
import time
from collections import deque
from collections.abc import Callable

# Means are taken over so many steps: data and machine change on the way.
WINDOW = 100


class Clock:
    """Measures steps, and what lies between them: validation and checkpoints.

    Args:
        now: Gives the time in seconds.
    """

    def __init__(self, now: Callable[[], float] = time.perf_counter):
        self._now = now
        self._steps: deque[float] = deque(maxlen=WINDOW)
        self._done, self._pauses = 0, 0.0
        self._since = now()

    @property
    def measured(self) -> int:
        """Steps that were measured, at most `WINDOW`."""
        return len(self._steps)

    def step(self, compiles: bool = False) -> None:
        """Take note that a step has ended; one that compiles is not typical of the others."""
        seconds, self._since = self._lap()
        if not compiles:
            self._steps.append(seconds)
            self._done += 1

    def pause(self) -> None:
        """Take note that what came since the last step was something else, which ends now."""
        seconds, self._since = self._lap()
        self._pauses += seconds

    def seconds(self, steps: int) -> float | None:
        """How long so many further steps take, with the pauses as often as they came so far; None
        before the first measured step.
        """
        if not self._steps:
            return None
        mean = math.fsum(self._steps) / len(self._steps) + self._pauses / self._done
        return steps * mean

    def _lap(self) -> tuple[float, float]:
        now = self._now()
        return now - self._since, now


def in_words(seconds: float) -> str:
    """A length of time as people say it, as exact as an estimate is.

    >>> in_words(7800), in_words(95), in_words(40)
    ('2 h 10 min', '2 min', '40 s')
    """
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(round(seconds / 3600), 24)
    return f"{days} days {hours} h" if hours else f"{days} days"
