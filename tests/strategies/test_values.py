"""Tables of numbers and what is cut from them."""

import numpy as np
import pytest

from strategies.values import ALL_ONES, COLUMNS, DENSE, LEVELS, ONE_HOT, ROWS, TABLES, ZERO_ROWS, ZEROS, cut

SHAPES = [(3,), (4, 3), (2, 3, 5)]


def level(fill):
    """The lowest byte that stands for this way to fill an array."""
    return LEVELS.index(fill)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_simplest_levels_are_zeros_one_hot_and_ones(shape):
    zeros, one_hot, ones = (cut("gauss", byte, 5, 1, shape) for byte in range(3))

    assert [level(fill) for fill in (ZEROS, ONE_HOT, ALL_ONES)] == [0, 1, 2]
    assert not zeros.any() and (ones == 1).all()
    assert np.flatnonzero(one_hot).tolist() == [0] and one_hot.flat[0] == 1
    assert zeros.shape == one_hot.shape == ones.shape == shape


def test_three_quarters_of_the_levels_are_dense():
    assert LEVELS.count(DENSE) / len(LEVELS) >= 0.75


@pytest.mark.parametrize("seed", [0, 3, 255])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_smaller_array_keeps_the_corner_of_a_larger_one(shape, seed):
    small = cut("gauss", level(DENSE), seed, 2, shape)
    large = cut("gauss", level(DENSE), seed, 2, tuple(2 * size for size in shape))

    assert np.array_equal(large[tuple(map(slice, shape))], small)


@pytest.mark.parametrize("shape", [(19,), (76,), (19, 38), (57, 38), (76, 38), (13, 9, 17), (8, 16, 19)])
def test_the_largest_arrays_fit_into_a_table_wherever_they_are_cut(shape):
    for seed in range(0, 256, 5):
        for salt in (0, 7, 33):
            assert cut("uniform", level(DENSE), seed, salt, shape).shape == shape


def test_seeds_and_salts_give_other_numbers():
    arrays = [cut("gauss", level(DENSE), seed, salt, (2, 3)) for seed in range(8) for salt in range(8)]

    assert len({array.tobytes() for array in arrays}) == 64


def test_a_dense_array_differs_by_row_and_column():
    array = cut("uniform", level(DENSE), 9, 4, (6, 5))

    assert len(np.unique(array)) == 30


def test_zero_rows_are_every_other_one():
    array = cut("gauss", level(ZERO_ROWS), 1, 1, (4, 3))

    assert array.any(1).tolist() == [False, True, False, True]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("byte", range(len(LEVELS)))
def test_an_array_can_be_changed_without_changing_its_table(shape, byte):
    before = cut("dyadic", byte, 7, 0, shape)

    cut("dyadic", byte, 7, 0, shape)[...] = 99.0

    assert np.array_equal(cut("dyadic", byte, 7, 0, shape), before)


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_frozen(name):
    assert TABLES[name].shape == (ROWS, COLUMNS)
    with pytest.raises(ValueError, match="read-only"):
        TABLES[name][0, 0] = 1


@pytest.mark.parametrize(
    ("name", "values"),
    [("ones", {0, 1}), ("signs", {-1, 0, 1}), ("plus-minus", {-1, 1}), ("dyadic", {0, 0.25, 0.5, -0.5, 1, -1, 2, -2})],
)
def test_a_table_of_few_values_has_all_of_them(name, values):
    assert set(np.unique(TABLES[name])) == values


@pytest.mark.parametrize(("name", "low", "high"), [("uniform", 0.99, 1), ("saturating", 594, 600), ("tiny", 0, 1e-12)])
def test_a_table_reaches_as_far_as_it_should(name, low, high):
    assert low < abs(TABLES[name]).max() < high
    assert abs(TABLES[name].mean()) < 0.02 * abs(TABLES[name]).max()


def test_values_have_all_bits_of_float64():
    for name in ("uniform", "gauss", "saturating", "tiny"):
        assert (TABLES[name] != TABLES[name].astype(np.float32)).mean() > 0.99
