"""Archives that are broken, and some that were made to do harm."""

import re
import stat
import zipfile

import pytest

from mrcnn.errors import InputError
from mrcnn.hub.unzip import list_members, unpack

ALLOWED = re.compile(r"set/(\w+\.jpg)?")
FILES = {"set/": b"", "set/a.jpg": b"a" * 5000, "set/b.jpg": b"b" * 70}


def make(path, files, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


@pytest.fixture
def path(tmp_path):
    return make(tmp_path / "set.zip", FILES)


def get(path, folder, max_bytes=10_000):
    unpack(path, list_members(path, ALLOWED, max_bytes), folder, verbose=False)


def contents(folder):
    return {p.name: p.read_bytes() for p in folder.iterdir()}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_files_come_out_without_their_folders(tmp_path, method):
    path = make(tmp_path / "set.zip", FILES, method)
    get(path, tmp_path / "x" / "out")
    assert contents(tmp_path / "x" / "out") == {"a.jpg": b"a" * 5000, "b.jpg": b"b" * 70}


def test_what_is_there_is_kept_only_if_it_is_right(tmp_path, path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.jpg").write_bytes(b"a" * 4999 + b"b")
    (out / "b.jpg").write_bytes(b"b" * 70)
    before = (out / "b.jpg").stat().st_ino
    get(path, out)
    assert contents(out) == {"a.jpg": b"a" * 5000, "b.jpg": b"b" * 70}
    assert (out / "b.jpg").stat().st_ino == before


@pytest.mark.parametrize(
    "name",
    [
        "../set/a.jpg", "/set/a.jpg", "set/../a.jpg", "set/../../a.jpg", "set\\a.jpg", "a.jpg",
        "set/a.png", "set/c/a.jpg", "C:/set/a.jpg", "set/a.jpg/", "set/..", "set/a.jpg\n",
    ],
)  # fmt: skip
def test_other_names_are_refused(tmp_path, name):
    path = make(tmp_path / "set.zip", {"set/b.jpg": b"b", name: b""})
    with pytest.raises(InputError, match="is not unpacked: its member .* is not what should"):
        list_members(path, ALLOWED, 1000)


def test_dots_are_refused_whatever_is_allowed(tmp_path):
    path = make(tmp_path / "set.zip", {"set/../a.jpg": b""})
    with pytest.raises(InputError, match="is not what should be in it"):
        list_members(path, re.compile(".*"), 1000)


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_are_refused(tmp_path, kind):
    member = zipfile.ZipInfo("set/a.jpg")
    member.external_attr = (kind | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.writestr(member, "/etc/passwd")
    with pytest.raises(InputError, match=r"'set/a\.jpg' is a link or a device"):
        list_members(tmp_path / "set.zip", ALLOWED, 1000)


def test_more_bytes_than_expected_are_refused(tmp_path):
    path = make(tmp_path / "set.zip", {"set/a.jpg": bytes(9_000_000), "set/b.jpg": b"b"})
    assert path.stat().st_size < 10_000
    with pytest.raises(InputError, match="it would take 9000001 bytes, at most 9000000"):
        list_members(path, ALLOWED, 9_000_000)


def test_a_member_with_more_than_it_says(tmp_path):
    """Its size is in the directory of the archive, after the name's length: bytes 24 to 28."""
    path = make(tmp_path / "set.zip", {"set/a.jpg": bytes(9_000_000)})
    raw = bytearray(path.read_bytes())
    place = raw.index(b"PK\1\2") + 24
    raw[place : place + 4] = (100).to_bytes(4, "little")
    path.write_bytes(raw)
    with pytest.raises(InputError, match="is damaged"):
        get(path, tmp_path / "out")
    assert contents(tmp_path / "out") == {}


@pytest.mark.parametrize(
    ("offset", "value", "message"), [(8, 1, "encrypted"), (10, 14, "packed in an unusual way")]
)
def test_members_that_are_packed_otherwise(tmp_path, path, offset, value, message):
    """Flags and method, in the directory of the archive."""
    raw = bytearray(path.read_bytes())
    raw[raw.index(b"PK\1\2") + offset] = value
    path.write_bytes(raw)
    with pytest.raises(InputError, match=f"'set/' is {message}"):
        list_members(path, ALLOWED, 10_000)


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_names_that_are_there_twice(tmp_path):
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("set/a.jpg", "1")
        archive.writestr("set/a.jpg", "2")
    with pytest.raises(InputError, match="is there twice"):
        list_members(path, ALLOWED, 1000)


def test_a_damaged_member_leaves_the_others(tmp_path):
    path = make(tmp_path / "set.zip", FILES, zipfile.ZIP_STORED)
    raw = bytearray(path.read_bytes())
    raw[raw.index(b"b" * 70) + 3] = 0
    path.write_bytes(raw)
    with pytest.raises(InputError, match=r"set\.zip is damaged: Bad CRC-32") as caught:
        get(path, tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert contents(tmp_path / "out") == {"a.jpg": b"a" * 5000}


@pytest.mark.parametrize("keep", [0, 10, 60, -1])
def test_archives_that_are_cut_off(tmp_path, path, keep):
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match="is no whole zip file"):
        list_members(path, ALLOWED, 10_000)
    with pytest.raises(InputError, match="cannot read"):
        list_members(tmp_path / "x.zip", ALLOWED, 10_000)


def test_every_damaged_byte_ends_in_one_line(tmp_path, path):
    """Whatever byte of the directory is changed: an error of one line, or of no consequence."""
    whole = path.read_bytes()
    for place in range(whole.index(b"PK\1\2"), len(whole)):
        for value in (0, 255):
            path.write_bytes(whole[:place] + bytes([value]) + whole[place + 1 :])
            try:
                get(path, tmp_path / "out")
            except InputError as error:
                assert "\n" not in str(error)
    assert {p.name for p in tmp_path.iterdir()} == {"set.zip", "out"}


def test_places_that_cannot_be_written(tmp_path, path):
    (tmp_path / "out").write_bytes(b"")
    with pytest.raises(InputError, match="out cannot be written"):
        get(path, tmp_path / "out")


def test_progress_is_shown_when_asked(tmp_path, path, capsys):
    members = list_members(path, ALLOWED, 10_000)
    unpack(path, members, tmp_path / "out")
    assert "5.07k/5.07k" in capsys.readouterr().err
