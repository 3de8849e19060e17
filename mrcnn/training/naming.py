"""Names of runs, and of their folders and files."""

import datetime
import itertools
import re
from pathlib import Path

# Most file systems end at 255 bytes, and a letter may take four.
LONGEST = 50


def safe_name(name: str) -> str:
    """`name` in lower case, without what file names cannot have on some system: letters of any
    script, digits, "-" and "_" stay, runs of anything else become one "_".

    >>> safe_name("My photos (2026): cells/nuclei")
    'my_photos_2026_cells_nuclei'
    """
    return re.sub(r"[^\w-]+", "_", name).strip("_-").lower()[:LONGEST] or "model"


def dataset_name(dataset: str | Path) -> str:
    """The name of a run on a dataset: that of its folder, or of the folder of its file."""
    path = Path(dataset).resolve()
    return safe_name((path.parent if path.is_file() else path).name)


def new_run_folder(parent: str | Path, name: str | None) -> Path:
    """A folder in `parent` that does not exist yet, such as `photos_20261125T1030`; it is not made.

    Of two runs that start in the same minute the second has "-2" at its end.
    """
    stem = f"{safe_name(name or 'model')}_{datetime.datetime.now():%Y%m%dT%H%M}"
    folder, number = Path(parent) / stem, 1
    while folder.exists():
        number += 1
        folder = Path(parent) / f"{stem}-{number}"
    return folder


def set_aside(path: Path) -> Path:
    """Rename a file to the first of `log-1.csv`, `log-2.csv` and so on that is free; returns it."""
    names = (path.with_name(f"{path.stem}-{n}{path.suffix}") for n in itertools.count(1))
    return path.rename(next(name for name in names if not name.exists()))
