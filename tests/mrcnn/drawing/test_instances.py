from mrcnn.drawing.instances import caption


def test_captions():
    names = ["BG", "cat"]
    assert caption(1, names, 0.987) == "cat 0.99"
    assert caption(-1, names) == "cat (crowd)"
    assert caption(7, names) == "class 7"
