from mrcnn.data.conversion.classes import class_notes, count_table, one_list


def test_one_list_of_classes():
    lists = [["dog", "cat "], ["bird", "cat"]]
    assert one_list(lists, in_order=True) == ["dog", "cat", "bird"]
    assert one_list(lists, in_order=False) == ["bird", "cat", "dog"]


def test_what_is_said_of_classes():
    counts = {"train": {"cat": 3, "dog": 1, "Cat": 1}, "val": {"cat": 2, "fox": 5}}
    notes = class_notes(["cat", "dog", "fox", "Cat", "none"], counts)
    assert notes == [
        "are these one class? 'cat' (5 objects) and 'Cat' (1)",
        "these 2 classes are in train alone, so they cannot be evaluated: 'dog', 'Cat'",
        "this class is in val alone, so it cannot be learned: 'fox'",
    ]
    assert class_notes(["cat", "dog"], {"train": {"cat": 1}}) == []
    three = {"train": {}, "val": {"cat": 1}, "test": {"cat": 1}}
    assert class_notes(["cat"], three) == [
        "this class is in val and test alone, so it cannot be learned: 'cat'"
    ]


def test_a_long_table_has_the_most_frequent_classes():
    names = [f"class {n}" for n in range(50)]
    counts = {"train": {name: n + 1 for n, name in enumerate(names)}}
    lines = count_table(names, counts, {"train": 9}).splitlines()
    assert [line.split()[1] for line in lines[1:41]] == [str(n) for n in range(10, 50)]
    assert lines[41] == "10 rarer classes"
    assert lines[42].split() == ["all", "objects", "1,275"]


def test_the_table_of_counts():
    counts = {"train": {"cat": 1200, "dog": 1}, "val": {"cat": 30}}
    assert count_table(["cat", "dog"], counts, {"train": 700, "val": 20}).splitlines() == [
        "class           train       val",
        "cat             1,200        30",
        "dog                 1         0",
        "all objects     1,201        30",
        "images            700        20",
    ]
