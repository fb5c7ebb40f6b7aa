"""Balls: what they contain, how tight they are, and where their midpoints come from."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference_rnn import CELLS, Ball, anchored, arithmetic, case, cell_of, forward, gradients, rounded
from reference_rnn import functions as f
from reference_rnn.bounds.ball import exact, stored
from strategies import cases

FLOAT32 = arithmetic("float32")
EXACT = arithmetic("float64")
# No sum of these and of what is added to them below is rounded.
NUMBERS = (-6.0, -1.25, -0.03125, 0.0, 0.25, 1.0, 5.0)
OPENINGS = (0.0, 0.25, 0.5, 1.0)
SIGNED = (-1.0, -0.75, -0.25, 0.0, 0.5, 1.0)

# The functions that work on each number alone, and numbers for each of their operands.
ELEMENTWISE = {
    "tanh": (f.tanh, NUMBERS),
    "sigmoid": (f.sigmoid, NUMBERS),
    "relu": (f.relu, NUMBERS),
    "sin": (f.sin, NUMBERS),
    "cos": (f.cos, NUMBERS),
    "absolute": (f.absolute, NUMBERS),
    "sum": (lambda a, b: a + b, NUMBERS, NUMBERS),
    "product": (lambda a, b: a * b, NUMBERS, NUMBERS),
    "mix": (f.mix, OPENINGS, NUMBERS, NUMBERS),
    "difference": (lambda a, b: a - b, NUMBERS, NUMBERS),
    "what is left of 1": (lambda a: 1 - a, NUMBERS),
    "total": (f.total, NUMBERS, NUMBERS, NUMBERS),
    "tanh_slope": (f.tanh_slope, SIGNED),
    "sigmoid_slope": (f.sigmoid_slope, OPENINGS),
    "relu_slope": (f.relu_slope, NUMBERS),
    "softsign_slope": (f.softsign_slope, SIGNED),
    "hard_sigmoid_slope": (f.hard_sigmoid_slope, NUMBERS),
    "clip_slope": (lambda z: f.clip_slope(z, 0.75), NUMBERS),
    "negative": (lambda z: -z, NUMBERS),
}


def ball(mid, rad, a=EXACT):
    return Ball(np.asarray(mid, float), np.broadcast_to(rad, np.shape(mid)).astype(float), a)


def grid(*operands):
    """Every combination of the operands' numbers."""
    return [np.array(column) for column in zip(*itertools.product(*operands))]


@pytest.mark.sample
@pytest.mark.parametrize("name", ELEMENTWISE)
@pytest.mark.parametrize("rad", [0.0, 2.0**-30, 2.0**-7, 0.5, 3.0])
def test_the_result_of_any_operands_is_in_the_ball(name, rad):
    function, *operands = ELEMENTWISE[name]
    mids = grid(*operands)
    result = function(*(ball(mid, rad) for mid in mids))

    for shifts in itertools.product((-1, -0.5, 0, 0.75, 1), repeat=len(mids)):
        assert result.contains(function(*(mid + shift * rad for mid, shift in zip(mids, shifts)))).all()


@pytest.mark.sample
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


@pytest.mark.sample
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
    assert stored([0.0, 2.0**-24], arithmetic("float16")).rad.tolist() == [2.0**-25, 2.0**-25 + 2.0**-35]
    assert stored([2.0, -4.0], FLOAT32).rad.tolist() == [2.0**-23, 2.0**-22]


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "relu"])
def test_float32_activations_are_in_the_ball(name):
    z = np.linspace(-12, 12, 4001).astype(np.float32)
    function = getattr(f, name)

    result = function(exact(z, FLOAT32))

    assert result.contains(function(z)).all()
    assert result.rad.max() < 1e-6


@pytest.mark.sample
@pytest.mark.parametrize(
    ("function", "formula"),
    [
        (lambda z, n, h: n + h, lambda z, n, h: n + h),
        (lambda z, n, h: n - h, lambda z, n, h: n - h),
        (lambda z, n, h: n * h, lambda z, n, h: n * h),
        (lambda z, n, h: (1 - z) * n, lambda z, n, h: (1 - z) * n),
        (lambda z, n, h: (1 - z) * n, lambda z, n, h: n - z * n),
        (lambda z, n, h: z * (n - h), lambda z, n, h: z * (n - h)),
        (lambda z, n, h: z * (n - h), lambda z, n, h: z * n - z * h),
        (lambda z, n, h: n * h * z, lambda z, n, h: n * (h * z)),
        (f.total, lambda z, n, h: (z + n) + h),
        (f.total, lambda z, n, h: z + (n + h)),
        (f.total, lambda z, n, h: (h + z) + n),
        (f.mix, lambda z, n, h: (1 - z) * n + z * h),
        (f.mix, lambda z, n, h: n + z * (h - n)),
        (lambda z, n, h: f.tanh_slope(z), lambda z, n, h: 1 - z * z),
        (lambda z, n, h: f.tanh_slope(z), lambda z, n, h: (1 - z) * (1 + z)),
        (lambda z, n, h: f.sigmoid_slope(z), lambda z, n, h: z * (1 - z)),
        (lambda z, n, h: f.sigmoid_slope(z), lambda z, n, h: z - z * z),
        (lambda z, n, h: n * f.sigmoid_slope(z), lambda z, n, h: n * z * (1 - z)),
        (lambda z, n, h: f.softsign_slope(z), lambda z, n, h: (1 - z) * (1 - z)),
        (lambda z, n, h: f.softsign_slope(f.softsign(n)), lambda z, n, h: 1 / ((1 + abs(n)) * (1 + abs(n)))),
        (lambda z, n, h: f.softsign_slope(f.softsign(n)), lambda z, n, h: (1 / (1 + abs(n))) ** 2),
        (lambda z, n, h: f.hard_sigmoid_slope(n), lambda z, n, h: (abs(n) < 2.5) * np.float32(0.2)),
    ],
)
def test_float32_sums_products_and_mixtures_are_in_the_ball(function, formula):
    rng = np.random.default_rng(0)
    z, n, h = rng.random(5000, np.float32), *rng.standard_normal((2, 5000), np.float32)

    result = function(*(exact(array, FLOAT32) for array in (z, n, h)))

    assert formula(z, n, h).dtype == np.float32
    assert result.contains(formula(z, n, h)).all()
    assert result.rad.max() < 1e-5


def test_a_mixture_may_be_of_any_share():
    """Nothing keeps the share of one's own cell between 0 and 1."""
    rng, a = np.random.default_rng(0), arithmetic("float32")
    z, n, h = (rounded(rng.normal(size=2000) * 10.0 ** rng.uniform(-3, 3, 2000), "float32") for _ in range(3))
    room = [10.0 ** rng.uniform(-9, -3, 2000) * abs(each) for each in (z, n, h)]
    ball = f.mix(*(Ball(each.astype(float), rad, a) for each, rad in zip((z, n, h), room)))
    for signs in itertools.product((-1, 0, 1), repeat=3):
        z_, n_, h_ = (each + sign * rad for each, sign, rad in zip((z.astype(float), n, h), signs, room))
        assert ball.contains((1 - z_) * n_ + z_ * h_).all()
    exact_ball = f.mix(*(exact(each, a) for each in (z, n, h)))
    one = np.float32(1)
    for result in ((one - z) * n + z * h, n + z * (h - n)):
        assert exact_ball.contains(result.astype(float)).all()


def test_a_reset_product_may_be_multiplied_out_and_its_terms_added_last():
    """((W x + r (U h)) + r d) + b, with every rounding upwards; all but r (U h) is nearly nothing."""
    up = lambda value: value * (1 + FLOAT32.u)  # noqa: E731
    one, nothing = np.ones((1, 1)), np.full((1, 1), 2.0**-60)

    q = f.linear(exact(one, FLOAT32), one, nothing[0])
    result = f.linear(exact(nothing, FLOAT32), one, nothing[0]) + exact(one, FLOAT32) * q

    assert result.contains(up(up(up(up(up(1.0)) + 2.0**-60) + 2.0**-60) + 2.0**-60)).all()
    assert not result.contains(np.array(1 + 7 * FLOAT32.u)).any()


@pytest.mark.parametrize("profile", ["strict", "half-sums"])
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_a_long_sum_may_be_added_to_a_number_term_by_term(dtype, profile):
    """A product of matrices is accumulated on top of what else there is, and every addition rounds upwards."""
    a, n = arithmetic(dtype, profile), 24
    unit = a.ua if a.ua < a.u else a.u
    terms, one = exact(np.full((1, n), 1.01 * unit), a), exact(np.ones((1, 1)), a)
    accumulated = 1 + 2 * n * unit  # each term is just more than half a unit in the last place of 1

    for result in (
        f.linear(terms, np.ones((1, n)), 0.0) + one,  # the gradient of a state, and that of its output
        f.linear(terms, np.ones((1, n)), np.zeros(1)) + one * f.linear(one, np.ones((1, 1)), np.zeros(1)),  # W x + r q
    ):
        assert result.contains(np.array(accumulated)).all()
        assert not result.contains(np.array(1 + 4 * n * unit + 16 * a.u)).any()


@pytest.mark.sample
@pytest.mark.parametrize("seed", range(10))
def test_a_product_of_matrices_contains_every_operand_and_every_order_of_the_sum(seed):
    rng = np.random.default_rng(seed)
    d, x = (rng.standard_normal((9, columns)).astype(np.float32) for columns in (4, 3))
    rad = 0.01 * (seed % 2)

    result = f.outer(ball(d, rad, FLOAT32), ball(x, rad, FLOAT32))

    for _ in range(10):
        left, right = ((a + 0.999 * rad * rng.choice([-1, 1], a.shape)).astype(np.float32) for a in (d, x))
        products = rng.permutation(left[:, :, None] * right[:, None, :], axis=0)
        steps = np.cumsum(products.reshape(3, 3, 4, 3), axis=1, dtype=np.float32)[:, -1]
        for z in (np.cumsum(products, axis=0, dtype=np.float32)[-1], steps[0] + steps[1] + steps[2]):
            assert result.contains(z).all()
    assert not result.contains(z + 2 * result.rad + 1e-5).any()


def test_a_product_of_matrices_reaches_as_far_as_its_factors_carry():
    result = f.outer(ball([[1.0, -2.0], [0.5, 0.0]], 0.25), ball([[2.0], [-4.0]], 0.5))

    assert result.mid.tolist() == [[0], [-4]]
    reach = [(1 + 0.5) * 0.5 + 0.25 * (2 + 4) + 2 * 0.125, (2 + 0) * 0.5 + 0.25 * (2 + 4) + 2 * 0.125]
    assert result.rad.ravel() == pytest.approx(reach)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_product_of_matrices_may_be_stored_in_16_bits_after_every_row(dtype):
    rng = np.random.default_rng(0)
    d, x = (rounded(rng.standard_normal((6, 200)), dtype) for _ in range(2))
    stored_sum = np.zeros(200, np.float32)
    for one, other in zip(d.astype(np.float32), x.astype(np.float32)):
        stored_sum = rounded(stored_sum + rounded(one * other, dtype).astype(np.float32), dtype).astype(np.float32)

    for k in range(200):
        result = f.outer(exact(d[:, k : k + 1], arithmetic(dtype)), exact(x[:, k : k + 1], arithmetic(dtype)))
        assert result.contains(stored_sum[k].astype(float)).all()
        assert result.rad.item() < 8 * arithmetic(dtype).u * (abs(d[:, k]) @ abs(x[:, k]))


@pytest.mark.parametrize("function", [f.sin, f.cos])
def test_a_wave_of_a_wide_ball_reaches_from_end_to_end_and_that_of_anything_is_anything(function):
    mids = np.linspace(-7, 7, 29)

    assert (
        function(ball(mids, 4.0)).contains(np.ones(29)).all() and function(ball(mids, 4.0)).contains(-np.ones(29)).all()
    )
    assert (function(ball(mids, 1e9)).rad <= 2 + 1e-12).all()
    assert np.isinf(function(ball(mids, np.inf)).rad).all()


@pytest.mark.sample
@pytest.mark.parametrize("z", [-2.0, -0.25, 0.0, 0.25, 2.0])
@pytest.mark.parametrize("rad", [0.0, 0.25, 1.0])
def test_the_slope_of_relu_is_open_within_reach_of_the_kink_and_nowhere_else(z, rad):
    result = f.relu_slope(ball([z], rad))

    assert result.rad.item() == (1 if abs(z) <= rad else 0)
    assert [bool(result.contains(np.array(slope))) for slope in (0.0, 0.5, 1.0)] == (
        [True] * 3 if abs(z) <= rad else [z < 0, False, z > 0]
    )


@pytest.mark.sample
@pytest.mark.parametrize(("slope", "most"), [(f.hard_sigmoid_slope, 0.2), (lambda z: f.clip_slope(z, 2.5), 1.0)])
@pytest.mark.parametrize("z", [-4.0, -2.5, -2.25, 0.0, 2.25, 2.5, 4.0])
@pytest.mark.parametrize("rad", [0.0, 0.25, 1.0])
def test_the_slope_of_what_is_cut_off_is_open_within_reach_of_a_kink_and_nowhere_else(slope, most, z, rad):
    result = slope(ball([z], rad))

    near = abs(abs(z) - 2.5) <= rad
    allowed = [bool(result.contains(np.array(share * most))) for share in (0.0, 0.5, 1.0)]
    assert allowed == ([True] * 3 if near else [abs(z) > 2.5, False, abs(z) < 2.5])


def test_where_no_bound_is_set_the_slope_of_clip_is_one_for_certain():
    result = f.clip_slope(ball([-1e30, 0.0, 7.0], 1.0), np.inf)

    assert result.mid.tolist() == [1, 1, 1] and result.rad.tolist() == [0, 0, 0]


def test_a_ball_is_transposed_reshaped_and_indexed_like_its_numbers():
    numbers = ball(np.arange(6.0).reshape(2, 3), np.arange(6.0).reshape(2, 3) / 8)

    for part in (numbers.T, numbers.reshape(3, 2), numbers[1], numbers[:, :2]):
        assert part.shape == part.mid.shape == part.rad.shape
        assert np.array_equal(part.rad, part.mid / 8)
    assert numbers.T.mid.tolist() == [[0, 3], [1, 4], [2, 5]]
    assert numbers.mag.tolist() == (np.arange(6.0).reshape(2, 3) * 1.125).tolist()


def test_a_tanh_that_is_13_units_off_is_rejected():
    z = np.linspace(0.1, 2, 50)
    result = f.tanh(exact(z, FLOAT32))

    assert result.contains(np.tanh(z) * (1 + 11.9 * FLOAT32.u)).all()
    assert not result.contains(np.tanh(z) * (1 + 13.1 * FLOAT32.u)).any()


# Midpoints


@settings(max_examples=100, deadline=None)
@given(cases(cells=CELLS, projections=True, empty=("time", "batch", "length")))
def test_a_midpoint_is_the_plain_result_bit_for_bit(c):
    balls, plain = forward(c, FLOAT32), forward(c)

    for (name, ball), (other, array) in zip(balls.items(), plain.items(), strict=True):
        assert name == other and np.array_equal(ball.mid, array, equal_nan=True)


FUNCTIONS = [
    "tanh",
    "sigmoid",
    "relu",
    "sin",
    "cos",
    "absolute",
    "mix",
    "linear",
    "affine",
    "tanh_slope",
    "sigmoid_slope",
    "relu_slope",
    "softsign_slope",
    "hard_sigmoid_slope",
]


@pytest.mark.sample
@pytest.mark.parametrize("name", [*FUNCTIONS, "outer", "total"])
def test_each_function_takes_its_midpoint_from_the_array_function(name):
    numbers = np.random.default_rng(0).standard_normal
    shapes = {"mix": [(4, 6)] * 3, "linear": [(4, 3), (6, 3), 6], "affine": [(4, 3), (6, 3), (4, 6), (6, 6), 6, 6]}
    shapes |= {"outer": [(4, 6), (4, 3)], "total": [(4, 6)] * 4}
    balls = {"mix": (0, 1, 2), "affine": (0, 2), "outer": (0, 1), "total": (0, 1, 2, 3)}.get(name, (0,))
    given = [numbers(shape) for shape in shapes.get(name, [(4, 6)])]
    function = getattr(f, name)

    result = function(*(ball(array, 0.1) if at in balls else array for at, array in enumerate(given)))

    assert np.array_equal(result.mid, function(*given))


@pytest.mark.parametrize(
    "function", [lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a * b, lambda a, b: 1 - a, lambda a, b: b.T]
)
def test_each_operator_takes_its_midpoint_from_the_one_on_arrays(function):
    a, b = np.random.default_rng(0).standard_normal((2, 4, 6))

    assert np.array_equal(function(ball(a, 0.1), ball(b, 0.2)).mid, function(a, b))


# Overflow, and what is not a number


@pytest.mark.parametrize(("dtype", "large"), [("float32", 3e38), ("float16", 6e4), ("bfloat16", 3e38)])
def test_where_a_sum_may_overflow_anything_is_allowed(dtype, large):
    a = arithmetic(dtype)
    x = exact([[large, large, -large]], a)
    sums = f.linear(x, np.array([[1.0, 1.0, 1.0], [0.25, 0.25, 0.25]]), np.zeros(2))

    assert np.isinf(sums.rad).tolist() == [[True, False]]
    assert sums.contains(np.array([[np.nan, 0.25 * large]])).tolist() == [[True, True]]
    assert not sums.contains(np.array([[0.0, np.inf]]))[0, 1]


@pytest.mark.parametrize(("dtype", "large"), [("float32", 3e38), ("float16", 6e4), ("bfloat16", 3e38)])
def test_where_a_total_or_a_product_of_matrices_may_overflow_anything_is_allowed(dtype, large):
    a = arithmetic(dtype)
    up, down, half = (exact([[number]], a) for number in (large, -large, large / 4))

    assert np.isinf(f.total(up, up, down).rad) and np.isfinite(f.total(half, half, half).rad)
    column = exact([[large], [large], [-large]], a)
    assert np.isinf(f.outer(column, exact([[1.0]] * 3, a)).rad)
    assert np.isfinite(f.outer(column, exact([[0.25]] * 3, a)).rad)


@np.errstate(all="ignore")
def test_an_infinite_radius_goes_through_every_function():
    anything = ball([0.5, -2.0], np.inf)
    nothing = ball([0.0, 0.0], 0.0)

    for result in (f.relu(anything), anything + anything, anything - nothing, 1 - anything, anything * nothing):
        assert np.isinf(result.rad).all()
    for result in (f.tanh_slope(anything), f.total(nothing, anything), f.outer(anything[None], nothing[None])):
        assert np.isinf(result.rad).all()
    assert f.relu_slope(anything).rad.tolist() == [1, 1]
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


# Whole runs


def in_many_ways(seed):
    """A step that adds up in random order, and takes any of the usual forms of each equation."""
    rng = np.random.default_rng(seed)

    def added(*terms):
        terms = np.column_stack(terms)
        return np.cumsum(terms[:, rng.permutation(terms.shape[1])], axis=1)[:, -1]

    def sigmoid(z):
        if rng.random() < 0.5:
            return 1 / (1 + np.exp(-np.clip(z, -80, 80)))
        return np.tanh(z / 2) / 2 + z.dtype.type(0.5)

    def gate(x, h, W, U, b, d):
        return added(W * x, U * h, b, d) if rng.random() < 0.7 else added(W * x, b) + added(d, U * h)

    def candidate(r, x, h, W, U, b, d):
        """tanh of what a GRU with its reset gate after the product adds up."""
        form = rng.integers(4)
        if form == 0:
            return np.tanh(added(W * x, b) + r * added(U * h, d))
        if form == 1:
            return np.tanh((added(W * x) + r * added(U * h, d)) + b)
        if form == 2:
            return np.tanh(added(added(W * x, b), r * added(U * h), r * d))
        return np.tanh((added(W * x) + (r * added(U * h) + r * d)) + b)

    def step(cell, x, state, *parameters):
        gates = list(zip(*(np.split(array, len(cell_of(cell).gates)) for array in parameters[:4])))
        if cell == "LSTM":
            h, c = state
            i, f, o = (sigmoid(gate(x, h, *gates[k])) for k in (0, 1, 3))
            c = f * c + i * np.tanh(gate(x, h, *gates[2]))
            h = o * np.tanh(c)
            return (added(parameters[4] * h) if len(parameters) > 4 else h), c
        r, z = (sigmoid(gate(x, state, *gates[k])) for k in (0, 1))
        if cell == "GRU":
            n = candidate(r, x, state, *gates[2])
        else:
            n = np.tanh(gate(x, r * state, *gates[2]))
        return (1 - z) * n + z * state if rng.random() < 0.5 else n + z * (state - n)

    return step


GATED = {
    "GRU": {"cells": ("GRU",)},
    "GRU_RESET_BEFORE": {"cells": ("GRU_RESET_BEFORE",)},
    "LSTM": {"cells": ("LSTM",)},
    "LSTM with projections": {"cells": ("LSTM",), "projections": True},
}


@pytest.mark.sample
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", GATED)
@settings(max_examples=100, deadline=None)
@given(data=st.data(), seed=st.integers(0, 2**32 - 1))
def test_a_run_in_any_order_and_form_lies_in_its_balls(looped, kind, dtype, data, seed):
    c = data.draw(cases(**GATED[kind], dtypes=(dtype,), empty=("time", "batch", "length")))

    results = looped(c, in_many_ways(seed))

    for balls in (forward(c, arithmetic(dtype)), anchored(c, results[0], arithmetic(dtype))):
        for (name, ball), result in zip(balls.items(), results, strict=True):
            assert result.dtype == c.config.numpy_dtype
            assert ball.contains(result).all(), name


def usual(kind, rng, **sizes):
    """A float32 case with weights as they are usually drawn, and Gaussian x and states."""
    cell, proj_size = GATED[kind]["cells"][0], 2 if "projections" in GATED[kind] else 0
    states = {"h_0": 0, "c_0": 0} if cell == "LSTM" else {"h_0": 0}
    c = case(cell, P=proj_size, **{"T": 6, "N": 3, "I": 3, "H": 4} | sizes, **states)
    k = 1 / np.sqrt(c.config.hidden_size)

    def drawn(name, array):
        numbers = rng.uniform(-k, k, array.shape) if name in c.parameters else rng.standard_normal(array.shape)
        return numbers.astype(np.float32)

    return c.map(drawn)


@pytest.mark.sample
@pytest.mark.parametrize("kind", GATED)
@pytest.mark.parametrize(("sizes", "widest"), [({}, 1e-5), ({"L": 2, "D": 2}, 1e-4)])
def test_balls_of_gated_cells_are_narrow_for_usual_weights(kind, sizes, widest):
    rng = np.random.default_rng(0)
    balls = [forward(usual(kind, rng, H=H, **sizes), FLOAT32) for H in (3, 5, 8, 16)]

    for part in zip(*((ball for _, ball in result.items()) for result in balls)):
        assert 2.0**-24 < np.median(np.concatenate([ball.rad.ravel() for ball in part])) < widest


@pytest.mark.sample
@pytest.mark.parametrize("kind", GATED)
@pytest.mark.parametrize("seed", range(8))
def test_one_wrong_number_of_a_gated_cell_is_rejected(looped, kind, seed):
    rng = np.random.default_rng(seed)
    c = usual(kind, rng, L=2, D=2, lengths=rng.integers(2, 7, 3))
    output, *finals = looped(c, in_many_ways(seed))
    row = rng.integers(3)
    at = rng.integers(c.row_lengths[row]), row, rng.integers(output.shape[-1])

    output[at] += 1e-4

    balls = anchored(c, output, FLOAT32)
    assert not balls.output.contains(output)[at]
    for final, (name, ball) in zip(finals, list(balls.items())[1:], strict=True):
        assert not ball.contains(final + 1e-3).any(), name


@pytest.mark.sample
@pytest.mark.parametrize("size", [1, 2, 7, 64])
@pytest.mark.parametrize("shift", [0.0, 30.0])
def test_float32_normalisation_is_in_the_ball_and_a_little_more_is_not(size, shift):
    rng = np.random.default_rng(size)
    x = (shift + rng.standard_normal((200, size))).astype(np.float32)

    result = f.normalised(exact(x, FLOAT32))

    deviation = x - x.mean(-1, keepdims=True, dtype=np.float32)
    variance = (deviation * deviation).mean(-1, keepdims=True, dtype=np.float32)
    for found in (
        deviation / np.sqrt(variance + np.float32(1e-5)),
        deviation * (1 / np.sqrt(variance + np.float32(1e-5))),
    ):
        assert found.dtype == np.float32 and result.contains(found.astype(float)).all()
    assert size == 1 or not result.contains(result.mid * 1.01 + 0.01 * (1 + shift)).all()
    assert size == 1 or np.median(result.rad) < 1e-4 * (1 + shift)


# How many unit roundoffs of the result each function may be off on exact operands, as its own comment counts them.
ROUNDINGS = {
    "tanh": (f.tanh, 12), "exp": (f.exp, 12), "sin": (f.sin, 12), "cos": (f.cos, 12), "softplus": (f.softplus, 26),
    "sqrt": (f.sqrt, 4), "softsign": (f.softsign, 3), "quotient": (lambda a: f.divide(a, exact(3.0, FLOAT32)), 2),
    "product": (lambda a: a * exact(3.0, FLOAT32), 2), "sum": (lambda a: a + exact(3.0, FLOAT32), 1),
}  # fmt: skip


@pytest.mark.parametrize("name", ROUNDINGS)
def test_a_radius_is_no_wider_than_the_roundings_that_there_are(name):
    function, roundings = ROUNDINGS[name]
    ball = function(exact(np.array([0.3, 0.7, 1.25]), FLOAT32))
    assert (ball.rad <= 1.001 * roundings * FLOAT32.u * abs(ball.mid)).all()


def test_a_dtype_stands_for_its_strict_arithmetic_and_a_ball_prints_itself():
    c = case("LSTM", T=2, N=1, I=1, H=2)
    named, meant = forward(c, "float32").output, forward(c, FLOAT32).output
    assert (named.mid == meant.mid).all() and (named.rad == meant.rad).all()
    assert (anchored(c, meant.mid, "float32").output.rad == anchored(c, meant.mid, FLOAT32).output.rad).all()
    assert all((d.rad == gradients(c, meant.mid, arithmetic=FLOAT32)[name].rad).all()
               for name, d in gradients(c, meant.mid, arithmetic="float32").items())  # fmt: skip
    assert str(exact(np.array([0.5, 1.25]), FLOAT32)) == "Ball(mid=[0.5  1.25], rad=[0. 0.])"
    with pytest.raises(ValueError, match="there is no dtype 'float23'; there are float64, float32, float16, bfloat16"):
        forward(c, "float23")
