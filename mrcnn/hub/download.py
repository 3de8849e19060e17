"""Files from the web: resumed where they broke off, checked, and there whole or not at all."""

import hashlib
import http.client
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tqdm import tqdm

from mrcnn.errors import InputError
from mrcnn.files.writing import PART, settle

_BLOCK = 1 << 16
# Answers after which another try may help: timeouts, too many requests, faults of the server.
_PASSING = {408, 425, 429, 500, 502, 503, 504}


class _Broken(Exception):
    """The connection broke, or the server is busy: try again."""


def download(
    url: str,
    path: str | Path,
    sha256: str | None = None,
    size: int | None = None,
    md5: str | None = None,
    retries: int = 4,
    timeout: float = 30.0,
    backoff: float = 1.0,
    verbose: bool = True,
) -> Path:
    """Download a file, unless it is there already.

    What arrives lies in `path`.part until it is whole and checked. A download that broke off is
    resumed, also by a later call, where the server can and still has the same file.

    Args:
        url: Web address, http or https.
        path: Where to put the file. A file that is there is kept if it has the given checksum and
            size, and any file is if none is given.
        sha256: Checksum, in hexadecimal; or its first digits, 8 at least.
        size: In bytes.
        md5: Checksum, for old files that have no better one.
        retries: Further tries in a row that bring nothing new; a large file may break off often.
        timeout: Seconds without an answer that count as a broken connection.
        backoff: Seconds before the second try; they double with every further one.
        verbose: Show a progress bar.

    Returns:
        `path`.

    Raises:
        InputError: The file cannot be had, is not the one that was expected, or cannot be written.
    """
    path = Path(path)
    address = urllib.parse.urlsplit(url)
    if address.scheme not in ("http", "https") or not address.netloc:
        raise InputError(f"a download needs an address http://... or https://..., got {url!r}")
    if path.is_file() and not fault_of(path, sha256, size, md5):
        return path
    part = path.with_name(path.name + PART)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        attempt, most, reason = 0, _size(part), ""
        while attempt <= retries:
            if attempt:
                wait = backoff * 2 ** (attempt - 1)
                if verbose:
                    print(f"{url}: {reason}; trying again in {wait:g} s", file=sys.stderr)
                time.sleep(wait)
            attempt += 1
            try:
                resumed = _fetch(url, part, size, timeout, verbose)
            except _Broken as error:
                reason = str(error)
                # More than before: a server that sends the same bytes again and again is given up.
                if (arrived := _size(part)) > most:
                    attempt, most = 1, arrived
                continue
            reason = fault_of(part, sha256, size, md5)
            if not reason:
                settle(part, path)
                _tag_file(part).unlink(missing_ok=True)
                return path
            _discard(part)
            if not resumed:
                break
        raise InputError(f"{url} could not be downloaded: {reason}")
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}") from None


def is_whole(
    path: str | Path,
    sha256: str | None = None,
    size: int | None = None,
    md5: str | None = None,
) -> bool:
    """Whether a file is there and has what is expected of it, as for `download`."""
    path = Path(path)
    return path.is_file() and not fault_of(path, sha256, size, md5)


def checksum(path: str | Path, algorithm: str = "sha256") -> str:
    """Checksum of a file in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def fault_of(
    path: Path, sha256: str | None = None, size: int | None = None, md5: str | None = None
) -> str:
    """What a file has otherwise than is expected, in words; empty if nothing."""
    if size is not None and path.stat().st_size != size:
        return f"it has {path.stat().st_size} bytes, expected {size}"
    for algorithm, value in (("sha256", sha256), ("md5", md5)):
        # Publishers may give the first digits alone, as in the names of torchvision's files.
        least = max(8, len(value or ""))
        if value is not None and (found := checksum(path, algorithm))[:least] != value.lower():
            return f"its {algorithm} is {found}, expected {value}"
    return ""


def _fetch(url: str, part: Path, size: int | None, timeout: float, verbose: bool) -> bool:
    """Get what `part` lacks; True if it went on with what an earlier try had left."""
    tag = _tag_file(part).read_text() if _tag_file(part).is_file() else ""
    start = _size(part) if tag else 0
    # With If-Range a server sends the whole file when it has another one by now.
    headers = {"Range": f"bytes={start}-", "If-Range": tag} if start else {}
    with _open(url, headers, timeout, part) as response:
        if response.status != http.client.PARTIAL_CONTENT:
            start = 0
        elif not (response.headers["Content-Range"] or "").startswith(f"bytes {start}-"):
            _discard(part)
            raise _Broken(f"the server answered {response.headers['Content-Range']!r}")
        length = response.headers["Content-Length"]
        total = start + int(length) if length and length.isdigit() else None
        if size is not None and total not in (None, size):
            raise InputError(f"{url} could not be downloaded: it has {total} bytes, not {size}")
        # Weak tags do not mean the same bytes.
        tag = response.headers["ETag"] or response.headers["Last-Modified"] or ""
        _tag_file(part).write_text("" if tag.startswith("W/") else tag)
        done = start
        with (
            open(part, "ab" if start else "wb") as file,
            tqdm(
                desc=part.stem,
                total=total,
                initial=start,
                unit="B",
                unit_scale=True,
                disable=not verbose,
            ) as bar,
        ):
            for block in _blocks(response):
                file.write(block)
                done += len(block)
                bar.update(len(block))
                if size is not None and done > size:
                    break  # it may never end
        if total is not None and done < total:
            raise _Broken(f"it ended after {done} of {total} bytes")
        return start > 0


def _open(url: str, headers: dict[str, str], timeout: float, part: Path) -> Any:
    request = urllib.request.Request(url, headers={"User-Agent": "mask-rcnn-edge", **headers})
    try:
        return urllib.request.urlopen(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and headers:
            _discard(part)
            raise _Broken("the server has no more than what was there") from None
        if error.code in _PASSING:
            raise _Broken(f"the server answered {error.code} {error.reason}") from None
        raise InputError(
            f"{url} could not be downloaded: the server answered {error.code} {error.reason}"
        ) from None
    except (OSError, http.client.HTTPException) as error:
        raise _Broken(f"no connection: {getattr(error, 'reason', error)}") from None
    except ValueError as error:
        raise InputError(f"{url!r} is no web address: {error}") from None


def _blocks(response: Any) -> Iterator[bytes]:
    while True:
        try:
            # What there is: `read` would wait for a whole block, and lose it with the connection.
            block = response.read1(_BLOCK)
        except (OSError, http.client.HTTPException) as error:
            raise _Broken(f"the connection broke: {error}") from None
        if not block:
            return
        yield block


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _tag_file(part: Path) -> Path:
    return part.with_name(part.name + ".tag")


def _discard(part: Path) -> None:
    part.unlink(missing_ok=True)
    _tag_file(part).unlink(missing_ok=True)
