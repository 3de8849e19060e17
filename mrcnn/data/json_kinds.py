"""What a JSON file of annotations is, judged by a few of its keys."""

import json
import os
import re
from pathlib import Path
from typing import Any, NamedTuple

from mrcnn.data.annotation_files import kind, read_json
from mrcnn.errors import InputError

COCO, VIA, LABELME, CITYSCAPES = "coco", "via", "labelme", "cityscapes"
# Bytes. A file of up to so many is read whole, in some 0.02 s; of a larger one, the two ends.
READ_WHOLE = 2**20
READ_AT_ENDS = 256 * 2**10
_KEY = re.compile(rb'"(\w{1,40})"\s*:')
# Keys that stand near the beginning or the end of a large file, whatever the order of its parts.
_AT_ENDS = (
    (VIA, {"_via_img_metadata"}),
    (VIA, {"filename", "regions"}),
    (LABELME, {"shapes", "imagePath"}),
    (LABELME, {"shapes", "imageHeight"}),
    (COCO, {"file_name", "height"}),
    (COCO, {"image_id", "category_id"}),
)


class JsonKind(NamedTuple):
    """What a JSON file is.

    Attributes:
        format: The name of a format, or "" where it is of none that can be read.
        words: What it is, in words.
    """

    format: str
    words: str


def json_kind(path: str | Path) -> JsonKind:
    """Return what a file is; one that does not open or is no JSON is of no format."""
    try:
        if os.path.getsize(path) > READ_WHOLE:
            return _by_ends(path)
        return _by_content(read_json(path))
    except (InputError, OSError):
        return JsonKind("", "not JSON")


def first_value(path: str | Path, key: str) -> str | None:
    """Return the first text that a JSON file has under `key`, looking at its beginning alone."""
    try:
        with open(path, "rb") as file:
            head = file.read(READ_AT_ENDS)
        found = re.search(rb'"%s"\s*:\s*("(?:[^"\\]|\\.)+")' % key.encode(), head)
        return json.loads(found[1]) if found else None
    except (OSError, ValueError):
        return None


def _by_content(content: Any) -> JsonKind:
    if isinstance(content, list):
        first = content[0] if content else None
        if isinstance(first, dict) and {"annotations", "data"} <= first.keys():
            return JsonKind("", "an export of Label Studio (export it as COCO instead)")
        return JsonKind("", "a list")
    if not isinstance(content, dict):
        return JsonKind("", kind(content))
    if isinstance(content.get("images"), list) and isinstance(content.get("annotations"), list):
        return _coco(content)
    if "_via_img_metadata" in content:
        return JsonKind(VIA, "a project of VIA 2")
    if "shapes" in content and "imagePath" in content:
        return JsonKind(LABELME, "of labelme")
    if isinstance(content.get("objects"), list) and "imgHeight" in content:
        return JsonKind(CITYSCAPES, "polygons of Cityscapes")
    first = next(iter(content.values()), None)
    if isinstance(first, dict) and {"filename", "regions"} <= first.keys():
        return JsonKind(VIA, "of VIA")
    if {"project", "view", "metadata"} <= content.keys():
        return JsonKind("", "a project of VIA 3 (draw with VIA 2, or export it as COCO)")
    keys = ", ".join(key if len(key) <= 20 else f"{key[:17]}..." for key in list(content)[:4])
    return JsonKind("", f"an object with the keys {keys}" if keys else "an empty object")


def _coco(content: dict[str, Any]) -> JsonKind:
    first = content["annotations"][0] if content["annotations"] else None
    if isinstance(first, dict) and "segments_info" in first:
        return JsonKind("", "a panoptic file of COCO (give its instances)")
    if "categories" not in content:
        return JsonKind("", "a file of COCO without categories")
    return JsonKind(COCO, "of COCO")


def _by_ends(path: str | Path) -> JsonKind:
    with open(path, "rb") as file:
        head = file.read(READ_AT_ENDS)
        file.seek(-READ_AT_ENDS, os.SEEK_END)
        tail = file.read()
    if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] != b"{":
        return JsonKind("", "a list")
    keys = {key.decode() for key in _KEY.findall(head) + _KEY.findall(tail)}
    if "segments_info" in keys:
        return JsonKind("", "a panoptic file of COCO (give its instances)")
    for name, wanted in _AT_ENDS:
        if wanted <= keys:
            return JsonKind(name, f"of {name}")
    return JsonKind("", f"an object with the keys {', '.join(sorted(keys)[:4]) or 'none'}")
