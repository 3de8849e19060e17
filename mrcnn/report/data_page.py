"""The report on a dataset as one HTML page that needs no other file.

Names of files, classes and datasets are whatever their authors wrote: all text is escaped, and the
page forbids the browser scripts and addresses of its own accord.
"""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

from mrcnn.constants import NEGATIVE_ANCHOR_IOU as NEGATIVE
from mrcnn.constants import POSITIVE_ANCHOR_IOU as POSITIVE
from mrcnn.data.checks.statistics import AnchorFit, ObjectNumbers, shares, statistics
from mrcnn.data.findings import KINDS, Finding, counts, grouped, printable
from mrcnn.drawing.data_pictures import data_uri, number_plots

# Cases that the table names, and those that are shown with a picture.
NAMED, PICTURED = 3, 8

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 72em; padding: 0 1em;
       color: #1d1d1f; }
h1 { font-size: 1.5em; } h2 { font-size: 1.2em; margin-top: 2em; } h3 { font-size: 1em; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .3em .7em; border-bottom: 1px solid #ddd;
         overflow-wrap: anywhere; }
.report :is(td, th):nth-child(-n+2) { white-space: nowrap; }
td.number, th.number { text-align: right; white-space: nowrap; }
.error { color: #b00020; } .warning { color: #8a5a00; } .note { color: #4a5568; }
.cases { display: flex; flex-wrap: wrap; gap: 1em; }
figure { margin: 0; width: 240px; font-size: 12px; overflow-wrap: anywhere; }
figure img { max-width: 100%; border: 1px solid #ccc; }
.bars { columns: 3 18em; font-size: 12px; }
.bars div { display: flex; gap: .5em; break-inside: avoid; }
.bars span { flex: 0 0 9em; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.bars i { background: #3465a4; height: .8em; margin-top: .25em; }
img.plots { max-width: 100%; }
"""


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
    counted = counts(findings)
    verdict = ", ".join(f"{count:,} {_plural(name, count)}" for name, count in counted.items())
    body = [f"<h1>{_text(title)}</h1>", f"<p>{verdict}</p>"]
    subsets = list(subsets)
    body += [f"<p>{_text(s.name)}: {_text(s.looked_at)}</p>" for s in subsets]
    body += [_table(findings)]
    body += [_section(group, findings, pictures) for group in grouped(findings)]
    for subset in subsets:
        body += _numbers(subset, settings)
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        f"<title>{_text(title)}</title>\n<style>{STYLE}</style></head>\n<body>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def pictured(findings: Sequence[Finding]) -> list[int]:
    """Return the positions of the findings that get a picture: the first of each kind."""
    positions = {id(finding): position for position, finding in enumerate(findings)}
    return [
        positions[id(finding)]
        for _, _, members in grouped(findings)
        for finding in [f for f in members if f.file_name is not None][:PICTURED]
    ]


def _table(findings: Sequence[Finding]) -> str:
    rows = []
    for severity, code, members in grouped(findings):
        cases = "<br>".join(_text(str(finding), 200) for finding in members[:NAMED])
        more = len(members) - NAMED
        rows.append(
            f'<tr><td><a href="#{severity}-{code}">{code}</a></td>'
            f'<td class="{severity}">{severity}</td><td class="number">{len(members):,}</td>'
            f"<td>{_text(KINDS[code].meaning)}</td>"
            f"<td>{cases}{f'<br>and {more:,} more' if more > 0 else ''}</td></tr>"
        )
    if not rows:
        return "<p>Nothing was found.</p>"
    head = "<tr><th>kind</th><th>severity</th><th class='number'>count</th><th>meaning</th>"
    return f"<table class='report'>{head}<th>first cases</th></tr>{''.join(rows)}</table>"


def _section(group: tuple, findings: Sequence[Finding], pictures: Mapping[int, bytes]) -> str:
    severity, code, members = group
    positions = {id(finding): position for position, finding in enumerate(findings)}
    shown = [(f, pictures[positions[id(f)]]) for f in members if positions[id(f)] in pictures]
    figures = [
        f'<figure><img src="{data_uri(picture)}" alt="">'
        f"<figcaption>{_text(str(finding), 300)}</figcaption></figure>"
        for finding, picture in shown
    ]
    listed = "" if figures else "<br>".join(_text(str(f), 300) for f in members[:PICTURED])
    return (
        f'<h2 id="{severity}-{code}" class="{severity}">{code}: {len(members):,}</h2>'
        f"<p>{_text(KINDS[code].meaning)}</p>"
        f'<div class="cases">{"".join(figures)}</div><p>{listed}</p>'
    )


def _numbers(subset: Subset, settings: str) -> list[str]:
    found = statistics(subset.numbers, subset.class_names)
    per_class = found.pop("objects per class")
    rows = [
        f"<tr><td>{_text(name)}</td><td>{_text(_words(value), 300)}</td></tr>"
        for name, value in found.items()
    ]
    most = max([count for _, count in per_class], default=0) or 1
    bars = [
        f'<div><span title="{_text(name)}">{_text(name)}</span>'
        f'<i style="width:{120 * count / most:.1f}px"></i>{count:,}</div>'
        for name, count in sorted(per_class, key=lambda pair: -pair[1])
    ]
    return [
        f"<h2>Objects of {_text(subset.name)}</h2>",
        f"<table>{''.join(rows)}</table>",
        f"<h3>Objects per class</h3><div class='bars'>{''.join(bars)}</div>",
        f"<h3>Objects and anchors</h3><p>{_text(settings, 300)}; crowds are not counted.</p>",
        f'<img class="plots" alt="" src="{data_uri(number_plots(subset.numbers, subset.fit))}">',
        _anchor_table(subset.fit),
    ]


def _anchor_table(fit: AnchorFit) -> str:
    rows = []
    for name, anchors, ious in zip(("in use", "proposed"), fit.anchors, fit.ious, strict=True):
        scales = ", ".join(f"{scale:g}" for scale in anchors.scales)
        ratios = ", ".join(f"{ratio:g}" for ratio in anchors.ratios)
        found = shares(ious)
        cells = "".join(
            f"<td class='number'>{value:.2f}</td>"
            if key == "mean"
            else f"<td class='number'>{value:.1%}</td>"
            for key, value in found.items()
        )
        rows.append(f"<tr><td>{name}</td><td>[{scales}]</td><td>[{ratios}]</td>{cells}</tr>")
    head = "".join(f"<th class='number'>{key}</th>" for key in shares(fit.ious[0]))
    advice = (
        "The proposed anchors fit better: set them in the configuration of a new training. Weights "
        "trained with other anchors must learn the RPN anew."
        if fit.better
        else "The proposed anchors are hardly better than those in use: keep these."
    )
    return (
        "<table><tr><th>anchors</th><th>RPN_ANCHOR_SCALES</th><th>RPN_ANCHOR_RATIOS</th>"
        f"{head}</tr>{''.join(rows)}</table><p>{advice} The numbers are of the best IoU that any "
        "anchor, in its place on the grid, has with an object. An anchor learns to be an object "
        f"from an IoU of {POSITIVE:g} on, or where none has a higher one, and to be background "
        f"below {NEGATIVE:g}. The proposal starts at k-means centers of the logarithms of sizes "
        "and aspects and at the anchors in use, and changes one number at a time as long as the "
        "mean rises; a scale or ratio more is not tried.</p>"
    )


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}: {number:g}" for name, number in value.items())
    return f"{value:,}"


def _plural(name: str, count: int) -> str:
    return name if count == 1 else f"{name}s"


def _text(value: Any, length: int = 120) -> str:
    return escape(printable(value, length))
