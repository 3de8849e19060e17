import pytest

from mrcnn.data.annotation_files import (
    files_by_stem,
    kind,
    missing_files,
    read_json,
    refuse_missing,
)
from mrcnn.errors import InputError


def test_read_json(tmp_path):
    file = tmp_path / "a.json"
    file.write_text('{"a": [1, 2.5]}')
    assert read_json(file) == {"a": [1, 2.5]}
    for content in (b"{", b"", b"\xff\xfe1", b"[" * 100_000, b"1" * 10_000):
        file.write_bytes(content)
        with pytest.raises(InputError, match=r"a\.json is not JSON") as caught:
            read_json(file)
        assert "\n" not in str(caught.value)
    for path in (tmp_path, tmp_path / "b.json"):
        with pytest.raises(InputError, match="cannot read"):
            read_json(path)


def test_kind():
    values = [1, 1.5, "a", {}, [], None, True]
    names = ["a whole number", "a number", "text", "an object", "a list", "null", "bool"]
    assert [kind(value) for value in values] == names


def test_missing_files(tmp_path, monkeypatch):
    (tmp_path / "a.png").touch()
    paths = [str(tmp_path / name) for name in ("a.png", "b.png", "x/c.png", "b\0.png")]
    assert missing_files(paths) == paths[1:]
    with pytest.raises(InputError, match=r"3 of 4 images of list are missing.*b\.png"):
        refuse_missing(paths, "list")
    refuse_missing(paths[:1], "list")
    monkeypatch.chdir(tmp_path)
    assert missing_files(["a.png", "b.png"]) == ["b.png"]


def test_files_by_stem(tmp_path):
    for name in ("b_x.png", "a_x.PNG", "c.png", "a.txt"):
        (tmp_path / name).touch()
    found = files_by_stem(tmp_path, (".png",), "_x")
    assert found == {"a": str(tmp_path / "a_x.PNG"), "b": str(tmp_path / "b_x.png")}
    assert list(files_by_stem(tmp_path, (".png", ".txt"))) == ["a", "a_x", "b_x", "c"]
