"""Cases as expressions."""

import numpy as np
import pytest
from hypothesis import given, settings

from reference_rnn import DTYPES, ShapeError, case
from strategies import cases


def read(expression):
    return eval(expression, {"case": case, "nan": np.nan, "inf": np.inf})


def same(one, other):
    """Whether two cases are equal in everything but memory layout."""
    if (one.config, one.training) != (other.config, other.training):
        return False
    if (one.lengths is None) != (other.lengths is None) or one.row_lengths.tolist() != other.row_lengths.tolist():
        return False
    a, b = dict(one.arrays()), dict(other.arrays())
    return a.keys() == b.keys() and all(
        a[name].dtype == b[name].dtype and np.array_equal(a[name], b[name], equal_nan=True) for name in a
    )


@settings(max_examples=150, deadline=None)
@given(cases(dtypes=DTYPES, empty=("time", "length")))
def test_an_expression_rebuilds_its_case(c):
    assert same(read(repr(c)), c)


@pytest.mark.parametrize(
    "c",
    [
        case(T=2, I=2, batch_first=True, dropout=0.5, training=True, x=1),
        case("LSTM", T=2, H=2, P=1, unbatched=True, c_0=0, h_0={(0, 0): 0.1}),
        case("GRU", N=2, lengths=[1, 0], weight_ih_l0={(2, 0): -np.inf}, x={(0, 0, 0): np.nan}),
    ],
)
def test_what_strategies_never_draw_is_rebuilt_too(c):
    assert same(read(repr(c)), c)


def test_a_state_without_rows_is_rebuilt():
    c = case(N=0, h_0=0)

    assert same(read(repr(c)), c)


def test_a_float16_case_is_written_without_a_warning():
    with np.errstate(all="raise"):
        assert repr(case(dtype="float16", x=0.1)).endswith("x=0.1)")


def test_an_expression_says_only_what_is_not_usual():
    assert repr(case(T=2)) == "case('RNN_TANH', T=2, N=1, I=1, H=1)"


def test_numbers_are_as_short_as_they_can_be():
    c = case("RNN_RELU", T=2, L=2, D=2, x={(1, 0, 0): 0.1}, bias_ih_l0=3, h_0=0, lengths=[1])

    assert repr(c) == (
        "case('RNN_RELU', T=2, N=1, I=1, H=1, L=2, D=2, lengths=[1], bias_ih_l0=3, x={(1, 0, 0): 0.1}, h_0=0)"
    )


def test_an_array_is_a_number_a_list_or_its_entries():
    c = case(T=1, N=2, I=2, H=2, x=3, weight_ih_l0=[[1, 2], [3, 4]], bias_hh_l0={1: 5}, weight_hh_l0={(0, 1): 6})

    assert c.x.tolist() == [[[3, 3], [3, 3]]]
    assert c.parameters["weight_ih_l0"].tolist() == [[1, 2], [3, 4]]
    assert c.parameters["bias_hh_l0"].tolist() == [0, 5]
    assert c.parameters["weight_hh_l0"].tolist() == [[0, 6], [0, 0]]
    assert c.parameters["bias_ih_l0"].tolist() == [0, 0]


def test_a_state_is_there_only_if_it_is_named():
    assert case().h_0 is None and case(h_0=None).h_0 is None
    assert case(L=2, H=3, h_0=0).h_0.shape == (2, 1, 3)


@pytest.mark.parametrize("dtype", DTYPES)
def test_arrays_have_the_dtype_of_the_case(dtype):
    c = case(dtype=dtype, x=1, h_0=1)

    assert {array.dtype for _, array in c.arrays()} == {c.config.numpy_dtype}


def test_an_unknown_array_is_refused():
    with pytest.raises(ValueError, match="weight_ih_l1 is not an array of this case; it has weight_ih_l0, "):
        case(weight_ih_l1=1)


def test_a_list_of_the_wrong_shape_is_refused():
    with pytest.raises(ShapeError, match=r"weight_ih_l0 has shape \(1, 2\), must be \(2, 1\).*looks transposed"):
        case(H=2, weight_ih_l0=[[1, 2]])
