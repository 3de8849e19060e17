"""Published weights under short names: "imagenet" for a backbone, "coco" for a whole model."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mrcnn.errors import InputError, nearest
from mrcnn.hub.download import download
from mrcnn.hub.imagenet import COCO_MODEL_URL, IMAGENET_URL, cache_folder, get_imagenet_weights
from mrcnn.hub.words import COCO, IMAGENET

NAMES = (IMAGENET, COCO)
_KERAS = "https://storage.googleapis.com/tensorflow/keras-applications"


@dataclass(frozen=True)
class Published:
    """A weight file on the web.

    Attributes:
        url: Where it is.
        md5: As its publisher gives it; None where there is none.
        size: In bytes, where that is known and no checksum is.
    """

    url: str
    md5: str | None = None
    size: int | None = None


def _resnet(depth: int, md5: str) -> Published:
    name = f"resnet{depth}_weights_tf_dim_ordering_tf_kernels_notop.h5"
    return Published(f"{_KERAS}/resnet/{name}", md5)


# The original's model of release 2.0: ResNet-101, 80 classes of COCO.
COCO_MODEL = Published(COCO_MODEL_URL, size=257_557_808)
# Values of BACKBONE. The checksums are those in the source of keras.applications.
RESNETS = {
    "resnet101": _resnet(101, "88cf7a10940856eca736dc7b7e228a21"),
    "ResNet50": _resnet(50, "4d473c1dd8becc155b73f8504c6f6626"),
    "ResNet101": _resnet(101, "88cf7a10940856eca736dc7b7e228a21"),
    "ResNet152": _resnet(152, "ee4c566cf9a93f14d82f913c2dc6dd0c"),
}
# By the argument alpha, the factor of all widths: the part of the file name.
MOBILENET = {0.25: "2_5", 0.5: "5_0", 0.75: "7_5", 1.0: "1_0"}
MOBILENET_V2 = (0.35, 0.5, 0.75, 1.0, 1.3, 1.4)
BACKBONES = ("resnet50", *RESNETS, "MobileNet", "MobileNetV2")


def published_file(
    name: str,
    backbone: Any = None,
    arguments: Mapping[str, Any] | None = None,
    folder: str | Path | None = None,
    verbose: bool = True,
) -> Path:
    """The path of published weights, downloaded if they are not there.

    Args:
        name: "imagenet", or "coco".
        backbone: Of "imagenet": `Config.BACKBONE`.
        arguments: Of "imagenet": `Config.BACKBONE_ARGS`.
        folder: Where to keep them; None is the folder in which Keras keeps such files.
        verbose: Show a progress bar.

    Raises:
        InputError: There are no such weights, or they cannot be had or written.
    """
    if name not in NAMES:
        raise InputError(
            f"no weights are published here as {name!r}; there are {' and '.join(NAMES)}."
            f"{nearest(name, NAMES)}"
        )
    # The file that the original starts from; one of Keras of the same name does as well.
    if name == IMAGENET and backbone == "resnet50":
        return Path(get_imagenet_weights(folder, IMAGENET_URL, verbose=verbose))
    file = COCO_MODEL if name == COCO else imagenet_weights(backbone, arguments or {})
    path = Path(folder or cache_folder()) / file.url.rpartition("/")[2]
    try:
        return download(file.url, path, md5=file.md5, size=file.size, verbose=verbose)
    except InputError as error:
        raise InputError(
            f"{error}; put the file there by hand as {path}, name another with --weights, or start "
            "from nothing with --weights none"
        ) from None


def published_names() -> list[tuple[str, str, str]]:
    """What there is: name, backbone (of "coco" none) and file, for a list."""
    files = [(IMAGENET, "resnet50", IMAGENET_URL)]
    files += [(IMAGENET, name, published.url) for name, published in RESNETS.items()]
    for name, known in (("MobileNet", MOBILENET), ("MobileNetV2", MOBILENET_V2)):
        files += [
            (IMAGENET, f"{name} --alpha {alpha}", imagenet_weights(name, {"alpha": alpha}).url)
            for alpha in known
        ]
    files.append((COCO, "", COCO_MODEL.url))
    return [(name, backbone, url.rpartition("/")[2]) for name, backbone, url in files]


def imagenet_weights(backbone: Any, arguments: Mapping[str, Any]) -> Published:
    """The ImageNet weights of a backbone other than "resnet50".

    Raises:
        InputError: None are known.
    """
    if isinstance(backbone, str) and backbone in RESNETS:
        return RESNETS[backbone]
    alpha = arguments.get("alpha", 1.0)
    if backbone == "MobileNet" and alpha in MOBILENET:
        return Published(f"{_KERAS}/mobilenet/mobilenet_{MOBILENET[alpha]}_224_tf_no_top.h5")
    if backbone == "MobileNetV2" and alpha in MOBILENET_V2:
        name = f"mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{float(alpha)}_224_no_top.h5"
        return Published(f"{_KERAS}/mobilenet_v2/{name}")
    if backbone in ("MobileNet", "MobileNetV2"):
        known = MOBILENET if backbone == "MobileNet" else MOBILENET_V2
        raise InputError(
            f"ImageNet weights of {backbone} are published for alpha "
            f"{', '.join(map(str, known))}; BACKBONE_ARGS has alpha {alpha}"
        )
    raise InputError(
        f"no ImageNet weights are known of the backbone {getattr(backbone, '__name__', backbone)}; "
        f"they are of {', '.join(BACKBONES)}"
    )
