import hashlib
from dataclasses import replace

import pytest

from mrcnn.errors import InputError
from mrcnn.hub import named
from mrcnn.hub.named import fetch, find_source

CONTENT = bytes(range(256)) * 40
SHA256 = hashlib.sha256(CONTENT).hexdigest()


pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def served(web_server):
    """`served("torchvision")`: the source of a name, on this machine and with other content."""
    web_server.content = CONTENT

    def source(name="torchvision", backbone=None, **changes):
        found = find_source(name, backbone)
        changes = {"size": len(CONTENT), "sha256": SHA256, "md5": "", **changes}
        return replace(found, url=f"{web_server.url}/{found.file}", **changes)

    source.requests = web_server.requests
    return source


def test_a_file_is_fetched_once_with_a_line_that_says_so(served, home, capsys):
    source = served()
    path = fetch(source)
    assert path == home / "weights" / "torchvision" / source.file and path.read_bytes() == CONTENT
    out = capsys.readouterr().out
    assert "fetching torchvision weights of torchvision_resnet50 (BSD-3-Clause, 0 MB)" in out
    assert f"from {source.url} into {path.parent}" in out
    assert fetch(source) == path and len(served.requests) == 1
    assert capsys.readouterr().out == ""


def test_the_first_digits_of_a_digest_do(served):
    assert fetch(served(sha256=SHA256[:8]), verbose=False).is_file()
    with pytest.raises(InputError, match="its sha256 is"):
        fetch(served("torchvision-v2", sha256="0" * 8), verbose=False)


def test_a_digest_that_is_too_short_is_none(served):
    with pytest.raises(InputError, match="its sha256 is"):
        fetch(served(sha256=SHA256[:4]), verbose=False)


def test_another_content_is_refused(served, home):
    with pytest.raises(InputError, match=r"10240 bytes, not 10241; put the file there by hand as"):
        fetch(served(size=10241), verbose=False)
    assert not [path for path in home.rglob("*") if path.is_file()]


def test_another_file_in_its_place_is_named(served, home, web_server, capsys):
    source = served()
    path = home / "weights" / "torchvision" / source.file
    path.parent.mkdir(parents=True)
    path.write_bytes(b"another")
    web_server.faults += [404]
    with pytest.raises(InputError, match=r"is another file, it has 7 bytes, expected 10240: put"):
        fetch(source)
    assert "is another file than expected: it has 7 bytes" in capsys.readouterr().out
    assert fetch(source, verbose=False).read_bytes() == CONTENT


def test_offline_the_error_says_where_to_put_the_file(served, home, web_server):
    source = served("imagenet", "MobileNet")
    web_server.faults += [404]
    with pytest.raises(InputError) as caught:
        fetch(source, verbose=False)
    path = home / "weights" / "imagenet" / source.file
    assert f"put the file there by hand as {path}" in str(caught.value)
    assert "none: start from nothing" in str(caught.value)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(CONTENT)
    requests = len(served.requests)
    assert fetch(source, verbose=False) == path and len(served.requests) == requests


def test_what_keras_has_is_not_fetched_again(served, tmp_path):
    source = served("imagenet", "MobileNet")
    kept = tmp_path / "keras" / "models" / source.file
    kept.parent.mkdir(parents=True)
    kept.write_bytes(CONTENT)
    assert fetch(source, verbose=False) == kept and not served.requests
    kept.write_bytes(b"cut off")
    assert fetch(source, verbose=False) != kept and len(served.requests) == 1
    assert kept.read_bytes() == b"cut off"


def test_a_later_file_of_the_same_name_does_as_well(served, tmp_path, monkeypatch):
    source = served("imagenet", "resnet50", size=None, sha256="", md5="0" * 32)
    monkeypatch.setattr(named, "IMAGENET_URL", source.url)
    monkeypatch.setattr(named, "LATER_IMAGENET_MD5", hashlib.md5(b"later").hexdigest())
    (tmp_path / source.file).write_bytes(b"later")
    assert fetch(source, tmp_path, verbose=False) == tmp_path / source.file
    assert not served.requests


def test_a_wrong_name_gets_the_nearest():
    with pytest.raises(InputError, match="no model is published here as 'torchvison'"):
        find_source("torchvison")
