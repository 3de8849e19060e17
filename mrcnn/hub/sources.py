"""The table of published weights: what can be had by a name, where it is, and how it is checked.

Digests are those that publishers give: Keras in its source, torchvision in the names of its files
(the first 8 digits of the SHA-256). The whole SHA-256 of some is what several public projects have
found and written down, and begins with those digits. The original's model has no published digest.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mrcnn.errors import InputError, nearest
from mrcnn.hub.imagenet import COCO_MODEL_URL, IMAGENET_MD5, IMAGENET_URL
from mrcnn.hub.words import COCO, IMAGENET, IMAGENET_V2, MATTERPORT, TORCHVISION, TORCHVISION_V2

_KERAS = "https://storage.googleapis.com/tensorflow/keras-applications"
_KERAS_OLD = "https://storage.googleapis.com/keras-applications"
_TORCH = "https://download.pytorch.org/models"
APACHE, MIT, BSD, CC_BY = "Apache-2.0", "MIT", "BSD-3-Clause", "CC-BY-4.0"


@dataclass(frozen=True)
class Source:
    """A weight file on the web.

    Attributes:
        name: What it is asked for by.
        network: What it is of: a `BACKBONE`, or the name of a configuration.
        url: Where it is.
        licence: Of the weights. The images that they were trained on have terms of their own.
        size: In bytes, where that is known.
        sha256: In hexadecimal, whole or its first digits; "" where it is not known.
        md5: Where its publisher gives nothing better; "" where not.
        alpha: Of a MobileNet, the factor of all widths.
    """

    name: str
    network: str
    url: str
    licence: str
    size: int | None = None
    sha256: str = ""
    md5: str = ""
    alpha: float | None = None

    @property
    def file(self) -> str:
        """Its file name."""
        return self.url.rpartition("/")[2]


def _torch(name: str, network: str, file: str, size: int | None, sha256: str) -> Source:
    return Source(name, network, f"{_TORCH}/{file}", BSD, size, sha256)


def _keras(network: str, path: str, digest: str, licence: str, **more: Any) -> Source:
    digests = {"sha256" if len(digest) == 64 else "md5": digest} if digest else {}
    url = path if path.startswith("https:") else f"{_KERAS}/{path}"
    return Source(IMAGENET, network, url, licence, **{**digests, **more})


def _resnet(network: str, file: str, md5: str, **more: Any) -> Source:
    ending = "weights_tf_dim_ordering_tf_kernels_notop.h5"
    return _keras(network, f"resnet/{file}_{ending}", md5, MIT, **more)


# Models that detect, whole.
MODELS = (
    Source(MATTERPORT, "matterport", COCO_MODEL_URL, MIT, 257_557_808),
    _torch(
        TORCHVISION, "torchvision_resnet50", "maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth", 178_090_079,
        "bf2d0c1efbc936eeee2bc95a48e80ebc86b891f61b0106485937fc29f9315fc0",
    ),
    _torch(
        TORCHVISION_V2, "torchvision_resnet50_v2", "maskrcnn_resnet50_fpn_v2_coco-73cbd019.pth",
        185_828_065, "73cbd0190fcbe3ba339921fbce2c3a0b6bb9126c9a133c85e43a2a8e060a109e",
    ),
)  # fmt: skip
# Backbones of torchvision, which have BACKBONE_ARGS {stride_in_3x3: true, symmetric_padding: true}.
OF_TORCHVISION = (
    _torch(
        IMAGENET, "resnet50", "resnet50-0676ba61.pth", 102_530_333,
        "0676ba61b6795bbe1773cffd859882e5e297624d384b6993f7c9e683e722fb8a",
    ),
    _torch(IMAGENET, "resnet101", "resnet101-63fe2227.pth", None, "63fe2227"),
    _torch(
        IMAGENET_V2, "resnet50", "resnet50-11ad3fa6.pth", 102_540_417,
        "11ad3fa62ca79e40addfd354a8ec4b7c75143b3038b8d2a807fbc68deab379ca",
    ),
    _torch(IMAGENET_V2, "resnet101", "resnet101-cd907fc2.pth", None, "cd907fc2"),
)  # fmt: skip
_RESNET101 = "88cf7a10940856eca736dc7b7e228a21"
_CONVNEXT = {
    "Tiny": "d547c096cabd03329d7be5562c5e14798aa39ed24b474157cef5e85ab9e49ef1",
    "Small": "6fc8009faa2f00c1c1dfce59feea9b0745eb260a7dd11bee65c8e20843da6eab",
    "Base": "40a20c5548a5e9202f69735ecc06c990e6b7c9d2de39f0361e27baeb24cb7c45",
    "Large": "96f02b6f0753d4f543261bc9d09bed650f24dd6bc02ddde3066135b63d23a1cd",
    "XLarge": "de3f8a54174130e0cecdc71583354753d557fcf1f4487331558e2a16ba0cfe05",
}
_DENSENET = {
    121: "30ee3e1110167f948a6b9946edeeb738",
    169: "b8c4d4c20dd625c148057b9ff1c1176b",
    201: "c13680b51ded0fb44dff2d8f86ac8bb1",
}
_EFFICIENTNET = {
    "B0": "50bc09e76180e00e4465e1a485ddc09d", "B1": "74c4e6b3e1f6a1eea24c589628592432",
    "B2": "111f8e2ac8aa800a7a99e3239f7bfb39", "B3": "af6d107764bb5b1abb91932881670226",
    "B4": "ebc24e6d6c33eaebbd558eafbeedf1ba", "B5": "38879255a25d3c92d5e44e04ae6cec6f",
    "B6": "9ecce42647a20130c1f39a5d4cb75743", "B7": "cbcfe4450ddf6f3ad90b1b398090fe4a",
}  # fmt: skip
_EFFICIENTNET_V2 = {
    "B0": "893217f2bb855e2983157299931e43ff", "B1": "0e80663031ca32d657f9caa404b6ec37",
    "B2": "1dfe2e7a5d45b6632553a8961ea609eb", "B3": "f6abf7b5849ac99a89b50dd3fd532856",
    "S": "af0682fb74e8c54910f2d4393339c070", "M": "1b8dc055df72dde80d614482840fe342",
    "L": "b0b66b5c863aef5b46e8608fe1711615",
}  # fmt: skip
# By alpha: the part of the file name.
_MOBILENET = {0.25: "2_5", 0.5: "5_0", 0.75: "7_5", 1.0: "1_0"}
_MOBILENET_0_75 = {
    "sha256": "353ac9865c5ad9ff35a4ef9e21e734fb9a01f9bb0d69fcac600a12de95b30e54",
    "size": 7_547_536,
}
_MOBILENET_V2 = (0.35, 0.5, 0.75, 1.0, 1.3, 1.4)
BACKBONES = (
    Source(IMAGENET, "resnet50", IMAGENET_URL, MIT, md5=IMAGENET_MD5),
    _resnet("resnet101", "resnet101", _RESNET101),
    *OF_TORCHVISION,
    _resnet(
        "ResNet50", "resnet50", "4d473c1dd8becc155b73f8504c6f6626", size=94_765_736,
        sha256="66c8b43daff3fcc15bc4f30e3d2a167e21a14d9c9598a5394e5516471f4af504",
    ),
    _resnet("ResNet101", "resnet101", _RESNET101),
    _resnet("ResNet152", "resnet152", "ee4c566cf9a93f14d82f913c2dc6dd0c"),
    _resnet("ResNet50V2", "resnet50v2", "fac2f116257151a9d068a22e544a4917"),
    _resnet("ResNet101V2", "resnet101v2", "c0ed64b8031c3730f411d2eb4eea35b5"),
    _resnet("ResNet152V2", "resnet152v2", "ed17cf2e0169df9d443503ef94b23b33"),
    *(
        _keras(
            "MobileNet", f"mobilenet/mobilenet_{part}_224_tf_no_top.h5", "", APACHE, alpha=alpha,
            **(_MOBILENET_0_75 if alpha == 0.75 else {}),
        )
        for alpha, part in _MOBILENET.items()
    ),
    *(
        _keras(
            "MobileNetV2",
            f"mobilenet_v2/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{alpha}_224_no_top.h5",
            "", APACHE, alpha=alpha,
        )
        for alpha in _MOBILENET_V2
    ),
    *(
        _keras(f"EfficientNet{x}", f"{_KERAS_OLD}/efficientnet{x.lower()}_notop.h5", md5, APACHE)
        for x, md5 in _EFFICIENTNET.items()
    ),
    *(
        _keras(
            f"EfficientNetV2{x}", f"efficientnet_v2/efficientnetv2-{x.lower()}_notop.h5", md5,
            APACHE,
        )
        for x, md5 in _EFFICIENTNET_V2.items()
    ),
    *(
        _keras(f"ConvNeXt{x}", f"convnext/convnext_{x.lower()}_notop.h5", digest, MIT)
        for x, digest in _CONVNEXT.items()
    ),
    *(
        _keras(
            f"DenseNet{depth}",
            f"densenet/densenet{depth}_weights_tf_dim_ordering_tf_kernels_notop.h5", md5, BSD,
        )
        for depth, md5 in _DENSENET.items()
    ),
    _keras(
        "VGG16", "vgg16/vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "6d6bbae143d832006294945121d1f1fc", CC_BY,
    ),
    _keras(
        "VGG19", "vgg19/vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "253f8cb515780f3b799900260a226db6", CC_BY,
    ),
)  # fmt: skip
SOURCES = (*MODELS, *BACKBONES)


def model_source(name: str) -> Source:
    """Return the source of a whole model.

    Raises:
        InputError: There is none of that name.
    """
    name = MATTERPORT if name == COCO else name
    found = next((source for source in MODELS if source.name == name), None)
    if found is None:
        names = [source.name for source in MODELS]
        raise InputError(
            f"no model is published here as {name!r}; there are {', '.join(names)}."
            f"{nearest(name, names)}"
        )
    return found


def backbone_source(name: str, backbone: Any, arguments: Mapping[str, Any]) -> Source:
    """Return the source of ImageNet weights.

    Args:
        name: "imagenet", or "imagenet-v2" for the later weights of torchvision.
        backbone: `Config.BACKBONE`.
        arguments: `Config.BACKBONE_ARGS`. A ResNet with `stride_in_3x3` is that of torchvision.

    Raises:
        InputError: None are known.
    """
    theirs = bool(arguments.get("stride_in_3x3")) and bool(arguments.get("symmetric_padding"))
    fitting = [
        source
        for source in BACKBONES
        if source.name == name
        and source.network == backbone
        and (source in OF_TORCHVISION) == theirs
    ]
    if not fitting and name == IMAGENET_V2:
        raise InputError(
            "imagenet-v2 are weights of torchvision's ResNets: BACKBONE resnet50 or resnet101 with "
            "BACKBONE_ARGS {stride_in_3x3: true, symmetric_padding: true}"
        )
    if not fitting:
        known = dict.fromkeys(source.network for source in BACKBONES)
        raise InputError(
            "no ImageNet weights are known of the backbone "
            f"{getattr(backbone, '__name__', backbone)}; they are of {', '.join(known)}"
        )
    alpha = arguments.get("alpha", 1.0)
    for source in fitting:
        if source.alpha in (None, alpha):
            return source
    raise InputError(
        f"ImageNet weights of {backbone} are published for alpha "
        f"{', '.join(str(source.alpha) for source in fitting)}; BACKBONE_ARGS has alpha {alpha}"
    )
