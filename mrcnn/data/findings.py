"""Findings: the kinds of faults that a dataset can have, and how they are counted and listed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from mrcnn.errors import one_line

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


class Kind(NamedTuple):
    """A kind of fault.

    An error makes training fail, or learn or report what is not true; a warning is something that
    training leaves out, or that was hardly meant; a note is worth knowing.
    """

    severity: Severity
    meaning: str


KINDS: dict[str, Kind] = {
    # The annotation file.
    "malformed-category": Kind("error", "a category that cannot be read"),
    "malformed-image": Kind("error", "an image entry that cannot be read"),
    "malformed-annotation": Kind("error", "an annotation that cannot be read"),
    "categories-differ": Kind("error", "the subsets have different categories"),
    "repeated-category-id": Kind("error", "two categories have one id: which one is meant?"),
    "repeated-image-id": Kind("error", "two images have one id: whose objects are these?"),
    "unknown-category": Kind("error", "the category of an object is not in the file"),
    "unknown-image": Kind("error", "the image of an object is not in the file"),
    "nothing-to-learn": Kind("error", "there is no object to learn from, or to be judged by"),
    "many-crowds": Kind("warning", "most objects are crowds, which training leaves out"),
    "no-masks": Kind("warning", "no object has a mask: boxes are learned, masks are not"),
    "coordinates-shares": Kind("error", "coordinates are shares of the image, not pixels"),
    "coordinates-scaled": Kind("warning", "no object is in the lower or right part of any image"),
    "box-corners": Kind("error", "boxes are corners, not [x, y, width, height]"),
    "repeated-annotation-id": Kind("warning", "two annotations have one id"),
    "repeated-object": Kind("warning", "the same object is annotated twice"),
    "repeated-category-name": Kind("warning", "two categories have one name"),
    "similar-classes": Kind("warning", "two classes have nearly the same name"),
    "category-ids": Kind("note", "category ids are not 1, 2, ...: class ids are"),
    "unused-category": Kind("note", "a class without an object cannot be learned"),
    "no-mask": Kind("note", "an object with a box but no mask: mask and edge losses ignore it"),
    "no-objects": Kind("note", "an image without objects: it teaches background alone"),
    # The image files.
    "file-missing": Kind("error", "an image file is not there"),
    "file-unreadable": Kind("error", "an image file does not open"),
    "file-truncated": Kind("error", "an image file opens, but does not decode to its end"),
    "file-damaged": Kind("error", "a JPEG decodes, but part of its data is damaged"),
    "size-differs": Kind("error", "image and annotation differ in size: the masks are elsewhere"),
    "turned-photo": Kind("warning", "a photo turned by EXIF, annotated in its stored size"),
    "pixel-not-finite": Kind("warning", "pixels that are NaN or infinite: NaN is black"),
    "pixel-cut-off": Kind("warning", "values outside of IMAGE_RANGE: black or white"),
    "pixel-ranges-differ": Kind("warning", "images of unlike ranges: IMAGE_RANGE gives them one"),
    "pixel-range": Kind("note", "a range of values that was assumed: IMAGE_RANGE gives it"),
    "in-both-subsets": Kind("error", "an image is in both subsets: its scores are too good"),
    "repeated-file": Kind("warning", "an image is in a subset twice"),
    "repeated-name": Kind("note", "different images in two subsets have one file name or id"),
    "objects-unreadable": Kind("error", "the objects of an image cannot be read"),
    # The objects.
    "polygon-odd": Kind("error", "a polygon has an odd number of coordinates"),
    "polygon-not-finite": Kind("error", "a coordinate is NaN or infinite"),
    "polygon-far": Kind("error", "a polygon reaches far outside any image"),
    "rle-size": Kind("error", "a run-length encoding has another size than its image"),
    "rle-broken": Kind("error", "a run-length encoding does not decode"),
    "outside-image": Kind("error", "an object lies outside its image"),
    "box-size": Kind("error", "a box has no positive width and height"),
    "polygon-few-points": Kind("warning", "a polygon has fewer than three points"),
    "polygon-no-area": Kind("warning", "a polygon has no area, and is left out"),
    "empty-mask": Kind("warning", "a mask is empty: the object keeps its box, or is left out"),
    "full-mask": Kind("warning", "a mask that covers its image: is the shape elsewhere?"),
    "left-out": Kind("warning", "the reader of this format leaves it out"),
    "polygon-crossing": Kind("warning", "an outline crosses itself: the overlap is a hole"),
    "beyond-image": Kind("warning", "an object reaches beyond its image: cut off at the border"),
    "box-unlike-mask": Kind("warning", "'bbox' is not where the mask is; the mask is used"),
    "small-object": Kind("note", "an object is so small that every anchor overlaps it badly"),
}


@dataclass(frozen=True)
class Finding:
    """One fault.

    Attributes:
        code: A key of `KINDS`.
        message: What was found, and what would be right.
        subset: Of the dataset.
        part: "categories", "images" or "annotations", the list of a COCO file that it is about.
        position: In that list.
        image: The image's id, where one is concerned.
        file_name: The image's file name.
        annotation: The annotation's id, where it has one; otherwise the number of the object on the
            image.
        severity: That of the kind, unless said otherwise.
    """

    code: str
    message: str
    subset: str = ""
    part: str | None = None
    position: int | None = None
    image: Any = None
    file_name: str | None = None
    annotation: Any = None
    severity: Severity = "note"

    def __str__(self) -> str:
        return ": ".join(word for word in (self.subset, self.where(), self.message) if word)

    def where(self) -> str:
        """Return image and annotation in words, in characters that print anywhere."""
        words = [] if self.file_name is None else [printable(self.file_name)]
        if self.file_name is None and self.image is not None:
            words = [f"image {printable(self.image)}"]
        if self.annotation is not None:
            words.append(f"annotation {printable(self.annotation)}")
        elif self.part is not None and not words:
            words.append(f"{self.part}[{self.position}]")
        return ", ".join(words)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            name: value
            for name, value in vars(self).items()
            if value is not None and name not in ("part", "position")
        } | ({} if self.part is None else {"entry": f"{self.part}[{self.position}]"})


def found(code: str, message: str, severity: Severity | None = None, **where: Any) -> Finding:
    """Return a finding with the severity of its kind, or another one."""
    return Finding(code, message, severity=severity or KINDS[code].severity, **where)


def printable(value: Any, length: int = 80) -> str:
    """Return text from a file in one line, without control characters, at most so long."""
    text = one_line(str(value))
    return text if len(text) <= length else f"{text[: length - 3]}..."


def errors(findings: Iterable[Finding]) -> list[Finding]:
    """Return those that training refuses."""
    return [finding for finding in findings if finding.severity == "error"]


def grouped(findings: Iterable[Finding]) -> list[tuple[Severity, str, list[Finding]]]:
    """Return the findings by severity and code, the worst and most frequent first."""
    groups: dict[tuple[Severity, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.severity, finding.code), []).append(finding)
    ordered = sorted(groups.items(), key=lambda g: (SEVERITIES.index(g[0][0]), -len(g[1]), g[0][1]))
    return [(severity, code, members) for (severity, code), members in ordered]


def counts(findings: Iterable[Finding]) -> dict[str, int]:
    """Return how many there are of each severity."""
    severities = [finding.severity for finding in findings]
    return {severity: severities.count(severity) for severity in SEVERITIES}


def table(findings: Sequence[Finding], cases: int = 3) -> str:
    """Lay findings out as text: a line a kind, and below it what it means and the first cases."""
    if not findings:
        return "no findings"
    groups = grouped(findings)
    width = max(len(code) for _, code, _ in groups)
    lines = [f"{'kind':{width}}  severity    count  meaning and first cases"]
    for severity, code, members in groups:
        lines.append(f"{code:{width}}  {severity:8}  {len(members):7,}  {KINDS[code].meaning}")
        indent = " " * (width + 21)
        for finding in members[:cases]:
            lines.append(f"{indent}{finding}")
        if len(members) > cases:
            lines.append(f"{indent}... and {len(members) - cases:,} more")
    return "\n".join(lines)


def summary(findings: Sequence[Finding], kinds: int = 4) -> str:
    """Return what is wrong in one sentence: counts by kind, and the first case of each."""
    groups = grouped(findings)
    parts = [
        f"{len(members)} x {code} ({'first: ' if len(members) > 1 else ''}{members[0]})"
        for _, code, members in groups[:kinds]
    ]
    if len(groups) > kinds:
        rest = sum(len(members) for _, _, members in groups[kinds:])
        parts.append(f"and {rest} of {len(groups) - kinds} other kinds")
    return "; ".join(parts)
