"""What a checkpoint holds beside the weights: the state of its run as JSON, and further arrays.

It is read as any other file from outside: with a limit on its size, a schema, and no number that is
not one.
"""

import mrcnn.backend  # noqa: F401 (before Keras, see mrcnn.backend.quiet)

# isort: split
import json
from pathlib import Path
from typing import Annotated, Any, NoReturn

import h5py
import keras
import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mrcnn.errors import InputError
from mrcnn.weights.guard import Stored, member, not_finite, opened, stored

STATE = "training_state"
# Bytes of JSON; a state has some kilobytes.
LARGEST = 1 << 22
WHAT = "a checkpoint that a run can be resumed from"

# More steps than any training has.
Count = Annotated[int, Field(ge=0, le=10**12, strict=True)]
Positive = Annotated[int, Field(ge=1, le=10**12, strict=True)]
Number = Annotated[float, Field(allow_inf_nan=False)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="allow")


class Sums(_Model):
    """What was added up over the steps of an interval that has not ended."""

    steps: Count
    sums: dict[str, Number]


class Epochs(_Model):
    """See `mrcnn.training.epochs.EpochCount`."""

    length: Positive
    start: Count
    before: Count
    beyond: Count


class State(_Model):
    """The state of a run; of earlier versions it has less."""

    step: Count
    run: str = ""
    rewinds: Count = 0
    stages: list[tuple[str, Positive, Annotated[Number, Field(ge=0)]]] = []
    epochs: Epochs | None = None
    interval: Sums | None = None
    epoch: Sums | None = None
    validate_next: Annotated[bool, Field(alias="validate")] = False
    dataset: str | None = None
    source: str | None = None
    skip_bad: bool = False
    backbone_random: bool = False
    settings: dict[str, Any] | None = None


def read_run_state(path: str | Path) -> dict[str, Any]:
    """Return the state of a checkpoint.

    Raises:
        InputError: The file is no checkpoint of ours, or its state is not one that a run writes.
    """
    path = Path(path)
    with opened(path, WHAT) as file:
        array = stored(file, f"{STATE}/json", path) if STATE in file else None
        if array is None:
            raise InputError(f"{path} is no checkpoint that a run can be resumed from: no {STATE}")
        if array.dtype != np.uint8 or array.ndim != 1 or array.nbytes > LARGEST:
            raise InputError(f"{path} is damaged: its {STATE}/json is no text")
        text = array.read().tobytes()
    try:
        content = json.loads(text, parse_constant=_refuse)
        State.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "it"
        raise InputError(
            f"{path} is damaged: in its state {place} is wrong: {first['msg'].lower()}"
        ) from None
    except (ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path} is damaged: its state is no JSON: {reason}") from None
    return content


def assign_stored(path: str | Path, groups: dict[str, list[keras.Variable]]) -> None:
    """Set variables from the arrays of a checkpoint, in their order.

    Args:
        path: The checkpoint.
        groups: Variables by the name of the group in the file.

    Raises:
        InputError: They are others than those of the file, or values are NaN or infinite. Nothing
            is assigned then.
    """
    path = Path(path)
    with opened(path, WHAT) as file:
        values = [
            (variable, _read(array, variable, f"{STATE}/{name}/{index:05d}", path))
            for name, variables in groups.items()
            for index, (array, variable) in enumerate(
                zip(_arrays(file, name, len(variables), path), variables, strict=True)
            )
        ]
    for variable, value in values:
        variable.assign(value)


def _arrays(file: h5py.File, name: str, count: int, path: Path) -> list[Stored]:
    """The arrays of a group, which are numbered from 0."""
    place = f"{STATE}/{name}"
    there = STATE in file and name in member(file, STATE, path)
    group = member(file, place, path) if there else {}
    if len(group) != count:
        raise InputError(
            f"{path} has {len(group)} {name} variables, this run has {count}: "
            "it was made with another configuration"
        )
    return [stored(file, f"{place}/{index:05d}", path) for index in range(count)]


def _read(array: Stored, variable: keras.Variable, place: str, path: Path) -> np.ndarray:
    wanted = np.dtype(keras.backend.standardize_dtype(variable.dtype))
    # Backends count in whole numbers of different lengths.
    floats, whole = (array.dtype.kind in kinds and wanted.kind in kinds for kinds in ("f", "iu"))
    if array.shape != tuple(variable.shape) or not (floats or whole):
        raise InputError(
            f"{path}: {place} is {array.dtype} {array.shape}, this run has {wanted} "
            f"{tuple(variable.shape)}: it was made with another configuration, or is damaged"
        )
    values = array.read()
    if not_finite(values):
        raise InputError(f"{path}: {place} has NaN or infinite values: go on from another one")
    if whole and values.size:
        limits = np.iinfo(wanted)
        if int(values.min()) < limits.min or int(values.max()) > limits.max:
            raise InputError(f"{path} is damaged: {place} has values that are no {wanted}")
    return values


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")
