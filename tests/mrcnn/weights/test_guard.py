"""What weight files claim, and what is read of them."""

import h5py
import numpy as np
import pytest

from mrcnn.errors import InputError
from mrcnn.weights import guard
from mrcnn.weights.file_formats import open_weights, read_weights, write_groups
from mrcnn.weights.loading import assign_weights, load_weights

SHAPE = (3, 4)


class Variable:
    """Stands in for one of Keras, which these tests need not."""

    def __init__(self, name):
        self.name, self.shape, self.value = name, SHAPE, None

    def assign(self, value):
        self.value = np.asarray(value)


@pytest.fixture
def arrays(rng):
    return {name: rng.normal(size=SHAPE).astype(np.float32) for name in ("kernel", "other")}


@pytest.fixture
def path(tmp_path, arrays):
    path = tmp_path / "w.h5"
    write_groups(path, {"fc": [(f"fc/{n}:0", a) for n, a in arrays.items()]}, {"backend": "x"})
    return path


def model():
    return {"fc": [Variable("kernel"), Variable("other")]}


def test_what_was_written_is_loaded(path, arrays):
    layers = model()
    assert load_weights(layers, path).loaded == ["fc/kernel", "fc/other"]
    for variable in layers["fc"]:
        np.testing.assert_array_equal(variable.value, arrays[variable.name])


def swapped(file):
    values = [file[f"fc/fc/{name}:0"][()] for name in ("kernel", "other")]
    for name, value in zip(("kernel", "other"), reversed(values), strict=True):
        file[f"fc/fc/{name}:0"][...] = value


def moved(file):
    """Both with their digests: what one was is now the other."""
    for old, new in (("kernel", "k"), ("other", "kernel"), ("k", "other")):
        file.move(f"fc/fc/{old}:0", f"fc/fc/{new}:0")


def one_bit(file):
    values = file["fc/fc/kernel:0"][()]
    values.view(np.uint32)[0, 0] ^= 1
    file["fc/fc/kernel:0"][...] = values


def without_digest(file):
    del file["fc/fc/kernel:0"].attrs[guard.DIGEST]


@pytest.mark.parametrize("damage", [swapped, moved, one_bit, without_digest])
def test_damage_is_noticed(path, damage):
    with h5py.File(path, "r+") as file:
        damage(file)
    layers = model()
    with pytest.raises(InputError, match="w.h5 is damaged: the values of /fc/fc/kernel:0"):
        load_weights(layers, path)
    assert all(variable.value is None for variable in layers["fc"])
    with pytest.raises(InputError, match="is damaged"):
        read_weights(path)


def test_changed_on_purpose(path):
    with h5py.File(path, "r+") as file:
        file["fc/fc/kernel:0"][...] = 7
        del file.attrs[guard.ALL_DIGESTS]
    layers = model()
    load_weights(layers, path)
    assert (layers["fc"][0].value == 7).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite(tmp_path, arrays, value):
    arrays["other"][1, 2] = value
    write_groups(tmp_path / "w.h5", {"fc": [(f"fc/{n}:0", a) for n, a in arrays.items()]}, {})
    layers = model()
    with pytest.raises(InputError, match="w.h5: fc/other has NaN or infinite values"):
        load_weights(layers, tmp_path / "w.h5")
    assert layers["fc"][0].value is None
    report = load_weights(layers, tmp_path / "w.h5", strict=False)
    assert report.not_finite == ["fc/other"] and "not finite: fc/other" in str(report)
    np.testing.assert_array_equal(layers["fc"][1].value, arrays["other"])
    with pytest.raises(InputError, match="x.pth: fc/other has NaN"):
        guard.refuse_not_finite({"fc": arrays}, "x.pth")


def claim(path, shape, **options):
    with h5py.File(path, "r+") as file:
        del file["fc/fc/other:0"]
        file["fc/fc"].create_dataset("other:0", shape, "float32", **options)


@pytest.mark.parametrize(
    "options",
    [{"chunks": (1, 1 << 15), "compression": "gzip"}, {"chunks": (64, 64)}, {}],
    ids=["compressed", "chunked", "in one piece"],
)
def test_claimed_sizes_are_not_read(path, monkeypatch, options):
    """8 GiB of which the file has nothing: HDF5 fills what was never written."""
    claim(path, (1 << 16, 1 << 15), **options)
    seen, read = [], guard.Stored.read
    monkeypatch.setattr(guard.Stored, "read", lambda self: seen.append(self.shape) or read(self))
    with pytest.raises(InputError, match=r"fc/other: file \(65536, 32768\), model \(3, 4\)"):
        load_weights(model(), path)
    with pytest.raises(InputError, match="claim far more bytes than the file has"):
        read_weights(path)
    assert (1 << 16, 1 << 15) not in seen


def test_claimed_chunks_are_not_read(path):
    claim(path, SHAPE, maxshape=(None, None), chunks=(1 << 14, 1 << 14), compression="gzip")
    with pytest.raises(InputError, match="claims pieces of 1073741824 bytes"):
        load_weights(model(), path)


def test_filters_that_are_not_built_in(path):
    """HDF5 would look for a library of this number, and run it."""
    with h5py.File(path, "r+") as file:
        del file["fc/fc/other:0"]
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_chunk(SHAPE)
        properties.set_filter(31999, h5py.h5z.FLAG_OPTIONAL, ())
        space = h5py.h5s.create_simple(SHAPE)
        h5py.h5d.create(file["fc/fc"].id, b"other:0", h5py.h5t.IEEE_F32LE, space, properties)
    with pytest.raises(InputError, match="a filter that is not built in"):
        load_weights(model(), path)


def test_attributes_of_any_size(tmp_path):
    with h5py.File(tmp_path / "w.h5", "w", libver="latest") as file:
        file.attrs["layer_names"] = np.zeros(300, "S64000")
    with pytest.raises(InputError, match="its attribute layer_names is no list of names"):
        load_weights(model(), tmp_path / "w.h5")


@pytest.mark.parametrize("circle", [True, False])
def test_groups_without_end(tmp_path, circle):
    path = tmp_path / "x.weights.h5"
    with h5py.File(path, "w") as file:
        group = file.create_group("layers")
        if circle:
            group["again"] = file["layers"]
        for _ in range(0 if circle else 2000):
            group = group.create_group("a")
    with pytest.raises(InputError, match="groups lie more than 32 deep"):
        read_weights(path)


def test_arrays_are_read_when_they_are_wanted(path, monkeypatch):
    names = []
    monkeypatch.setattr(guard.Stored, "read", lambda self: names.append(self.shape))
    with open_weights(path) as found:
        assert found["fc"]["kernel"].shape == SHAPE and found["fc"]["kernel"].size == 12
    assert names == []


def test_arrays_in_memory_are_taken_too(arrays):
    layers = model()
    assert assign_weights(layers, {"fc": arrays}, "x").loaded == ["fc/kernel", "fc/other"]
