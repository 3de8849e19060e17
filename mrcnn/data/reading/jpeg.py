"""JPEG files whose data are damaged: decoders go on, and what follows in the picture is wrong."""

from pathlib import Path

import simplejpeg

# Pillow's names of what has the data of a JPEG first.
FORMATS = ("JPEG", "MPO")


def damage(path: str | Path) -> str:
    """Return what libjpeg says of damaged data in a JPEG file; "" where there is no such.

    Args:
        path: A file that Pillow opens.
    """
    content = Path(path).read_bytes()
    try:
        simplejpeg.decode_jpeg_header(content)
    except ValueError:
        return ""  # a kind of JPEG that this decoder does not know
    try:
        # All data are read for it, and colors not computed.
        simplejpeg.decode_jpeg(content, colorspace="GRAY", strict=True)
    except ValueError as error:
        return str(error).rpartition("(): ")[2]
    return ""
