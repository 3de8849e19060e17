"""Curves of the losses in a training log."""

import csv
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mrcnn.constants import LOSS_NAMES
from mrcnn.errors import InputError

LOSS_PANELS = ("loss", *LOSS_NAMES)


def plot_losses(csv_path: str | Path, png_path: str | Path | None = None) -> Figure:
    """Plot the losses of a training log against the step, with the stages told apart.

    Args:
        csv_path: Log with the columns step, stage, split (train or val), loss and one per loss.
        png_path: Where to save the figure; None to save nothing.

    Returns:
        The figure, one panel per loss that the log has values of.

    Raises:
        InputError: There is no such log, or it holds no losses.
    """
    rows = _read_log(Path(csv_path))
    panels = [name for name in LOSS_PANELS if any(row.get(name) for row in rows)]
    columns = min(4, len(panels))
    lines = -(-len(panels) // columns)
    figure = Figure(figsize=(3.6 * columns, 2.8 * lines), layout="constrained")
    axes = figure.subplots(lines, columns, squeeze=False).ravel()
    for ax, name in zip(axes, panels, strict=False):
        _plot_loss(ax, rows, name)
    for ax in axes[::columns]:
        ax.set_ylabel("loss", fontsize=8)
    for ax in axes[len(panels) :]:
        ax.axis("off")
    axes[0].legend(frameon=False, fontsize=8)
    if png_path is not None:
        FigureCanvasAgg(figure).print_png(png_path)
    return figure


def _plot_loss(ax: Axes, rows: list[dict[str, str]], name: str) -> None:
    steps, losses = _series(rows, "train", name)
    highest = losses.max(initial=0)
    if len(steps):
        # A short run logs so few points that a line alone may not show.
        marker = "o" if len(steps) < 20 else None
        ax.plot(steps, losses, color="tab:blue", alpha=0.25, linewidth=0.8)
        mean = _moving_mean(losses, len(losses) // 30)
        ax.plot(steps, mean, color="tab:blue", marker=marker, markersize=3, label="train")
    steps, losses = _series(rows, "val", name)
    highest = losses.max(initial=highest)
    if len(steps):
        ax.plot(steps, losses, color="tab:orange", marker="o", markersize=3, label="val")
    for number, step in enumerate(_stage_starts(rows)):
        label = None if number else "next stage"
        ax.axvline(step, color="0.7", linestyle="--", linewidth=0.8, label=label)
    ax.set_title(name.removesuffix("_loss").replace("_", " "), fontsize=10)
    ax.set_xlabel("step", fontsize=8)
    ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    ax.tick_params(labelsize=8)
    ax.set_ylim(0, 1.05 * highest or 1)
    ax.spines[["top", "right"]].set_visible(False)


def _read_log(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    except (UnicodeDecodeError, csv.Error):
        raise InputError(f"{path} is not a text file") from None
    if not any(row.get("step") and row.get("loss") for row in rows):
        raise InputError(f"{path} holds no losses: it needs the columns step and loss and a line")
    return rows


def _series(rows: list[dict[str, str]], split: str, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps and finite values of one loss; a log that was cut off has lines with empty fields."""
    points = [
        (float(row["step"]), float(row[name]))
        for row in rows
        if (row.get("split") or "train") == split and row.get(name)
    ]
    table = np.array(points, np.float64).reshape(-1, 2)
    table = table[np.isfinite(table[:, 1])]
    return table[:, 0], table[:, 1]


def _stage_starts(rows: list[dict[str, str]]) -> list[float]:
    """Steps after which another stage began: those of the last row before the change."""
    whole = [row for row in rows if row.get("step") and row.get("loss")]
    return [
        float(before["step"])
        for before, row in zip(whole, whole[1:], strict=False)
        if row.get("stage") != before.get("stage")
    ]


def _moving_mean(values: np.ndarray, window: int) -> np.ndarray:
    """Mean over up to `window` values on each side: no lag, and no false ends."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    centre = np.arange(len(values))
    first = np.maximum(centre - window, 0)
    last = np.minimum(centre + window + 1, len(values))
    return (total[last] - total[first]) / (last - first)
