"""The classes of several splits as one list, and those that were hardly meant to be two."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

from mrcnn.data.class_names import nearly_equal
from mrcnn.data.findings import printable
from mrcnn.data.recognition.listing import shortened
from mrcnn.data.splits import TRAIN

MOST_NAMED = 12
# Of more classes the table has the most frequent ones.
MOST_ROWS = 40


def one_line(name: str) -> str:
    """Return a name without white space around it, and with single spaces in it."""
    return " ".join(str(name).split())


def one_list(names: Iterable[Sequence[str]], in_order: bool) -> list[str]:
    """Return the names of all lists once: sorted, or in the order of their first appearance."""
    found = list(dict.fromkeys(one_line(name) for each in names for name in each))
    return found if in_order else sorted(found)


def class_notes(names: Sequence[str], counts: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Return what is worth saying about classes, a line each.

    Args:
        names: All classes.
        counts: For each split the number of objects of each class.
    """
    notes = []
    for first, second in combinations(names, 2):
        if nearly_equal(first, second):
            numbers = [sum(c.get(name, 0) for c in counts.values()) for name in (first, second)]
            notes.append(
                f"are these one class? {_quoted(first)} ({numbers[0]} objects) and "
                f"{_quoted(second)} ({numbers[1]})"
            )
    alone: dict[tuple[str, ...], list[str]] = {}
    for name in names:
        having = tuple(split for split, found in counts.items() if found.get(name))
        if len(counts) > 1 and having and (len(having) == 1 or TRAIN not in having):
            alone.setdefault(having, []).append(_quoted(name))
    for having, found in alone.items():
        why = "evaluated" if TRAIN in having else "learned"
        what = "this class is" if len(found) == 1 else f"these {len(found)} classes are"
        pronoun = "it" if len(found) == 1 else "they"
        listed = shortened(found, MOST_NAMED)
        notes.append(
            f"{what} in {' and '.join(having)} alone, so {pronoun} cannot be {why}: {listed}"
        )
    return notes


def count_table(
    names: Sequence[str], counts: Mapping[str, Mapping[str, int]], images: Mapping[str, int]
) -> str:
    """Lay out the numbers of objects of each class in each split as text, with those of images."""
    total = {name: sum(found.get(name, 0) for found in counts.values()) for name in names}
    shown = set(sorted(names, key=lambda name: -total[name])[:MOST_ROWS])
    left_out = len(names) - len(shown)
    names = [name for name in names if name in shown]
    titles = [printable(name, 40) for name in names]
    rest = [f"{left_out} rarer classes"] if left_out else []
    width = max(map(len, [*titles, *rest, "all objects"]))
    columns = {split: max(len(split), 8) for split in counts}
    lines = [f"{'class':{width}}" + "".join(f"  {s:>{n}}" for s, n in columns.items())]
    for title, name in zip(titles, names, strict=True):
        cells = (f"  {counts[s].get(name, 0):>{n},}" for s, n in columns.items())
        lines.append(f"{title:{width}}" + "".join(cells))
    sums = (f"  {sum(counts[s].values()):>{n},}" for s, n in columns.items())
    pictures = (f"  {images[s]:>{n},}" for s, n in columns.items())
    lines += rest
    lines += [f"{'all objects':{width}}" + "".join(sums), f"{'images':{width}}" + "".join(pictures)]
    return "\n".join(lines)


def _quoted(name: str) -> str:
    return repr(printable(name))
