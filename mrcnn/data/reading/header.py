"""Opening image files: what their headers say, their EXIF orientation, and how large they may be.

Pillow refuses images of more than 179 million pixels, because a small file can claim any size and
fill the memory. The limit here is the same, and can be raised for files that one trusts.
"""

import threading
from pathlib import Path

from PIL import ExifTags, Image, TiffImagePlugin, UnidentifiedImageError

from mrcnn.errors import InputError
from mrcnn.files.reading import refuse_special

Size = tuple[int, int]

MAX_PIXELS = 178_956_970
# What Pillow raises for files that are no images or are cut off.
_UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)
# What turns the stored pixels upright, by the EXIF orientation; from 5 on they lie on their side.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SIDEWAYS = 5
# Where the orientation of a TIFF is kept that Pillow must not turn.
_LIES = "stored orientation"

_opening = threading.Lock()
_limit = MAX_PIXELS


def allow_pixels(count: int) -> None:
    """Take images of up to so many pixels from now on, in this process and in its loaders."""
    global _limit
    _limit = count


def allowed_pixels() -> int:
    """Return how many pixels an image may have."""
    return _limit


def open_picture(path: str | Path, stored_as: str = "") -> tuple[Image.Image, str]:
    """Open and decode an image file.

    Args:
        path: The file.
        stored_as: Take its pixels as if they were stored in this layout.

    Returns:
        The picture, not turned, and the layout of its pixels in the file: see `layout`.

    Raises:
        InputError: The file is missing, is no image, is cut off, or is too large.
    """
    with _open(path) as picture:
        found = layout(picture)
        if stored_as:
            picture.tile = [  # type: ignore[attr-defined]
                tile._replace(args=_with_layout(tile.args, stored_as))
                for tile in picture.tile  # type: ignore[attr-defined]
            ]
        try:
            picture.load()
        except _UNREADABLE as error:
            raise InputError(f"image {path} does not open: {_reason(error)}") from None
    return picture, found


def read_size(path: str | Path) -> Size:
    """Return height and width of an image file, turned upright, from its header alone.

    Raises:
        InputError: The file is missing, is no image, or is too large.
    """
    return read_sizes(path)[0]


def read_sizes(path: str | Path, wanted: Size | None = None) -> tuple[Size, Size]:
    """Return the sizes (H, W) of an image file turned upright, and as its pixels are stored; `load`
    takes either one.

    Args:
        path: The file.
        wanted: Where the pixels of a PNG are stored in this size, that is returned twice, unless
            its header has EXIF. It spares looking for that behind the pixels, for which Pillow
            decodes them.

    Raises:
        InputError: The file is missing, is no image, or is too large.
    """
    with _open(path) as picture:
        stored = size_of(picture)
        if picture.format == "PNG" and stored == wanted and "exif" not in picture.info:
            return stored, stored
        height, width = stored
        return ((width, height) if orientation(picture) >= SIDEWAYS else stored), stored


def read_mode(path: str | Path) -> tuple[str, str]:
    """Return Pillow's mode of an image file, and the layout of its pixels in the file.

    Raises:
        InputError: The file is missing, is no image, or is too large.
    """
    with _open(path) as picture:
        return picture.mode, layout(picture)


def size_of(picture: Image.Image) -> Size:
    """Return height and width as the pixels are stored."""
    return picture.height, picture.width


def layout(picture: Image.Image) -> str:
    """Return how pixels are stored in the file of a picture, as Pillow names it ("RGB;16B"); call
    it before they are decoded.
    """
    tiles = getattr(picture, "tile", None) or [("", (), 0, "")]
    arguments = tiles[0][3]
    found = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return found if isinstance(found, str) else ""


def orientation(picture: Image.Image) -> int:
    """Return the EXIF orientation, 1 to 8; 1 where it is missing or nothing that EXIF knows."""
    try:
        found = picture.info.get(_LIES) or picture.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # broken EXIF, which Pillow reads in many ways
        return 1
    return found if type(found) is int and 1 <= found <= 8 else 1


def turned(picture: Image.Image, orientation: int) -> Image.Image:
    """Return a picture turned upright, from how it lies by its EXIF orientation."""
    turn = _TURNS.get(orientation)
    return picture if turn is None else picture.transpose(turn)


def _open(path: str | Path) -> Image.Image:
    """Open an image file; its header alone is read."""
    refuse_special(path)
    # The limit is a global of Pillow.
    with _opening:
        before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            picture = Image.open(path)
        except FileNotFoundError:
            raise InputError(f"no image file {path}") from None
        except _UNREADABLE as error:
            raise InputError(f"image {path} does not open: {_reason(error)}") from None
        finally:
            Image.MAX_IMAGE_PIXELS = before
    if picture.width * picture.height > _limit:
        picture.close()
        raise InputError(
            f"image {path} has {picture.width}x{picture.height} = "
            f"{picture.width * picture.height:,} pixels, more than IMAGE_MAX_PIXELS {_limit:,}; "
            "for files that you trust: --set IMAGE_MAX_PIXELS=N (mrcnn convert: --max-pixels N)"
        )
    if isinstance(picture, TiffImagePlugin.TiffImageFile):
        _keep_as_stored(picture)
    return picture


def _keep_as_stored(picture: TiffImagePlugin.TiffImageFile) -> None:
    """Keep Pillow from turning a TIFF: it gives the turned size before the pixels are decoded, then
    turns them or, those of one band without compression, does not, and forgets the orientation.
    """
    lies = orientation(picture)
    if lies >= SIDEWAYS:
        picture._size = picture.size[::-1]
    for tags in (picture.tag_v2, picture.getexif()):
        if ExifTags.Base.Orientation in tags:
            del tags[ExifTags.Base.Orientation]
    picture.info[_LIES] = lies


def _with_layout(arguments: object, layout: str) -> object:
    """Return the arguments of a decoder of Pillow with another layout of the pixels."""
    return (layout, *arguments[1:]) if isinstance(arguments, tuple) else layout


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "not an image format that is known"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
