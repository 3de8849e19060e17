"""`mrcnn weights`: the weight files that there are, and what is done with them."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from mrcnn.errors import InputError

weights = App("weights", help="List, fetch, convert and show weight files.")

COCO_EPSILON = 0.0


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
