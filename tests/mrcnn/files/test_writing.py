"""A file is there as it was, or as it was meant to be; never half of it."""

import builtins
import errno
import json
import os

import pytest

from mrcnn.errors import InputError
from mrcnn.files import writing
from mrcnn.files.writing import (
    WriteError,
    replaced,
    write_bytes,
    write_json,
    write_text,
    write_with,
)


def test_what_is_written_is_there(tmp_path):
    assert write_bytes(tmp_path / "a", b"\0\1") == tmp_path / "a"
    write_text(tmp_path / "b", "ä\n")
    write_json(str(tmp_path / "c"), {"ö": [1.5, None]}, indent=1)
    write_with(tmp_path / "d", lambda file: file.write(b"xyz"))
    assert (tmp_path / "a").read_bytes() == b"\0\1"
    assert (tmp_path / "b").read_bytes() == "ä\n".encode()
    assert json.loads((tmp_path / "c").read_text("utf-8")) == {"ö": [1.5, None]}
    assert (tmp_path / "d").read_bytes() == b"xyz"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c", "d"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError("x"), OSError(5, "I/O error")])
def test_an_error_leaves_the_file_as_it_was(tmp_path, error):
    path = write_text(tmp_path / "a", "before")
    with pytest.raises((KeyboardInterrupt, ValueError)), replaced(path) as file:
        file.write(b"after")
        raise error
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_no_json_leaves_the_file_as_it_was(tmp_path):
    path = write_json(tmp_path / "a.json", [1])
    with pytest.raises(TypeError):
        write_json(path, [2, {3}])
    assert path.read_text() == "[1]" and list(tmp_path.iterdir()) == [path]


def test_it_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    order = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda number: (order.append("fsync"), fsync(number)))
    monkeypatch.setattr(os, "replace", lambda *names: (order.append("rename"), replace(*names)))
    write_text(tmp_path / "a", "x")
    assert order == ["fsync", "rename", "fsync"]


def test_a_full_disk_is_one_line_with_the_room_that_is_needed(tmp_path, monkeypatch):
    path = write_bytes(tmp_path / "model.h5", b"old")

    class Full:
        def __init__(self, file):
            self._file = file

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self._file.close()

        def write(self, content):
            self._file.write(content[:10])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def full(*args, **options):
        return Full(builtins.open(*args, **options))

    monkeypatch.setattr(writing, "open", full, raising=False)
    with pytest.raises(WriteError) as caught:
        write_bytes(path, bytes(2_500_000))
    message = str(caught.value)
    assert message.startswith(f"{path} cannot be written: No space left on device; it takes 2.5 MB")
    assert "MB are free in" in message
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_gone_is_named(tmp_path):
    with pytest.raises(InputError, match=r"gone/a.json cannot be written: No such file"):
        write_json(tmp_path / "gone" / "a.json", {})
