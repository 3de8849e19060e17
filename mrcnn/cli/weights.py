"""`mrcnn weights`: the weight files that there are, and what is done with them."""

import math
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from mrcnn.cli.common import OUTPUT, RUNS, Quiet
from mrcnn.errors import InputError

weights = App("weights", help="List, fetch, convert and show weight files.")

COCO_EPSILON = 0.0


@weights.command(name="list")
def list_weights(*, folder: Path | None = None, runs: Path = RUNS) -> int:
    """List the weights that have names, and the weight files that are here.

    Args:
        folder: Where downloaded weights are [default: the folder of Keras, ~/.keras/models].
        runs: Where runs are.
    """
    from mrcnn.hub.imagenet import cache_folder
    from mrcnn.hub.named import published_names

    place = folder or cache_folder()
    rows = [
        (name, backbone, file, "here" if (place / file).is_file() else "not yet fetched")
        for name, backbone, file in published_names()
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    print(f"Names for `mrcnn weights fetch`; files go to {place}\n")
    for *cells, state in rows:
        padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        print("  ".join([*padded, state]))
    print(
        "\nBackbones: resnet50 and resnet101 are the original's networks, ResNet50 and the others "
        "those of keras.applications."
    )
    files = sorted(file for suffix in ("h5", "keras") for file in runs.glob(f"**/*.{suffix}"))
    print(f"\nWeight files in {runs}: {len(files) or 'none'}")
    for file in files:
        print(f"{file}  {file.stat().st_size / 1e6:.1f} MB")
    return 0


@weights.command
def fetch(
    name: Literal["imagenet", "coco"],
    /,
    *,
    backbone: str = "resnet50",
    alpha: float = 1.0,
    folder: Annotated[Path | None, Parameter(group=OUTPUT)] = None,
    quiet: Quiet = False,
) -> int:
    """Download weights that have a name, unless they are here.

    ```
    mrcnn weights fetch imagenet --backbone resnet101
    mrcnn weights fetch coco
    ```

    "imagenet" is a backbone that was trained on ImageNet, "coco" the whole model of the original
    (ResNet-101, 81 classes). `mrcnn weights list` shows all of them.

    Args:
        name: Name of the weights.
        backbone: Of "imagenet": as in the setting BACKBONE.
        alpha: Of "imagenet" with a MobileNet: the factor of its widths.
        folder: Where to keep the file [default: the folder of Keras, ~/.keras/models].
    """
    from mrcnn.hub.named import published_file

    print(published_file(name, backbone, {"alpha": alpha}, folder, verbose=not quiet))
    return 0


@weights.command
def show(file: Path, /) -> int:
    """Show the layers of a weight file and the shapes of their weights.

    Args:
        file: A weight file of Keras or of the original, a checkpoint, or a state dict.
    """
    from mrcnn.weights.file_formats import SUFFIXES, open_weights

    shapes: dict[str, dict[str, tuple[int, ...]]]
    if file.suffix in SUFFIXES:
        with open_weights(file) as found:
            shapes = {
                layer: {name: array.shape for name, array in arrays.items()}
                for layer, arrays in found.items()
            }
    else:
        from mrcnn.weights.state_dict import read_state_dict

        shapes = {name: {"": array.shape} for name, array in read_state_dict(file).items()}
    width = max(map(len, shapes), default=0)
    for layer, of_layer in shapes.items():
        words = ", ".join(f"{name} {shape}".strip() for name, shape in of_layer.items())
        print(f"{layer.ljust(width)}  {words}")
    count = sum(math.prod(shape) for of_layer in shapes.values() for shape in of_layer.values())
    print(f"{len(shapes)} layers, {count:,} numbers")
    return 0


@weights.command
def convert(
    source: Path,
    out: Path,
    /,
    *,
    to: Literal["original", "keras"],
    config: str | None = None,
    rgb: Annotated[bool, Parameter(negative=(), show_default=False)] = False,
    epsilon: Annotated[float | None, Parameter(show_default=False)] = None,
) -> int:
    """Convert a weight file into the original's layout or that of Keras 3, bit by bit the same
    numbers.

    ```
    mrcnn weights convert runs/coco/mask_rcnn_coco_0160000.h5 mask_rcnn.h5 --to original
    mrcnn weights convert mask_rcnn_coco.h5 mask_rcnn.weights.h5 --to keras
    mrcnn weights convert maskrcnn_resnet50_fpn.pth torchvision.h5 --to original
    ```

    It reads what MaskRCNN.load_weights reads, and the state dict of torchvision's
    maskrcnn_resnet50_fpn (.pth, which needs PyTorch, .safetensors or .npz); the configuration of
    such weights is torchvision_resnet50.

    Args:
        source: Weight file or state dict.
        out: File to write.
        to: Layout of OUT.
        config: Configuration of the model, with --to keras; needed unless it is a ResNet.
        rgb: SOURCE has ImageNet weights of keras.applications: turn conv1 from BGR to RGB and take
            their batch norm epsilon into gamma, which the original did not.
        epsilon: Batch norm epsilon of a state dict: 0 for torchvision's own COCO weights (default),
            1e-5 for a network that did not start from them.
    """
    from mrcnn.config_io import load_config
    from mrcnn.weights.file_formats import read_weights
    from mrcnn.weights.guard import refuse_not_finite
    from mrcnn.weights.keras_converter import (
        from_applications,
        known_layers,
        write_keras,
        write_original,
    )
    from mrcnn.weights.state_dict import SUFFIXES, read_state_dict
    from mrcnn.weights.torchvision import from_torchvision

    if epsilon is not None and epsilon < 0:
        raise InputError(f"--epsilon must be at least 0, got {epsilon}")
    if source.suffix in SUFFIXES:
        if rgb:
            raise InputError("--rgb is for files of keras.applications, not for a state dict")
        arrays = from_torchvision(
            read_state_dict(source), COCO_EPSILON if epsilon is None else epsilon
        )
    else:
        if epsilon is not None:
            raise InputError(f"--epsilon is for a state dict of torchvision, got {source}")
        arrays = read_weights(source, known_layers())
        if rgb:
            arrays = from_applications(arrays)
    refuse_not_finite(arrays, str(source))
    out.parent.mkdir(parents=True, exist_ok=True)
    if to == "original":
        if config:
            raise InputError("--config is for --to keras: the original's layout is fixed")
        left = write_original(arrays, out, str(source))
    else:
        left = write_keras(arrays, out, load_config(config) if config else None, str(source))
    count = sum(len(found) for found in arrays.values())
    print(f"{out}: {count - len(left)} weights of {source}")
    if left:
        more = f" and {len(left) - 6} more" if len(left) > 6 else ""
        print(f"left out: {', '.join(left[:6])}{more}")
    return 0
