"""PNG files of kinds that Pillow does not write."""

import struct
import zlib

import numpy as np
import pytest

GREY, RGB = 0, 2


def _chunk(name, content):
    checksum = struct.pack(">I", zlib.crc32(name + content))
    return struct.pack(">I", len(content)) + name + content + checksum


def _write(path, values, bits):
    """Write values (H, W) or (H, W, 3) with so many bits each."""
    rows = b""
    for row in values:
        text = "".join(f"{value:0{bits}b}" for value in np.ravel(row))
        text += "0" * (-len(text) % 8)
        rows += b"\0" + bytes(int(text[i : i + 8], 2) for i in range(0, len(text), 8))
    height, width = values.shape[:2]
    kind = RGB if values.ndim == 3 else GREY
    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*parts) for parts in chunks))


@pytest.fixture
def write_png():
    return _write
