"""The kernels, and every way to ask for them."""

import numpy as np
import pytest

from edge_agreement.filters import (
    FILTER_NAMES,
    gaussian_kernel,
    parse_filters,
    serialize_filters,
)


def kernel(name):
    return parse_filters(name).kernels[:, :, 0, 0].tolist()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sobel-x", [[1, 0, -1], [2, 0, -2], [1, 0, -1]]),
        ("sobel-y", [[1, 2, 1], [0, 0, 0], [-1, -2, -1]]),
        ("prewitt-x", [[1, 0, -1], [1, 0, -1], [1, 0, -1]]),
        ("prewitt-y", [[1, 1, 1], [0, 0, 0], [-1, -1, -1]]),
        ("kayyali-senw", [[6, 0, -6], [0, 0, 0], [-6, 0, 6]]),
        ("kayyali-nesw", [[-6, 0, 6], [0, 0, 0], [6, 0, -6]]),
        ("laplace", [[1, 1, 1], [1, -8, 1], [1, 1, 1]]),
        ("laplace4", [[0, 1, 0], [1, -4, 1], [0, 1, 0]]),
        # 2 x 2 kernels reach right and down: their corner sits in the centre of the 3 x 3 ones.
        ("roberts-x", [[0, 0, 0], [0, 1, 0], [0, 0, -1]]),
        ("roberts-y", [[0, 0, 0], [0, 0, -1], [0, 1, 0]]),
    ],
)
def test_single_components_are_the_published_kernels(name, expected):
    assert kernel(name) == expected


@pytest.mark.parametrize("name", FILTER_NAMES)
def test_every_filter_ignores_a_constant(name):
    bank = parse_filters(name)
    np.testing.assert_array_equal(bank.kernels.sum(axis=(0, 1, 2)), 0)
    assert bank.kernels.dtype == np.float32


@pytest.mark.parametrize(
    ("spec", "names"),
    [
        ("sobel", ("sobel-x", "sobel-y")),
        ("sobel+laplace", ("sobel-x", "sobel-y", "laplace")),
        (" Sobel + LAPLACE ", ("sobel-x", "sobel-y", "laplace")),
        (["sobel-x", "sobel-y"], ("sobel-x", "sobel-y")),
        (("laplace4", "roberts+prewitt-y"), ("laplace4", "roberts-x", "roberts-y", "prewitt-y")),
        (np.eye(3), ("custom",)),
        ([[1, -1]], ("custom",)),
        (
            ["kayyali", [[1.0, -1.0]], np.eye(3)],
            ("kayyali-senw", "kayyali-nesw", "custom", "custom"),
        ),
    ],
)
def test_forms_of_a_request(spec, names):
    bank = parse_filters(spec)
    assert bank.names == names
    assert bank.kernels.shape == (3, 3, 1, len(names))


def test_pairs_are_the_components_of_a_family_in_any_order():
    assert parse_filters("sobel+laplace+prewitt").pairs == ((0, 1), (3, 4))
    assert parse_filters(["sobel-y", "laplace", "sobel-x"]).pairs == ((2, 0),)
    assert parse_filters("laplace+sobel-x").pairs == ()


def test_larger_kernels_grow_the_bank_around_the_centre():
    wide = np.arange(1.0, 6.0)[None, :]  # 1 x 5
    bank = parse_filters(["sobel-x", wide])
    assert bank.kernels.shape == (5, 5, 1, 2)
    assert bank.radius == 2
    assert bank.kernels[1:4, 1:4, 0, 0].tolist() == [[1, 0, -1], [2, 0, -2], [1, 0, -1]]
    assert bank.kernels[2, :, 0, 1].tolist() == [1, 2, 3, 4, 5]
    assert bank.kernels[..., 0, 1].sum() == 15


@pytest.mark.parametrize(
    ("spec", "gain"),
    [("sobel-x", 4), ("laplace", 8), ("laplace4", 4), ("roberts-x", 1), ([[1.0, -3.0]], 3)],
)
def test_normalize_divides_by_the_larger_side(spec, gain):
    np.testing.assert_array_equal(
        parse_filters(spec, normalize=True).kernels, parse_filters(spec).kernels / np.float32(gain)
    )


def test_unknown_name_lists_all_and_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'sobel'") as error:
        parse_filters("sobbel")
    assert all(name in str(error.value) for name in FILTER_NAMES)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        ("", ValueError, "unknown filter ''"),
        ([], ValueError, "at least one of"),
        ("sobel+", ValueError, "unknown filter ''"),
        ("sobel+sobel-x", ValueError, "'sobel-x' is asked for twice"),
        (["laplace", "laplace"], ValueError, "twice"),
        (np.zeros((3, 3)), ValueError, "not all zero"),
        ([[1.0, float("nan")]], ValueError, "finite"),
        (np.ones(3), ValueError, r"2-D, not of shape \(3,\)"),
        (np.ones((3, 3, 1)), ValueError, "2-D"),
        (3, TypeError, "not int"),
        ([object()], TypeError, "2-D array of numbers"),
        ([None, "sobel"], ValueError, "2-D"),
        (1j * np.eye(3), TypeError, "2-D array of numbers: array"),
    ],
)
def test_bad_requests_say_what_is_wrong(spec, error, message):
    with pytest.raises(error, match=message) as raised:
        parse_filters(spec)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "spec", ["sobel+laplace", ["sobel-x", np.eye(2)], np.eye(3), [[1.0, -1.0]]]
)
def test_serialized_request_gives_the_same_bank(spec):
    import json

    again = parse_filters(json.loads(json.dumps(serialize_filters(spec))))
    np.testing.assert_array_equal(again.kernels, parse_filters(spec).kernels)


def test_gaussian_is_that_of_sigma_one():
    # Integral of the normal density over pixels (0.3829, 0.2417), normalised over three of them.
    row = np.array([0.2417303, 0.3829249, 0.2417303])
    row /= row.sum()
    np.testing.assert_allclose(gaussian_kernel(), np.outer(row, row), atol=1.5e-6)
