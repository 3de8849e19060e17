"""Convert a weight file into the original's layout or that of Keras 3, bit by bit the same numbers.

    python scripts/convert_weights.py runs/coco/mask_rcnn_coco_0160000.h5 mask_rcnn.h5 --to original
    python scripts/convert_weights.py mask_rcnn_coco.h5 mask_rcnn.weights.h5 --to keras
    python scripts/convert_weights.py maskrcnn_resnet50_fpn.pth torchvision.h5 --to original

reads what MaskRCNN.load_weights reads, and the state dict of torchvision's maskrcnn_resnet50_fpn
(.pth, which needs PyTorch, .safetensors or .npz): configs/torchvision_resnet50.yaml is the
configuration of such weights.
"""

import argparse
import sys
from pathlib import Path

from mrcnn.config_io import load_config
from mrcnn.errors import InputError, run_cli
from mrcnn.weights.file_formats import read_weights
from mrcnn.weights.keras_converter import (
    from_applications,
    known_layers,
    write_keras,
    write_original,
)
from mrcnn.weights.state_dict import SUFFIXES, read_state_dict
from mrcnn.weights.torchvision import from_torchvision

COCO_EPSILON = 0.0


def main(argv: list[str] | None = None) -> int:
    """Run the command; `argv` is None for the arguments of the process."""
    args = parse_arguments(argv)
    if args.source.suffix in SUFFIXES:
        if args.rgb:
            raise InputError("--rgb is for files of keras.applications, not for a state dict")
        epsilon = COCO_EPSILON if args.epsilon is None else args.epsilon
        arrays = from_torchvision(read_state_dict(args.source), epsilon)
    else:
        if args.epsilon is not None:
            raise InputError(f"--epsilon is for a state dict of torchvision, got {args.source}")
        arrays = read_weights(args.source, known_layers())
        if args.rgb:
            arrays = from_applications(arrays)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    if args.to == "original":
        if args.config:
            raise InputError("--config is for --to keras: the original's layout is fixed")
        left = write_original(arrays, args.out, str(args.source))
    else:
        config = load_config(args.config) if args.config else None
        left = write_keras(arrays, args.out, config, str(args.source))
    count = sum(len(found) for found in arrays.values())
    print(f"{args.out}: {count - len(left)} weights of {args.source}")
    if left:
        more = f" and {len(left) - 6} more" if len(left) > 6 else ""
        print(f"left out: {', '.join(left[:6])}{more}")
    return 0


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", type=Path, metavar="IN", help="weight file or state dict")
    parser.add_argument("out", type=Path, metavar="OUT", help="file to write")
    parser.add_argument("--to", choices=("original", "keras"), required=True, help="layout of OUT")
    parser.add_argument(
        "--config",
        type=Path,
        help="configuration of the model, with --to keras; needed unless it is a ResNet",
    )
    parser.add_argument(
        "--rgb",
        action="store_true",
        help="IN has ImageNet weights of keras.applications: turn conv1 from BGR to RGB and take "
        "their batch norm epsilon into gamma, which the original did not",
    )
    parser.add_argument(
        "--epsilon",
        type=float,
        help="batch norm epsilon of a state dict: 0 for torchvision's own COCO weights "
        "(default), 1e-5 for a network that did not start from them",
    )
    args = parser.parse_args(argv)
    if args.epsilon is not None and args.epsilon < 0:
        raise InputError(f"--epsilon must be at least 0, got {args.epsilon}")
    return args


if __name__ == "__main__":
    sys.exit(run_cli(main))
