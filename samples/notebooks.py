"""Run the notebooks of this folder and keep their outputs in them.

    python samples/notebooks.py                  # all of them, some minutes on two CPU cores
    python samples/notebooks.py samples/demo.ipynb

Each runs in an empty folder beside a small network that has learned the built-in sample, so that
their outputs name no folder of this machine. Pictures are stored with 256 colors.
"""

import argparse
import base64
import io
import itertools
import os
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from PIL import Image

FOLDER = Path(__file__).resolve().parent
# Where the notebooks look for the small network, below the folder that they run in.
NETWORK = "runs/small"
# Variables that are settings of the notebooks; they run with the standard ones.
SETTINGS = "MRCNN_"
# Words that depend on what a network has learned.
CLASSES = "disc|square|triangle|ring|star"
NUMBER = re.compile(r"[-+]?(\d+(,\d{3})*(\.\d*)?|\.\d+)(e[-+]?\d+)?%?|[-+]?\b(nan|inf)\b")


def main(argv: list[str] | None = None) -> int:
    """Run the command; `argv` is None for the arguments of the process."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("notebooks", nargs="*", type=Path, help="files (default: all)")
    paths = parser.parse_args(argv).notebooks or find_notebooks()
    with tempfile.TemporaryDirectory() as folder:
        train_network(Path(folder))
        for path in paths:
            notebook = execute(nbformat.read(path, as_version=4), Path(folder))
            shrink_pictures(notebook)
            nbformat.write(notebook, path)
            print(f"{path}: {path.stat().st_size / 1000:.0f} kB")
    return 0


def find_notebooks() -> list[Path]:
    """All notebooks below this folder."""
    return sorted(p for p in FOLDER.rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts)


def train_network(folder: Path) -> None:
    """Train the small network of the notebooks below `folder`."""
    from mrcnn.trained import train_small

    train_small(folder / NETWORK)


def execute(notebook: Any, folder: Path, timeout: int = 600) -> Any:
    """Run a notebook from top to bottom in a folder and return it with its outputs.

    Raises:
        nbclient.exceptions.CellExecutionError: A cell failed.
    """
    own = {name: value for name, value in os.environ.items() if not name.startswith(SETTINGS)}
    with tempfile.TemporaryDirectory() as profile:
        # What a user's own start-up files of IPython do is none of the outputs.
        own |= {"IPYTHONDIR": profile, "PYTHONPATH": str(FOLDER.parent)}
        resources = {"metadata": {"path": str(folder)}}
        client = NotebookClient(
            notebook,
            timeout=timeout,
            kernel_name="python3",
            record_timing=False,
            resources=resources,
        )
        client.execute(env=own)
    notebook.metadata["language_info"] = {"name": "python"}  # without the version of this machine
    return notebook


def shrink_pictures(notebook: Any) -> None:
    """Store the PNG pictures of a notebook with 256 colors, which take a third of the room."""
    for output in outputs(notebook):
        data = output.get("data", {})
        if "image/png" in data:
            picture = Image.open(io.BytesIO(base64.b64decode(data["image/png"]))).convert("RGB")
            buffer = io.BytesIO()
            picture.quantize(256, method=Image.Quantize.FASTOCTREE).save(
                buffer, "PNG", optimize=True
            )
            data["image/png"] = base64.b64encode(buffer.getvalue()).decode("ascii") + "\n"


def outputs(notebook: Any) -> list[Any]:
    """All outputs of a notebook."""
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def structure(notebook: Any) -> list[list[str]]:
    """What the outputs of each code cell are, without what differs from run to run.

    Numbers and names of classes are masked, lines that repeat are one, and of a picture only that
    it is there counts.
    """
    return [_kinds(cell.outputs) for cell in notebook.cells if cell.cell_type == "code"]


def _kinds(outputs: Sequence[Any]) -> list[str]:
    kinds = []
    for (kind, stream), group in itertools.groupby(outputs, _stream):
        if kind == "stream":  # in how many parts it arrives is a matter of time
            kinds.append(f"{stream}:\n{mask(''.join(output.text for output in group))}")
        else:
            kinds += [_kind(output) for output in group]
    return kinds


def _stream(output: Any) -> tuple[str, str]:
    return output.output_type, output.get("name", "")


def _kind(output: Any) -> str:
    if output.output_type == "error":
        return f"error: {output.ename}"
    text = output.data.get("text/plain", "")
    # A figure without axes has no picture: where a network found nothing, there is nothing to show.
    if "image/png" in output.data or text.startswith("<Figure"):
        return "picture"
    if "text/html" in output.data:
        rows = output.data["text/html"].replace("<tr>", "\n<tr>")
        return f"html:\n{mask(rows)}"
    return f"value:\n{mask(text)}"


def mask(text: str) -> str:
    """A text without its numbers and names of classes; of lines that are then equal, one."""
    named = re.sub(rf"\b({CLASSES})\b", "NAME", text)
    lines = [" ".join(NUMBER.sub("#", line).split()) for line in named.splitlines()]
    return "\n".join(line for line, _ in itertools.groupby(line for line in lines if line))


if __name__ == "__main__":
    sys.exit(main())
