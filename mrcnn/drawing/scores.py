"""Plots of how predictions and ground truth agree."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mrcnn.drawing.figures import current_figure, finish
from mrcnn.drawing.instances import caption, check_counts
from mrcnn.errors import InputError

# Points of letters; cells that hold no larger ones have colors alone.
READABLE = 4.0


def plot_precision_recall(
    AP: float,
    precisions: Sequence[float] | np.ndarray,
    recalls: Sequence[float] | np.ndarray,
    show: bool = False,
) -> Figure:
    """Plot precision over recall.

    Args:
        AP: Average precision at an IoU of 0.5, for the title.
        precisions: (N,) in [0, 1].
        recalls: (N,) in [0, 1].
        show: Open a window. A notebook shows the figure anyway.

    Raises:
        InputError: There are not as many precisions as recalls.
    """
    check_counts("precisions", len(precisions), recalls=recalls)
    figure = current_figure((6, 5))
    ax = figure.add_subplot()
    ax.plot(recalls, precisions, marker="." if len(precisions) < 50 else None)
    ax.set(
        title=f"Precision and recall, AP@50 = {AP:.3f}",
        xlabel="recall",
        ylabel="precision",
        xlim=(0, 1.02),
        ylim=(0, 1.02),
    )
    ax.grid(alpha=0.3)
    return finish(figure, show)


def plot_overlaps(
    gt_class_ids: Sequence[int] | np.ndarray,
    pred_class_ids: Sequence[int] | np.ndarray,
    pred_scores: Sequence[float] | np.ndarray,
    overlaps: np.ndarray,
    class_names: Sequence[str],
    threshold: float = 0.5,
    show: bool = False,
) -> Figure:
    """Show the overlap of every prediction with every object as a table of colors.

    A cell above the threshold says "match" where the classes are the same, and "wrong" where they
    differ. Of a table too large for letters, the colors are shown alone.

    Args:
        gt_class_ids: (N,).
        pred_class_ids: (M,).
        pred_scores: (M,) in [0, 1].
        overlaps: (M, N) IoU in [0, 1].
        class_names: Name of each class id.
        threshold: Least overlap of a match.
        show: Open a window. A notebook shows the figure anyway.

    Raises:
        InputError: The table has not as many rows as predictions and as many columns as objects.
    """
    rows, columns = len(pred_class_ids), len(gt_class_ids)
    check_counts("pred_class_ids", rows, pred_scores=pred_scores)
    table = np.asarray(overlaps, np.float64)
    if table.shape != (rows, columns):
        raise InputError(
            f"overlaps must have a row per prediction and a column per object, {(rows, columns)}, "
            f"got {table.shape}"
        )
    width, height = min(3 + 0.8 * columns, 24.0), min(2 + 0.45 * rows, 24.0)
    figure = current_figure((width, height))
    ax = figure.add_subplot()
    # Points that fit into a cell: five characters side by side, two lines one above the other.
    cell = (72 * (width - 3) / max(columns, 1), 72 * (height - 2) / max(rows, 1))
    size = min(9.0, cell[0] / 3.6, cell[1] / 2.6)
    if table.size:
        ax.imshow(table, cmap="Blues", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    names = [
        caption(class_id, class_names, float(score))
        for class_id, score in zip(pred_class_ids, pred_scores, strict=True)
    ]
    ax.set_yticks(range(rows), names, fontsize=min(10.0, cell[1] / 1.2))
    objects = [caption(class_id, class_names) for class_id in gt_class_ids]
    ax.set_xticks(range(columns), objects, rotation=90, fontsize=min(10.0, cell[0] / 1.2))
    for (row, column), value in np.ndenumerate(table):
        text: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": size}
        if size < READABLE:
            break
        verdict = ""
        if value > threshold:
            same = pred_class_ids[row] == gt_class_ids[column]
            verdict = "\nmatch" if same else "\nwrong"
        color = "white" if value > 0.5 else "black"
        ax.text(column, row, f"{value:.3f}{verdict}", color=color, **text)
    ax.set(xlabel="ground truth", ylabel="predictions")
    return finish(figure, show)
