"""Downloads from a server on this machine that breaks off, waits, lies and refuses."""

import hashlib
import http.server
import time

import numpy as np
import pytest

from mrcnn.errors import InputError
from mrcnn.hub.download import checksum, download
from mrcnn.hub.imagenet import (
    COCO_MODEL_URL,
    IMAGENET_MD5,
    download_trained_weights,
    get_imagenet_weights,
)

CONTENT = np.random.default_rng(0).bytes(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
MD5 = hashlib.md5(CONTENT).hexdigest()


@pytest.fixture
def server(web_server):
    web_server.content = CONTENT
    web_server.url = f"{web_server.url}/weights.h5"
    return web_server


@pytest.fixture
def path(tmp_path):
    return tmp_path / "models" / "weights.h5"


def get(server, path, **kwargs):
    return download(server.url, path, **{"backoff": 0.0, "verbose": False, **kwargs})


def names(path):
    return sorted(p.name for p in path.parent.iterdir())


def ranges(server):
    return [headers.get("Range") for headers in server.requests]


def test_a_file_comes_whole(server, path):
    assert get(server, path, sha256=SHA256, size=len(CONTENT), md5=MD5.upper()) == path
    assert path.read_bytes() == CONTENT
    assert names(path) == ["weights.h5"]
    assert checksum(path) == SHA256


def test_a_file_that_is_there_is_kept(server, path):
    path.parent.mkdir()
    path.write_bytes(b"mine")
    get(server, path)
    get(server, path, sha256=hashlib.sha256(b"mine").hexdigest(), size=4)
    assert server.requests == []
    # But not one that is another.
    get(server, path, sha256=SHA256)
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("fault", ["throttles", "no length"])
def test_slow_servers_and_those_that_tell_no_length(server, path, fault):
    server.faults = [fault]
    get(server, path, sha256=SHA256)
    assert len(server.requests) == 1


def test_what_broke_off_is_resumed(server, path):
    server.faults = ["breaks off", "breaks off", 503]
    get(server, path, sha256=SHA256)
    assert path.read_bytes() == CONTENT
    # A third of all, then a third of what was left; the 503 sent nothing.
    assert ranges(server) == [None, "bytes=100000-", "bytes=166666-", "bytes=166666-"]
    assert names(path) == ["weights.h5"]


def test_a_file_may_break_off_more_often_than_there_are_tries(server, path):
    server.faults = ["breaks off"] * 9
    get(server, path, sha256=SHA256, retries=1)
    assert len(server.requests) == 10
    path.unlink()
    # But not when nothing new comes: without a tag, each try begins anew.
    server.etag, server.faults = None, ["breaks off"] * 9
    with pytest.raises(InputError, match="ended after 100000 of 300000 bytes"):
        get(server, path, retries=1)
    assert len(server.requests) == 12


def test_a_later_call_resumes(server, path):
    server.faults = ["breaks off"]
    with pytest.raises(InputError, match="ended after 100000 of 300000 bytes"):
        get(server, path, retries=0)
    assert names(path) == ["weights.h5.part", "weights.h5.part.tag"]
    get(server, path)
    assert ranges(server) == [None, "bytes=100000-"]
    assert path.read_bytes() == CONTENT


def test_a_file_that_has_changed_is_not_mixed_with_the_old_one(server, path):
    server.faults = ["breaks off"]
    with pytest.raises(InputError):
        get(server, path, retries=0)
    server.content, server.etag = CONTENT[::-1], '"two"'
    get(server, path)
    assert path.read_bytes() == CONTENT[::-1]


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_without_a_promise_of_the_same_bytes_it_begins_anew(server, path, etag):
    server.etag, server.faults = etag, ["breaks off"]
    get(server, path)
    assert ranges(server) == [None, None]
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("fault", ["no ranges", "other range"])
def test_servers_that_do_not_resume(server, path, fault):
    server.faults = ["breaks off", fault]
    get(server, path, sha256=SHA256)
    assert path.read_bytes() == CONTENT


def test_a_server_that_claims_more_than_it_has(server, path):
    server.faults = ["claims more"] * 9
    with pytest.raises(InputError, match="could not be downloaded: .* 300000 of 301000 bytes"):
        get(server, path, retries=0)
    # It has no more than what is there; only from the start it may be right.
    server.faults = []
    get(server, path, sha256=SHA256)
    assert ranges(server) == [None, "bytes=300000-", None]


def test_a_server_that_always_claims_more_is_given_up(server, path):
    server.faults = ["claims more"] * 9
    with pytest.raises(InputError, match="could not be downloaded"):
        get(server, path, retries=3)
    assert len(server.requests) == 4
    assert not path.exists()


def test_a_server_that_claims_less(server, path):
    server.faults = ["claims less"]
    with pytest.raises(InputError, match="it has 1000 bytes, not 300000"):
        get(server, path, size=len(CONTENT))
    server.faults = ["claims less"]
    with pytest.raises(InputError, match=f"its sha256 is .*, expected {SHA256}"):
        get(server, path, sha256=SHA256)
    assert names(path) == []


def test_another_file_than_expected(server, path):
    with pytest.raises(InputError, match="it has 300000 bytes, not 4"):
        get(server, path, size=4)
    server.faults = ["no length"]
    with pytest.raises(InputError, match=r"it has \d+ bytes, expected 4"):
        get(server, path, size=4)
    with pytest.raises(InputError, match=f"its md5 is {MD5}, expected 00"):
        get(server, path, md5="00")
    assert names(path) == []
    assert len(server.requests) == 3


def test_damage_in_what_was_there_is_repaired(server, path):
    server.faults = ["breaks off"]
    with pytest.raises(InputError):
        get(server, path, retries=0)
    (path.parent / "weights.h5.part").write_bytes(bytes(100_000))
    get(server, path, sha256=SHA256)
    assert ranges(server) == [None, "bytes=100000-", None]
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("code", [403, 404])
def test_refusals_are_final(server, path, code):
    server.faults = [code]
    with pytest.raises(InputError, match=f"weights.h5 could not be .* answered {code}") as caught:
        get(server, path)
    assert len(server.requests) == 1
    assert "\n" not in str(caught.value)
    assert names(path) == []


def test_a_busy_server_is_asked_again_and_given_up(server, path):
    server.faults = [503, 429, 500]
    with pytest.raises(InputError, match="answered 500"):
        get(server, path, retries=2)
    assert len(server.requests) == 3


def test_waiting_times_double(server, path, monkeypatch):
    waits = []
    monkeypatch.setattr("time.sleep", waits.append)
    server.faults = [503] * 5
    with pytest.raises(InputError):
        get(server, path, backoff=0.5)
    assert waits == [0.5, 1, 2, 4]


def test_a_server_that_stalls(server, path):
    server.faults = ["stalls"]
    start = time.monotonic()
    get(server, path, sha256=SHA256, timeout=0.2)
    assert time.monotonic() - start < 4
    assert ranges(server) == [None, "bytes=1000-"]


def test_no_server(path):
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:
        port = server.server_port
    with pytest.raises(InputError, match="no connection: "):
        download(f"http://127.0.0.1:{port}/x", path, retries=1, backoff=0, verbose=False)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://a/b", "weights.h5", "http://"])
def test_other_addresses(path, url):
    with pytest.raises(InputError, match="address"):
        download(url, path, verbose=False)


def test_places_that_cannot_be_written(server, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="cannot be written"):
        get(server, tmp_path / "file" / "weights.h5")


def test_progress_is_shown_when_asked(server, path, capsys):
    server.faults = [503]
    get(server, path, verbose=True)
    words = capsys.readouterr().err
    assert "weights.h5" in words
    assert "answered 503" in words and "trying again in 0 s" in words
    get(server, path.with_name("b.h5"))
    assert capsys.readouterr().err == ""


def test_weights_of_the_original(server, tmp_path, capsys):
    path = tmp_path / "coco.h5"
    download_trained_weights(str(path), verbose=0, url=server.url)
    assert path.read_bytes() == CONTENT
    assert capsys.readouterr().err == ""
    assert COCO_MODEL_URL.startswith("https://") and COCO_MODEL_URL.endswith("mask_rcnn_coco.h5")


def test_imagenet_weights_lie_in_the_cache_folder(server, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("MRCNN_HOME", str(tmp_path))
    expected = str(tmp_path / "weights" / "imagenet" / "weights.h5")
    with pytest.raises(InputError, match=IMAGENET_MD5):
        get_imagenet_weights(url=server.url, verbose=False)
    for _ in range(2):
        assert get_imagenet_weights(url=server.url, md5=MD5, verbose=False) == expected
    assert len(server.requests) == 2
    assert get_imagenet_weights(tmp_path / "b", server.url, MD5, False).endswith("b/weights.h5")


def test_the_file_that_keras_has_of_that_name_is_kept(server, tmp_path, monkeypatch):
    (tmp_path / "weights.h5").write_bytes(b"of Keras")
    digest = hashlib.md5(b"of Keras").hexdigest()
    monkeypatch.setattr("mrcnn.hub.imagenet.LATER_IMAGENET_MD5", digest)
    found = get_imagenet_weights(tmp_path, server.url, verbose=False)
    assert found == str(tmp_path / "weights.h5")
    assert server.requests == []


def test_keras_has_that_other_file():
    """Its name and checksum, from Keras itself."""
    from keras.src.applications.resnet import WEIGHTS_HASHES

    from mrcnn.hub.imagenet import LATER_IMAGENET_MD5

    assert WEIGHTS_HASHES["resnet50"][1] == LATER_IMAGENET_MD5
