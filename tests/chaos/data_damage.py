"""Ways to damage a dataset in a folder: its files, the bytes in them, and what annotations say.

Each takes the folder and a `random.Random`, and returns the file that it damaged, or None where
there was nothing for it.
"""

import json
import os
import struct
import zlib

from PIL import Image

PICTURES = (".png", ".jpg")
HUGE = 1 << 40
VALUES = [
    None, True, "", "x", "\u0000\u202e", -1, 0, 0.5, 1e308, HUGE, float("nan"), float("inf"),
    [], {}, [[]], [None], {"a": [1, 2]}, "9" * 400, [0] * 9,
]  # fmt: skip


def files_of(folder, *suffixes):
    return sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix in suffixes)


def picture_of(folder, draw):
    return draw.choice(files_of(folder, *PICTURES))


def text_of(folder, draw):
    found = files_of(folder, ".json", ".txt", ".yaml")
    return draw.choice(found) if found else None


# Files.


def deleted(folder, draw):
    path = draw.choice(files_of(folder, *PICTURES, ".json", ".txt", ".yaml"))
    path.unlink()
    return path


def emptied(folder, draw):
    path = draw.choice(files_of(folder, *PICTURES, ".json", ".txt", ".yaml"))
    path.write_bytes(b"")
    return path


def exchanged(folder, draw):
    """Two pictures take each other's place."""
    one, other = draw.sample(files_of(folder, *PICTURES), 2)
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)
    return one


def renamed(folder, draw):
    path = draw.choice(files_of(folder, *PICTURES, ".json"))
    path.rename(path.with_name(f"other {path.name}"))
    return path


def twice(folder, draw):
    path = draw.choice(files_of(folder, *PICTURES, ".json"))
    path.with_name(f"copy of {path.name}").write_bytes(path.read_bytes())
    return path


def no_file(folder, draw):
    """What is called like a file is a folder, a pipe, or a link to itself or to nothing."""
    path = draw.choice(files_of(folder, *PICTURES, ".json", ".txt"))
    path.unlink()
    kind = draw.choice(
        [os.mkdir, os.mkfifo, lambda p: os.symlink(p, p), lambda p: os.symlink("gone", p)]
    )
    kind(path)
    return path


def stranger(folder, draw):
    """A file that is none of the dataset's."""
    place = draw.choice([folder, draw.choice(files_of(folder, *PICTURES)).parent])
    name = draw.choice(
        [".DS_Store", "notes.txt", "Thumbs.db", "x.json", "~lock.json", "._a.png", "z.gif"]
    )
    (place / name).write_bytes(draw.choice([b"", b"[]", b"{}", draw.randbytes(64), b"hello\n"]))
    return place / name


FILES = [deleted, emptied, exchanged, renamed, twice, no_file, stranger]


# Bytes.


def _change(change, text):
    def damage(folder, draw):
        path = text_of(folder, draw) if text else picture_of(folder, draw)
        if path is None or not path.stat().st_size:
            return None
        content = bytearray(path.read_bytes())
        change(content, draw)
        path.write_bytes(content)
        return path

    return damage


def _bits(content, draw):
    for _ in range(draw.choice([1, 1, 4, 64])):
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)


def _cut(content, draw):
    del content[draw.randrange(len(content)) :]


def _zeros(content, draw):
    start = draw.randrange(len(content))
    end = min(len(content), start + draw.choice([8, 512, 4096]))
    content[start:end] = bytes(end - start)


def _noise(content, draw):
    start = draw.randrange(len(content))
    end = min(len(content), start + draw.choice([8, 64, 4096]))
    content[start:end] = draw.randbytes(end - start)


def _named(name, function):
    function.__name__ = name
    return function


BYTES = [
    _named(f"{'text' if text else 'picture'} {name}", _change(change, text))
    for text in (True, False)
    for name, change in (("bits", _bits), ("cut", _cut), ("zeros", _zeros), ("noise", _noise))
]


# Pictures that are sound, and not those that belong there.


def other_size(folder, draw):
    path = picture_of(folder, draw)
    with Image.open(path) as picture:
        picture.resize(draw.choice([(1, 1), (20, 15), (41, 30), (400, 300)])).save(path)
    return path


def other_mode(folder, draw):
    path = picture_of(folder, draw)
    modes = ["L", "1", "P", "RGBA", "I;16", "LA"] if path.suffix == ".png" else ["L", "CMYK"]
    mode = draw.choice(modes)
    with Image.open(path) as picture:
        picture = picture.convert("L" if mode == "I;16" else "RGB")
        picture.convert(mode).save(path)
    return path


def turned(folder, draw):
    """The tag that says that a picture lies on its side."""
    path = picture_of(folder, draw)
    with Image.open(path) as picture:
        about = picture.getexif()
        about[0x0112] = draw.choice([1, 3, 6, 8, 9, 77])
        picture.save(path, exif=about)
    return path


def claims(folder, draw):
    """A small file that says that it is a huge picture."""
    path = picture_of(folder, draw)
    side = draw.choice([20_000, 60_000, 2_000_000_000])
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")]
    content = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
    path.write_bytes(content)
    return path


PICTURE = [other_size, other_mode, turned, claims]


# Annotations.


def places(value, found):
    """Every (container, key) in JSON."""
    if isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            found.append((value, key))
            places(value[key], found)
    return found


def _in_json(change):
    def damage(folder, draw):
        files = files_of(folder, ".json")
        if not files:
            return None
        path = draw.choice(files)
        content = json.loads(path.read_text())
        container, key = draw.choice(places(content, []))
        change(container, key, draw)
        path.write_text(json.dumps(content))
        return path

    return damage


def _other(container, key, draw):
    container[key] = draw.choice(VALUES)


def _without(container, key, draw):
    del container[key]


def _moved(container, key, draw):
    keys = list(container) if isinstance(container, dict) else range(len(container))
    other = draw.choice(keys)
    container[key], container[other] = container[other], container[key]


def _deep(container, key, draw):
    value = container[key]
    for _ in range(draw.choice([1, 50, 900])):
        value = [value]
    container[key] = value


def _many(container, key, draw):
    container[key] = [container[key]] * draw.choice([2, 50, 3000])


def _scaled(container, key, draw):
    """All numbers below a place times a factor."""
    factor = draw.choice([-1, 0.01, 0.5, 1.5, 100, 1e30])
    for holder, name in [(container, key), *places(container[key], [])]:
        if isinstance(holder[name], int | float) and not isinstance(holder[name], bool):
            holder[name] = holder[name] * factor


ANNOTATIONS = [
    _named(f"value {name}", _in_json(change))
    for name, change in (
        ("other", _other), ("missing", _without), ("moved", _moved), ("deep", _deep),
        ("many", _many), ("scaled", _scaled),
    )
]  # fmt: skip


def words(folder, draw):
    """Words of a text file that is no JSON."""
    files = files_of(folder, ".txt", ".yaml")
    if not files:
        return None
    path = draw.choice(files)
    lines = [line.split(" ") for line in path.read_text().split("\n")]
    line = draw.choice(lines)
    at = draw.randrange(len(line))
    kind = draw.randrange(4)
    if kind == 0:
        line[at] = draw.choice(
            ["", "x", "nan", "inf", "-1", "99", "1e400", "0x1", "٣", "9" * 5000, "\t"]
        )
    elif kind == 1:
        del line[at]
    elif kind == 2:
        line.insert(at, line[at])
    else:
        lines.insert(draw.randrange(len(lines)), list(line))
    path.write_text("\n".join(" ".join(line) for line in lines))
    return path


def coded(folder, draw):
    """The same text in another code, or with other ends of lines."""
    path = text_of(folder, draw)
    if path is None:
        return None
    text = path.read_text()
    content = draw.choice(
        [text.encode("utf-8-sig"), text.replace("\n", "\r\n").encode(), text.encode("utf-16"),
         text.encode("utf-32"), text.encode() + b"\xff\xfe", (text + "\n\n").encode()]
    )  # fmt: skip
    path.write_bytes(content)
    return path


DAMAGE = [*FILES, *BYTES, *PICTURE, *ANNOTATIONS, words, coded]
