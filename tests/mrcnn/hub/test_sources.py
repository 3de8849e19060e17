"""The table of published weights."""

import importlib

import pytest

from mrcnn.errors import InputError
from mrcnn.hub.sources import BACKBONES, MODELS, SOURCES, backbone_source, model_source

THEIRS = {"stride_in_3x3": True, "symmetric_padding": True}


def test_every_entry_is_whole():
    keys = [(s.name, s.network, s.alpha, s.file) for s in SOURCES]
    assert len(set(keys)) == len(keys) == 50
    for source in SOURCES:
        assert source.url.startswith("https://") and source.licence
        assert len(source.sha256) in (0, 8, 64) and len(source.md5) in (0, 32)
        # Of torchvision's files the name begins the digest.
        if source.url.startswith("https://download.pytorch.org"):
            assert f"-{source.sha256[:8]}.pth" in source.file


@pytest.mark.parametrize(
    ("module", "digests"),
    [
        ("resnet", {"ResNet50": "resnet50", "ResNet101": "resnet101", "ResNet152": "resnet152",
                    "ResNet50V2": "resnet50v2", "ResNet152V2": "resnet152v2"}),
        ("efficientnet", {f"EfficientNetB{n}": f"b{n}" for n in range(8)}),
        ("efficientnet_v2", {"EfficientNetV2B0": "b0", "EfficientNetV2B3": "b3",
                             "EfficientNetV2S": "-s", "EfficientNetV2L": "-l"}),
        ("convnext", {f"ConvNeXt{x}": f"convnext_{x.lower()}" for x in ("Tiny", "Base", "XLarge")}),
    ],
)  # fmt: skip
def test_addresses_and_digests_are_those_of_keras(module, digests):
    theirs = importlib.import_module(f"keras.src.applications.{module}")
    base = next(v for k, v in vars(theirs).items() if k.startswith("BASE_WEIGHTS_PATH"))
    for network, key in digests.items():
        source = backbone_source("imagenet", network, {})
        assert theirs.WEIGHTS_HASHES[key][1] in (source.md5, source.sha256)
        assert source.url.startswith(base)


@pytest.mark.parametrize("module", ["densenet", "vgg16", "vgg19", "mobilenet", "mobilenet_v2"])
def test_addresses_of_the_others_are_in_the_source_of_keras(module):
    theirs = importlib.import_module(f"keras.src.applications.{module}")
    text = (theirs.__loader__).get_source(theirs.__name__)
    found = [s for s in BACKBONES if f"/{module}/" in s.url]
    assert found
    for source in found:
        assert not source.md5 or source.md5 in text


@pytest.mark.parametrize(
    ("name", "backbone", "arguments", "file"),
    [
        ("imagenet", "MobileNet", {"alpha": 0.75}, "mobilenet_7_5_224_tf_no_top.h5"),
        ("imagenet", "MobileNet", {}, "mobilenet_1_0_224_tf_no_top.h5"),
        ("imagenet", "MobileNetV2", {"alpha": 1}, "mobilenet_v2_weights_tf_dim_ordering_tf_kernels"
         "_1.0_224_no_top.h5"),
        ("imagenet", "resnet50", {}, "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5"),
        ("imagenet", "resnet50", THEIRS, "resnet50-0676ba61.pth"),
        ("imagenet", "resnet101", THEIRS, "resnet101-63fe2227.pth"),
        ("imagenet-v2", "resnet50", THEIRS, "resnet50-11ad3fa6.pth"),
        ("imagenet-v2", "resnet101", THEIRS, "resnet101-cd907fc2.pth"),
        ("imagenet", "resnet101", {"symmetric_padding": True},
         "resnet101_weights_tf_dim_ordering_tf_kernels_notop.h5"),
    ],
)  # fmt: skip
def test_the_backbone_decides(name, backbone, arguments, file):
    assert backbone_source(name, backbone, arguments).file == file


@pytest.mark.parametrize(
    ("name", "backbone", "arguments", "message"),
    [
        ("imagenet", "small", {}, "of the backbone small; they are of resnet50, resnet101, ResNet"),
        ("imagenet", lambda image: image, {}, "<lambda>; they are of"),
        ("imagenet", "MobileNet", {"alpha": 0.9}, "alpha 0.25, 0.5, 0.75, 1.0; .* has alpha 0.9"),
        ("imagenet-v2", "resnet50", {}, "BACKBONE_ARGS {stride_in_3x3: true"),
    ],
)
def test_what_is_not_published_is_said(name, backbone, arguments, message):
    with pytest.raises(InputError, match=message):
        backbone_source(name, backbone, arguments)


def test_models_by_name():
    assert model_source("coco") is model_source("matterport") is MODELS[0]
    with pytest.raises(InputError, match="torchvision-v2. Did you mean 'torchvision'"):
        model_source("torchvison")
