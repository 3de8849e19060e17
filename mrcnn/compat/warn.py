"""Warnings about what a script does."""

import sys
import warnings


def warn(message: str) -> None:
    """Warn of what the first caller outside of this package did."""
    frame, level = sys._getframe(1), 2
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] == "mrcnn":
        frame, level = frame.f_back, level + 1
    warnings.warn(message, stacklevel=level)
