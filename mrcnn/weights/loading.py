"""Weights of a model from a file, with a report of what was loaded, and into a file in the layout
of the original.
"""

import mrcnn.backend  # noqa: F401 (before Keras, see mrcnn.backend.quiet)

# isort: split
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from mrcnn.errors import InputError
from mrcnn.modeling.losses import Losses
from mrcnn.weights.adapting import fitted, is_inflatable, other_classes
from mrcnn.weights.file_formats import (
    Arrays,
    Found,
    match_names,
    open_weights,
    write_layers,
)
from mrcnn.weights.file_formats import read_weights as read_weights  # where it was in 0.1.0
from mrcnn.weights.guard import Stored, listed, not_finite

# The order of a layer's weights in a file; Keras 3 lists trainable ones first.
ORDER = {"gamma": 0, "beta": 1, "moving_mean": 2, "moving_variance": 3, "kernel": 0, "bias": 1}
SHOWN = 12


@dataclass
class LoadReport:
    """What became of every weight, as "layer/weight"; `mismatched` and `inflated` tell both shapes,
    `not_finite` are those among the loaded ones that have NaN or infinite values.
    """

    loaded: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    mismatched: list[str] = field(default_factory=list)
    inflated: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    excluded: list[str] = field(default_factory=list)
    not_finite: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        counts = {name: len(getattr(self, name)) for name in self.__dataclass_fields__}
        for name in ("inflated", "not_finite"):
            if not counts[name]:
                del counts[name]
        lines = [f"{_words(name):11}{count:5}" for name, count in counts.items()]
        for name in ("missing", "mismatched", "inflated", "unused", "not_finite"):
            entries, words = getattr(self, name), _words(name)
            lines += [f"  {words}: {entry}" for entry in entries[:SHOWN]]
            if len(entries) > SHOWN:
                lines.append(f"  {words}: and {len(entries) - SHOWN} more")
        return "\n".join(lines)


def weighted_layers(models: keras.Model | Iterable[keras.Layer]) -> dict[str, list[keras.Variable]]:
    """The variables of every layer with weights, by layer name, in the order of weight files."""
    roots = [models] if isinstance(models, keras.Layer) else list(models)
    found: dict[str, list[keras.Variable]] = {}
    for root in roots:
        for layer in root._flatten_layers():
            variables = [
                v for v in _own_variables(layer) if not v.path.endswith("seed_generator_state")
            ]
            # How losses are weighted belongs to the run, not to the network: checkpoints have it.
            if variables and not isinstance(layer, keras.metrics.Metric | Losses):
                found[layer.name] = sorted(variables, key=lambda v: ORDER.get(v.name, 0))
    return found


def to_numpy(variable: keras.Variable) -> np.ndarray:
    """The value of a variable; of a copy, because NumPy 2 warns about variables themselves."""
    return keras.ops.convert_to_numpy(keras.ops.copy(variable))


def load_weights(
    layers: dict[str, list[keras.Variable]],
    path: str | Path,
    exclude: Iterable[str] = (),
    strict: bool = True,
    complete: bool = True,
) -> LoadReport:
    """Assign the weights of a file to variables.

    Args:
        layers: From `weighted_layers`.
        path: The weight file.
        exclude: Layers to leave as they are.
        strict: Raise when a weight is missing, has another shape, or NaN or infinite values.
        complete: False for not when one is missing.

    Raises:
        InputError: The file cannot be read, or does not fit. Nothing is assigned then.
    """
    with open_weights(path, layers) as found:
        return assign_weights(layers, found, str(path), exclude, strict, complete)


def assign_weights(
    layers: dict[str, list[keras.Variable]],
    arrays: Arrays | Found,
    source: str,
    exclude: Iterable[str] = (),
    strict: bool = True,
    complete: bool = True,
    adapt: bool = False,
) -> LoadReport:
    """As `load_weights`, from the arrays of a weight file; `source` is its name in errors.

    Of a file that is open no array is read but those that are assigned.

    Args:
        adapt: Leave the layers of the classes as they are where the file has other classes, and
            spread the first convolution over another number of channels, see
            `mrcnn.weights.adapting`.
    """
    stored: dict[str, Any] = dict(arrays)
    exclude, report = set(exclude), LoadReport()
    if adapt:
        exclude |= other_classes(layers, stored)
    chosen: dict[str, tuple[keras.Variable, Any]] = {}
    unknown = exclude - set(layers)
    if unknown:
        raise InputError(
            f"exclude names layers that the model does not have: {', '.join(sorted(unknown))}"
        )
    for layer, variables in layers.items():
        found = stored.pop(layer, {})
        if layer in exclude:
            report.excluded += [f"{layer}/{v.name}" for v in variables]
            continue
        by_name = match_names(found, [v.name for v in variables])
        for variable in variables:
            name, array = f"{layer}/{variable.name}", by_name[variable.name]
            if array is None:
                report.missing.append(name)
            elif adapt and is_inflatable(layer, array.shape, variable.shape):
                report.inflated.append(f"{name}: file {array.shape}, model {variable.shape}")
                chosen[name] = variable, array
            elif tuple(array.shape) != tuple(variable.shape):
                report.mismatched.append(
                    f"{name}: file {tuple(array.shape)}, model {tuple(variable.shape)}"
                )
            elif np.dtype(array.dtype).kind != "f":
                report.mismatched.append(f"{name}: {array.dtype} in place of floating point")
            else:
                chosen[name] = variable, array
    report.unused = [f"{layer}/{name}" for layer, found in stored.items() for name in found]
    faults = report if complete else replace(report, missing=[])
    if strict and (faults.missing or faults.mismatched):
        raise InputError(f"{source} does not fit the model: {_problems(faults)}")
    if not chosen:
        raise InputError(f"{source} holds no weight of this model")
    values = {
        name: fitted(_values(array), tuple(variable.shape))
        for name, (variable, array) in chosen.items()
    }
    report.loaded = list(values)
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite in the model
        report.not_finite = [
            name for name, x in values.items() if not_finite(x.astype("float32", copy=False))
        ]
    if strict and report.not_finite:
        raise InputError(f"{source}: {listed(report.not_finite)} NaN or infinite values")
    negative = [name for name, x in values.items() if name.endswith("variance") and (x < 0).any()]
    if strict and negative:
        raise InputError(f"{source}: {listed(negative)} negative values")
    for name, (variable, _) in chosen.items():
        variable.assign(values.pop(name))
    return report


def _values(array: np.ndarray | Stored) -> np.ndarray:
    return array.read() if isinstance(array, Stored) else array


def _words(name: str) -> str:
    return name.replace("_", " ")


def save_weights(
    layers: dict[str, list[keras.Variable]], path: str | Path, extra: dict[str, Any] | None = None
) -> None:
    """Write weights in the original's layout; the file appears whole or not at all.

    Args:
        layers: From `weighted_layers`.
        extra: Further datasets by path, which readers of the layout pass over.
    """
    arrays = {
        layer: {v.name: to_numpy(v) for v in variables} for layer, variables in layers.items()
    }
    write_layers(path, arrays, extra)


def _own_variables(layer: keras.Layer) -> Iterator[keras.Variable]:
    yield from layer._trainable_variables
    yield from layer._non_trainable_variables


def _problems(report: LoadReport) -> str:
    parts = []
    for label in ("missing", "mismatched"):
        entries = getattr(report, label)
        if entries:
            more = f" and {len(entries) - 6} more" if len(entries) > 6 else ""
            parts.append(f"{len(entries)} {label} ({', '.join(entries[:6])}{more})")
    layers = sorted({entry.split("/")[0] for entry in report.mismatched})
    hint = (
        f"; to train these anew, exclude {','.join(layers)}"
        if layers and not report.missing
        else ""
    )
    return "; ".join(parts) + hint
