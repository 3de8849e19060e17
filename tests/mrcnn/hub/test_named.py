import hashlib

import pytest

from mrcnn.errors import InputError
from mrcnn.hub import named
from mrcnn.hub.named import Published, imagenet_weights, published_file

CONTENT = bytes(range(256)) * 40


@pytest.fixture
def served(web_server, monkeypatch):
    """All tables point to this machine, with checksum and size of the right content."""
    web_server.content = CONTENT
    md5 = hashlib.md5(CONTENT).hexdigest()
    url = web_server.url
    monkeypatch.setattr(named, "_KERAS", url)
    monkeypatch.setattr(named, "COCO_MODEL", Published(f"{url}/coco.h5", size=len(CONTENT)))
    monkeypatch.setitem(named.RESNETS, "resnet101", Published(f"{url}/r101.h5", md5))
    return web_server


@pytest.mark.parametrize(
    ("name", "backbone", "arguments", "file"),
    [
        ("imagenet", "MobileNet", {"alpha": 0.75}, "mobilenet_7_5_224_tf_no_top.h5"),
        ("imagenet", "MobileNet", {}, "mobilenet_1_0_224_tf_no_top.h5"),
        (
            "imagenet",
            "MobileNetV2",
            {"alpha": 1},
            "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5",
        ),
        ("imagenet", "resnet101", {}, "r101.h5"),
        ("coco", None, None, "coco.h5"),
    ],
)
def test_names_become_files(served, tmp_path, name, backbone, arguments, file):
    path = published_file(name, backbone, arguments, tmp_path, verbose=False)
    assert path == tmp_path / file and path.read_bytes() == CONTENT
    assert published_file(name, backbone, arguments, tmp_path, verbose=False) == path
    assert len(served.requests) == 1


def test_another_content_is_refused(served, tmp_path):
    served.content = CONTENT[::-1]
    with pytest.raises(InputError, match="md5 is .* put the file there by hand as .*r101.h5"):
        published_file("imagenet", "resnet101", {}, tmp_path, verbose=False)
    served.content = CONTENT[:-1]
    with pytest.raises(InputError, match="10239 bytes, not 10240"):
        published_file("coco", folder=tmp_path, verbose=False)
    assert not list(tmp_path.glob("*.h5"))


def test_the_folder_is_that_of_keras(served, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert published_file("coco", verbose=False).parent == tmp_path / "models"


def test_resnet50_starts_as_the_original_does(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(named, "get_imagenet_weights", lambda *a, **k: asked.append(a) or "x.h5")
    assert str(published_file("imagenet", "resnet50", {}, tmp_path)) == "x.h5"
    assert asked == [(tmp_path, named.IMAGENET_URL)]


@pytest.mark.parametrize(
    ("backbone", "arguments", "message"),
    [
        ("small", {}, "'?small'?; they are of resnet50, resnet101, ResNet50"),
        (lambda image: image, {}, "<lambda>; they are of"),
        ("MobileNet", {"alpha": 0.9}, "alpha 0.25, 0.5, 0.75, 1.0; BACKBONE_ARGS has alpha 0.9"),
    ],
)
def test_what_is_not_published_is_said(backbone, arguments, message):
    with pytest.raises(InputError, match=message):
        imagenet_weights(backbone, arguments)


def test_a_wrong_name_gets_the_nearest():
    with pytest.raises(InputError, match="imagenet and coco. Did you mean 'imagenet'"):
        published_file("imagnet")


def test_checksums_are_those_of_keras():
    from keras.src.applications import resnet

    for depth in (50, 101, 152):
        published = named.RESNETS[f"ResNet{depth}"]
        assert published.md5 == resnet.WEIGHTS_HASHES[f"resnet{depth}"][1]
        assert published.url.startswith(resnet.BASE_WEIGHTS_PATH)
