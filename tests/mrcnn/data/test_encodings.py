import numpy as np
import pytest
from faster_coco_eval.core import mask as reference

from mrcnn.data import encodings


def full(encoding):
    return reference.decode(encoding).astype(bool)


@pytest.mark.parametrize("seed", range(5))
def test_every_value_of_a_picture_in_one_pass(seed):
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 5, (7, 11), np.uint16) * np.uint16(13_000)
    values[:, 3] = 13_000  # a run from the top to the bottom
    found, encoded = encodings.encode_values(values)
    assert found.tolist() == sorted(set(values.ravel().tolist()) - {0})
    for value, encoding in zip(found, encoded, strict=True):
        np.testing.assert_array_equal(full(encoding), values == value)
        # The same bytes as those of the COCO tools, so encodings can be compared.
        twin = reference.encode(np.asfortranarray(values == value, np.uint8))
        assert encoding["counts"] == twin["counts"]
    boxes = encodings.boxes_of(encoded)
    for value, (y1, x1, y2, x2) in zip(found, boxes, strict=True):
        rows, columns = np.nonzero(values == value)
        assert (y1, x1) == (rows.min(), columns.min())
        assert (y2, x2) == (rows.max() + 1, columns.max() + 1)


@pytest.mark.parametrize("values", [np.zeros((3, 4), np.uint8), np.full((3, 4), 9, np.int32)])
def test_pictures_of_one_value(values):
    found, encoded = encodings.encode_values(values)
    assert found.tolist() == sorted({int(v) for v in values.ravel()} - {0})
    assert all(full(encoding).all() for encoding in encoded)


@pytest.mark.parametrize("corner", [(0, 0), (2, 3), (5, 8), (0, 5)])
def test_a_part_is_encoded_at_its_place(corner, rng):
    for part in (rng.random((4, 6)) < 0.5, np.ones((4, 6), bool), np.zeros((4, 6), bool)):
        whole = np.zeros((9, 14), bool)
        y, x = corner
        whole[y : y + 4, x : x + 6] = part
        encoding = encodings.encode_part(part, corner, (9, 14))
        np.testing.assert_array_equal(full(encoding), whole)
        assert encoding["counts"] == encodings.encode(whole)["counts"]


def test_columns_that_are_full_join():
    encoding = encodings.encode_part(np.ones((5, 3), bool), (0, 1), (5, 6))
    whole = np.zeros((5, 6), bool)
    whole[:, 1:4] = True
    assert encoding["counts"] == encodings.encode(whole)["counts"]


def test_what_is_inside_of_a_window():
    whole = np.zeros((9, 14), bool)
    whole[2:6, 3:8] = True
    whole[2, 3] = False
    encoding = encodings.encode(whole)
    part, corner = encodings.decode_inside(encoding, (0, 0, 9, 14))
    assert corner == (2, 3)
    np.testing.assert_array_equal(part, whole[2:6, 3:8])
    part, corner = encodings.decode_inside(encoding, (4, 0, 9, 5))
    assert corner == (4, 3) and part.shape == (2, 2) and part.all()
    part, _ = encodings.decode_inside(encoding, (7, 0, 9, 5))
    assert part.size == 0
