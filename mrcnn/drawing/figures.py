"""Where figures and tables go: the last one is pyplot's, a notebook shows each once."""

import sys
import threading
from functools import partial
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

# Figures in windows that stay open at a time; pyplot warns of more than 20.
MOST_WINDOWS = 10
_kept: list[Figure] = []


def notebook_shell() -> Any | None:
    """The shell of the notebook that this process serves, or None.

    IPython is not imported for it: a notebook has done that before, and the shell can display.
    """
    get_shell = getattr(sys.modules.get("IPython"), "get_ipython", None)
    shell = get_shell() if get_shell else None
    return shell if hasattr(shell, "kernel") else None


def new_figure(figsize: tuple[float, float]) -> Figure:
    """Make an empty figure of `figsize` inches that pyplot knows nothing of, for a file or a page.

    pyplot chooses the backend of the process, keeps figures alive and is for one thread.
    """
    figure = Figure(figsize=figsize, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def current_figure(figsize: tuple[float, float]) -> Figure:
    """Make an empty figure of `figsize` inches that is pyplot's current one, so that
    `plt.savefig` and `plt.gcf` mean it.

    pyplot lets go of the one before, which its holder may still use; of figures in windows it
    keeps a few. In other threads than the first, and where the backend does not work, it is one of
    `new_figure`.
    """
    if threading.current_thread() is not threading.main_thread():
        return new_figure(figsize)
    import matplotlib.pyplot as plt

    try:
        figure = plt.figure(figsize=figsize, layout="constrained")
    except ImportError:  # a backend with windows, and no screen
        return new_figure(figsize)
    if notebook_shell() is None:
        _kept.append(figure)
        most = MOST_WINDOWS if figure.canvas.required_interactive_framework else 1
        while len(_kept) > most:
            plt.close(_kept.pop(0))
    return figure


def axes_for(ax: Axes | None, figsize: tuple[float, float]) -> Axes:
    """Return `ax`, or the axes of a new current figure where it is None."""
    return current_figure(figsize).add_subplot() if ax is None else ax


def finish(figure: Any, show: bool) -> Figure:
    """Show a figure that is drawn, where it should be shown, and return it.

    In a notebook that is at the end of the cell, and once, whether the figure is the value of the
    cell or not.

    Args:
        figure: The figure, or a part of it.
        show: Open a window, if the backend has windows and there is no notebook.
    """
    figure = figure.figure  # of a part, the whole
    notebook = notebook_shell() is not None
    if not notebook and not show:
        return figure
    import matplotlib.pyplot as plt

    if notebook and "inline" in matplotlib.get_backend().lower():
        vars(figure)["_ipython_display_"] = partial(_display_and_release, figure)
    elif figure.canvas.required_interactive_framework and not notebook:
        plt.show()
    return figure


def _display_and_release(figure: Figure) -> None:
    """Display a figure in a notebook and take it from pyplot, which would show it once more."""
    import matplotlib.pyplot as plt

    del vars(figure)["_ipython_display_"]
    shell = notebook_shell()
    if shell is not None:
        shell.display_pub.publish(*shell.display_formatter.format(figure))
    plt.close(figure)


class Html(str):
    """HTML text that a notebook renders."""

    _shown_in: int | None = None

    def display(self) -> "Html":
        """Show it now if this is a notebook; as the value of the same cell it does not repeat."""
        shell = notebook_shell()
        if shell is not None:
            self._render(shell)
            self._shown_in = shell.execution_count
        return self

    def _ipython_display_(self) -> None:
        shell = notebook_shell()
        if shell is None:
            print(self)
        elif shell.execution_count != self._shown_in:
            self._render(shell)

    def _render(self, shell: Any) -> None:
        shell.display_pub.publish({"text/html": str(self), "text/plain": "<table>"})
