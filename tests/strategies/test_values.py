"""Tables of numbers and what is cut from them."""

from itertools import product

import numpy as np
import pytest

from reference_rnn import DTYPES, rounded
from strategies.values import (
    ALL_ONES,
    CHUNK,
    COLUMNS,
    DENSE,
    DRAWS,
    LEVELS,
    ONE_HOT,
    PLANE,
    ROWS,
    SIZE,
    STARTS,
    TABLES,
    ZERO_ROWS,
    ZEROS,
    cut,
    numbers,
    planes,
)

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


@pytest.mark.parametrize(("gates", "units", "columns"), [(1, 3, 2), (3, 5, 4), (4, 33, 67), (4, 8, 1)])
def test_fewer_units_keep_the_corner_of_each_gate(gates, units, columns):
    small = cut("gauss", level(DENSE), 5, 2, (gates * units, columns), gates=gates)
    large = cut("gauss", level(DENSE), 5, 2, (gates * ROWS, COLUMNS), gates=gates)

    assert np.array_equal(large.reshape(gates, ROWS, -1)[:, :units, :columns].reshape(small.shape), small)


def test_the_largest_array_that_is_cut_fits_into_a_table_wherever_it_is_cut():
    most = (SIZE - STARTS) // PLANE

    for table in TABLES:
        assert (STARTS - 1) + most * PLANE <= SIZE
        assert numbers(table, 255, 63, (most, ROWS, COLUMNS), 1.0, "float64").shape == (most, ROWS, COLUMNS)


SIZES = (33, 64, 67, 68, 128, 192, 193, 256, 257, 512, 1024, 4096)
BROAD = [name for name in DRAWS if name not in ("ones", "signs", "plus-minus", "dyadic")]


def vectors(array, axis):
    """How many different vectors there are along an axis, and how many there could be."""
    wide = np.moveaxis(array, axis, 0).reshape(array.shape[axis], -1) + 0.0  # -0.0 is 0.0
    return len({row.tobytes() for row in wide}), len(wide)


@pytest.mark.parametrize(
    ("table", "dtype"),
    [pair for pair in product(DRAWS, DTYPES) if pair != ("tiny", "float16")],  # which float16 rounds to 0
)
@pytest.mark.parametrize("gates", [1, 3, 4])
def test_no_two_gates_rows_or_columns_are_alike_at_any_size(gates, table, dtype):
    for size in SIZES:
        for shape in ((gates * size, 8), (gates * 8, size)):
            array = cut(table, level(DENSE), 3, size % 7, shape, gates=gates, dtype=dtype)
            by_gate = array.reshape(gates, shape[0] // gates, shape[1])
            assert vectors(by_gate, 0)[0] == gates
            if table in BROAD:
                for axis in (0, 1):
                    different, there = vectors(array, axis)
                    assert different == there, (shape, axis)


@pytest.mark.parametrize("table", DRAWS)
@pytest.mark.parametrize("shape", [(257, 8, 3), (8, 257, 3), (3, 4, 4096), (34, 2, 3), (40, 33, 67)])
def test_no_two_steps_rows_or_features_are_alike_at_any_size(table, shape):
    array = cut(table, level(DENSE), 3, 1, shape)

    for axis in range(3) if table in BROAD else ():
        different, there = vectors(array, axis)
        assert different == there
    assert array.shape == shape and len(np.unique(array)) > 1


@pytest.mark.parametrize("gates", [3, 4])
@pytest.mark.parametrize("size", SIZES)
def test_biases_differ_by_gate_at_any_size(gates, size):
    array = cut("uniform", level(DENSE), 0, 5, (gates * size,), gates=gates)

    assert len(np.unique(array)) == len(array)


@pytest.mark.parametrize("size", [5, 300])
@pytest.mark.parametrize("byte", [level(fill) for fill in range(5)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_an_array_is_scaled_and_then_rounded_once(dtype, byte, size):
    wide = cut("gauss", byte, 7, 3, (3 * size, 4), gates=3)

    narrow = cut("gauss", byte, 7, 3, (3 * size, 4), gates=3, scale=0.3, dtype=dtype)

    assert np.array_equal(narrow, rounded(wide * 0.3, dtype))
    assert narrow.dtype == rounded(wide, dtype).dtype


def test_what_is_drawn_piece_by_piece_has_no_seam():
    array = cut("uniform", level(DENSE), 1, 1, (2 * CHUNK // 1000 + 1, 1000), dtype="float32")

    assert array.flags.c_contiguous and array.dtype == np.float32
    assert vectors(array, 0)[0] == len(array)
    assert abs(array).max() > 0.999 and abs(array.mean()) < 0.01


def test_drawing_anew_is_repeatable_and_depends_on_table_seed_and_salt():
    keys = [("uniform", 1, 1), ("uniform", 1, 1), ("uniform", 2, 1), ("uniform", 1, 2), ("tiny", 1, 1)]
    arrays = [cut(table, level(DENSE), seed, salt, (500, 3)).tobytes() for table, seed, salt in keys]

    assert arrays[0] == arrays[1] and len(set(arrays)) == 4


@pytest.mark.parametrize(
    ("shape", "gates", "expected"),
    [
        ((12,), 4, (4, 1, 3)),
        ((12, 5), 4, (4, 3, 5)),
        ((12, 5), 1, (1, 12, 5)),
        ((2, 3, 5), 1, (2, 3, 5)),
        ((0, 2, 3), 1, (0, 2, 3)),
    ],
)
def test_an_array_is_planes_of_rows(shape, gates, expected):
    assert planes(shape, gates) == expected


def test_seeds_and_salts_give_other_numbers():
    arrays = [cut("gauss", level(DENSE), seed, salt, (2, 3)) for seed in range(8) for salt in range(8)]

    assert len({array.tobytes() for array in arrays}) == 64


def test_a_dense_array_differs_by_row_and_column():
    array = cut("uniform", level(DENSE), 9, 4, (6, 5))

    assert len(np.unique(array)) == 30


def test_zero_rows_are_every_other_one():
    array = cut("gauss", level(ZERO_ROWS), 1, 1, (4, 3))

    assert array.any(1).tolist() == [True, False, True, False]


def test_zero_rows_are_the_same_ones_of_each_gate():
    array = cut("gauss", level(ZERO_ROWS), 1, 1, (9, 3), gates=3)

    assert array.any(1).tolist() == 3 * [True, False, True]
    assert cut("gauss", level(ZERO_ROWS), 1, 1, (4, 2), gates=4).all()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("byte", range(len(LEVELS)))
def test_an_array_can_be_changed_without_changing_its_table(shape, byte):
    before = cut("dyadic", byte, 7, 0, shape)

    cut("dyadic", byte, 7, 0, shape)[...] = 99.0

    assert np.array_equal(cut("dyadic", byte, 7, 0, shape), before)


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_frozen(name):
    assert TABLES[name].shape == (SIZE,)
    with pytest.raises(ValueError, match="read-only"):
        TABLES[name][0] = 1


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
