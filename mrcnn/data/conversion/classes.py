"""The classes of several splits as one list, and those that were hardly meant to be two."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

from mrcnn.data.findings import printable
from mrcnn.data.recognition.listing import shortened
from mrcnn.data.splits import TRAIN

# Shorter names that differ in a letter are mostly two words, such as "cat" and "car".
LEAST_LETTERS = 5
MOST_NAMED = 12


def one_line(name: str) -> str:
    """Return a name without white space around it, and with single spaces in it."""
    return " ".join(str(name).split())


def one_list(names: Iterable[Sequence[str]], in_order: bool) -> list[str]:
    """Return the names of all lists once: sorted, or in the order of their first appearance."""
    found = list(dict.fromkeys(one_line(name) for each in names for name in each))
    return found if in_order else sorted(found)


def nearly_equal(first: str, second: str) -> bool:
    """Return whether two names are probably meant to be one.

    They are where they differ in capitals, spaces, hyphens and underscores alone, or, from five
    letters on, in one letter too many, too few, wrong, or two that changed places; but not in a
    digit or in a word of one letter, which are mostly numbers: "type a" and "type b".
    """
    if abs(len(first) - len(second)) > 2:
        return False
    plain, other = (_plain(name) for name in (first, second))
    if plain.replace(" ", "") == other.replace(" ", ""):
        return True
    words, others = plain.split(), other.split()
    if len(words) != len(others):
        return False
    unlike = [(a, b) for a, b in zip(words, others, strict=True) if a != b]
    if len(unlike) != 1 or max(len(plain), len(other)) < LEAST_LETTERS:
        return False
    return min(map(len, unlike[0])) > 1 and _one_edit(*unlike[0])


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
    titles = [printable(name, 40) for name in names]
    width = max(map(len, [*titles, "all objects"]))
    columns = {split: max(len(split), 8) for split in counts}
    lines = [f"{'class':{width}}" + "".join(f"  {s:>{n}}" for s, n in columns.items())]
    for title, name in zip(titles, names, strict=True):
        cells = (f"  {counts[s].get(name, 0):>{n},}" for s, n in columns.items())
        lines.append(f"{title:{width}}" + "".join(cells))
    sums = (f"  {sum(counts[s].values()):>{n},}" for s, n in columns.items())
    shown = (f"  {images[s]:>{n},}" for s, n in columns.items())
    lines += [f"{'all objects':{width}}" + "".join(sums), f"{'images':{width}}" + "".join(shown)]
    return "\n".join(lines)


def _plain(name: str) -> str:
    return " ".join(name.casefold().replace("_", " ").replace("-", " ").split())


def _one_edit(first: str, second: str) -> bool:
    """Return whether one letter more, less or other, or two exchanged, makes two words equal."""
    start = 0
    while start < min(len(first), len(second)) and first[start] == second[start]:
        start += 1
    rests = first[start:], second[start:]
    while rests[0] and rests[1] and rests[0][-1] == rests[1][-1]:
        rests = rests[0][:-1], rests[1][:-1]
    if any(letter.isdigit() for letter in "".join(rests)):
        return False
    lengths = sorted(map(len, rests))
    return lengths in ([0, 1], [1, 1]) or (lengths == [2, 2] and rests[0] == rests[1][::-1])


def _quoted(name: str) -> str:
    return repr(printable(name))
