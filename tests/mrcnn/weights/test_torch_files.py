"""Files of torch.save, read without PyTorch; those in torch_files/ were written by it (make.py)."""

import io
import os
import pickle
import random
import zipfile
from pathlib import Path

import numpy as np
import pytest

from mrcnn.errors import InputError
from mrcnn.weights import inert_pickle
from mrcnn.weights.torch_files import load_torch

FILES = Path(__file__).parent / "torch_files"
BASE = np.arange(12, dtype=np.float32).reshape(3, 4)
EXPECTED = {
    "0.weight": np.arange(6).reshape(3, 2) + 0.5,
    "0.bias": np.arange(3) + 0.5,
    "1.running_mean": np.arange(3) + 0.5,
    "1.num_batches_tracked": np.array(0),
    "turned": BASE.T,
    "part": BASE[1:, 2:],
    "half": BASE,
    "brain": BASE,
    "parameter": BASE * 2,
    "scalar": np.array(3),
    "none": np.zeros((0, 4)),
    "flags": np.array([True, False]),
    "bytes": np.array([7, 9]),
    "double": BASE,
}


@pytest.mark.parametrize("kind", ["zip", "stream"])
@pytest.mark.parametrize("name", ["plain", "checkpoint"])
def test_both_formats(name, kind):
    found = load_torch(FILES / f"{name}_{kind}.pth")
    assert set(EXPECTED) < set(found) and len(found) == 17
    for key, expected in EXPECTED.items():
        np.testing.assert_array_equal(found[key], expected)
        assert found[key].shape == expected.shape
        assert found[key].dtype.kind != "f" or found[key].dtype == np.float32


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("sparse", "a is no dense tensor: torch._utils._rebuild_sparse_tensor"),
        ("meta", "a is no dense tensor: torch._utils._rebuild_meta_tensor"),
        ("quantised", "a is no dense tensor: torch._utils._rebuild_qtensor"),
        ("complex", "a: numbers of the type 'torch.ComplexFloatStorage' are not read"),
        ("repeated", "a claims 1073741824 numbers, more than the file has"),
    ],
)
def test_other_tensors_are_refused(name, message):
    with pytest.raises(InputError, match=f"{name}.pth: {message}"):
        load_torch(FILES / f"{name}.pth")


class Runs:
    """A pickle of it makes a file when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_nothing_is_run(tmp_path):
    content = pickle.dumps({"model": {"a": Runs(tmp_path / "made")}})
    with zipfile.ZipFile(tmp_path / "x.pth", "w") as archive:
        archive.writestr("x/data.pkl", content)
    with pytest.raises(InputError, match=r"x.pth: a is no dense tensor: (posix|nt|os)\.mkdir"):
        load_torch(tmp_path / "x.pth")
    call = inert_pickle.read(io.BytesIO(content))["model"]["a"]
    assert call.name.endswith(".mkdir") and call.arguments == (str(tmp_path / "made"),)
    assert not (tmp_path / "made").exists()
    pickle.loads(content)  # noqa: S301
    assert (tmp_path / "made").exists()  # it would have been


@pytest.mark.parametrize("protocol", range(6))
def test_pickles_of_any_protocol(protocol):
    value = {
        "list": [1, -2, 1 << 40, 10**30, 0.5, None, True, False],
        "tuples": ((), (1,), (1, 2, 3, 4)),
        "text": ["", "ä", "x" * 300], "bytes": b"\x00\xff", 3: {"a": {}},
    }  # fmt: skip
    file = io.BytesIO(pickle.dumps(value, protocol) + b"rest")
    found = inert_pickle.read(file)
    assert file.read() == b"rest"
    # Before protocol 3 bytes were text with a call around.
    skipped = {"bytes"} if protocol < 3 else set()
    assert {k: v for k, v in found.items() if k not in skipped} == {
        k: v for k, v in value.items() if k not in skipped
    }


@pytest.mark.parametrize(
    "content", [b"", b"x", b"(", b"0.", b"t.", b"\x80\x02}q\x00", b"h\x05.",
                b"(lp0\n", b"\x8c\xff", b"}]s."],
)  # fmt: skip
def test_what_is_no_pickle(content):
    with pytest.raises(ValueError, match="pickle|expected|not enough|exhausted|newline|opcode"):
        inert_pickle.read(io.BytesIO(content))


def test_damaged_files_are_refused_or_equal(tmp_path):
    """Bytes are changed at random: an error of one line, or arrays of sound shapes."""
    path, draw = tmp_path / "x.pth", random.Random(0)
    refused = 0
    for source in ("checkpoint_zip.pth", "checkpoint_stream.pth") * 150:
        content = bytearray((FILES / source).read_bytes())
        for _ in range(draw.choice([1, 1, 8])):
            content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        del content[draw.choice([len(content), draw.randrange(len(content))]) :]
        path.write_bytes(content)
        try:
            found = load_torch(path)
        except InputError as error:
            assert "\n" not in str(error) and "x.pth" in str(error)
            refused += 1
        else:
            assert all(isinstance(value, np.ndarray) for value in found.values())
    assert refused > 100


def test_files_that_are_something_else(tmp_path):
    path = tmp_path / "x.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "a")
    with pytest.raises(InputError, match="zip file without data.pkl"):
        load_torch(path)
    for content, message in (
        (pickle.dumps(5), "is no file of torch.save"),
        (b"", "cannot be read as a file of tensors"),
    ):
        path.write_bytes(content)
        with pytest.raises(InputError, match=message):
            load_torch(path)
    for content in ([1], {"a": 1}, {1: 2}):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("x/data.pkl", pickle.dumps(content))
        with pytest.raises(InputError, match="holds no state dict"):
            load_torch(path)


def test_a_small_archive_may_not_claim_much(tmp_path):
    path = tmp_path / "x.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x/data.pkl", pickle.dumps({}))
        archive.writestr("x/data/0", bytes(1 << 25))
    with pytest.raises(InputError, match="x/data/0 claims more than the file has"):
        load_torch(path)


def test_pytorch_reads_the_same(tmp_path):
    torch = pytest.importorskip("torch")
    state = torch.load(FILES / "plain_zip.pth", weights_only=True)
    for name, found in load_torch(FILES / "plain_zip.pth").items():
        value = state[name].float() if state[name].is_floating_point() else state[name]
        np.testing.assert_array_equal(found, value.detach().numpy())
