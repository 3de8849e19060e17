"""What is no file is never waited for, and what is no YAML is one line."""

import os

import pytest

from mrcnn.cli.detect import find_images
from mrcnn.data.annotation_files import read_json
from mrcnn.data.image import load, read_size
from mrcnn.errors import InputError
from mrcnn.files.reading import parse_yaml, read_text, read_yaml, refuse_special


def test_text_and_yaml_are_read(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: [1, x]\n")
    assert read_text(path) == "a: [1, x]\n"
    assert read_yaml(path) == {"a": [1, "x"]}
    refuse_special(path)


@pytest.mark.parametrize("read", [read_text, read_yaml, read_json, read_size, load])
def test_pipes_devices_and_folders_are_no_files(tmp_path, read):
    pipe = tmp_path / "b.jpg"
    os.mkfifo(pipe)
    for path, kind in ((pipe, "a named pipe"), ("/dev/zero", "a device"), (tmp_path, "a folder")):
        with pytest.raises(InputError, match=f"it is {kind}, not a file"):
            read(path)


def test_a_pipe_among_images_ends_detection_before_it_begins(tmp_path):
    os.mkfifo(tmp_path / "b.jpg")
    with pytest.raises(InputError, match=r"b\.jpg: it is a named pipe"):
        find_images([str(tmp_path / "b.jpg")])


@pytest.mark.parametrize("text", ["9" * 5000, "[" * 3000, "a: !!bool x", "a: 2001-13-01", "a: ["])
def test_what_is_no_yaml_is_one_line(text):
    with pytest.raises(InputError, match="^x is no valid YAML: ") as caught:
        parse_yaml(text, "x")
    assert "\n" not in str(caught.value)


def test_what_is_no_text_is_said(tmp_path):
    (tmp_path / "a").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="a is no text in UTF-8"):
        read_text(tmp_path / "a")
    with pytest.raises(InputError, match="cannot read .*none: No such file"):
        read_text(tmp_path / "none")
