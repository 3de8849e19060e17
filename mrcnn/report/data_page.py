"""The report on a dataset as one HTML page that needs no other file.

Names of files, classes and datasets are whatever their authors wrote: all text is escaped, and the
page forbids the browser scripts and addresses of its own accord.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from mrcnn.constants import NEGATIVE_ANCHOR_IOU as NEGATIVE
from mrcnn.constants import POSITIVE_ANCHOR_IOU as POSITIVE
from mrcnn.data.checks.statistics import AnchorFit, ObjectNumbers, shares, statistics
from mrcnn.data.findings import KINDS, Finding, counts, grouped
from mrcnn.report.data_pictures import data_uri, number_plots
from mrcnn.report.pages import render

# Cases that the table names, and those that are shown with a picture.
NAMED, PICTURED = 3, 8
# Pixels of the longest bar.
BAR = 120


class Subset(NamedTuple):
    """What the page says of a subset: its name, what was looked at, its objects and classes, and
    how anchors fit them.
    """

    name: str
    looked_at: str
    numbers: ObjectNumbers
    class_names: Sequence[str]
    fit: AnchorFit


def data_page(
    title: str,
    findings: Sequence[Finding],
    pictures: Mapping[int, bytes],
    subsets: Iterable[Subset],
    settings: str,
) -> str:
    """Return the page.

    Args:
        title: What was checked.
        findings: What was found.
        pictures: Thumbnails by the position of their finding, for those of `pictured`.
        subsets: What was looked at.
        settings: How images are resized, in words.
    """
    positions = _positions(findings)
    by_finding = {key: pictures[place] for key, place in positions.items() if place in pictures}
    return render(
        "data_page.html",
        title=title,
        counts=counts(findings),
        kinds=[_kind(*group, by_finding) for group in grouped(findings)],
        subsets=[_subset(subset) for subset in subsets],
        settings=settings,
        positive=f"{POSITIVE:g}",
        negative=f"{NEGATIVE:g}",
    )


def pictured(findings: Sequence[Finding]) -> list[int]:
    """Return the positions of the findings that get a picture: the first of each kind."""
    positions = _positions(findings)
    return [
        positions[id(finding)]
        for _, _, members in grouped(findings)
        for finding in [f for f in members if f.file_name is not None][:PICTURED]
    ]


def _positions(findings: Sequence[Finding]) -> dict[int, int]:
    return {id(finding): position for position, finding in enumerate(findings)}


def _kind(
    severity: str, code: str, members: Sequence[Finding], pictures: Mapping[int, bytes]
) -> dict[str, Any]:
    """What the page says of all findings of a kind."""
    return {
        "severity": severity,
        "code": code,
        "anchor": f"{severity}-{code}",
        "count": len(members),
        "meaning": KINDS[code].meaning,
        "first": [str(finding) for finding in members[:NAMED]],
        "more": len(members) - NAMED,
        "figures": [(str(f), data_uri(pictures[id(f)])) for f in members if id(f) in pictures],
        "listed": [str(finding) for finding in members[:PICTURED]],
    }


def _subset(subset: Subset) -> dict[str, Any]:
    """What the page says of a subset."""
    facts = statistics(subset.numbers, subset.class_names)
    per_class = sorted(facts.pop("objects per class"), key=lambda pair: -pair[1])
    most = max([count for _, count in per_class], default=0) or 1
    fit = subset.fit
    rows = zip(("in use", "proposed"), fit.anchors, fit.ious, strict=True)
    return {
        "name": subset.name,
        "looked_at": subset.looked_at,
        "facts": {name: _words(value) for name, value in facts.items()},
        "bars": [(name, count, f"{BAR * count / most:.1f}") for name, count in per_class],
        "plots": data_uri(number_plots(subset.numbers, fit)),
        "share_names": list(shares(fit.ious[0])),
        "anchors": [
            {
                "name": name,
                "scales": ", ".join(f"{scale:g}" for scale in anchors.scales),
                "ratios": ", ".join(f"{ratio:g}" for ratio in anchors.ratios),
                "shares": [
                    f"{value:.2f}" if key == "mean" else f"{value:.1%}"
                    for key, value in shares(ious).items()
                ],
            }
            for name, anchors, ious in rows
        ],
        "better": fit.better,
    }


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}: {number:g}" for name, number in value.items())
    return f"{value:,}"
