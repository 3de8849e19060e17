"""`mrcnn weights`: the weight files that there are, and what is done with them."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from mrcnn.cli.common import OUTPUT, RUNS, Quiet, backbone_settings
from mrcnn.errors import InputError

if TYPE_CHECKING:
    from mrcnn.hub.sources import Source

weights = App("weights", help="List, fetch, convert and show weight files.")


@weights.command(name="list")
def list_weights(*, folder: Path | None = None, runs: Path = RUNS) -> int:
    """List the weights that have names, and the weight files that are here.

    Args:
        folder: Where downloaded weights are [default: the cache folder, see below].
        runs: Where runs are.
    """
    from mrcnn.hub.cache import weights_folder
    from mrcnn.hub.sources import BACKBONES, MODELS

    print("Models for COCO: --weights NAME. The second column is their configuration.\n")
    _print_table([_row(source, folder) for source in MODELS])
    print(
        "\nBackbones trained on ImageNet: --weights NAME, for the BACKBONE in the second column. "
        "resnet50 and\nresnet101 are the original's networks, with (torchvision) those with "
        "BACKBONE_ARGS\n{stride_in_3x3: true, symmetric_padding: true}; the others are of "
        "keras.applications, with the alpha of a MobileNet.\n"
    )
    _print_table([_row(source, folder) for source in BACKBONES])
    print(
        f"\nFiles go to {folder or weights_folder('NAME')}"
        f"{'' if folder else ' (MRCNN_HOME sets the place)'}. Digests are cut to 8 digits."
        "\nLicences are those of the weights; the images that they learned from have terms too."
    )
    files = sorted(file for suffix in ("h5", "keras") for file in runs.glob(f"**/*.{suffix}"))
    print(f"\nWeight files in {runs}: {len(files) or 'none'}")
    for file in files:
        print(f"{file}  {file.stat().st_size / 1e6:.1f} MB")
    return 0


def _row(source: "Source", folder: Path | None) -> tuple[str, ...]:
    from mrcnn.hub.cache import weights_folder
    from mrcnn.hub.sources import OF_TORCHVISION

    place, stem = folder or weights_folder(source.name), Path(source.file).stem
    file = place / source.file
    whole = file.is_file() and source.size in (None, file.stat().st_size)
    here = whole or any(place.glob(f"{stem}_*.h5"))
    network = source.network if source.alpha is None else f"{source.network} {source.alpha}"
    digests = {"sha256": source.sha256, "md5": source.md5}
    return (
        source.name,
        f"{network} (torchvision)" if source in OF_TORCHVISION else network,
        source.file,
        "" if source.size is None else f"{source.size / 1e6:.0f} MB",
        next((f"{kind} {digest[:8]}" for kind, digest in digests.items() if digest), ""),
        source.licence,
        "here" if here else "",
    )


def _print_table(rows: list[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for cells in rows:
        padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        print("  ".join(padded).rstrip())


@weights.command
def fetch(
    name: Literal["imagenet", "imagenet-v2", "coco", "matterport", "torchvision", "torchvision-v2"],
    /,
    *,
    backbone: str = "resnet50",
    alpha: Annotated[float | None, Parameter(show_default=False)] = None,
    folder: Annotated[Path | None, Parameter(group=OUTPUT)] = None,
    quiet: Quiet = False,
) -> int:
    """Download weights that have a name, unless they are here, and convert them where models need
    it.

    ```
    mrcnn weights fetch imagenet --backbone resnet101
    mrcnn weights fetch torchvision-v2
    ```

    "imagenet" is a backbone that was trained on ImageNet, "imagenet-v2" later weights of
    torchvision's ResNets. "torchvision" and "torchvision-v2" are its maskrcnn_resnet50_fpn and
    maskrcnn_resnet50_fpn_v2, "matterport" or "coco" is the model of the original (ResNet-101), all
    with the 80 classes of COCO. `mrcnn weights list` shows all of them.

    Args:
        name: Name of the weights.
        backbone: Of "imagenet": as --backbone of `mrcnn train`; torchvision-resnet50 and
            torchvision-resnet101 are those of torchvision.
        alpha: Of "imagenet" with a MobileNet: the factor of its widths [default: 1, and 0.75 for
            mobilenet].
        folder: Where to keep the files [default: the cache folder: MRCNN_HOME, or that of the
            system].
    """
    from mrcnn.config import Config
    from mrcnn.weights.published import prepared
    from mrcnn.weights.torchvision import THEIRS

    if alpha is not None and not backbone.lower().startswith("mobilenet"):
        raise InputError(f"--alpha is for a MobileNet, got --backbone {backbone}")
    theirs = backbone.removeprefix("torchvision-")
    settings = backbone_settings(theirs)
    if theirs != backbone or name == "imagenet-v2":
        settings["BACKBONE_ARGS"] = dict(THEIRS)
    elif alpha is not None:
        settings["BACKBONE_ARGS"] = {"alpha": alpha}
    config = Config().update(**settings)
    print(prepared(name, config, folder, verbose=not quiet))
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
    to: Literal["original", "keras"] | None = None,
    config: str | None = None,
    rgb: Annotated[bool, Parameter(negative=(), show_default=False)] = False,
    epsilon: Annotated[float | None, Parameter(show_default=False)] = None,
    gaps: Annotated[bool, Parameter(negative=(), show_default=False)] = False,
) -> int:
    """Convert a weight file, or a state dict of torchvision, into one that models load.

    ```
    mrcnn weights convert maskrcnn_resnet50_fpn.pth torchvision.h5
    mrcnn weights convert runs/coco/mask_rcnn_coco_0160000.h5 mask_rcnn.h5 --to original
    mrcnn weights convert mask_rcnn_coco.h5 mask_rcnn.weights.h5 --to keras
    ```

    It reads weight files of Keras and of the original, and state dicts (.pth, .safetensors or .npz)
    of torchvision's maskrcnn_resnet50_fpn and maskrcnn_resnet50_fpn_v2, whose configurations are
    torchvision_resnet50 and torchvision_resnet50_v2, and of its resnet50 and resnet101, for the
    backbone. Numbers of weight files stay the same, bit by bit.

    Args:
        source: Weight file or state dict.
        out: File to write.
        to: Layout of OUT: that of the original's files, or that of Keras 3 [default: the layers as
            they are, which models of this package load].
        config: Configuration of the model, with --to keras; needed unless it is a ResNet.
        rgb: SOURCE has ImageNet weights of keras.applications: turn conv1 from BGR to RGB and take
            their batch norm epsilon into gamma, which the original did not.
        epsilon: Batch norm epsilon of a state dict [default: 0 for maskrcnn_resnet50_fpn, as it is
            with torchvision's own COCO weights; 1e-5 for the others]. A maskrcnn_resnet50_fpn that
            did not start from those has 1e-5.
        gaps: Keep the 91 classes of torchvision's COCO weights. Without it those 10 of them are
            left out that COCO has no category for.
    """
    from mrcnn.config_io import load_config
    from mrcnn.weights.file_formats import read_weights, write_layers
    from mrcnn.weights.guard import refuse_not_finite
    from mrcnn.weights.keras_converter import (
        from_applications,
        known_layers,
        write_keras,
        write_original,
    )
    from mrcnn.weights.state_dict import SUFFIXES, read_state_dict
    from mrcnn.weights.torchvision import V1, V2, from_torchvision, version_of, with_head_norms

    if epsilon is not None and epsilon < 0:
        raise InputError(f"--epsilon must be at least 0, got {epsilon}")
    if config and to != "keras":
        raise InputError("--config is for --to keras: other layouts need none")
    if source.suffix in SUFFIXES:
        if rgb:
            raise InputError("--rgb is for files of keras.applications, not for a state dict")
        state = read_state_dict(source)
        version = version_of(state)
        arrays = from_torchvision(state, epsilon, gaps)
        if to == "original" and version is V1:
            arrays = with_head_norms(arrays)
        if to == "original" and version is V2:
            raise InputError(
                f"{source} is {version.name}, which has layers that the original's files have no "
                "place for: leave out --to original"
            )
    else:
        for option, given in (("epsilon", epsilon is not None), ("gaps", gaps)):
            if given:
                raise InputError(f"--{option} is for a state dict of torchvision, got {source}")
        arrays = read_weights(source, known_layers())
        if rgb:
            before, arrays = arrays, from_applications(arrays)
            if lost := [name for name in before if before[name] and name not in arrays]:
                raise InputError(
                    f"--rgb is for ResNets of keras.applications: {source} has other layers, such "
                    f"as {', '.join(lost[:4])}"
                )
    refuse_not_finite(arrays, str(source))
    out.parent.mkdir(parents=True, exist_ok=True)
    left: list[str] = []
    if to == "original":
        left = write_original(arrays, out, str(source))
    elif to == "keras":
        left = write_keras(arrays, out, load_config(config) if config else None, str(source))
    elif out.suffix != ".h5" or out.name.endswith(".weights.h5"):
        raise InputError(f"OUT must be called *.h5, or say --to keras: got {out.name}")
    else:
        write_layers(out, arrays)
    count = sum(len(found) for found in arrays.values())
    print(f"{out}: {count - len(left)} weights of {source}")
    if left:
        more = f" and {len(left) - 6} more" if len(left) > 6 else ""
        print(f"left out: {', '.join(left[:6])}{more}")
    return 0
