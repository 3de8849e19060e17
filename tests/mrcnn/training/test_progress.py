import pytest

from mrcnn.training.progress import Clock, in_words


class Time:
    """Seconds that a test sets."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def time():
    return Time()


def test_steps_that_compile_do_not_count(time):
    clock = Clock(time)
    time.now = 60.0
    clock.step(compiles=True)
    assert clock.seconds(10) is None and clock.measured == 0
    for _ in range(2):
        time.now += 2
        clock.step()
    assert clock.seconds(10) == pytest.approx(20) and clock.measured == 2


def test_pauses_come_as_often_as_before(time):
    clock = Clock(time)
    for _ in range(4):
        time.now += 1
        clock.step()
    time.now += 8  # a validation after 4 steps: 2 seconds a step
    clock.pause()
    assert clock.seconds(100) == pytest.approx(300)
    time.now += 1
    clock.step()
    assert clock.seconds(100) == pytest.approx(100 + 100 * 8 / 5)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "1 s"),
        (40, "40 s"),
        (95, "2 min"),
        (3570, "1 h"),
        (7800, "2 h 10 min"),
        (7200, "2 h"),
        (1154 * 3600, "48 days 2 h"),
        (48 * 3600, "2 days"),
    ],
)
def test_lengths_of_time_in_words(seconds, words):
    assert in_words(seconds) == words
