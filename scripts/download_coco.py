"""`mrcnn download`, from any current folder and without an installed package."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from mrcnn.cli import main

if __name__ == "__main__":
    sys.exit(main(["download", *sys.argv[1:]]))
