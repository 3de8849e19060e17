import pytest

from mrcnn.data.findings import (
    KINDS,
    counts,
    errors,
    found,
    grouped,
    printable,
    summary,
    table,
)

FINDINGS = [
    found("no-objects", "empty", subset="train", file_name="a.jpg"),
    found("file-missing", "gone", subset="train", file_name="b.jpg"),
    *[
        found("polygon-odd", f"odd {n}", subset="val", file_name="c.jpg", annotation=n)
        for n in range(5)
    ],
    found("polygon-few-points", "few", "error", subset="val", image=7),
    found("polygon-few-points", "few", subset="val", part="annotations", position=3),
]


def test_the_worst_and_most_frequent_come_first():
    assert [(s, code, len(members)) for s, code, members in grouped(FINDINGS)] == [
        ("error", "polygon-odd", 5),
        ("error", "file-missing", 1),
        ("error", "polygon-few-points", 1),
        ("warning", "polygon-few-points", 1),
        ("note", "no-objects", 1),
    ]
    assert counts(FINDINGS) == {"error": 7, "warning": 1, "note": 1}
    assert len(errors(FINDINGS)) == 7


def test_the_table_has_counts_meanings_and_first_cases():
    lines = table(FINDINGS).splitlines()
    assert lines[1].split()[:3] == ["polygon-odd", "error", "5"]
    assert KINDS["polygon-odd"].meaning in lines[1]
    assert lines[2].strip() == "val: c.jpg, annotation 0: odd 0"
    assert lines[5].strip() == "... and 2 more"
    assert "val: image 7: few" in table(FINDINGS)
    assert "val: annotations[3]: few" in table(FINDINGS)
    assert table([]) == "no findings"


def test_the_summary_is_one_sentence():
    text = summary(errors(FINDINGS), kinds=2)
    assert text == (
        "5 x polygon-odd (first: val: c.jpg, annotation 0: odd 0); "
        "1 x file-missing (train: b.jpg: gone); and 1 of 1 other kinds"
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("caf\u00e9.jpg", "caf\u00e9.jpg"),
        ("a\nb\x1b[31m", "a\\nb\\x1b[31m"),  # a terminal would take the colour from it
        ("\ud800\u202e", "\\ud800\\u202e"),  # half a character, and one that turns text round
        ("x" * 90, "x" * 77 + "..."),
        (10**400, "1" + "0" * 76 + "..."),
    ],
)
def test_text_of_files_prints_anywhere(text, shown):
    assert printable(text) == shown
    printable(text).encode("utf-8")


def test_json_has_what_is_known():
    finding = found("malformed-image", "m", part="images", position=2, file_name="a.jpg")
    assert finding.to_dict() == {
        "code": "malformed-image",
        "message": "m",
        "subset": "",
        "file_name": "a.jpg",
        "severity": "error",
        "entry": "images[2]",
    }
