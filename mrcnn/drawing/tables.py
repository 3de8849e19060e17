"""Tables in notebooks, and a model's weights as a table and as histograms."""

import html
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mrcnn.drawing.figures import Html, current_figure, finish
from mrcnn.errors import InputError

HEADER = ("weight", "shape", "min", "max", "mean", "std", "")
# A trained weight or statistic of this size has run away.
LARGEST = 1000.0
# Statistics of batch normalization may rightly be the same everywhere: as long as nothing has
# updated them.
STATISTICS = ("moving_mean", "moving_variance")


@dataclass(frozen=True)
class WeightStats:
    """Numbers of one weight.

    Attributes:
        name: Layer and weight, as "conv1/kernel".
        shape: Of the weight.
        min, max, mean, std: Over the finite entries; NaN where there are none.
        alert: What is wrong with it: "dead?" if all entries are equal, "overflow?" if one exceeds
            1000, "not finite" if one is NaN or infinite; else empty.
    """

    name: str
    shape: tuple[int, ...]
    min: float
    max: float
    mean: float
    std: float
    alert: str


def weight_arrays(model: Any) -> dict[str, np.ndarray]:
    """All weights of a model by "layer/weight".

    Args:
        model: A `mrcnn.model.MaskRCNN`, or a Keras model.
    """
    if callable(model.layers):  # by layer, named as in weight files
        variables = {
            f"{layer}/{variable.path.rpartition('/')[2]}": variable
            for layer, weights in model.layers().items()
            for variable in weights
        }
    else:
        variables = {variable.path: variable for variable in model.weights}
    arrays = {name: np.asarray(variable) for name, variable in variables.items()}
    return {name: array for name, array in arrays.items() if array.dtype.kind == "f"}


def weight_stats(model: Any) -> list[WeightStats]:
    """Numbers of every weight, and what is wrong with it.

    Args:
        model: A `mrcnn.model.MaskRCNN`, or a Keras model.
    """
    return [_stats(name, array) for name, array in weight_arrays(model).items()]


def display_weight_stats(model: Any) -> Html:
    """Show the numbers of every weight as a table, those that look dead or run away in red.

    Args:
        model: A `mrcnn.model.MaskRCNN`, or a Keras model.

    Returns:
        HTML text.
    """
    rows: list[Sequence[Any]] = [HEADER]
    for stats in weight_stats(model):
        numbers = [f"{value:+9.4f}" for value in (stats.min, stats.max, stats.mean, stats.std)]
        alert = Html(f'<span style="color:red">{stats.alert}</span>') if stats.alert else ""
        rows.append((stats.name, stats.shape, *numbers, alert))
    return display_table(rows)


def display_table(table: Iterable[Iterable[Any]]) -> Html:
    """Show a table in a notebook.

    Args:
        table: Rows of cells; what is in them is shown as text, but for `Html` texts.

    Returns:
        HTML text.
    """
    lines = (
        "".join(
            f"<td>{cell if isinstance(cell, Html) else html.escape(str(cell))}</td>" for cell in row
        )
        for row in table
    )
    return Html("<table>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>").display()


def plot_weight_histograms(
    model: Any, names: Sequence[str], cols: int = 4, bins: int = 50, show: bool = False
) -> Figure:
    """Plot how the entries of some weights are distributed.

    Args:
        model: A `mrcnn.model.MaskRCNN`, or a Keras model.
        names: Which, as in `weight_arrays`.
        cols: Histograms in a row.
        bins: Of each histogram.
        show: Open a window. A notebook shows the figure anyway.

    Raises:
        InputError: The model has no weight of that name.
    """
    arrays = weight_arrays(model)
    for name in names:
        if name not in arrays:
            raise InputError(f"the model has no weight {name!r}; weight_stats(model) lists them")
    rows = max(1, math.ceil(len(names) / cols))
    figure = current_figure((3.4 * cols, 2.4 * rows))
    for index, name in enumerate(names):
        ax = figure.add_subplot(rows, cols, index + 1)
        values = arrays[name].ravel()
        ax.hist(values[np.isfinite(values)], bins=bins)
        ax.set_title(name, fontsize=9)
        ax.set_yticks([])
        ax.tick_params(labelsize=8)
        ax.spines[["top", "right", "left"]].set_visible(False)
    return finish(figure, show)


def _stats(name: str, array: np.ndarray) -> WeightStats:
    array = array.astype(np.float64)
    finite = array[np.isfinite(array)]
    if not finite.size:
        nan = math.nan
        return WeightStats(name, array.shape, nan, nan, nan, nan, "not finite")
    alerts = []
    if finite.size < array.size:
        alerts.append("not finite")
    elif finite.size > 1 and finite.min() == finite.max() and not name.endswith(STATISTICS):
        alerts.append("dead?")
    if np.abs(finite).max() > LARGEST:
        alerts.append("overflow?")
    low, high, mean, std = map(float, (finite.min(), finite.max(), finite.mean(), finite.std()))
    return WeightStats(name, array.shape, low, high, mean, std, ", ".join(alerts))
