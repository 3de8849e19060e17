"""Zip archives from the web, unpacked without trust: only what is expected, and each file whole."""

import re
import stat
import zipfile
import zlib
from pathlib import Path

from tqdm import tqdm

from mrcnn.errors import InputError
from mrcnn.files.writing import replaced

_BLOCK = 1 << 20
# What a member that is cut off, damaged, encrypted or not what the directory says raises.
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError)


def list_members(
    archive: str | Path, allowed: re.Pattern[str], max_bytes: int
) -> list[zipfile.ZipInfo]:
    """Return the files of an archive, if it holds nothing else than what is expected.

    Args:
        archive: The zip file.
        allowed: What the whole name of every member must be like, folders included.
        max_bytes: The most that all of them may have unpacked.

    Raises:
        InputError: It is no zip file, or it has a name that is not allowed or there twice, a link,
            an encrypted file, or more bytes than it may have.
    """
    try:
        with zipfile.ZipFile(archive) as file:
            members = file.infolist()
    except OSError as error:
        raise InputError(f"cannot read {archive}: {error.strerror or error}") from None
    except (*_BROKEN, ValueError) as error:
        raise InputError(f"{archive} is no whole zip file: {error}") from None
    files: dict[str, zipfile.ZipInfo] = {}
    for member in members:
        kind = stat.S_IFMT(member.external_attr >> 16)
        if not allowed.fullmatch(member.filename) or ".." in member.filename.split("/"):
            fault = "is not what should be in it"
        elif kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            fault = "is a link or a device"
        elif member.flag_bits & 1:
            fault = "is encrypted"
        elif member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            fault = "is packed in an unusual way"
        elif _base(member) in files:
            fault = "is there twice"
        else:
            if not member.is_dir():
                files[_base(member)] = member
            continue
        raise InputError(f"{archive} is not unpacked: its member {member.filename!r:.100} {fault}")
    total = sum(member.file_size for member in files.values())
    if total > max_bytes:
        raise InputError(
            f"{archive} is not unpacked: it would take {total} bytes, at most {max_bytes} expected"
        )
    return list(files.values())


def unpack(
    archive: str | Path, members: list[zipfile.ZipInfo], folder: str | Path, verbose: bool = True
) -> None:
    """Write files of an archive into a folder, without the folders that they are in.

    Each appears whole or not at all. One that is there with the same size and CRC is kept, so that
    a later call goes on where another was interrupted.

    Args:
        archive: The zip file.
        members: The files, from `list_members`.
        folder: Made if it is not there.
        verbose: Show a progress bar.

    Raises:
        InputError: A member is cut off or damaged, or a file cannot be written.
    """
    folder = Path(folder)
    total = sum(member.file_size for member in members)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (
            zipfile.ZipFile(archive) as file,
            tqdm(
                desc=folder.stem, total=total, unit="B", unit_scale=True, disable=not verbose
            ) as bar,
        ):
            for member in members:
                path = folder / _base(member)
                if not _is_whole(path, member):
                    _write(file, member, path)
                bar.update(member.file_size)
    except _BROKEN as error:
        raise InputError(f"{archive} is damaged: {error or 'it is cut off'}") from None
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {error.strerror or error}") from None


def _base(member: zipfile.ZipInfo) -> str:
    return member.filename.rstrip("/").rpartition("/")[2]


def _write(file: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> None:
    with file.open(member) as source, replaced(path, member.file_size) as target:
        # Reading stops at the size that was checked, and ends with the CRC.
        while block := source.read(_BLOCK):
            target.write(block)
        if target.tell() != member.file_size:
            raise zipfile.BadZipFile(f"{member.filename!r} is cut off")


def _is_whole(path: Path, member: zipfile.ZipInfo) -> bool:
    if not path.is_file() or path.stat().st_size != member.file_size:
        return False
    crc = 0
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            crc = zlib.crc32(block, crc)
    return crc == member.CRC
