"""Where figures and tables go: nothing stays open, a notebook shows each once."""

import sys
from functools import partial
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def notebook_shell() -> Any | None:
    """The shell of the notebook that this process serves, or None.

    IPython is not imported for it: a notebook has done that before, and the shell can display.
    """
    get_shell = getattr(sys.modules.get("IPython"), "get_ipython", None)
    shell = get_shell() if get_shell else None
    return shell if hasattr(shell, "kernel") else None


def new_figure(figsize: tuple[float, float], show: bool = False) -> Figure:
    """Make an empty figure of `figsize` inches.

    pyplot, which chooses the backend of the process and keeps figures alive, is left out of it
    unless a notebook or a window is to show the figure.
    """
    if show or notebook_shell() is not None:
        import matplotlib.pyplot as plt

        return plt.figure(figsize=figsize, layout="constrained")
    figure = Figure(figsize=figsize, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def axes_for(ax: Axes | None, figsize: tuple[float, float], show: bool) -> Axes:
    """Return `ax`, or the axes of a new figure where it is None."""
    return new_figure(figsize, show).add_subplot() if ax is None else ax


def finish(figure: Any, show: bool, own: bool) -> Figure:
    """Show a figure that is drawn, where it should be shown, and return it.

    In a notebook that is at the end of the cell, and once, whether the figure is the value of the
    cell or not.

    Args:
        figure: The figure, or a part of it.
        show: Open a window, if the backend has windows and there is no notebook.
        own: Made by `new_figure`, not brought by the caller.
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
    elif own and not figure.canvas.required_interactive_framework:
        plt.close(figure)
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
