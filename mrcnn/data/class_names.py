"""Names of classes that were probably meant to be one."""

# Shorter names that differ in a letter are mostly two words, such as "cat" and "car".
LEAST_LETTERS = 5


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
