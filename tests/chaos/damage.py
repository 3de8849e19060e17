"""Ways to damage an HDF5 file: its bytes, what HDF5 has in it, and the state of a run in it."""

import json

import h5py
import numpy as np

from mrcnn.weights.guard import write_array
from mrcnn.weights.run_state import STATE

HUGE = (1 << 16, 1 << 15)


# Damage to the bytes of a file, whatever they mean.


def bits(content, draw):
    for _ in range(draw.choice([1, 1, 4, 64])):
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)


def bits_of_the_head(content, draw):
    """Where HDF5 says what there is."""
    for _ in range(draw.choice([1, 4, 16])):
        content[draw.randrange(min(8192, len(content)))] ^= 1 << draw.randrange(8)


def cut(content, draw):
    del content[draw.randrange(len(content)) :]


def zeros(content, draw):
    start = draw.randrange(len(content))
    end = min(len(content), start + draw.choice([8, 512, 4096, 65536]))
    content[start:end] = bytes(end - start)


def noise(content, draw):
    start = draw.randrange(len(content))
    end = min(len(content), start + draw.choice([8, 64, 4096]))
    content[start:end] = draw.randbytes(end - start)


def shifted(content, draw):
    start = draw.randrange(len(content))
    content[start:start] = draw.randbytes(draw.choice([1, 8, 512]))


def block_twice(content, draw):
    start, length = draw.randrange(len(content)), draw.choice([64, 4096])
    block, target = content[start : start + length], draw.randrange(len(content))
    content[target : target + len(block)] = block


BYTES = [bits, bits_of_the_head, cut, zeros, noise, shifted, block_twice]

# Damage to what HDF5 has in it.


def arrays_of(file):
    found = []
    file.visititems(lambda name, node: found.append(name) if hasattr(node, "dtype") else None)
    return sorted(found)


def taken_out(file, draw):
    """Delete an array; returns its name and values."""
    name = draw.choice(arrays_of(file))
    values = file[name][()]
    del file[name]
    return name, values


def missing(file, draw):
    del file[draw.choice(arrays_of(file))]


def swapped(file, draw):
    one, other = draw.sample(arrays_of(file), 2)
    file.move(one, "aside")
    file.move(other, one)
    file.move("aside", other)


def other_type(file, draw):
    name, values = taken_out(file, draw)
    kind = draw.choice(["int8", "uint64", "float64", "float16", "complex64", "bool"])
    file.create_dataset(name, data=values.astype(kind))


def texts(file, draw):
    name, values = taken_out(file, draw)
    data = np.full(values.shape, "a", dtype=object)
    file.create_dataset(name, data=data, dtype=h5py.string_dtype())


def other_shape(file, draw):
    name, values = taken_out(file, draw)
    choices = [values.reshape(-1), values[None], values.T, values.reshape(-1)[:-1]]
    file.create_dataset(name, data=draw.choice(choices))


def claims(file, draw):
    name, _ = taken_out(file, draw)
    options = draw.choice(
        [{}, {"chunks": (64, 64)}, {"chunks": (1, HUGE[1]), "compression": "gzip"}]
    )
    file.create_dataset(name, HUGE, draw.choice(["float32", "float64", "uint8"]), **options)


def claims_everywhere(file, draw):
    for name in arrays_of(file):
        del file[name]
        file.create_dataset(name, HUGE, "float32", chunks=(64, 64), compression="gzip")


def claims_pieces(file, draw):
    name, values = taken_out(file, draw)
    shape = values.shape or (1,)
    file.create_dataset(
        name, shape, values.dtype, maxshape=(None,) * len(shape),
        chunks=(1 << 28, *(1,) * (len(shape) - 1)),
    )  # fmt: skip


def never_written(file, draw):
    name, values = taken_out(file, draw)
    file.create_dataset(name, values.shape, values.dtype, fillvalue=draw.choice([0, 7]))


def links(file, draw):
    name, _ = taken_out(file, draw)
    others = [
        h5py.ExternalLink("whole.h5", name),
        h5py.ExternalLink("/dev/zero", name),
        h5py.SoftLink(f"/{name}"),
        h5py.SoftLink("/conv1/conv1/kernel:0"),
    ]
    file[name] = draw.choice(others)


def group_links(file, draw):
    name = draw.choice(sorted(file))
    del file[name]
    file[name] = draw.choice([h5py.ExternalLink("whole.h5", name), h5py.SoftLink("/")])


def from_elsewhere(file, draw):
    name, values = taken_out(file, draw)
    source = draw.choice(["raw.bin", "/dev/zero", "/etc/hostname"])
    external = [(source, 0, max(1, values.nbytes))]
    shape = values.shape or (1,)
    if draw.random() < 0.5:
        file.create_dataset(name, shape, values.dtype, external=external)
    else:
        layout = h5py.VirtualLayout(shape, values.dtype)
        layout[:] = h5py.VirtualSource("whole.h5", name, shape)
        file.create_virtual_dataset(name, layout)


def not_finite(file, draw):
    """Written as by us, digest and all."""
    name = draw.choice([n for n in arrays_of(file) if file[n].dtype.kind == "f" and file[n].size])
    values = file[name][()]
    values.reshape(-1)[0] = draw.choice([np.nan, np.inf, -np.inf])
    del file[name]
    write_array(file, name, values)


def names(file, draw):
    group = draw.choice([file, *(file[name] for name in file if name != STATE)])
    key = "layer_names" if group == file else "weight_names"
    found = list(group.attrs[key])
    others = [
        found[:-1], [*found, found[0]], found[::-1], [*found, b"no/such:0"], [b"\xff"], 5,
        np.zeros(3), b"", [b"../" + name for name in found], np.zeros(7000, "S9"),
    ]  # fmt: skip
    del group.attrs[key]
    if draw.random() < 0.9:
        group.attrs[key] = draw.choice(others)


def group_is_an_array(file, draw):
    name = draw.choice(sorted(file))
    del file[name]
    file.create_dataset(name, data=np.zeros(3))


def deep(file, draw):
    del file[draw.choice(sorted(file))]
    group = file.create_group("layers")
    for _ in range(500):
        group = group.create_group("a")


STRUCTURE = [
    missing, swapped, other_type, texts, other_shape, claims, claims_everywhere, claims_pieces,
    never_written, links, group_links, from_elsewhere, not_finite, names, group_is_an_array, deep,
]  # fmt: skip

# Damage to the state of a run; the digests are right.


def state_values(content, draw):
    key = draw.choice(list(content))
    values = [
        None, "x", "12", -1, 10.5, 10**30, [], {}, [[]], True, [["heads", -5, 0.1]], {"steps": []},
        [[1, 2, 3]], {"steps": -1, "sums": {"loss": None}}, float("nan"), "a" * 1000,
    ]  # fmt: skip
    content[key] = draw.choice(values)
    return json.dumps(content)


def state_text(content, draw):
    text = json.dumps(content)
    return draw.choice(
        [
            "", "null", "[" * 200_000, "{" * 5, text[: draw.randrange(len(text))], text * 2,
            '{"step": ' + "9" * 5000 + "}", '{"step": Infinity}', "\0" * 100, " " * (1 << 23),
        ]
    )  # fmt: skip


def state_keys(content, draw):
    del content[draw.choice(list(content))]
    return json.dumps(content)


STATES = [state_values, state_text, state_keys]
