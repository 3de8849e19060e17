import csv

import pytest

from mrcnn.training.logs import RunLog


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
    assert float(rows(tmp_path)[0]["images_per_second"]) > 0


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


def test_a_new_run_starts_an_empty_file(tmp_path):
    train(tmp_path, 0, 4).close()
    train(tmp_path, 0, 2).close()
    assert [r["step"] for r in rows(tmp_path)] == ["2"]


def test_further_columns_survive_a_resume(tmp_path):
    log = RunLog(tmp_path, 10, 0, 1, 1, quiet=True, more=["weight_a"])
    log.step(1, "1-all", {"loss": 2.0, "weight_a": 0.25}, 0.1)
    log.write(1, "1-all", "val", {"loss": 3.0})
    log.close()
    RunLog(tmp_path, 10, 1, 1, 1, quiet=True, more=["weight_a"]).close()
    assert [(r["split"], r["loss"], r["weight_a"]) for r in rows(tmp_path)] == [
        ("train", "2", "0.25"), ("val", "3", ""),
    ]  # fmt: skip


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
