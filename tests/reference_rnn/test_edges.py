"""Every rule of the balls at the edges of every format, against exact rational arithmetic.

A machine computes like a correct implementation: in some order and form, every number on the way stored in the format
or kept wider, with gradual underflow or flushed to zero. Whatever it does, its number lies in the ball; where it
overflows, the ball is open.
"""

from fractions import Fraction
from itertools import chain
from random import Random

import mpmath
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reference_rnn import DTYPES, PRECISION, Ball, arithmetic
from reference_rnn import functions as f
from reference_rnn.bounds.arithmetic import SMALLEST_NORMAL
from reference_rnn.bounds.ball import exact, stored

SPACING = {"float64": -1074, "float32": -149, "float16": -24, "bfloat16": -133}  # of subnormal numbers: 2 to that
LARGEST = {
    "float64": (2 - Fraction(2) ** -52) * 2**1023, "float32": (2 - Fraction(2) ** -23) * 2**127,
    "float16": Fraction(65504), "bfloat16": (2 - Fraction(2) ** -7) * 2**127,
}  # fmt: skip
PROFILES = ("strict", "half-sums", "half-sums+flush-to-zero")


class Overflow(Exception):
    """A number is larger than the format has."""


def nearest(number, dtype):
    """The number of a format that is nearest to a rational one, ties to even."""
    if not number:
        return number
    exponent = abs(number.numerator).bit_length() - number.denominator.bit_length()
    exponent -= abs(number) < Fraction(2) ** exponent
    spacing = Fraction(2) ** max(exponent + 1 - PRECISION[dtype], SPACING[dtype])
    found = round(number / spacing) * spacing
    if abs(found) > LARGEST[dtype]:
        raise Overflow
    return found


class Machine:
    """One implementation, drawn at random: what it stores, what it keeps wider, in which order it adds."""

    def __init__(self, dtype, profile, rng):
        self.dtype, self.rng = dtype, rng
        self.arithmetic = arithmetic(dtype, profile)
        self.flushes = rng.random() < 0.5 and (dtype != "float16" or self.arithmetic.flushes)
        self.habit = rng.choice((0.0, 0.5, 1.0))  # how often it stores

    def store(self, number):
        """The number as it is stored."""
        if self.arithmetic.narrow and self.rng.random() < 0.3:
            number = nearest(number, "float32")
        found = nearest(number, self.dtype)
        return Fraction(0) if self.flushes and abs(found) < SMALLEST_NORMAL[self.dtype] else found

    def keep(self, number):
        """The number after an operation: stored, or kept wider."""
        return self.store(number) if self.rng.random() < self.habit else number

    def fine(self, number):
        """The number after an operation within a sum."""
        a = self.arithmetic
        if not a.narrow or a.half_sums:
            return self.keep(number)
        return nearest(number, "float32") if self.rng.random() < self.habit else number

    def read(self, number):
        """The number as an operand."""
        tiny = abs(number) < SMALLEST_NORMAL[self.dtype]
        return Fraction(0) if self.arithmetic.flushes and tiny and self.rng.random() < 0.5 else number

    def sum(self, numbers, rounds=None):
        """The sum of numbers, in some order: in a sequence, or in pairs of whatever there is."""
        numbers, rounds = self.rng.sample(numbers, len(numbers)), rounds or self.fine
        sequence = self.rng.random() < 0.5
        while len(numbers) > 1:
            other = 1 if sequence else self.rng.randrange(1, len(numbers))
            added = rounds(self.read(numbers[0]) + self.read(numbers.pop(other)))
            numbers[0] = added
            if not sequence:
                self.rng.shuffle(numbers)
        return numbers[0]

    def times(self, *factors):
        """The product of numbers, from left to right."""
        result = factors[0]
        for factor in factors[1:]:
            result = self.keep(self.read(result) * self.read(factor))
        return result

    def terms(self, x, W):
        """The products of a product of matrices."""
        return [self.fine(self.read(one) * self.read(other)) for one, other in zip(x, W)]

    def function(self, of, z):
        """A function to half a unit in the last place, as float32 and wider have it."""
        with mpmath.workprec(2200 if self.dtype == "float64" else 400):
            value = of(mpmath.mpf(z.numerator) / z.denominator)
            sign, mantissa, exponent, _ = value._mpf_
        return self.keep((-1) ** sign * Fraction(int(mantissa)) * Fraction(2) ** int(exponent))


def number(rng, dtype):
    """A number of the format: ordinary, zero, subnormal, near the smallest normal one or near the largest."""
    bits, lowest = PRECISION[dtype], SPACING[dtype]
    highest = 1024 - bits if dtype == "float64" else (16 if dtype == "float16" else 128) - bits
    mantissa = rng.choice((rng.randrange(1, 8), rng.randrange(2 ** (bits - 1), 2**bits), 2**bits - 1, 2 ** (bits - 1)))
    exponent = rng.choice((lowest, lowest, lowest + 1, lowest + 3, highest, highest - 2, *5 * (-bits,), 2 - bits, -3))
    return rng.choice((-1, 1)) * Fraction(mantissa) * Fraction(2) ** exponent * (rng.random() < 0.95)


def small(rng, dtype):
    """A number of magnitude 4 or less."""
    found = number(rng, dtype)
    return found if abs(found) <= 4 else Fraction(rng.randrange(-32, 33), 8)


def medium(rng, dtype):
    """A number of magnitude 100 or less."""
    found = number(rng, dtype)
    return found if abs(found) <= 100 else Fraction(rng.randrange(-800, 801), 8)


def opening(rng, dtype):
    """A number from 0 to 1."""
    found = abs(number(rng, dtype))
    return found if found <= 1 else 1 - Fraction(2) ** -rng.randrange(1, PRECISION[dtype] + 1)


def positive(rng, dtype):
    """A normal number above zero."""
    return max(abs(number(rng, dtype)), Fraction(SMALLEST_NORMAL[dtype]))


def signed(rng, dtype):
    """A number from -1 to 1."""
    return rng.choice((-1, 1)) * opening(rng, dtype)


def operand(rng, machine, draw):
    """A number and its ball: given, kept wider than it is returned, or anywhere in a ball."""
    a, dtype = machine.arithmetic, machine.dtype
    while True:
        given = draw(rng, dtype)
        how = rng.random()
        if how < 0.4:
            return given, exact(float(given), a)
        if how < 0.7 and dtype != "float64":
            wide = given * (1 + Fraction(rng.randrange(-16, 17), 2 ** (PRECISION[dtype] + 5)))
            wide += Fraction(2) ** (SPACING[dtype] - 5) * rng.randrange(-15, 16)
            try:
                return wide, stored(float(machine.store(wide)), a)
            except Overflow:
                continue
        if abs(given) < LARGEST[dtype] / 2:
            rad = abs(given) / 2 ** rng.randrange(2, 20)
            rad = Fraction(float(rad))
            # whatever was computed may have been flushed
            found = given + rng.choice((-1, 0, 1)) * rad * (1 - Fraction(2) ** -20)
            return found, Ball(np.array(float(given)), np.array(float(rad) + a.eta), a)


def judge(machine, ball, compute, selects=False):
    """What the machine computes lies in the ball, and so does what it stores of it, unless it only selects."""
    mid, rad = ball.mid.ravel()[0], ball.rad.ravel()[0]
    try:
        found = compute()
        returned = found if selects else machine.store(found)
    except Overflow:
        assert np.isinf(rad)
        return
    if np.isfinite(rad):
        room = Fraction(float(rad)) * (1 + 8 * Fraction(machine.arithmetic.u))
        assert abs(found - Fraction(float(mid))) <= room
    assert ball.contains(np.array(float(returned))).all()


def one(m):
    return lambda x: m.keep(1 - m.read(x))


# For each rule: what the ball computes, what its operands are, and the forms in which implementations compute it.
HALF = Fraction(1, 2)
RULES = {
    "sum": (lambda a, b: a + b, (number, number), [lambda m, a, b: m.sum([a, b], m.keep)]),
    "difference": (lambda a, b: a - b, (number, number), [lambda m, a, b: m.sum([a, -b], m.keep)]),
    "total": (f.total, (number, number, number), [lambda m, *n: m.sum(list(n), m.keep)]),
    "product": (lambda a, b: a * b, (number, number), [lambda m, a, b: m.times(a, b)]),
    "1 - a": (lambda a: 1 - a, (number,), [lambda m, a: one(m)(a)]),
    "tanh": (f.tanh, (number,), [lambda m, z: m.function(mpmath.tanh, m.read(z))]),
    "sigmoid": (
        f.sigmoid, (small,),
        [
            lambda m, z: m.function(lambda z: 1 / (1 + mpmath.exp(-z)), m.read(z)),
            lambda m, z: m.keep(HALF + m.times(HALF, m.function(mpmath.tanh, m.times(HALF, z)))),
        ],
    ),
    "relu": (f.relu, (number,), [lambda m, z: max(Fraction(0), m.read(z))]),
    "hard_sigmoid": (
        f.hard_sigmoid, (number,),
        [
            lambda m, z: cut(m.keep(m.times(m.keep(Fraction(1, 5)), z) + HALF), 0, 1),
            lambda m, z: cut(m.times(m.keep(Fraction(1, 5)), beyond(m, m.read(z) + Fraction(5, 2))), 0, 1),
            lambda m, z: cut(m.keep(m.read(z) / 5) + HALF, 0, 1),
        ],
    ),
    "softsign": (f.softsign, (number,), [lambda m, z: m.keep(m.read(z) / m.keep(1 + abs(m.read(z))))]),
    "clip": (lambda z: f.clip(z, 0.5), (number,), [lambda m, z: cut(m.read(z), -HALF, HALF)]),
    "mix": (
        f.mix, (opening, number, number),
        [
            lambda m, z, n, h: m.keep(m.times(one(m)(z), n) + m.times(z, h)),
            lambda m, z, n, h: m.keep(m.read(n) + m.times(z, m.keep(m.read(h) - m.read(n)))),
            lambda m, z, n, h: m.sum([n, -m.times(z, n), m.times(z, h)], m.keep),
        ],
    ),
    "tanh_slope": (
        f.tanh_slope, (signed,),
        [lambda m, y: m.keep(1 - m.times(y, y)), lambda m, y: m.times(m.keep(1 - m.read(y)), m.keep(1 + m.read(y)))],
    ),
    "sigmoid_slope": (
        f.sigmoid_slope, (opening,),
        [lambda m, s: m.times(s, one(m)(s)), lambda m, s: m.keep(m.read(s) - m.times(s, s))],
    ),
    "product with tanh_slope": (
        lambda d, y: d * f.tanh_slope(y), (small, signed),
        [
            lambda m, d, y: m.times(d, m.keep(1 - m.times(y, y))),
            lambda m, d, y: m.times(d, m.keep(1 - m.read(y)), m.keep(1 + m.read(y))),
            lambda m, d, y: m.keep(m.read(d) - m.times(d, y, y)),
        ],
    ),
    "product with sigmoid_slope": (
        lambda d, s: d * f.sigmoid_slope(s), (small, opening),
        [lambda m, d, s: m.times(d, one(m)(s), s), lambda m, d, s: m.times(d, s, one(m)(s))],
    ),
    "softsign_slope": (f.softsign_slope, (signed,), [lambda m, y: m.times(*[m.keep(1 - abs(m.read(y)))] * 2)]),
    "softsign_slope of softsign": (
        lambda z: f.softsign_slope(f.softsign(z)), (small,),
        [
            lambda m, z: m.times(*[m.keep(1 / m.keep(1 + abs(m.read(z))))] * 2),
            lambda m, z: m.keep(1 / m.times(*[m.keep(1 + abs(m.read(z)))] * 2)),
            lambda m, z: m.keep(m.keep(1 / m.keep(1 + abs(m.read(z)))) / m.keep(1 + abs(m.read(z)))),
        ],
    ),
    "hard_sigmoid_slope": (
        f.hard_sigmoid_slope, (number,),
        [
            lambda m, z: m.keep(Fraction(1, 5)) * (0 < m.keep(m.times(m.keep(Fraction(1, 5)), z) + HALF) < 1),
            lambda m, z: m.keep(Fraction(1, 5)) * (abs(m.read(z)) < Fraction(5, 2)),
        ],
    ),
    "clip_slope": (lambda z: f.clip_slope(z, 0.5), (number,), [lambda m, z: Fraction(abs(m.read(z)) < HALF)]),
    "exp": (f.exp, (medium,), [lambda m, z: m.function(mpmath.exp, m.read(z))]),
    "softplus of small numbers": (
        f.softplus, (small,), [lambda m, z: m.function(mpmath.log1p, m.function(mpmath.exp, m.read(z)))],
    ),
    "softplus": (
        f.softplus, (medium,),
        [
            lambda m, z: m.keep(
                max(m.read(z), Fraction(0)) + m.function(mpmath.log1p, m.function(mpmath.exp, -abs(m.read(z))))
            ),
        ],
    ),
    "silu": (
        f.silu, (small,),
        [
            lambda m, z: m.times(z, m.function(lambda z: 1 / (1 + mpmath.exp(-z)), m.read(z))),
            lambda m, z: m.keep(m.read(z) / m.keep(1 + m.function(mpmath.exp, -m.read(z)))),
        ],
    ),
    "sqrt": (
        f.sqrt, (positive,),
        [
            lambda m, z: m.function(mpmath.sqrt, z),
            lambda m, z: m.times(z, m.function(lambda z: 1 / mpmath.sqrt(z), z)),
        ],
    ),
    "sin": (f.sin, (medium,), [lambda m, z: m.function(mpmath.sin, m.read(z))]),
    "cos": (f.cos, (medium,), [lambda m, z: m.function(mpmath.cos, m.read(z))]),
    "absolute": (f.absolute, (number,), [lambda m, z: abs(m.read(z))]),
    "maximum": (f.maximum, (number, number), [lambda m, a, b: max(m.read(a), m.read(b))]),
    "maximum_slope": (f.maximum_slope, (number, number), [lambda m, a, b: Fraction(m.read(a) > m.read(b))]),
    "divide": (
        f.divide, (number, positive),
        [lambda m, a, b: m.keep(m.read(a) / b), lambda m, a, b: m.times(a, m.keep(1 / Fraction(b)))],
    ),
    "product of three": (
        lambda d, q, s: d * q * f.sigmoid_slope(s), (small, medium, opening),
        [
            lambda m, d, q, s: m.times(d, q, m.times(s, one(m)(s))),
            lambda m, d, q, s: m.times(d, m.times(s, one(m)(s)), q),
            lambda m, d, q, s: m.times(d, one(m)(s), s, q),
        ],
    ),
}  # fmt: skip


SELECTING = ("relu", "clip", "clip_slope", "absolute", "maximum", "maximum_slope")


def beyond(machine, number):
    """The number as a machine keeps it; where that is infinite, as good as: it is cut off behind."""
    try:
        return machine.keep(number)
    except Overflow:
        return number


def cut(number, least, most):
    return min(max(number, Fraction(least)), Fraction(most))


@pytest.mark.sample
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", RULES)
@settings(max_examples=150, deadline=None)
@example(seed=337, profile="strict")
@given(seed=st.integers(0, 2**64 - 1), profile=st.sampled_from(PROFILES))
@np.errstate(all="ignore")
def test_what_any_machine_computes_lies_in_the_ball(name, dtype, profile, seed):
    function, draws, forms = RULES[name]
    rng = Random(seed)
    machine = Machine(dtype, profile, rng)
    numbers, balls = zip(*(operand(rng, machine, draw) for draw in draws))
    form = rng.choice(forms)

    judge(machine, function(*balls), lambda: form(machine, *numbers), name in SELECTING)


# Sums


def vector(rng, machine, size, draw=number):
    """Numbers and their balls, side by side."""
    numbers, balls = zip(*(operand(rng, machine, draw) for _ in range(size)))
    mid, rad = (np.array([[getattr(ball, part).item() for ball in balls]]) for part in ("mid", "rad"))
    return list(numbers), Ball(mid, rad, machine.arithmetic)


def weights(rng, machine, *shape):
    """Numbers that are given, as rationals and as an array; of one magnitude, so that sums do not overflow always."""
    size = int(np.prod(shape))
    numbers = [(number if rng.random() < 0.2 else small)(rng, machine.dtype) for _ in range(size)]
    return numbers, np.array([float(n) for n in numbers]).reshape(shape)


def parts_of(m, x, W, h, U, *biases):
    """W x + U h and biases as one sum: each product and bias a part that may be stored, or all terms at once."""
    if m.rng.random() < 0.5:
        return m.keep(m.sum([*m.terms(x, W), *m.terms(h, U), *biases]))
    products = [m.keep(m.sum(m.terms(a, A))) for a, A in ((x, W), (h, U)) if a]
    return m.sum([*products, *biases], m.keep)


def affine_sum(rng, m, I, H):
    (x, x_ball), (h, h_ball) = vector(rng, m, I), vector(rng, m, H)
    (W, W_array), (U, U_array), (b, b_array), (d, d_array) = (weights(rng, m, 1, size) for size in (I, H, 1, 1))
    ball = f.affine(x_ball, W_array, h_ball, U_array, b_array[0], d_array[0])
    return ball, lambda: parts_of(m, x, W, h, U, *b, *d)


def linear_sum(rng, m, I, H):
    x, x_ball = vector(rng, m, I)
    (W, W_array), (b, b_array) = (weights(rng, m, 1, size) for size in (I, 1))
    return f.linear(x_ball, W_array, b_array[0]), lambda: parts_of(m, x, W, [], [], *b)


def peephole_sum(rng, m, I, H):
    (x, x_ball), (h, h_ball), (c, c_ball) = vector(rng, m, I), vector(rng, m, H), vector(rng, m, 1)
    arrays = [weights(rng, m, 1, size) for size in (I, H, 1, 1, 1)]
    (W, W_array), (U, U_array), (b, b_array), (d, d_array), (w, w_array) = arrays
    ball = f.affine_peephole(x_ball, W_array, h_ball, U_array, b_array[0], d_array[0], w_array[0], c_ball)
    return ball, lambda: parts_of(m, x, W, h, U, *b, *d, *m.terms(c, w))


def candidate_sum(rng, m, I, H):
    """W x + b + r (U h + d), the reset product as it stands or multiplied out, a part, or added to term by term."""
    (x, x_ball), (h, h_ball), (r, r_ball) = vector(rng, m, I), vector(rng, m, H), vector(rng, m, 1, opening)
    (W, W_array), (U, U_array), (b, b_array), (d, d_array) = (weights(rng, m, 1, size) for size in (I, H, 1, 1))
    ball = f.linear(x_ball, W_array, b_array[0]) + r_ball * f.linear(h_ball, U_array, d_array[0])

    def compute():
        if rng.random() < 0.5:
            reset = [m.times(m.keep(m.sum(m.terms(h, U))), *r), m.times(*d, *r)]
        else:
            reset = [m.times(parts_of(m, h, U, [], [], *d), *r)]
        if rng.random() < 0.5:
            return m.keep(m.sum([*m.terms(x, W), *b, *reset]))
        return m.sum([m.keep(m.sum(m.terms(x, W))), *b, *reset], m.keep)

    return ball, compute


def state_gradient_sum(rng, m, I, H):
    """What reaches h on the way back through a GRU: W^T d of three gates, d z and the gradient of the output."""
    gates = [vector(rng, m, H, small) for _ in range(3)]
    (d, d_ball), (z, z_ball), (e, e_ball) = (vector(rng, m, 1, draw) for draw in (small, opening, small))
    W, W_array = weights(rng, m, 1, 3 * H)
    of_gates = f.linear(f.join(*(ball for _, ball in gates)), W_array, 0.0)
    ball = f.total(f.total(of_gates, d_ball * z_ball), e_ball)

    def compute():
        products = [m.terms(numbers, W[k * H : k * H + H]) for k, (numbers, _) in enumerate(gates)]
        held = m.times(*d, *z)
        if rng.random() < 0.5:
            return m.keep(m.sum([*chain(*products), held, *e]))
        return m.sum([*(m.keep(m.sum(terms)) for terms in products), held, *e], m.keep)

    return ball, compute


def weight_gradient_sum(rng, m, I, H):
    """The sum over rows of products, by steps or all at once."""
    (d, d_ball), (x, x_ball) = (vector(rng, m, I + H, small) for _ in range(2))

    def compute():
        terms = m.terms(d, x)
        if rng.random() < 0.5:
            return m.keep(m.sum(terms))
        return m.sum([m.keep(m.sum(terms[:I])), m.keep(m.sum(terms[I:]))], m.keep)

    return f.outer(d_ball.T, x_ball.T), compute


def mean_of(rng, m, I, H):
    """A sum that is divided, or multiplied by what one term counts; or the sum of what each term counts."""
    x, x_ball = vector(rng, m, I + H)

    def compute():
        terms, share = len(x), m.keep(Fraction(1, len(x)))
        form = rng.randrange(3)
        if form == 0:
            return m.keep(m.keep(m.sum(x)) / terms)
        return m.times(m.keep(m.sum(x)), share) if form == 1 else m.keep(m.sum([m.times(n, share) for n in x]))

    return f.mean(x_ball)[:, :1], compute


SUMS = (
    mean_of, affine_sum, linear_sum, peephole_sum, candidate_sum, state_gradient_sum, weight_gradient_sum,
)  # fmt: skip


@pytest.mark.sample
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", SUMS)
@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**64 - 1), profile=st.sampled_from(PROFILES))
@np.errstate(all="ignore")
def test_a_sum_in_any_order_lies_in_the_ball(kind, dtype, profile, seed):
    rng = Random(seed)
    machine = Machine(dtype, profile, rng)

    judge(machine, *kind(rng, machine, rng.choice((1, 2, 5)), rng.choice((1, 3, 8))))
