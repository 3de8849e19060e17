"""What the commands share: arguments, datasets, configurations and models."""

import argparse
import importlib
import importlib.util
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# TensorFlow's start-up chatter, which no log level turns off.
_CHATTER = (
    "InitializeLog",
    "oneDNN custom operations",
    "cudart_stub.cc",
    "cpu_feature_guard.cc",
    "To enable the following",
    "failed call to cuInit",
    "Failed to load jax profiler",
)


@contextmanager
def _without_chatter() -> Iterator[None]:
    """Hold back stderr, and let through what is none of the lines above."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            held.seek(0)
            for line in held.read().decode(errors="replace").splitlines():
                if not any(part in line for part in _CHATTER):
                    print(line, file=sys.stderr)


os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
with _without_chatter():
    from mrcnn.backend import device_name, has_accelerator, version  # noqa: F401 (for the commands)
    from mrcnn.config import Config
    from mrcnn.config_io import load_config as read_config
    from mrcnn.config_io import parse_overrides
    from mrcnn.data.datasets.coco import CocoDataset
    from mrcnn.data.datasets.toy_sample import generate_sample
    from mrcnn.trained import LOGS, config_of, find_weights, load_model  # noqa: F401
    from mrcnn.training.checkpoint import find_last  # noqa: F401

    # TensorFlow looks for devices when it is first used, and talks about it. Keras loads it for
    # every backend when it is installed.
    has_accelerator()
    if importlib.util.find_spec("tensorflow"):
        importlib.import_module("tensorflow")

STANDARD_DATASET = Path("datasets/coco")
SAMPLE_DATASET = Path("datasets/sample")
CONFIGS = Path(__file__).resolve().parents[2] / "configs"


def add_data_arguments(parser: argparse.ArgumentParser) -> None:
    """`--dataset`."""
    parser.add_argument(
        "--dataset",
        type=Path,
        help="folder in COCO's layout "
        f"(default: {STANDARD_DATASET} if it exists, else the built-in sample)",
    )


def add_workers_argument(parser: argparse.ArgumentParser) -> None:
    """`--workers`."""
    parser.add_argument(
        "--workers", type=int, default=0, help="processes that load images (default: threads)"
    )


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """`--weights`, `--config` and `--set` of the commands that use a trained model."""
    parser.add_argument(
        "--weights",
        required=True,
        help="weight file, checkpoint, run folder, or 'last' for the newest run",
    )
    add_config_arguments(parser)


def add_config_arguments(parser: argparse.ArgumentParser) -> None:
    """`--config` and `--set`."""
    parser.add_argument("--config", type=Path, help="YAML file of config keys")
    parser.add_argument(
        "--set",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="config keys, over those of the file",
    )


def dataset_folder(folder: Path | None) -> Path:
    """The dataset's folder: the given one, COCO in its standard place, or the built-in sample, made
    if need be.
    """
    if folder is not None:
        return folder
    if (STANDARD_DATASET / "annotations").is_dir():
        print(f"dataset: {STANDARD_DATASET}")
        return STANDARD_DATASET
    print(
        f"dataset: the built-in sample in {SAMPLE_DATASET} "
        "(--dataset DIR takes your own in COCO's format)"
    )
    return generate_sample(SAMPLE_DATASET)


def training_config(path: Path | None, folder: Path) -> Config:
    """The configuration file that is given, or the standard one for the dataset in `folder`."""
    is_sample = folder.resolve() == SAMPLE_DATASET.resolve()
    return read_config(path or CONFIGS / ("sample.yaml" if is_sample else "base_resnet101.yaml"))


def open_dataset(args: argparse.Namespace, split: str) -> CocoDataset:
    """A split of the dataset that the arguments name, prepared."""
    folder = dataset_folder(args.dataset)
    return CocoDataset.from_folder(folder, split)


def load_config(args: argparse.Namespace) -> Config:
    """The configuration of trained weights: `--config`, else config.yaml beside them, with `--set`
    on top.
    """
    config = config_of(find_weights(args.weights), args.config)
    return config.update(**parse_overrides(args.set))
