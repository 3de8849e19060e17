import csv
import errno
import json

import pytest

from mrcnn.errors import InputError
from mrcnn.files import rows as file_rows
from mrcnn.training.logs import RunLog
from mrcnn.training.progress import Clock


def rows(folder):
    with open(folder / "log.csv", newline="") as file:
        return list(csv.DictReader(file))


def train(folder, first, last, interval=2):
    log = RunLog(folder, total=10, start=first, interval=interval, batch_size=1, quiet=True)
    for step in range(first + 1, last + 1):
        log.step(step, "1-all", {"loss": float(step), "mrcnn_mask_loss": 1.0}, learning_rate=0.1)
    return log


def test_rows_hold_the_means_of_their_interval(tmp_path):
    train(tmp_path, 0, 4).close()
    assert [(r["step"], float(r["loss"])) for r in rows(tmp_path)] == [("2", 1.5), ("4", 3.5)]
    assert rows(tmp_path)[0]["mrcnn_mask_edge_loss"] == ""
    speed = (tmp_path / "speed.csv").read_text().splitlines()
    assert speed[0] == "step,images_per_second" and [r[:2] for r in speed[1:]] == ["2,", "4,"]
    assert all(float(row[2:]) > 0 for row in speed[1:])


def test_a_partial_interval_is_written_when_asked(tmp_path):
    log = train(tmp_path, 0, 3)
    log.flush()
    log.close()
    assert [(r["step"], float(r["loss"])) for r in rows(tmp_path)] == [("2", 1.5), ("3", 3.0)]


def test_a_resumed_run_drops_rows_that_come_again(tmp_path):
    train(tmp_path, 0, 6).close()
    log = train(tmp_path, 4, 6)
    log.write(6, "1-all", "val", {"loss": 9.0})
    log.close()
    assert [(r["step"], r["split"]) for r in rows(tmp_path)] == [
        ("2", "train"), ("4", "train"), ("6", "train"), ("6", "val"),
    ]  # fmt: skip


def test_a_new_run_starts_an_empty_file_and_keeps_that_of_another(tmp_path, capsys):
    before = []
    for last in (4, 6):
        train(tmp_path, 0, last).close()
        before.append((tmp_path / "log.csv").read_bytes())
    RunLog(tmp_path, 10, 0, 2, 1, bar=False).close()
    said = "log.csv is of another run, it is kept as log-2.csv"
    assert said in capsys.readouterr().out
    # A log without rows is not worth keeping.
    train(tmp_path, 0, 2).close()
    assert [r["step"] for r in rows(tmp_path)] == ["2"]
    assert [(tmp_path / f"log-{n}.csv").read_bytes() for n in (1, 2)] == before
    assert not (tmp_path / "log-3.csv").exists()


def test_further_columns_survive_a_resume(tmp_path):
    log = RunLog(tmp_path, 10, 0, 1, 1, quiet=True, more=["weight_a"])
    log.step(1, "1-all", {"loss": 2.0, "weight_a": 0.25}, 0.1)
    log.write(1, "1-all", "val", {"loss": 3.0})
    log.close()
    RunLog(tmp_path, 10, 1, 1, 1, quiet=True, more=["weight_a"]).close()
    assert [(r["split"], r["loss"], r["weight_a"]) for r in rows(tmp_path)] == [
        ("train", "2", "0.25"), ("val", "3", ""),
    ]  # fmt: skip


def test_the_log_is_on_the_disk_row_by_row(tmp_path):
    log = train(tmp_path, 0, 4)
    assert [r["step"] for r in rows(tmp_path)] == ["2", "4"]  # before it is closed
    log.close()


def whole(folder):
    folder.mkdir()
    train(folder, 0, 10).close()
    return (folder / "log.csv").read_bytes()


@pytest.mark.parametrize("cut", range(1, 29, 3))
def test_a_torn_last_line_is_mended(tmp_path, cut):
    """Killed in the middle of a row, and resumed from the checkpoint of step 4."""
    run = tmp_path / "run"
    run.mkdir()
    train(run, 0, 6).close()
    content = (run / "log.csv").read_bytes()
    (run / "log.csv").write_bytes(content[:-cut])
    train(run, 4, 10).close()
    assert (run / "log.csv").read_bytes() == whole(tmp_path / "whole")


def test_rows_survive_a_kill_right_after_a_resume(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    train(run, 0, 6).close()
    train(run, 4, 4).close()  # killed before its first row
    assert [r["step"] for r in rows(run)] == ["2", "4"]
    train(run, 4, 10).close()
    assert (run / "log.csv").read_bytes() == whole(tmp_path / "whole")


def test_a_stop_within_an_interval_leaves_no_trace(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    log = train(run, 0, 5)
    state = json.loads(json.dumps(log.interval_state()))
    log.close()
    log = RunLog(run, 10, 5, 2, batch_size=1, quiet=True, interval_state=state)
    for step in range(6, 11):
        log.step(step, "1-all", {"loss": float(step), "mrcnn_mask_loss": 1.0}, learning_rate=0.1)
    log.close()
    assert (run / "log.csv").read_bytes() == whole(tmp_path / "whole")


def test_a_log_that_is_complete_is_not_written_again(tmp_path):
    train(tmp_path, 0, 4).close()
    before = (tmp_path / "log.csv").stat()
    train(tmp_path, 4, 4).close()
    after = (tmp_path / "log.csv").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


class FullDisk:
    """As a file on a disk that is full for a while: half of a row finds room."""

    def __init__(self, monkeypatch, module):
        self.full = False
        monkeypatch.setattr(module, "open", self.open, raising=False)

    def open(self, path, *args, **options):
        file = open(path, *args, **options)  # noqa: SIM115 (closed by who opens it)
        return Half(file) if self.full else file


class Half:
    def __init__(self, file):
        self._file = file

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()

    def __getattr__(self, name):
        return getattr(self._file, name)

    def write(self, content):
        return self._file.write(content[: len(content) // 2])


def test_a_full_disk_ends_no_training_and_loses_no_row(tmp_path, monkeypatch, capsys):
    disk = FullDisk(monkeypatch, file_rows)
    run = tmp_path / "run"
    run.mkdir()
    log = RunLog(run, 10, 0, 2, batch_size=1, bar=False)
    for step in range(1, 11):
        disk.full = 3 <= step <= 7
        log.step(step, "1-all", {"loss": float(step), "mrcnn_mask_loss": 1.0}, learning_rate=0.1)
        if step == 6:
            assert [r["step"] for r in rows(run)] == ["2"]
    log.close()
    said = [line for line in capsys.readouterr().out.splitlines() if "cannot be written" in line]
    assert len(said) == 1 and "No space left on device" in said[0]
    disk.full = False
    assert (run / "log.csv").read_bytes() == whole(tmp_path / "whole")


def test_events_that_fail_end_no_training(tmp_path, monkeypatch, capsys):
    log = RunLog(tmp_path, 10, 0, 2, batch_size=1, bar=False)

    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(log._events, "add", fail)
    for step in range(1, 5):
        log.step(step, "1-all", {"loss": float(step)}, learning_rate=0.1)
    log.close()
    assert [r["step"] for r in rows(tmp_path)] == ["2", "4"]
    assert capsys.readouterr().out.count("cannot be written") == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"step,loss\n1,\xff\xfe\n", "byte 12 is no UTF-8"),
        (b"step,loss\n1," + b"9" * 200_000 + b"\n", "field larger than field limit"),
    ],
)
def test_what_is_no_log_is_said(tmp_path, content, message):
    (tmp_path / "log.csv").write_bytes(content)
    with pytest.raises(InputError, match=message):
        train(tmp_path, 4, 4)
    assert (tmp_path / "log.csv").read_bytes() == content


def test_tensorboard_gets_the_same_values(tmp_path):
    tensorflow = pytest.importorskip("tensorflow")
    train(tmp_path, 0, 4).close()
    (events,) = (tmp_path / "events").iterdir()
    values = [
        (event.step, value.simple_value)
        for event in tensorflow.compat.v1.train.summary_iterator(str(events))
        for value in event.summary.value
        if value.tag == "train/loss"
    ]
    assert values == [(2, 1.5), (4, 3.5)]


class Time:
    """Two seconds a step, and a minute for the first one, which compiles."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def told(folder, capsys, steps, total=4000, start=0, interval=5, **how):
    time = Time()
    log = RunLog(folder, total, start, interval, batch_size=4, clock=Clock(time), **how)
    for step in range(start + 1, start + steps + 1):
        time.now += 60 if step == start + 1 else 1.95
        log.step(step, "1-all", {"loss": 2.0}, 0.1, compiles=step == start + 1)
    log.close()
    return capsys.readouterr()


def test_the_duration_is_said_after_ten_steps_without_the_first(tmp_path, capsys):
    out, err = told(tmp_path, capsys, 11, bar=False)
    assert out.splitlines()[-1].startswith("about 2 h 10 min for 4,000 steps (")
    assert err == ""
    out, _ = told(tmp_path, capsys, 10, bar=False)
    assert "about" not in out


def test_a_run_that_goes_on_speaks_of_its_rest(tmp_path, capsys):
    out, _ = told(tmp_path, capsys, 11, start=3900, bar=False)
    assert "about 3 min for 100 steps" in out


def test_without_a_terminal_there_is_a_line_an_interval(tmp_path, capsys):
    out, _ = told(tmp_path, capsys, 6, total=60, bar=False)
    (line,) = out.splitlines()
    assert line.startswith("step 5/60 train: loss 2.000, ")
    # 55 further steps of 1.95 seconds.
    assert line.endswith(" images/s, 2 min left")


def test_validation_has_a_line_too(tmp_path, capsys):
    log = RunLog(tmp_path, 10, 0, 5, 1, bar=False)
    log.write(5, "1-all", "val", {"loss": 1.5, "mrcnn_mask_loss": 0.25})
    log.close()
    assert capsys.readouterr().out == "step 5/10 validation: loss 1.500 mask 0.250\n"


def test_a_bar_begins_after_the_step_that_compiles(tmp_path, capsys):
    _, err = told(tmp_path, capsys, 1, bar=True)
    assert " 1/4000 [00:00, loss=2.000" in err and "left" not in err
    out, err = told(tmp_path, capsys, 12, bar=True)
    last = err.split("\r")[-1]
    # tqdm's own estimate of a minute a step would be 66 hours.
    assert out == "" and "about 2 h 10 min for 4,000 steps" in err
    assert " 12/4000 [" in last and "2 h 10 min left, loss=2.000" in last


def test_a_quiet_run_says_nothing(tmp_path, capsys):
    assert told(tmp_path, capsys, 12, quiet=True, bar=False) == ("", "")
    assert told(tmp_path, capsys, 12, quiet=True, bar=True) == ("", "")
