"""State dicts of PyTorch: three kinds of files, and what is wrong with some."""

import io
import json
import zipfile

import numpy as np
import pytest

from mrcnn.errors import InputError
from mrcnn.weights.state_dict import read_state_dict


def safetensors(path, header, data):
    """The format by hand: the length of the header in 8 bytes, the header, the data."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def entry(dtype, shape, first, last):
    return {"dtype": dtype, "shape": shape, "data_offsets": [first, last]}


def test_npz(tmp_path, rng):
    arrays = {"a.weight": rng.normal(size=(2, 3)), "b": np.arange(3)}
    np.savez(tmp_path / "x.npz", **arrays)
    found = read_state_dict(tmp_path / "x.npz")
    assert list(found) == ["a.weight", "b"]
    np.testing.assert_array_equal(found["a.weight"], arrays["a.weight"])


def test_safetensors(tmp_path):
    values = np.array([[1.5, -2.0], [0.0, 3.25]], "<f4")
    halves = np.array([0.5, 2.0], "<f2")
    # 1.0 is 0x3f80 in bfloat16, -2.5 is 0xc020: the upper halves of 0x3f800000 and 0xc0200000.
    brain = bytes.fromhex("803f20c0")
    header = {
        "__metadata__": {"format": "pt"},
        "count": entry("I64", [], 24, 32),
        "brain": entry("BF16", [2], 20, 24),
        "values": entry("F32", [2, 2], 0, 16),
        "halves": entry("F16", [2], 16, 20),
        "empty": entry("F32", [0], 20, 20),
    }
    data = values.tobytes() + halves.tobytes() + brain + (7).to_bytes(8, "little")
    found = read_state_dict(safetensors(tmp_path / "x.safetensors", header, data))
    assert set(found) == {"count", "brain", "values", "halves", "empty"}
    np.testing.assert_array_equal(found["values"], values)
    np.testing.assert_array_equal(found["halves"], halves)
    assert found["brain"].tolist() == [1.0, -2.5]
    assert found["count"] == 7


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"a": entry("F32", [4], 0, 12)}, "cannot be read as .safetensors: .*invalid shape"),
        ({"a": entry("F32", [4], 0, 16)}, "cannot be read as .safetensors: .*not fully covered"),
        ({"a": entry("F32", [2], 0, 8)}, "cannot be read as .safetensors: .*not fully covered"),
        ({"a": entry("F32", [1 << 62, 1 << 62], 0, 12)}, "cannot be read .*overflow"),
        ({"a": entry("F32", [-1, -3], 0, 12)}, "cannot be read"),
        ({"a": entry("F32", [3], -12, 0)}, "cannot be read .*-12"),
        ({"a": entry("F8_E4M3", [12], 0, 12)}, "a has the type F8_E4M3"),
        ({"a": {"dtype": "F32"}}, "cannot be read"),
        ({"a": [1]}, "cannot be read"),
        (b"[1]", "cannot be read"),
        (b"{no json", "cannot be read"),
    ],
)
def test_bad_safetensors(tmp_path, header, message):
    path = safetensors(tmp_path / "x.safetensors", header, bytes(12))
    with pytest.raises(InputError, match=message) as caught:
        read_state_dict(path)
    assert "x.safetensors" in str(caught.value)


def test_truncated_safetensors(tmp_path):
    path = tmp_path / "x.safetensors"
    path.write_bytes((1 << 60).to_bytes(8, "little") + b"{}")
    with pytest.raises(InputError, match="cannot be read as .safetensors: .*header too large"):
        read_state_dict(path)


def test_pickles_in_npz_are_refused(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, a=np.array([{"a": 1}], object))
    with pytest.raises(InputError, match="x.npz cannot be read as .npz.*pickle"):
        read_state_dict(path)


def test_bad_npz(tmp_path):
    path = tmp_path / "x.npz"
    for content in (b"", b"PK\x03\x04" + bytes(50)):
        path.write_bytes(content)
        with pytest.raises(InputError, match="cannot be read"):
            read_state_dict(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", b"\x93NUMPY\x01\x00")
    with pytest.raises(InputError, match="cannot be read"):
        read_state_dict(path)


def test_places_and_suffixes(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_state_dict(tmp_path / "x.npz")
    (tmp_path / "x.bin").write_bytes(b"")
    with pytest.raises(InputError, match=r"is a file .npz, .safetensors, .pth, .pt, got x.bin"):
        read_state_dict(tmp_path / "x.bin")


def test_an_array_that_claims_more_than_there_is(tmp_path):
    header = io.BytesIO()
    shape = {"descr": "<f4", "fortran_order": False, "shape": (1 << 20, 1 << 12)}
    np.lib.format.write_array_header_1_0(header, shape)
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("a.npy", header.getvalue() + bytes(64))
    with pytest.raises(InputError, match="a.npy claims 17179869184 bytes of values"):
        read_state_dict(tmp_path / "x.npz")


def test_npz_with_little_in_it_may_not_claim_much(tmp_path):
    path = tmp_path / "small.npz"
    # Zeros shrink to a thousandth.
    np.savez_compressed(path, a=np.zeros((5, 1 << 20), "float32"))
    with pytest.raises(InputError, match=r"refused: a\.npy claims 20971520 bytes"):
        read_state_dict(path)
