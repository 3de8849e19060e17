"""Paths as release 0.1.0 worked them out."""

from pathlib import Path

from mrcnn.data.image_files import find_images


def image_path(folder: str | Path, name: str) -> str:
    """Return where an image is that an annotation file names, relative to `folder`; as
    `find_images` for one name.
    """
    return find_images(folder, [name])[0]
