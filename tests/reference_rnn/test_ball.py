"""Balls: what they contain, how tight they are, and where their midpoints come from."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings

from reference_rnn import Ball, arithmetic, forward
from reference_rnn import functions as f
from reference_rnn.ball import exact, stored
from strategies import cases

FLOAT32 = arithmetic("float32")
EXACT = arithmetic("float64")
# No sum of these and of what is added to them below is rounded.
NUMBERS = (-6.0, -1.25, -0.03125, 0.0, 0.25, 1.0, 5.0)
GATES = (0.0, 0.25, 0.5, 1.0)

# The functions that work on each number alone, and numbers for each of their operands.
ELEMENTWISE = {
    "tanh": (f.tanh, NUMBERS),
    "sigmoid": (f.sigmoid, NUMBERS),
    "relu": (f.relu, NUMBERS),
    "sum": (lambda a, b: a + b, NUMBERS, NUMBERS),
    "product": (lambda a, b: a * b, NUMBERS, NUMBERS),
    "mix": (f.mix, GATES, NUMBERS, NUMBERS),
}


def ball(mid, rad, a=EXACT):
    return Ball(np.asarray(mid, float), np.broadcast_to(rad, np.shape(mid)).astype(float), a)


def grid(*operands):
    """Every combination of the operands' numbers."""
    return [np.array(column) for column in zip(*itertools.product(*operands))]


@pytest.mark.parametrize("name", ELEMENTWISE)
@pytest.mark.parametrize("rad", [0.0, 2.0**-30, 2.0**-7, 0.5, 3.0])
def test_the_result_of_any_operands_is_in_the_ball(name, rad):
    function, *operands = ELEMENTWISE[name]
    mids = grid(*operands)
    result = function(*(ball(mid, rad) for mid in mids))

    for shifts in itertools.product((-1, -0.5, 0, 0.75, 1), repeat=len(mids)):
        assert result.contains(function(*(mid + shift * rad for mid, shift in zip(mids, shifts)))).all()


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_the_ball_is_no_wider_than_the_results_reach(name):
    function, *operands = ELEMENTWISE[name]
    mids = grid(*operands)
    result = function(*(ball(mid, 0.01) for mid in mids))

    ends = [
        abs(function(*(mid + end * 0.01 for mid, end in zip(mids, ends))) - result.mid)
        for ends in itertools.product((-1, 1), repeat=len(mids))
    ]
    assert (np.max(ends, axis=0) >= 0.95 * result.rad - 1e-13).all()


@pytest.mark.parametrize("seed", range(20))
def test_affine_contains_every_operand_and_every_order_of_the_sum(seed):
    rng = np.random.default_rng(seed)
    x, W_x, h, W_h, b_x, b_h = (
        rng.standard_normal(shape).astype(np.float32) for shape in [(2, 7), (5, 7), (2, 5), (5, 5), 5, 5]
    )
    rad = 0.01 * (seed % 2)

    result = f.affine(ball(x, rad, FLOAT32), W_x, ball(h, rad, FLOAT32), W_h, b_x, b_h)

    for _ in range(10):
        inputs = (x + 0.999 * rad * rng.choice([-1, 1], x.shape)).astype(np.float32)
        states = (h + 0.999 * rad * rng.choice([-1, 1], h.shape)).astype(np.float32)
        terms = np.concatenate([inputs[:, None] * W_x, states[:, None] * W_h], axis=2)
        terms = np.concatenate([terms, *(np.broadcast_to(b[:, None], (2, 5, 1)) for b in (b_x, b_h))], axis=2)
        z = np.cumsum(rng.permutation(terms, axis=2), axis=2, dtype=np.float32)[..., -1]
        assert result.contains(z).all()
    assert not result.contains(z + 2 * result.rad + 1e-5).any()


def test_linear_reaches_as_far_as_its_weights_carry():
    W, b = np.array([[1.0, -2.0], [0.5, 0.0]]), np.array([1.0, 0.0])

    result = f.linear(ball([[1.0, 1.0]], 0.25), W, b)

    assert result.mid.tolist() == [[0, 0.5]]
    assert result.rad == pytest.approx(np.array([[0.75, 0.125]]))


def test_select_takes_value_and_radius_from_one_side():
    result = f.select(ball([1.0, 2.0], 0.1), np.array([True, False]), ball([3.0, 4.0], 0.2))
    ended = f.select(ball([1.0, 2.0], 0.1), np.array([True, False]), 0.0)

    assert (result.mid.tolist(), result.rad.tolist()) == ([1, 4], [0.1, 0.2])
    assert (ended.mid.tolist(), ended.rad.tolist()) == ([1, 0], [0.1, 0])


def test_join_puts_values_and_radii_side_by_side():
    result = f.join(ball([[1.0]], 0.1), ball([[2.0, 3.0]], 0.2))

    assert (result.mid.tolist(), result.rad.tolist()) == ([[1, 2, 3]], [[0.1, 0.2, 0.2]])


def test_an_exact_ball_is_a_point_and_a_stored_one_allows_for_its_rounding():
    assert exact([2.0, -4.0], FLOAT32).rad.tolist() == [0, 0]
    assert stored([2.0, -4.0], FLOAT32).rad.tolist() == [2.0**-23, 2.0**-22]


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "relu"])
def test_float32_activations_are_in_the_ball(name):
    z = np.linspace(-12, 12, 4001).astype(np.float32)
    function = getattr(f, name)

    result = function(exact(z, FLOAT32))

    assert result.contains(function(z)).all()
    assert result.rad.max() < 1e-6


@pytest.mark.parametrize(
    ("function", "formula"),
    [
        (lambda z, n, h: n + h, lambda z, n, h: n + h),
        (lambda z, n, h: n * h, lambda z, n, h: n * h),
        (f.mix, lambda z, n, h: (1 - z) * n + z * h),
        (f.mix, lambda z, n, h: n + z * (h - n)),
    ],
)
def test_float32_sums_products_and_mixtures_are_in_the_ball(function, formula):
    rng = np.random.default_rng(0)
    z, n, h = rng.random(5000, np.float32), *rng.standard_normal((2, 5000), np.float32)

    result = function(*(exact(array, FLOAT32) for array in (z, n, h)))

    assert formula(z, n, h).dtype == np.float32
    assert result.contains(formula(z, n, h)).all()
    assert result.rad.max() < 1e-5


def test_a_tanh_that_is_13_units_off_is_rejected():
    z = np.linspace(0.1, 2, 50)
    result = f.tanh(exact(z, FLOAT32))

    assert result.contains(np.tanh(z) * (1 + 11.9 * FLOAT32.u)).all()
    assert not result.contains(np.tanh(z) * (1 + 13.1 * FLOAT32.u)).any()


# Midpoints


@settings(max_examples=100, deadline=None)
@given(cases(empty=("time", "batch", "length")))
def test_a_midpoint_is_the_plain_result_bit_for_bit(c):
    balls, plain = forward(c, FLOAT32), forward(c)

    assert np.array_equal(balls.output.mid, plain.output, equal_nan=True)
    assert np.array_equal(balls.h_n.mid, plain.h_n, equal_nan=True)


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "relu", "mix", "linear", "affine"])
def test_each_function_takes_its_midpoint_from_the_array_function(name):
    numbers = np.random.default_rng(0).standard_normal
    shapes = {"mix": [(4, 6)] * 3, "linear": [(4, 3), (6, 3), 6], "affine": [(4, 3), (6, 3), (4, 6), (6, 6), 6, 6]}
    balls = {"mix": (0, 1, 2), "affine": (0, 2)}.get(name, (0,))
    given = [numbers(shape) for shape in shapes.get(name, [(4, 6)])]
    function = getattr(f, name)

    result = function(*(ball(array, 0.1) if at in balls else array for at, array in enumerate(given)))

    assert np.array_equal(result.mid, function(*given))


# Overflow, and what is not a number


@pytest.mark.parametrize(("dtype", "large"), [("float32", 3e38), ("float16", 6e4), ("bfloat16", 3e38)])
def test_where_a_sum_may_overflow_anything_is_allowed(dtype, large):
    a = arithmetic(dtype)
    x = exact([[large, large, -large]], a)
    sums = f.linear(x, np.array([[1.0, 1.0, 1.0], [0.25, 0.25, 0.25]]), np.zeros(2))

    assert np.isinf(sums.rad).tolist() == [[True, False]]
    assert sums.contains(np.array([[np.nan, 0.25 * large]])).tolist() == [[True, True]]
    assert not sums.contains(np.array([[0.0, np.inf]]))[0, 1]


@np.errstate(all="ignore")
def test_an_infinite_radius_goes_through_every_function():
    anything = ball([0.5, -2.0], np.inf)

    for result in (f.relu(anything), anything + anything, anything * ball([0.0, 0.0], 0.0)):
        assert np.isinf(result.rad).all()
    assert f.tanh(anything).rad == pytest.approx(1 + np.tanh([0.5, 2.0]))
    assert f.sigmoid(anything).contains(np.array([0.0, 1.0])).all()


@pytest.mark.parametrize("function", [f.tanh, f.sigmoid])
@np.errstate(all="ignore")
def test_an_overflow_in_float64_goes_through_every_function(function):
    """Another order of the sum may be -inf, not a number, or finite."""
    overflow = f.linear(exact([[1e308, 1e308, -1e308]], EXACT), np.ones((1, 3)), np.zeros(1))

    assert np.isinf(overflow.rad).all()
    assert function(overflow).contains(function(np.array([[1e308]]) * -1)).all()


def test_equal_infinities_agree_and_others_do_not():
    infinite = ball([np.inf, np.inf, 1.0], 0.0)

    with np.errstate(invalid="ignore"):
        assert infinite.contains(np.array([np.inf, -np.inf, np.inf])).tolist() == [True, False, False]
