"""Where downloaded weights are kept."""

import os
from pathlib import Path

import platformdirs


def home() -> Path:
    """The folder for what is downloaded: MRCNN_HOME of the environment, else the cache folder of
    the system, such as ~/.cache/mrcnn.
    """
    chosen = os.environ.get("MRCNN_HOME")
    return Path(chosen).expanduser() if chosen else platformdirs.user_cache_path("mrcnn")


def weights_folder(name: str) -> Path:
    """The folder for weights of a name: "imagenet", "torchvision"..."""
    return home() / "weights" / name


def keras_folder() -> Path:
    """The folder in which Keras keeps downloaded weights: what it has is not fetched again."""
    return Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "models"
