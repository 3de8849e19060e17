import random
from collections import Counter

import pytest

from mrcnn.data.conversion.dividing import check_fraction, divide, parse_shares, sizes
from mrcnn.errors import InputError


def test_shares_are_read():
    assert parse_shares("0.85/0.15") == {"train": 0.85, "val": 0.15}
    assert parse_shares("70/15/15") == {"train": 0.7, "val": 0.15, "test": 0.15}
    for wrong in ("0.85", "0.5/0.6", "1/0", "a/b", "0.4/0.2/0.2/0.2", "-1/2", "", "nan/1"):
        with pytest.raises(InputError, match=r"such as 0\.85/0\.15") as caught:
            parse_shares(wrong)
        assert repr(wrong) in str(caught.value)


def test_the_fraction_is_checked():
    assert check_fraction(0) == 0 and check_fraction(0.15) == 0.15
    for wrong in (-0.1, 1, 15, float("nan")):
        with pytest.raises(InputError, match="at least 0 and below 1"):
            check_fraction(wrong)


@pytest.mark.parametrize(
    ("count", "shares", "expected"),
    [
        (200, [0.85, 0.15], [170, 30]),
        (12, [0.85, 0.15], [10, 2]),
        (2, [0.85, 0.15], [1, 1]),
        (3, [0.85, 0.15], [2, 1]),
        (1, [0.85, 0.15], [1, 0]),
        (20, [0.7, 0.15, 0.15], [14, 3, 3]),
        (3, [0.98, 0.01, 0.01], [1, 1, 1]),
    ],
)
def test_every_split_gets_its_share_and_an_image(count, shares, expected):
    assert sizes(count, shares) == expected


def data(count, seed=0):
    """Names, and the classes on each image: 0 on most, 1 on a third, 2 on a tenth, some none."""
    drawn = random.Random(seed)
    chances = {0: 0.7, 1: 0.33, 2: 0.1}
    classes = [{c for c, p in chances.items() if drawn.random() < p} for _ in range(count)]
    return [f"{n:04}.jpg" for n in range(count)], classes


def test_the_division_depends_on_seed_and_names_alone():
    names, classes = data(100)
    first = dict(zip(names, divide(names, classes, [0.85, 0.15], 3), strict=True))
    order = random.Random(1).sample(range(100), 100)
    shuffled = [names[n] for n in order]
    again = divide(shuffled, [classes[n] for n in order], [0.85, 0.15], 3)
    assert dict(zip(shuffled, again, strict=True)) == first
    assert divide(names, classes, [0.85, 0.15], 4) != list(first.values())
    assert Counter(first.values()) == {0: 85, 1: 15}


def test_every_class_has_its_share_of_every_split():
    names, classes = data(400)
    for seed in range(3):
        splits = divide(names, classes, [0.7, 0.15, 0.15], seed)
        assert Counter(splits) == {0: 280, 1: 60, 2: 60}
        for number in range(3):
            having = [s for s, c in zip(splits, classes, strict=True) if number in c]
            for split, share in ((1, 0.15), (2, 0.15)):
                # Drawn by chance, 40 images with class 2 would give 2 to 11.
                most = max(1.5, 0.02 * len(having))
                assert abs(having.count(split) - share * len(having)) <= most
        empty = [s for s, c in zip(splits, classes, strict=True) if not c]
        assert empty.count(0) / len(empty) == pytest.approx(0.7, abs=0.05)


def test_training_has_every_class():
    # Each rare class is on one image, together with others.
    classes = [{n % 3, 10 + n} if n < 10 else {n % 3} for n in range(30)]
    for seed in range(20):
        drawn = random.Random(seed)
        names = [f"{drawn.random()}" for _ in classes]
        splits = divide(names, classes, [0.5, 0.5], seed)
        assert {c for s, each in zip(splits, classes, strict=True) if s == 0 for c in each} == {
            0, 1, 2, *range(10, 20)
        }  # fmt: skip


def test_a_class_whose_images_are_dealt_under_rarer_ones_stays_in_training():
    # Class 9 is on an image of each rarer class, of which each is on another image too.
    classes = [{n, 9} for n in range(5)] + [{n} for n in range(5)] + [{8} for _ in range(20)]
    for seed in range(40):
        names = [f"{n}" for n in range(len(classes))]
        splits = divide(names, classes, [0.4, 0.6], seed)
        assert any(s == 0 and 9 in c for s, c in zip(splits, classes, strict=True)), seed


def test_training_has_every_class_of_a_few_images():
    drawn = random.Random(0)
    for _ in range(500):
        count = drawn.randint(3, 8)
        classes = [set(drawn.sample(range(4), drawn.randint(1, 4))) for _ in range(count)]
        shares = drawn.choice([[0.5, 0.5], [0.34, 0.66], [0.85, 0.15]])
        splits = divide([str(n) for n in range(count)], classes, shares)
        trained = [c for s, each in zip(splits, classes, strict=True) if s == 0 for c in each]
        assert set(trained) == set().union(*classes), (classes, shares)


def test_what_belongs_together_stays_together():
    names, classes = data(60)
    groups = [f"group {n // 4}" for n in range(60)]
    splits = divide(names, classes, [0.8, 0.2], 0, groups)
    for start in range(0, 60, 4):
        assert len(set(splits[start : start + 4])) == 1
    assert Counter(splits)[1] in (12, 16)


def test_images_without_objects_are_divided_too():
    assert Counter(divide(list("abcdefghij"), [set()] * 10, [0.8, 0.2])) == {0: 8, 1: 2}
    assert divide(["a"], [{1}], [0.85, 0.15]) == [0]
    assert sorted(divide(["a", "b"], [{1}, {1}], [0.85, 0.15])) == [0, 1]
