import threading

import pytest

from mrcnn.files import background
from mrcnn.files.background import in_background


def test_all_is_done_at_the_end_and_in_other_threads():
    threads, done = set(), []

    def work(number):
        threads.add(threading.current_thread())
        done.append(number)

    with in_background() as call:
        for number in range(50):
            call(work, number)
    assert sorted(done) == list(range(50))
    assert threading.current_thread() not in threads


def test_an_error_reaches_the_caller():
    def fail():
        raise ValueError("no room")

    with pytest.raises(ValueError, match="no room"), in_background() as call:
        call(fail)
    with pytest.raises(ValueError, match="no room"), in_background() as call:
        for _ in range(2 * background.WAITING):
            call(fail)


def test_no_more_waits_than_there_is_room_for(monkeypatch):
    monkeypatch.setattr(background, "THREADS", 1)
    monkeypatch.setattr(background, "WAITING", 2)
    begun, go, most = [], threading.Event(), []

    def work(number):
        begun.append(number)
        go.wait(10)

    def caller():
        with in_background() as call:
            for number in range(5):
                most.append(number)
                call(work, number)

    thread = threading.Thread(target=caller)
    thread.start()
    thread.join(0.5)
    assert most == [0, 1, 2]  # the third waits for room
    go.set()
    thread.join(10)
    assert begun == [0, 1, 2, 3, 4]


def test_after_an_error_nothing_more_begins(monkeypatch):
    monkeypatch.setattr(background, "THREADS", 1)
    begun, go = [], threading.Event()

    def work(number):
        begun.append(number)
        go.wait(10)

    def stop():
        with in_background() as call:
            for number in range(4):
                call(work, number)
            threading.Timer(0.2, go.set).start()
            raise KeyError("stop")

    with pytest.raises(KeyError):
        stop()
    assert begun == [0]
