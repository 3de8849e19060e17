"""Damage weight files and checkpoints in many ways, and load what is left: each must be refused in
one line, or give the values that were written.

    python -m tests.chaos.weights --rounds 1000 --seed 0

Each is loaded in a process of its own, with limits on time and memory. A fifth as many checkpoints
are tried besides.
"""

import argparse
import hashlib
import json
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path

import h5py
import numpy as np

from mrcnn.weights.file_formats import write_groups
from mrcnn.weights.guard import ALL_DIGESTS, write_array
from mrcnn.weights.loading import load_weights
from mrcnn.weights.run_state import STATE, assign_stored, read_run_state
from tests.chaos.damage import BYTES, STATES, STRUCTURE, never_written, other_type, swapped
from tests.chaos.limits import run_limited

SHAPES = {
    "conv1": {"kernel": (7, 7, 3, 16), "bias": (16,)},
    "bn_conv1": dict.fromkeys(("gamma", "beta", "moving_mean", "moving_variance"), (16,)),
    "fpn_p2": {"kernel": (3, 3, 32, 32), "bias": (32,)},
    "mrcnn_class_conv1": {"kernel": (7, 7, 32, 64), "bias": (64,)},
    "mrcnn_class_logits": {"kernel": (64, 4), "bias": (4,)},
    "mrcnn_mask": {"kernel": (1, 1, 32, 4), "bias": (4,)},
}
OPTIMIZER, RANDOM = [(), (7, 7, 3, 16), (3, 3, 32, 32)], [(2,), (2,)]
STATE_JSON = {
    "step": 12, "run": "a1", "rewinds": 0, "stages": [["heads", 10, 0.001], ["all", 5, 0.0001]],
    "interval": {"steps": 2, "sums": {"loss": 3.5}}, "epoch": {"steps": 2, "sums": {"loss": 3.5}},
    "validate": False, "dataset": "photos", "source": "photos", "skip_bad": False,
    "backbone_random": False, "settings": {"NAME": "x", "NUM_CLASSES": 4},
}  # fmt: skip
SECONDS = 10
# Beside twice the file and the model: what HDF5 itself takes.
SLACK = 48 << 20


class Variable:
    """Stands in for one of Keras: a process that is forked must not compute with TensorFlow."""

    def __init__(self, name, shape, dtype="float32"):
        self.name, self.shape, self.dtype, self.value = name, shape, dtype, None

    def assign(self, value):
        self.value = np.asarray(value)


def write(path, rng, checkpoint):
    """A weight file, or a checkpoint, of random numbers."""

    def draw(shape):
        return rng.normal(size=shape).astype("float32")

    groups = {
        layer: [
            # No variance is negative.
            (f"{layer}/{name}:0", abs(draw(shape)) if "variance" in name else draw(shape))
            for name, shape in shapes.items()
        ]
        for layer, shapes in SHAPES.items()
    }
    extra = {}
    if checkpoint:
        text = json.dumps(STATE_JSON).encode()
        extra[f"{STATE}/json"] = np.frombuffer(text, np.uint8)
        for index, shape in enumerate(OPTIMIZER):
            array = draw(shape) if shape else np.int32(12)
            extra[f"{STATE}/optimizer/{index:05d}"] = array
        for index, shape in enumerate(RANDOM):
            array = rng.integers(0, 99, shape).astype("uint32")
            extra[f"{STATE}/random/{index:05d}"] = array
    write_groups(path, groups, {"backend": "tensorflow", "keras_version": "3"}, extra)


def load(path, checkpoint):
    """Load a file as a training does; returns a digest of all arrays, and the state as text."""
    layers = {
        layer: [Variable(name, shape) for name, shape in shapes.items()]
        for layer, shapes in SHAPES.items()
    }
    variables, words = [v for found in layers.values() for v in found], ""
    if checkpoint:
        words = json.dumps(read_run_state(path), sort_keys=True)
    load_weights(layers, path)
    if checkpoint:
        groups = {
            "optimizer": [Variable("", s, "float32" if s else "int32") for s in OPTIMIZER],
            "random": [Variable("", s, "uint32") for s in RANDOM],
        }
        assign_stored(path, groups)
        variables += [v for found in groups.values() for v in found]
    found = hashlib.sha256()
    for variable in variables:
        found.update(np.ascontiguousarray(variable.value).tobytes())
    return [found.hexdigest(), words]


def mutate(whole, path, draw, checkpoint):
    """Write a damaged copy of a file; returns the name of the damage."""
    kinds = [BYTES, STRUCTURE, *([STATES] if checkpoint else [])]
    change = draw.choice(draw.choice(kinds))
    content = bytearray(whole.read_bytes())
    if change in BYTES:
        change(content, draw)
    path.write_bytes(content)
    if change in STRUCTURE:
        with h5py.File(path, "r+") as file:
            change(file, draw)
            # Some as files of others, which have no digests: whether a value is right is not known.
            if change not in (swapped, never_written, other_type) and draw.random() < 0.3:
                del file.attrs[ALL_DIGESTS]
    if change in STATES:
        text = change(json.loads(json.dumps(STATE_JSON)), draw)
        with h5py.File(path, "r+") as file:
            del file[f"{STATE}/json"]
            write_array(file, f"{STATE}/json", np.frombuffer(text.encode(), np.uint8))
    return change.__name__


def verdict(outcome, wanted):
    """What came of a file: "refused", "equal", or a fault in words."""
    if outcome.ended:
        return f"ended by {outcome.ended}"
    if outcome.error == "InputError":
        return "refused" if "\n" not in outcome.message else "more than one line"
    if outcome.error:
        return f"{outcome.error}: {outcome.message}".splitlines()[0][:200]
    return "equal" if outcome.value == wanted else "other values"


def try_out(place, rounds, seed, checkpoint):
    """Try damaged files; returns the verdicts by kind of damage, and the faults in words."""
    whole, rng = place / "whole.h5", np.random.default_rng(seed)
    write(whole, rng, checkpoint)
    (place / "raw.bin").write_bytes(bytes(1 << 20))
    expected = run_limited(lambda: load(whole, checkpoint), SECONDS, SLACK)
    assert expected.value, expected.traceback
    model = sum(int(np.prod(shape)) * 4 for layer in SHAPES.values() for shape in layer.values())
    counts, faults = Counter(), []
    for number in range(rounds):
        draw = random.Random(f"{seed} {checkpoint} {number}")
        path = place / f"damaged{number}.h5"
        name = mutate(whole, path, draw, checkpoint)
        memory = 2 * path.stat().st_size + model + SLACK
        outcome = run_limited(lambda path=path: load(path, checkpoint), SECONDS, memory)
        wanted = expected.value
        if name.startswith("state") and outcome.value:
            # Another state of the right form: the arrays are compared alone.
            wanted = [wanted[0], outcome.value[1]]
        word = verdict(outcome, wanted)
        counts[name, word] += 1
        if word not in ("refused", "equal"):
            faults.append(f"file {number}, {name}: {word}")
        path.unlink()
    return counts, faults


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=1000, help="weight files")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    faults = []
    for checkpoint, rounds in ((False, options.rounds), (True, options.rounds // 5)):
        what = "checkpoints" if checkpoint else "weight files"
        print(f"{rounds} damaged {what}, seed {options.seed}")
        with tempfile.TemporaryDirectory() as place:
            counts, found = try_out(Path(place), rounds, options.seed, checkpoint)
        print(f"{'damage':20}{'files':>7}{'refused':>9}{'equal':>7}{'else':>6}")
        for name in sorted({name for name, _ in counts}):
            all_of = sum(count for (kind, _), count in counts.items() if kind == name)
            good = [counts[name, word] for word in ("refused", "equal")]
            print(f"{name:20}{all_of:7}{good[0]:9}{good[1]:7}{all_of - sum(good):6}")
        print("\n".join([*found, f"{rounds} {what}: {len(found)} faults", ""]), flush=True)
        faults += found
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
