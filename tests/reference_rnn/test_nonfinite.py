"""How far NaN and infinities reach: nothing that a correct implementation may give is refused, and all else is."""

import operator

import numpy as np
import pytest

from reference_rnn import CELLS, ShapeError, arithmetic, case, forward, reached
from reference_rnn.bounds.ball import Ball
from reference_rnn.functions import (
    affine_peephole,
    clip,
    divide,
    exp,
    hard_sigmoid,
    join,
    linear,
    maximum,
    mean,
    mix,
    normalised,
    relu,
    select,
    sigmoid,
    silu,
    softplus,
    softsign,
    sqrt,
    tanh,
    total,
)
from reference_rnn.nonfinite import Reach, number_given
from strategies.cases import BLOCK_SIZE, Allowed, calm_from_block

A = arithmetic("float32")
NAN, INF = np.nan, np.inf
NUMBERS = (NAN, INF, -INF, 0.0, 0.5, -2.0)
PAIRS = [(a, b) for a in NUMBERS for b in NUMBERS]
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # which ``reached`` silences for all
KINDS = {"nan": NAN, "inf": INF, "-inf": -INF, "number": 1.0}


def number(value, rad=0.0, a=A):
    """One number in a row of one."""
    return number_given(Ball(np.array([[value]]), np.array([[rad]]), a))


def kinds(reach):
    """What may come of one number."""
    assert reach.shape == (1, 1)
    return {kind for kind, value in KINDS.items() if reach.allows(np.array([[value]])).all()}


def kind(value):
    """The kind of one number."""
    return next((k for k, v in KINDS.items() if v == value or (np.isnan(value) and k == "nan")), "number")


ONE = {
    tanh: {NAN: {"nan"}, INF: {"number"}, -INF: {"number"}, 1.0: {"number"}},
    sigmoid: {NAN: {"nan"}, INF: {"number"}, -INF: {"number"}, 0.0: {"number"}},
    hard_sigmoid: {NAN: {"nan"}, INF: {"number"}, -INF: {"number"}},
    softsign: {NAN: {"nan"}, INF: {"number", "nan"}, -INF: {"number", "nan"}, 1.0: {"number"}},
    exp: {NAN: {"nan"}, INF: {"inf"}, -INF: {"number"}, 0.5: {"number"}},
    softplus: {NAN: {"nan"}, INF: {"inf"}, -INF: {"number"}, 0.5: {"number"}},
    sqrt: {NAN: {"nan"}, INF: {"inf"}, -INF: {"nan"}, 0.5: {"number"}},
    silu: {NAN: {"nan"}, INF: {"inf"}, 0.5: {"number"}},
    relu: {NAN: {"nan"}, INF: {"inf"}, -INF: {"number", "nan"}, -1.0: {"number"}},
}


@pytest.mark.parametrize(("function", "value"), [(f, value) for f in ONE for value in ONE[f]])
def test_of_a_function_comes_its_limit(function, value):
    assert kinds(function(number(value))) == ONE[function][value]


def test_a_clip_ends_infinities_where_there_is_one():
    assert kinds(clip(number(-INF), 1.0)) == {"number"}
    assert kinds(clip(number(-INF), INF)) == {"-inf"}
    assert kinds(clip(number(NAN), 1.0)) == {"nan"}


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_products_sums_and_differences_are_those_of_numpy(a, b):
    for do in (operator.mul, operator.add, operator.sub):
        found = kinds(do(number(a), number(b)))
        left_out = {"number"} if do is operator.mul and not (np.isfinite([a, b]).all() or (a and b)) else set()
        assert found == {kind(do(np.float64(a), np.float64(b)))} | left_out, do


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_the_larger_of_two_and_quotients_are_those_of_numpy(a, b):
    assert kinds(maximum(number(a), number(b))) == {kind(np.maximum(a, b))}
    expected = {kind(np.float64(a) / b)}
    assert kinds(divide(number(a), number(b))) == (expected if b or np.isnan(a) else set(KINDS))


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_means_and_what_is_normalised_are_those_of_numpy(a, b):
    row = number_given(Ball(np.array([[a, b]]), np.zeros((1, 2)), A))
    for function in (mean, normalised):
        found, expected = function(row), function(np.array([[a, b]]))
        assert found.allows(expected).all()
        assert (found.nan == np.isnan(expected)).all() and not found.allows(np.full((1, 2), -INF))[
            ~np.isneginf(expected)
        ].any()


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_a_product_with_a_weight_is_that_of_numpy_or_leaves_out_zeros(a, b):
    weighed = linear(number(a), np.array([[b]]), np.zeros(1)) if np.isfinite(b) else None
    if weighed is not None:
        expected = {kind(np.float64(a) * b)} | ({"number"} if b == 0 else set())
        assert kinds(weighed) == expected


def test_a_factor_that_rounding_may_make_zero_is_as_good_as_zero():
    closed = number(1e-9, rad=1e-8)
    assert kinds(closed * number(NAN)) == {"nan", "number"}
    assert kinds(closed * number(INF)) == set(KINDS)
    assert kinds(number(1e-9, rad=1e-10) * number(NAN)) == {"nan"}


def test_nan_goes_before_what_may_be_anything():
    anything = number(1.0, rad=INF)
    assert kinds(total(anything, number(NAN))) == {"nan"}
    assert kinds(total(anything, number(INF))) == kinds(tanh(anything)) == kinds(relu(anything)) == set(KINDS)
    assert kinds(anything * number(NAN)) == set(KINDS)


def test_nan_that_may_be_stays_so():
    either = linear(number(NAN), np.array([[0.0]]), np.ones(1))
    assert kinds(either) == kinds(tanh(either)) == kinds(either * number(2.0)) == {"nan", "number"}
    assert kinds(total(either, number(INF))) == {"nan", "inf"}
    assert kinds(either * number(NAN)) == {"nan"}, "it is one, or neither factor is zero"


def test_a_weight_that_may_be_read_as_zero_is_one():
    subnormal = np.array([[2.0**-130]])
    flushing = arithmetic("float32", "flush-to-zero")
    assert kinds(linear(number(INF), subnormal, np.zeros(1))) == {"inf"}
    assert kinds(linear(number(INF, a=flushing), subnormal, np.zeros(1))) == set(KINDS)
    assert kinds(linear(number(NAN, a=flushing), subnormal, np.zeros(1))) == {"nan", "number"}


def test_where_a_sum_may_overflow_anything_comes_unless_nan_is_in_it():
    huge = number_given(Ball(np.array([[2.0**127, 2.0**127]]), np.zeros((1, 2)), A))
    assert kinds(linear(huge, np.ones((1, 2)), np.zeros(1))) == set(KINDS)
    more = number_given(Ball(np.array([[2.0**127, NAN]]), np.zeros((1, 2)), A))
    assert kinds(linear(more, np.full((1, 2), 2.0), np.zeros(1))) == {"nan"}


def test_a_mix_may_be_computed_in_two_ways():
    assert kinds(mix(number(0.5), number(1.0), number(NAN))) == {"nan"}
    assert kinds(mix(number(0.0), number(1.0), number(NAN))) == {"nan", "number"}
    assert kinds(mix(number(0.5), number(INF), number(1.0))) == {"nan", "inf"}
    assert kinds(mix(number(0.5), number(1.0), number(-1.0))) == {"number"}


def test_a_mask_may_be_a_factor():
    alive = np.array([[True]])
    assert kinds(select(number(1.0), alive, number(NAN))) == {"number", "nan"}
    assert kinds(select(number(NAN), ~alive, 0.0)) == {"number", "nan"}
    assert kinds(select(number(NAN), alive, number(1.0))) == {"nan"}
    assert kinds(select(number(1.0), alive, 0.0)) == {"number"}


def test_halves_are_joined_and_peepholes_are_factors():
    both = join(number(NAN), number(1.0))
    assert isinstance(both, Reach) and both.nan.tolist() == [[True, False]]
    weights = np.ones((1, 1)), np.ones((1, 1)), np.zeros(1), np.zeros(1)
    for peephole, seen in ((1.0, {"nan"}), (0.0, {"nan", "number"})):
        z = affine_peephole(number(1.0), weights[0], number(1.0), *weights[1:], np.array([peephole]), number(NAN))
        assert kinds(z) == seen


def dense(cell, **options):
    """A case whose weights are not zero, with NaN in the second step of the first row."""
    plain = case(cell, T=3, N=2, I=2, H=2, **options)
    full = plain.map(lambda name, array: (0.25 + np.arange(array.size).reshape(array.shape) / 16).astype(array.dtype))
    full.x[1, 0, 0] = NAN
    return full


@pytest.mark.parametrize("cell", CELLS)
def test_nan_is_certain_through_weights_that_are_not_zero(cell):
    for name, must in reached(dense(cell, L=2), A).items():
        assert not must.maybe.any() and np.isfinite(must.rad).all()
        assert (must.nan == np.isnan(getattr(forward(dense(cell, L=2)), name))).all()
        assert must.nan[:, 0].any() and not must.nan[:, 1].any()
        assert not must.allows(np.zeros(must.shape))[must.nan].any()


@pytest.mark.parametrize("cell", CELLS)
def test_past_the_end_of_a_row_its_own_nan_may_be_multiplied_by_zero(cell):
    must = reached(dense(cell, L=1).replace(lengths=np.array([2, 1])), A).output
    assert must.maybe[2].tolist() == [[True, True], [False, False]]
    assert not must.odd[:, 1].any() and must.nan[1, 0].all() and not must.odd[0].any()


def test_what_stands_in_the_padding_reaches_nothing():
    padded = dense("GRU", L=1).replace(lengths=np.array([1, 3]))
    assert not any(must.odd.any() for _, must in reached(padded, A).items())


def test_every_layout_and_no_steps_at_all():
    plain = dense("LSTM", L=1)
    swapped = plain.replace(x=plain.x.swapaxes(0, 1), batch_first=True)
    assert (reached(swapped, A).output.nan.swapaxes(0, 1) == reached(plain, A).output.nan).all()
    alone = plain.map(lambda name, array: array[:, 0] if name in ("x", "h_0", "c_0") else array)
    assert (reached(alone, A).c_n.nan == reached(plain, A).c_n.nan[:, 0]).all()
    empty = reached(plain.replace(x=plain.x[:0]), A)
    assert empty.output.shape == (0, 2, 2) and empty.h_n.allows(np.zeros((1, 2, 2))).all()
    with pytest.raises(ShapeError):
        reached(plain.replace(h_0=np.zeros((1, 1, 2), np.float32)), A)


@pytest.mark.parametrize("seed", range(4))
def test_what_is_finite_stays_within_what_balls_allow(seed):
    block = np.random.default_rng(seed).bytes(BLOCK_SIZE)
    drawn = calm_from_block(block, Allowed(cells=CELLS, lengths=True, bidirectional=None, max_layers=3))
    a = arithmetic(drawn.config.dtype)
    for name, must in reached(drawn, a).items():
        ball = getattr(forward(drawn, a), name)
        assert not must.odd.any()
        assert (must.mid == ball.mid).all() or np.allclose(must.mid, ball.mid)
        assert (must.rad >= 0).all() and must.allows(ball.mid).all()


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("profile", ["strict", "lenient", "half-sums", "flush-to-zero"])
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_what_is_finite_has_the_room_that_its_ball_has(cell, profile, dtype):
    allowed = Allowed(cells=[cell], dtypes=[dtype], lengths=True, bidirectional=True, max_layers=3, projections=True)
    drawn = calm_from_block(bytes(range(BLOCK_SIZE)), allowed)
    a = arithmetic(dtype, profile)
    balls = forward(drawn, a)
    for name, must in reached(drawn, a).items():
        room = getattr(balls, name).rad
        assert (must.rad >= (1 - 1e-9) * room).all() and room.any()


@pytest.mark.parametrize("function", [tanh, sigmoid, hard_sigmoid])
def test_of_an_infinity_comes_its_own_limit_and_no_other(function):
    for value in (INF, -INF):
        reach = function(number(value))
        assert not reach.misses(function(np.array([[value]]))).any()
        assert reach.misses(function(np.array([[-value]]))).all()


def test_where_either_is_right_or_the_order_is_free_nothing_is_missed():
    assert not relu(number(-INF)).misses(np.array([[7.0]])).any()
    assert not number(INF).misses(np.array([[7.0]])).any() and not number(NAN).misses(np.array([[7.0]])).any()
    assert number(0.5).misses(np.array([[7.0]])).all()
    assert not number(0.5, a=arithmetic("float32", order="scan")).misses(np.array([[7.0]])).any()


def test_an_infinity_leaves_other_units_the_room_that_they_have():
    drawn = dense("LSTM", L=1)
    drawn.x[1, 0, 0] = INF
    drawn.parameters["weight_ih_l0"][:] = np.array([1.0, 0.25])
    for name, must in reached(drawn, A).items():
        assert not must.misses(getattr(forward(drawn), name).astype(np.float32)).any()
        assert must.misses(-getattr(forward(drawn), name)).any()
