"""Balls: numbers with a rigorous bound on what rounding may do to them.

If the operands of a correct implementation lie in the balls given, its result lies in the ball
returned, whatever the order of its sums, split or fused. Every midpoint is taken by calling the
array function of the same name, so that value and bound are one evaluation.

Each operation may round its result to the format or keep it wider, so each radius has a share of the number (u) and
an absolute part (eta) below which the format has no numbers, or flushes them. What is given or selected has neither.

Sources: Higham, Accuracy and Stability of Numerical Algorithms, chapter 3 (running error analysis);
Rump, Bünger and Jeannerod, BIT 56 (2016): n*u bounds a sum of n terms in every order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..functions import (
    Number,
    absolute,
    affine,
    affine_peephole,
    clip,
    clip_slope,
    cos,
    divide,
    exp,
    hard_sigmoid,
    hard_sigmoid_slope,
    join,
    linear,
    matvec,
    maximum,
    maximum_slope,
    mean,
    mix,
    outer,
    relu,
    relu_slope,
    returned,
    select,
    sigmoid,
    sigmoid_slope,
    sin,
    softplus,
    softsign,
    softsign_slope,
    sqrt,
    stack,
    tanh,
    tanh_slope,
    total,
    vecdot,
    vecmat,
)
from .arithmetic import PARTS, Arithmetic
from .scan_rounding import Sum, added_up, holds_state, log_size, logarithms, multiplied


class Ball(Number):
    """Every correct implementation has a number in [mid - rad, mid + rad] here.

    terms  of how many the number is the sum, if more may be added to it before it is complete, term by term
    last   magnitude of the last factor of a product, which may be multiplied after those still to come; else 0
    parts  the balls that were joined: a product with a matrix may be made of products with its blocks
    sum    what is known of it as the sum of a recurrence that is not computed step by step; else None
    """

    __slots__ = ("arithmetic", "last", "mid", "parts", "rad", "sum", "terms")

    def __init__(
        self, mid: Any, rad: Any, arithmetic: Arithmetic, terms: int = 1, last: Any = 0.0,
        parts: tuple[Ball, ...] = (), sum: Sum | None = None,
    ) -> None:  # fmt: skip
        self.mid = mid
        self.rad = rad
        self.arithmetic = arithmetic
        self.terms = terms
        self.last = last
        self.parts = parts
        self.sum = sum

    @property
    def mag(self) -> Any:
        """The largest absolute value in the ball; of a sum in any association, that of its partial sums."""
        return abs(self.mid) + self.rad if self.sum is None else self.sum.mag + self.rad

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the midpoint."""
        return self.mid.shape

    @property
    def T(self) -> Ball:
        """The balls, transposed."""
        return Ball(self.mid.T, self.rad.T, self.arithmetic)

    def __getitem__(self, index: Any) -> Ball:
        own = self.sum and self.sum.at(index, self.shape)
        return Ball(self.mid[index], self.rad[index], self.arithmetic, self.terms, sum=own)

    def reshape(self, *shape: int) -> Ball:
        """The balls in another shape."""
        return Ball(self.mid.reshape(*shape), self.rad.reshape(*shape), self.arithmetic)

    def swapaxes(self, first: int, second: int) -> Ball:
        """The balls with two axes exchanged."""
        return Ball(self.mid.swapaxes(first, second), self.rad.swapaxes(first, second), self.arithmetic)

    def __repr__(self) -> str:
        mid = np.array2string(np.asarray(self.mid), threshold=50)
        rad = np.array2string(np.broadcast_to(self.rad, np.shape(self.mid)), threshold=50, precision=1)
        return f"Ball(mid={mid}, rad={rad})"

    def lift(self, other: Any) -> Any:
        """A ball of a number that is written in an equation, or of an array of parameters."""
        if isinstance(other, Ball):
            return other
        if isinstance(other, np.ndarray):
            return exact(other, self.arithmetic)
        return written(other, self.arithmetic) if isinstance(other, int | float) else NotImplemented

    def __neg__(self) -> Ball:
        own = self.sum and self.sum._replace(**self.sum.of(self, -1.0))
        return Ball(-self.mid, self.rad, self.arithmetic, self.terms, self.last, sum=own)

    def times(self, other: Ball) -> Ball:
        """The ball of a product, which may be multiplied out where a factor is a sum."""
        a, mid, size = self.arithmetic, self.mid * other.mid, other.mag
        spread = self.rad * size + abs(self.mid) * other.rad
        mag = abs(mid) + spread
        if a.order != "steps":
            return self.associated(other, mid, spread)
        # one rounding, and one more where a factor that is a sum is multiplied out; where it is 1 - y y,
        # (d (1 - y)) (1 + y) may underflow, double what was lost, and underflow again; and all that before
        # the last factor of d is multiplied
        rad = spread + (2 * a.u * mag + 3 * a.eta * (1 + self.last))
        terms = max(self.terms, other.terms)  # multiplied out as what two terms are: W h, and b
        return Ball(mid, within_format(rad, mag + rad, a), a, min(terms, 2), size)

    def associated(self, other: Ball, mid: Any, spread: Any) -> Ball:
        """The same of a product in a recurrence that is not computed step by step: with what its sums lose."""
        a = self.arithmetic
        own, share = multiplied(self, other)
        mag, largest, grown = (own.mag, own.largest, own.grown) if own else (abs(mid) + spread, 0.0, 0.0)
        rad = spread + ((2 * a.u + share) * mag + 3 * a.eta * (1 + other.mag + largest))
        most = np.maximum(np.maximum(mag + rad, largest), grown)
        return Ball(mid, within_format(rad, most, a), a, min(max(self.terms, other.terms), 2), other.mag, sum=own)

    def contains(self, value: np.ndarray) -> np.ndarray:
        """Elementwise: is this number possible? Where anything may overflow, everything is."""
        rad = self.rad * (1 + 8 * self.arithmetic.u)  # terms of second order that the rules drop
        return (value == self.mid) | (abs(value - self.mid) <= rad) | np.isinf(rad)


def exact(value: Any, arithmetic: Arithmetic) -> Ball:
    """The ball of a number that is given, not computed; a subnormal one may be read as zero where that is claimed."""
    mid = np.asarray(value, dtype=np.float64)
    if arithmetic.flushes:
        return Ball(mid, np.where(abs(mid) < arithmetic.eta, abs(mid), 0.0), arithmetic)
    rad = arithmetic.misread(mid)
    return Ball(mid, within_format(rad, abs(mid), arithmetic) if arithmetic.quantum else rad, arithmetic)


def written(number: float, arithmetic: Arithmetic) -> Ball:
    """The ball of a number in an equation: rounded, if the format does not have it."""
    fits = np.frexp(number)[0] / arithmetic.u % 1 == 0
    lost = 0.0 if fits else arithmetic.u * abs(number)
    return Ball(np.float64(number), np.float64(lost + arithmetic.misread(number)), arithmetic)


def stored(value: Any, arithmetic: Arithmetic) -> Ball:
    """The ball of a state that an implementation returned but may keep wider inside."""
    mid = np.asarray(value, dtype=np.float64)
    return Ball(mid, arithmetic.u * abs(mid) + arithmetic.eta, arithmetic)


def summing(ball: Ball) -> Ball:
    """The ball as the first term of a recurrence, if that need not be computed step by step."""
    a, mag = ball.arithmetic, ball.mag
    if a.order == "steps":
        return ball
    lost, top = logarithms(a), log_size(ball) if a.order == "log" else 0.0
    rad = ball.rad + np.where(mag > 0, mag * lost.of_term(top, 1), 0.0) if lost else ball.rad
    return Ball(ball.mid, rad, a, sum=Sum(mag, 1, mag, top=top))


def settled(value: Any) -> Any:
    """The ball as a state of its own, whatever it was made of."""
    if not isinstance(value, Ball) or value.sum is None or value.sum.origin is None:
        return value
    own = value.sum._replace(origin=None, factor=1.0)
    return Ball(value.mid, value.rad, value.arithmetic, value.terms, value.last, value.parts, own)


def defined_product(rad: Any) -> Any:
    """A radius in which inf * 0 counts as inf."""
    return np.fmin(rad, np.inf)  # of a number and what is none, the number


def within_format(rad: Any, most: Any, arithmetic: Arithmetic) -> Any:
    """The radius, infinite where a number on the way may be larger than the format has, or is not a number."""
    fits = most <= arithmetic.largest
    return rad if fits.all() else np.where(fits, rad, np.inf)


def rounded_sum(mid: Any, products: list[tuple[Ball, Any]], biases: list[Any]) -> Ball:
    """The ball of a sum of products and biases, in any order, split or fused."""
    a = products[0][0].arithmetic
    terms = len(biases)
    spread: Any = 0.0
    mag: Any = 0.0
    for x, W in products:
        size = abs(W).T
        terms += len(size)
        spread = spread + x.rad @ size
        mag = mag + abs(x.mid) @ size
    mag = mag + spread
    spread = spread + a.product * mag
    for b in biases:
        mag = mag + abs(b)
    # each of Wx, b, Wh, b may be stored in 16 bits, and stored again after each of the three additions
    stores = max(PARTS, sum(len(x.parts) or 1 for x, _ in products) + len(biases)) if a.narrow else 0
    roundings = max(terms, stores)
    rad = spread + roundings * a.ua * mag + roundings * a.eta
    if a.u > a.ua:
        parts = sum(abs(part) for x, W in products for part in products_of_parts(x, W)) + sum(abs(b) for b in biases)
        rad = rad + stores * a.u * (parts + rad)
    if a.quantum:  # W and b are read as multiples of it, as x is, and the sum is stored as one
        rad = rad + sum(x.mag @ a.misread(W).T for x, W in products) + sum(a.misread(b) for b in biases) + a.eta
    if a.flushes:  # a subnormal factor read as zero loses at most eta times the other factor
        rad = rad + a.eta * sum(abs(W).sum(1) + x.mag.sum(-1, keepdims=True) for x, W in products)
        rad = rad + a.eta * len(biases)
    return Ball(mid, within_format(rad, mag + rad, a), a, terms)


def products_of_parts(x: Ball, W: Any) -> list[Any]:
    """The midpoints of the products of W with each of the balls that x was joined from, or with x."""
    found, at = [], 0
    for part in x.parts or (x,):
        width = part.mid.shape[-1]
        found.append(part.mid @ W[:, at : at + width].T)
        at += width
    return found


@affine.register
def _(x: Ball, W_x: Any, h: Ball, W_h: Any, b_x: Any, b_h: Any) -> Ball:
    mid = affine(x.mid, W_x, h.mid, W_h, b_x, b_h)
    return rounded_sum(mid, [(x, W_x), (h, W_h)], [b_x, b_h])


@affine_peephole.register
def _(x: Ball, W_x: Any, h: Ball, W_h: Any, b_x: Any, b_h: Any, w: Any, c: Ball) -> Ball:
    mid = affine_peephole(x.mid, W_x, h.mid, W_h, b_x, b_h, w, c.mid)
    return rounded_sum(mid, [(x, W_x), (h, W_h), (c, np.diag(w))], [b_x, b_h])


@linear.register
def _(x: Ball, W: Any, b: Any) -> Ball:
    return rounded_sum(linear(x.mid, W, b), [(x, W)], [b])


@tanh.register
def _(z: Ball) -> Ball:
    a, mid = z.arithmetic, tanh(z.mid)
    m = abs(mid)
    # tanh|z| - tanh(|z| - rad), the steepest reach, by the addition theorem: no cancellation
    rad = defined_product(np.tanh(z.rad) * (1 - m * np.tanh(abs(z.mid) - z.rad)))
    return Ball(mid, rad + a.u * a.kt * (m + rad) + (a.u * a.ka + a.eta + a.tables[0]), a)


@sigmoid.register
def _(z: Ball) -> Ball:
    a, half, rad = z.arithmetic, abs(z.mid) / 2, z.rad / 2
    # the same reach as for tanh(z / 2); the error is absolute, since 0.5 + 0.5 tanh(z / 2) is usual
    rad = defined_product(np.tanh(rad) * (1 - np.tanh(half) * np.tanh(half - rad)) / 2)
    return Ball(sigmoid(z.mid), rad + (a.ks * a.u + a.read + a.tables[1]), a)


@relu.register
def _(z: Ball) -> Ball:
    # nothing is rounded; below zero only the part of the ball that reaches above it remains
    rad = np.where(np.isinf(z.rad), np.inf, np.clip(z.mid + z.rad, 0, z.rad))
    return Ball(relu(z.mid), rad, z.arithmetic)


@hard_sigmoid.register
def _(z: Ball) -> Ball:
    a = z.arithmetic
    # three roundings, of 0.2, in 0.2 z + 0.5 as in 0.2 (z + 2.5); what is cut off at 0 or 1 is exact
    rad = 0.2 * z.rad + 3 * a.u * (0.2 * z.mag + 0.5) + a.eta
    return cut_off(0.2 * z.mid + 0.5, rad, 0.0, 1.0, hard_sigmoid(z.mid), a)


@softsign.register
def _(z: Ball) -> Ball:
    a, m = z.arithmetic, abs(z.mid)
    reach = softsign(m) - softsign(m - z.rad)  # steepest towards zero
    rad = reach + 3 * a.u * softsign(z.mag) + a.eta
    return Ball(softsign(z.mid), within_format(rad, 1 + z.mag, a), a)  # z / inf would be 0, inf / inf not a number


@clip.register
def _(z: Ball, bound: float) -> Ball:
    return cut_off(z.mid, z.rad, -bound, bound, clip(z.mid, bound), z.arithmetic)


def cut_off(mid: Any, rad: Any, least: float, most: float, cut: Any, a: Arithmetic) -> Ball:
    """The ball of a number that is cut off at two bounds; where anything may overflow, anything is allowed."""
    reach = np.maximum(np.clip(mid + rad, least, most) - cut, cut - np.clip(mid - rad, least, most))
    return Ball(cut, np.where(np.isinf(rad), np.inf, reach), a)


@exp.register
def _(z: Ball) -> Ball:
    a, mid = z.arithmetic, exp(z.mid)
    reach = mid * np.expm1(z.rad)  # steepest upwards
    mag = mid + reach
    # as many digits as tanh has, which is made of it
    rad = reach + a.u * a.kt * mag + a.eta
    return Ball(mid, within_format(rad, mag + rad, a), a)


@softplus.register
def _(z: Ball) -> Ball:
    a, mid = z.arithmetic, softplus(z.mid)
    # at the upper end it is steepest: 1 / (1 + exp(-z))
    reach = defined_product(z.rad * exp(-softplus(-z.mid - z.rad)))
    # an exp and a log, each with as many digits as tanh has, and 1 + exp(z), or z + what is left of it
    rad = reach + (2 * a.kt + 2) * a.u * (mid + reach) + a.eta
    return Ball(mid, within_format(rad, mid + rad, a), a)


@sqrt.register
def _(z: Ball) -> Ball:
    a, mid, least = z.arithmetic, sqrt(z.mid), z.mid - z.rad
    reach = z.rad / (mid + sqrt(np.maximum(least, 0)))  # steepest downwards: sqrt(z) - sqrt(z - rad), not cancelled
    reach = np.where(z.rad == 0, 0.0, reach)
    # a library's root is up to 1.5 u off; z times the reciprocal of a root is, too, and rounds twice more
    rad = reach + 4 * a.u * (mid + reach) + a.eta * (1 + z.mag)
    return Ball(mid, np.where(least >= 0, rad, np.inf), a)  # of a number below zero there is none


@sin.register
def _(z: Ball) -> Ball:
    return wave(sin(z.mid), cos(z.mid), z)


@cos.register
def _(z: Ball) -> Ball:
    return wave(cos(z.mid), sin(z.mid), z)


def wave(mid: Any, slope: Any, z: Ball) -> Ball:
    """The ball of a sine or cosine with this slope, or minus this slope, in the middle; a library's has its digits."""
    a, half = z.arithmetic, z.rad / 2
    # sin x - sin y is 2 cos((x + y) / 2) sin((x - y) / 2), and (x + y) / 2 is no further from the middle than half
    reach = 2 * np.sin(np.minimum(half, np.pi / 2)) * np.minimum(1, abs(slope) + half)
    rad = reach + a.u * a.kt * (abs(mid) + reach) + a.eta
    return Ball(mid, np.where(np.isinf(z.rad), np.inf, rad), a)  # of infinity there is none


@absolute.register
def _(z: Ball) -> Ball:
    return Ball(absolute(z.mid), z.rad, z.arithmetic)  # nothing is rounded


@maximum.register
def _(a: Ball, b: Any) -> Ball:
    b = a.lift(b)
    mid = maximum(a.mid, b.mid)
    most, least = np.maximum(a.mid + a.rad, b.mid + b.rad), np.maximum(a.mid - a.rad, b.mid - b.rad)
    open_ = np.isinf(a.rad) | np.isinf(b.rad)
    return Ball(mid, np.where(open_, np.inf, np.maximum(most - mid, mid - least)), a.arithmetic)  # nothing is rounded


@divide.register
def _(a: Ball, b: Ball) -> Ball:
    if holds_state(a):
        return a * divide(exact(1.0, a.arithmetic), b)
    of, mid, least = a.arithmetic, divide(a.mid, b.mid), abs(b.mid) - b.rad
    reach = (a.rad + abs(mid) * b.rad) / least
    mag = abs(mid) + reach
    # one rounding, or two: of 1 / b, which may underflow or be larger than the format has, and of the product
    rad = reach + 2 * of.u * mag + of.eta * (1 + a.mag)
    rad = within_format(rad, mag + rad, of)
    return Ball(mid, np.where(least * of.largest >= 1, rad, np.inf), of)


@mean.register
def _(x: Ball) -> Ball:
    a, terms = x.arithmetic, x.shape[-1]
    spread, mag = mean(x.rad), mean(x.mag)
    # each term meets at most so many roundings of the sum, which is stored, and of 1 / terms and a product with it
    rad = spread + (terms * a.ua + 3 * a.u) * mag + (terms + 2) * a.eta
    return Ball(mean(x.mid), within_format(rad, terms * (mag + rad), a), a)


@mix.register
def _(z: Ball, n: Ball, h: Ball) -> Ball:
    a = z.arithmetic
    if holds_state(z) or holds_state(n) or holds_state(h):
        return (1 - z) * n + z * h
    rest, z_mag = abs(1 - z.mid), z.mag
    reach = rest * n.rad + abs(z.mid) * h.rad + z.rad * (abs(h.mid - n.mid) + h.rad + n.rad)
    n_mag, h_mag = np.maximum(np.maximum(1, rest), z_mag) * n.mag, np.maximum(1, z_mag) * h.mag
    # three roundings, in (1 - z) n + z h as in n + z (h - n)
    rad = reach + 3 * a.u * (n_mag + np.minimum(1, z_mag) * h_mag) + 3 * a.eta
    return Ball(mix(z.mid, n.mid, h.mid), within_format(rad, n_mag + h_mag + rad, a), a)


@total.register
def _(first: Ball, *others: Ball) -> Ball:
    a, balls, additions = first.arithmetic, (first, *others), len(others)
    mid = total(*(ball.mid for ball in balls))
    spread = sum((ball.rad for ball in others), first.rad)
    mag = spread + sum((abs(ball.mid) for ball in others), abs(first.mid))
    rad = spread + additions * np.minimum(mag, a.eta)  # a sum of zeros is zero
    if a.order != "steps" and any(holds_state(ball) for ball in balls):
        whole, lost, once = added_up(balls)
        rad = rad + lost - once
        return Ball(mid, within_format(rad, whole.mag + rad, a), a, sum=whole)
    terms = sum(ball.terms for ball in balls)
    if terms == len(balls):
        rad = rad + additions * a.u * mag
        return Ball(mid, within_format(rad, mag + rad, a), a)
    # a sum may be added to each of the others term by term
    added = [a.added(ball.terms) for ball in balls]
    for ball, own in zip(balls, added):
        rad = rad + (sum(added) - own) * ball.mag
    return Ball(mid, within_format(rad, mag + rad, a), a, terms)


@tanh_slope.register
def _(y: Ball) -> Ball:
    a = y.arithmetic
    return Ball(tanh_slope(y.mid), defined_product(y.rad * (2 * abs(y.mid) + y.rad) + 2 * a.u), a)


@sigmoid_slope.register
def _(s: Ball) -> Ball:
    a = s.arithmetic
    rad = s.rad * (abs(1 - 2 * s.mid) + s.rad) + 3 * a.u * s.mag + a.eta
    return Ball(sigmoid_slope(s.mid), defined_product(rad), a)


@relu_slope.register
def _(z: Ball) -> Ball:
    # within reach of the kink either side is right, and at the kink all that lies between
    return Ball(relu_slope(z.mid), np.where(abs(z.mid) > z.rad, 0.0, 1.0), z.arithmetic)


@softsign_slope.register
def _(y: Ball) -> Ball:
    a, rest = y.arithmetic, 1 - abs(y.mid)
    # 1 - |y|, rounded and squared, or the square of 1 / (1 + |z|): up to five roundings
    rad = y.rad * (2 * abs(rest) + y.rad)
    return Ball(softsign_slope(y.mid), defined_product(rad + 5 * a.u * (rest * rest + rad) + a.eta), a)


@hard_sigmoid_slope.register
def _(z: Ball) -> Ball:
    a, mid = z.arithmetic, hard_sigmoid_slope(z.mid)
    reach = 0.2 * z.rad + 3 * a.u * (0.2 * z.mag + 0.5) + a.eta  # of 0.2 z + 0.5, which has a kink at 0 and one at 1
    y = 0.2 * z.mid + 0.5
    near = ~(np.minimum(abs(y), abs(1 - y)) > reach)
    return Ball(mid, np.where(near, 0.2, 0.0) + a.u * 0.2 * (near | (mid > 0)), a)  # 0.2 is no number of the format


@clip_slope.register
def _(z: Ball, bound: float) -> Ball:
    # within reach of a kink either side is right, as of relu
    return Ball(clip_slope(z.mid, bound), np.where(abs(abs(z.mid) - bound) > z.rad, 0.0, 1.0), z.arithmetic)


@maximum_slope.register
def _(a: Ball, b: Ball) -> Ball:
    # within reach of each other either is the larger one, as relu's argument and zero
    near = ~(abs(a.mid - b.mid) > a.rad + b.rad)
    return Ball(maximum_slope(a.mid, b.mid), np.where(near, 1.0, 0.0), a.arithmetic)


def sums_of_products(mid: Any, products: Ball, axis: int) -> Ball:
    """The ball of sums of products along an axis, in any order."""
    a, terms = products.arithmetic, products.shape[axis]
    if products.sum is not None and holds_state(products):
        return read_out(mid, products, products.sum, axis)
    mag = products.mag.sum(axis)
    # each product meets at most so many roundings of the sum, which is stored
    rad = products.rad.sum(axis) + (terms * a.ua + a.u + a.product) * mag + terms * a.eta
    return Ball(mid, within_format(rad, mag + rad, a), a)


def read_out(mid: Any, products: Ball, own: Sum, axis: int) -> Ball:
    """The same where the products hold a state whose terms are added up in any association, before or after this."""
    a, terms = products.arithmetic, products.shape[axis]
    mag = np.broadcast_to(own.mag, products.shape).sum(axis)
    # a term meets the additions of this sum, and is stored with those of its chunk, between chunks, and at the end
    lost = (terms * a.ua + 3 * a.u + a.product) * mag + 3 * terms * a.eta
    rad = np.broadcast_to(products.rad, products.shape).sum(axis) + lost
    rest = own.most(products.shape, axis)
    return Ball(mid, within_format(rad, mag + rad, a), a, sum=rest._replace(mag=mag))


@vecdot.register
def _(a: Ball, b: Ball) -> Ball:
    return sums_of_products(vecdot(a.mid, b.mid), a * b, -1)


@vecmat.register
def _(x: Ball, A: Ball) -> Ball:
    return sums_of_products(vecmat(x.mid, A.mid), x[..., :, None] * A, -2)


@matvec.register
def _(A: Ball, x: Ball) -> Ball:
    return sums_of_products(matvec(A.mid, x.mid), A * x[..., None, :], -1)


@outer.register
def _(d: Ball, x: Ball) -> Ball:
    a = d.arithmetic
    spread = d.rad.T @ x.mag + abs(d.mid).T @ x.rad
    mag = abs(d.mid).T @ abs(x.mid) + spread
    # one product for each row and, where sums of several steps are stored, one rounding for each of them
    rad = spread + a.product * mag + (len(d.mid) + 1) * max(a.u, a.ua) * mag + (len(d.mid) + 1) * a.eta
    return Ball(outer(d.mid, x.mid), within_format(rad, mag + rad, a), a)


@select.register
def _(new: Ball, alive: Any, old: Any) -> Ball:
    mid, rad, before = (old.mid, old.rad, old.sum) if isinstance(old, Ball) else (old, 0.0, None)
    own = new.sum and new.sum.where(alive, before)
    return Ball(select(new.mid, alive, mid), np.where(alive, new.rad, rad), new.arithmetic, new.terms, sum=own)


@returned.register
def _(state: Ball, own: Any, alive: Any) -> Ball:
    return select(stored(own, state.arithmetic), alive, state)


@join.register
def _(first: Ball, *others: Ball) -> Ball:
    mid = join(first.mid, *(ball.mid for ball in others))
    rad = np.concatenate([first.rad, *(ball.rad for ball in others)], axis=-1)
    return Ball(mid, rad, first.arithmetic, parts=(first, *others))


@stack.register
def _(first: Ball, *others: Ball) -> Ball:
    balls = (first, *others)
    rad = np.stack([np.broadcast_to(ball.rad, ball.shape) for ball in balls])
    return Ball(stack(*(ball.mid for ball in balls)), rad, first.arithmetic)
