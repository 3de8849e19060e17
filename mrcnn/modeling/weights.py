"""Weight files in the layout of the original: HDF5, one group per layer, nothing loaded without a
word.

Root attribute `layer_names`; each group has `weight_names` such as "conv1/kernel:0", in order, and
a dataset of that path. Suffixes of layer names vary in files written by a process that had built a
model before, so weights are assigned by layer and order.
"""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np

from mrcnn.errors import InputError
from mrcnn.modeling.losses import Losses

# The order of a layer's weights in a file; Keras 3 lists trainable ones first.
ORDER = {"gamma": 0, "beta": 1, "moving_mean": 2, "moving_variance": 3, "kernel": 0, "bias": 1}
# In files the RPN's layers are nested in one group.
RPN = ("rpn_conv_shared", "rpn_class_raw", "rpn_bbox_pred")
SHOWN = 12


@dataclass
class LoadReport:
    """What became of every weight, as "layer/weight"; `mismatched` tells both shapes."""

    loaded: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    mismatched: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    excluded: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [f"{name:11}{len(getattr(self, name)):5}" for name in self.__dataclass_fields__]
        for name in ("missing", "mismatched", "unused"):
            entries = getattr(self, name)
            lines += [f"  {name}: {entry}" for entry in entries[:SHOWN]]
            if len(entries) > SHOWN:
                lines.append(f"  {name}: and {len(entries) - SHOWN} more")
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
) -> LoadReport:
    """Assign the weights of a file to variables.

    Args:
        layers: From `weighted_layers`.
        path: The weight file.
        exclude: Layers to leave as they are.
        strict: Raise when a weight is missing or has another shape.

    Raises:
        InputError: The file cannot be read, or does not fit. Nothing is assigned then.
    """
    stored = read_weights(path, layers)
    exclude, report, assignments = set(exclude), LoadReport(), []
    unknown = exclude - set(layers)
    if unknown:
        raise InputError(
            f"exclude names layers that the model does not have: {', '.join(sorted(unknown))}"
        )
    for layer, variables in layers.items():
        arrays = stored.pop(layer, {})
        if layer in exclude:
            report.excluded += [f"{layer}/{v.name}" for v in variables]
            continue
        by_order = list(arrays.values())
        for index, variable in enumerate(variables):
            name = f"{layer}/{variable.name}"
            array = arrays.get(variable.name)
            if array is None and len(by_order) == len(variables):
                array = by_order[index]
            if array is None:
                report.missing.append(name)
            elif tuple(array.shape) != tuple(variable.shape):
                report.mismatched.append(
                    f"{name}: file {tuple(array.shape)}, model {tuple(variable.shape)}"
                )
            else:
                report.loaded.append(name)
                assignments.append((variable, array))
    report.unused = [f"{layer}/{name}" for layer, arrays in stored.items() for name in arrays]
    if strict and (report.missing or report.mismatched):
        raise InputError(f"{path} does not fit the model: {_problems(report)}")
    if not report.loaded:
        raise InputError(f"{path} holds no weight of this model")
    for variable, array in assignments:
        variable.assign(array)
    return report


def read_weights(path: str | Path, known: Iterable[str] = ()) -> dict[str, dict[str, np.ndarray]]:
    """Read a weight file: arrays by layer and weight name, in the order of the file.

    Args:
        known: Names of the model's layers, by which nested groups are resolved.

    Raises:
        InputError: No such file, not HDF5, damaged, not a weight file, or with links or objects
            inside.
    """
    path, known = Path(path), set(known)
    if not path.is_file():
        raise InputError(f"weight file {path} does not exist")
    try:
        with h5py.File(path, "r") as file:
            root = _member(file, "model_weights", path) if "model_weights" in file else file
            if "layer_names" not in root.attrs:
                raise InputError(
                    f"{path} is no weight file in the layout of Mask R-CNN: "
                    "it has no attribute layer_names"
                )
            result: dict[str, dict[str, np.ndarray]] = {}
            for group_name in map(_text, root.attrs["layer_names"]):
                group = _member(root, group_name, path)
                for name in map(_text, group.attrs.get("weight_names", ())):
                    owner, leaf = _owner(group_name, name, known)
                    result.setdefault(owner, {})[leaf] = _array(group, name, path)
            return result
    except (
        OSError,
        MemoryError,
        KeyError,
        RuntimeError,
        AttributeError,
        TypeError,
        UnicodeDecodeError,
    ) as error:
        raise InputError(f"{path} cannot be read as a weight file (HDF5): {error}") from None


def save_weights(
    layers: dict[str, list[keras.Variable]], path: str | Path, extra: dict[str, Any] | None = None
) -> None:
    """Write weights in the original's layout; the file appears whole or not at all.

    Args:
        layers: From `weighted_layers`.
        extra: Further datasets by path, which readers of the layout pass over.
    """
    path = Path(path)
    partial = path.with_name(path.name + ".part")
    with h5py.File(partial, "w") as file:
        groups: dict[str, list[tuple[str, np.ndarray]]] = {}
        for layer, variables in layers.items():
            entries = groups.setdefault("rpn_model" if layer in RPN else layer, [])
            entries += [(f"{layer}/{v.name}:0", to_numpy(v)) for v in variables]
        # Fixed-length bytes, as Keras 2 wrote and reads them.
        file.attrs["layer_names"] = np.array(list(groups), "S")
        file.attrs["backend"] = keras.backend.backend().encode()
        file.attrs["keras_version"] = keras.__version__.encode()
        for name, entries in groups.items():
            group = file.create_group(name)
            group.attrs["weight_names"] = np.array([path for path, _ in entries], "S")
            for weight_path, array in entries:
                group.create_dataset(weight_path, data=array)
        for name, value in (extra or {}).items():
            file.create_dataset(name, data=value)
    os.replace(partial, path)


def _own_variables(layer: keras.Layer) -> Iterator[keras.Variable]:
    yield from layer._trainable_variables
    yield from layer._non_trainable_variables


def _owner(group: str, name: str, known: set[str]) -> tuple[str, str]:
    """Layer and weight name of the dataset `name` in `group`."""
    *parents, leaf = name.split("/")
    leaf = leaf.split(":")[0]
    if group in known or not parents:
        return group, leaf
    parent = parents[-1]
    stripped = re.sub(r"_\d+$", "", parent)
    if parent not in known and stripped in known:
        parent = stripped
    return (parent if parent in known else group), leaf


def _member(group: h5py.Group, name: str, path: Path):
    """The object `name` below `group`, which must lie in this very file."""
    current = group
    for part in name.strip("/").split("/"):
        link = current.get(part, getlink=True)
        if link is None:
            raise InputError(f"{path} is damaged: it lists {name}, but has no such entry")
        if not isinstance(link, h5py.HardLink):
            raise InputError(
                f"{path} is refused: {name} is a link out of its place, weight files have none"
            )
        current = current[part]
    return current


def _array(group: h5py.Group, name: str, path: Path) -> np.ndarray:
    dataset = _member(group, name, path)
    if not isinstance(dataset, h5py.Dataset) or dataset.dtype.kind not in "fiu":
        raise InputError(f"{path} is refused: {name} is no array of numbers")
    if dataset.external or dataset.is_virtual:
        raise InputError(f"{path} is refused: {name} takes its data from another file")
    return dataset[()]


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


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
