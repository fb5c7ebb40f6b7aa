"""Memory layouts."""

import numpy as np
import pytest

from strategies import layout_of, relaid
from strategies.memory import LAYOUTS

SHAPES = [(4,), (4, 3), (2, 4, 3), (0, 2, 3), (1, 1, 1), (3, 1), (1, 5)]


def array_of(shape):
    return np.arange(1.0, 1 + np.prod(shape)).reshape(shape)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_numbers_shape_and_dtype_stay(shape, layout):
    array = array_of(shape).astype(np.float32)

    other = relaid(array, layout)

    assert np.array_equal(other, array) and other.shape == shape and other.dtype == np.float32


@pytest.mark.parametrize("shape", [(4, 3), (2, 4, 3)])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_is_recognised_whatever_it_was_before(shape, layout):
    for before in LAYOUTS:
        found = layout_of(relaid(relaid(array_of(shape), before), layout))
        assert found == ("wide" if layout == "columns" and len(shape) == 2 else layout)  # of a matrix both are the same


@pytest.mark.parametrize(
    ("layout", "contiguous", "fortran", "writeable", "strides"),
    [
        ("C", True, False, True, (24, 8)),
        ("F", False, True, True, (8, 32)),
        ("strided", False, False, True, (48, 16)),
        ("negative", False, False, True, (-24, 8)),
        ("wide", False, False, True, (32, 8)),
        ("columns", False, False, True, (32, 8)),
        ("tall", False, False, True, (8, 40)),
        ("read-only", True, False, False, (24, 8)),
    ],
)
def test_flags_and_strides_are_those_of_the_layout(layout, contiguous, fortran, writeable, strides):
    array = relaid(array_of((4, 3)), layout)

    flags = array.flags
    assert (flags.c_contiguous, flags.f_contiguous, flags.writeable) == (contiguous, fortran, writeable)
    assert array.strides == strides


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_result_shares_no_memory(layout):
    array = array_of((4, 3))

    assert not np.shares_memory(relaid(array, layout), array)


def test_whoever_reads_the_gaps_reads_nan():
    wide = relaid(array_of((2, 3)), "strided").base

    assert np.isnan(wide[:, 1::2]).all() and wide.shape == (2, 6)
    wide = relaid(array_of((2, 3)), "wide").base
    assert np.isnan(wide[:, 3]).all() and wide.shape == (2, 4)


def test_steps_of_wider_batches_lie_apart():
    assert relaid(array_of((2, 4, 3)), "wide").strides == (8 * 5 * 3, 8 * 3, 8)
    assert relaid(array_of((2, 4, 3)), "columns").strides == (8 * 4 * 4, 8 * 4, 8)


def test_an_even_number_of_rows_lies_backwards_as_steps_do():
    assert relaid(array_of((3, 2, 4)), "negative").strides == (-64, -32, 8)
    assert relaid(array_of((3, 5, 4)), "negative").strides == (-160, 32, 8)


@pytest.mark.parametrize("layout", ["F", "strided", "negative", "wide", "columns", "tall"])
def test_a_single_number_has_no_layout(layout):
    assert layout_of(relaid(np.ones((1, 1, 1)), layout)) == "C"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_array_without_axes_keeps_its_shape(layout):
    assert relaid(np.array(1.0), layout).shape == ()
