"""The command `mrcnn`, one file a subcommand.

These modules are read for every `--help` and for every completion of a shell, so they import
nothing heavy when they are loaded: what a subcommand needs is imported where it runs.
"""

from mrcnn.cli.app import main

__all__ = ["main"]
