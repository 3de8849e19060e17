"""The state of a run in a checkpoint, as its writer left it and damaged."""

import json

import h5py
import keras
import numpy as np
import pytest

from mrcnn.errors import InputError
from mrcnn.weights.file_formats import write_groups
from mrcnn.weights.guard import ALL_DIGESTS
from mrcnn.weights.run_state import LARGEST, STATE, assign_stored, read_run_state

GOOD = {
    "step": 12,
    "run": "a1",
    "rewinds": 1,
    "stages": [["heads", 10, 0.001], ["all", 5, 0.0]],
    "epochs": {"length": 5, "start": 0, "before": 0, "beyond": 0},
    "interval": {"steps": 2, "sums": {"loss": 3.5}},
    "epoch": {"steps": 2, "sums": {}},
    "validate": True,
    "dataset": "photos",
    "settings": {"NAME": "x"},
    "of a later version": 1,
}


def write(path, text, arrays=None):
    extra = {f"{STATE}/json": np.frombuffer(text.encode(), np.uint8)}
    extra |= {f"{STATE}/{name}": array for name, array in (arrays or {}).items()}
    write_groups(path, {"fc": []}, {}, extra)
    return path


def test_a_state_comes_back_as_it_was(tmp_path):
    assert read_run_state(write(tmp_path / "c.h5", json.dumps(GOOD))) == GOOD
    assert read_run_state(write(tmp_path / "c.h5", '{"step": 0}')) == {"step": 0}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"step": "12"}, "step is wrong: input should be a valid integer"),
        ({"step": -1}, "step is wrong: .*greater than or equal to 0"),
        ({"step": 10.5}, "step is wrong"),
        ({"step": True}, "step is wrong"),
        ({"step": None}, "step is wrong"),
        ({"step": 10**30}, "step is wrong"),
        ({"step": [1]}, "step is wrong"),
        ({"stages": [["heads", 0, 0.1]]}, r"stages\.0\.1 is wrong"),
        ({"stages": [["heads", 5]]}, r"stages\.0.* is wrong"),
        ({"stages": {"heads": 5}}, "stages is wrong"),
        ({"stages": [[5, 5, 0.1]]}, r"stages\.0\.0 is wrong"),
        ({"epochs": {"length": 0, "start": 0, "before": 0, "beyond": 0}}, r"epochs\.length"),
        ({"epochs": {"length": 5}}, r"epochs\.start is wrong: field required"),
        ({"interval": {"steps": 1, "sums": {"loss": "x"}}}, r"interval\.sums\.loss is wrong"),
        ({"interval": []}, "interval is wrong"),
        ({"epoch": {"steps": -1, "sums": {}}}, r"epoch\.steps is wrong"),
        ({"dataset": 5}, "dataset is wrong"),
        ({"settings": "x"}, "settings is wrong"),
    ],
)
def test_states_of_another_form(tmp_path, changes, message):
    path = write(tmp_path / "c.h5", json.dumps({**GOOD, **changes}))
    with pytest.raises(InputError, match=f"c.h5 is damaged: in its state {message}") as caught:
        read_run_state(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "", "null", "[]", "{", '{"step": NaN}', '{"step": 1, "epoch": Infinity}', "\udcff",
        "[" * 100_000, '{"step": ' + "9" * 5000 + "}",
    ],
    ids=lambda text: text[:12],
)  # fmt: skip
def test_texts_that_are_no_state(tmp_path, text):
    extra = {f"{STATE}/json": np.frombuffer(text.encode("utf-8", "surrogateescape"), np.uint8)}
    write_groups(tmp_path / "c.h5", {"fc": []}, {}, extra)
    with pytest.raises(InputError, match="c.h5 is damaged: ") as caught:
        read_run_state(tmp_path / "c.h5")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [
        {"shape": (16 << 30,), "dtype": "uint8", "chunks": (1 << 20,)},
        {"shape": (LARGEST + 1,), "dtype": "uint8"},
        {"data": np.zeros(3, "float32")},
        {"data": np.zeros((3, 3), "uint8")},
        {"data": np.uint8(3)},
    ],
)
def test_arrays_that_are_no_text(tmp_path, options):
    path = write(tmp_path / "c.h5", "{}")
    with h5py.File(path, "r+") as file:
        del file[f"{STATE}/json"]
        file.create_dataset(f"{STATE}/json", **options)
    with pytest.raises(InputError, match="its training_state/json is no text"):
        read_run_state(path)


def test_links_and_other_places(tmp_path):
    path, other = write(tmp_path / "c.h5", '{"step": 3}'), write(tmp_path / "d.h5", '{"step": 4}')
    with h5py.File(path, "r+") as file:
        del file[f"{STATE}/json"]
        file[f"{STATE}/json"] = h5py.ExternalLink(other.name, f"{STATE}/json")
    with pytest.raises(InputError, match="is a link out of its place"):
        read_run_state(path)
    with h5py.File(path, "r+") as file:
        del file[STATE]
        file[STATE] = h5py.ExternalLink(other.name, STATE)
    with pytest.raises(InputError, match="is a link out of its place"):
        read_run_state(path)
    with h5py.File(path, "r+") as file:
        del file[STATE]
    with pytest.raises(InputError, match="no checkpoint that a run can be resumed from"):
        read_run_state(path)


@pytest.fixture
def variables():
    return {
        "optimizer": [keras.Variable(3, dtype="int32"), keras.Variable(np.ones((2, 3), "float32"))],
        "random": [keras.Variable(np.zeros(2, "uint32"), dtype="uint32")],
    }


def arrays(**changes):
    values = {
        "optimizer/00000": np.int32(7),
        "optimizer/00001": np.full((2, 3), 0.5, "float32"),
        "random/00000": np.array([1, 2], "uint32"),
        **changes,
    }
    return {name: value for name, value in values.items() if value is not None}


def values_of(variables):
    found = [v for group in variables.values() for v in group]
    return [keras.ops.convert_to_numpy(keras.ops.copy(v)).tolist() for v in found]


@pytest.mark.parametrize(
    "changes", [{}, {"optimizer/00000": np.int64(7), "random/00000": np.array([1, 2])}]
)
def test_variables_are_set(tmp_path, variables, changes):
    """Also those of another backend, whose whole numbers have another length."""
    assign_stored(write(tmp_path / "c.h5", "{}", arrays(**changes)), variables)
    assert values_of(variables) == [7, [[0.5] * 3] * 2, [1, 2]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optimizer/00001": np.ones((3, 2), "float32")}, r"optimizer/00001 is float32 \(3, 2\)"),
        ({"optimizer/00001": np.ones((2, 3), "int32")}, "optimizer/00001 is int32"),
        ({"optimizer/00000": np.float32(7)}, "optimizer/00000 is float32"),
        ({"optimizer/00000": np.int64(1 << 40)}, "optimizer/00000 has values that are no int32"),
        ({"random/00000": np.array([1, -2])}, "random/00000 has values that are no uint32"),
        ({"optimizer/00001": np.full((2, 3), np.nan, "float32")}, "00001 has NaN or infinite"),
        ({"random/00000": None}, "has 0 random variables, this run has 1"),
        ({"random/00001": np.zeros(2, "uint32")}, "has 2 random variables"),
        ({"random/00000": None, "random/7": np.zeros(2, "uint32")}, "no such entry"),
    ],
)
def test_other_arrays_are_refused_and_nothing_is_set(tmp_path, variables, changes, message):
    path, before = write(tmp_path / "c.h5", "{}", arrays(**changes)), values_of(variables)
    with pytest.raises(InputError, match=message):
        assign_stored(path, variables)
    assert values_of(variables) == before


def test_damage_in_a_state_is_noticed(tmp_path):
    path = write(tmp_path / "c.h5", '{"step": 3}')
    with h5py.File(path, "r+") as file:
        file[f"{STATE}/json"][9] = ord("4")
    with pytest.raises(InputError, match="is damaged: the values of /training_state/json"):
        read_run_state(path)
    with h5py.File(path, "r+") as file:
        del file.attrs[ALL_DIGESTS]
    assert read_run_state(path) == {"step": 4}
