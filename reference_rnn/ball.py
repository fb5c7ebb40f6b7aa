"""Balls: numbers with a rigorous bound on what rounding may do to them.

If the operands of a correct implementation lie in the balls given, its result lies in the ball
returned, whatever the order of its sums, split or fused. Every midpoint is taken by calling the
array function of the same name, so that value and bound are one evaluation.

Sources: Higham, Accuracy and Stability of Numerical Algorithms, chapter 3 (running error analysis);
Rump, Bünger and Jeannerod, BIT 56 (2016): n*u bounds a sum of n terms in every order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .arithmetic import Arithmetic
from .functions import (
    affine,
    affine_peephole,
    clip,
    hard_sigmoid,
    join,
    linear,
    mix,
    outer,
    relu,
    relu_slope,
    select,
    sigmoid,
    sigmoid_slope,
    softsign,
    tanh,
    tanh_slope,
    total,
)


class Ball:
    """Every correct implementation has a number in [mid - rad, mid + rad] here."""

    __slots__ = ("arithmetic", "mid", "rad")

    def __init__(self, mid: Any, rad: Any, arithmetic: Arithmetic) -> None:
        self.mid = mid
        self.rad = rad
        self.arithmetic = arithmetic

    @property
    def mag(self) -> Any:
        """The largest absolute value in the ball."""
        return abs(self.mid) + self.rad

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the midpoint."""
        return self.mid.shape

    @property
    def T(self) -> Ball:
        """The same balls, transposed."""
        return Ball(self.mid.T, self.rad.T, self.arithmetic)

    def __getitem__(self, index: Any) -> Ball:
        return Ball(self.mid[index], self.rad[index], self.arithmetic)

    def reshape(self, *shape: int) -> Ball:
        """The same balls in another shape."""
        return Ball(self.mid.reshape(*shape), self.rad.reshape(*shape), self.arithmetic)

    def __add__(self, other: Ball) -> Ball:
        return total(self, other)

    def __sub__(self, other: Ball) -> Ball:
        return total(self, Ball(-other.mid, other.rad, other.arithmetic))

    def __rsub__(self, number: float) -> Ball:
        return exact(np.full(self.shape, number), self.arithmetic) - self

    def __mul__(self, other: Ball) -> Ball:
        a = self.arithmetic
        rad = self.rad * abs(other.mid) + abs(self.mid) * other.rad + self.rad * other.rad
        # one rounding, and one more where a factor that is a sum is multiplied out, or a term is added later
        return Ball(self.mid * other.mid, defined(rad + 2 * a.u * self.mag * other.mag + a.eta), a)

    def contains(self, value: np.ndarray) -> np.ndarray:
        """Elementwise: is this number possible? Where anything may overflow, everything is."""
        rad = self.rad * (1 + 8 * self.arithmetic.u)  # terms of second order that the rules drop
        return (value == self.mid) | (abs(value - self.mid) <= rad) | np.isinf(rad)


def exact(value: Any, arithmetic: Arithmetic) -> Ball:
    """The ball of a number that is given, not computed; a subnormal one may be read as zero where that is claimed."""
    mid = np.asarray(value, dtype=np.float64)
    if arithmetic.flushes:
        return Ball(mid, np.where(abs(mid) < arithmetic.eta, abs(mid), 0.0), arithmetic)
    return Ball(mid, np.zeros(mid.shape), arithmetic)


def stored(value: Any, arithmetic: Arithmetic) -> Ball:
    """The ball of a state that an implementation returned but may keep wider inside."""
    mid = np.asarray(value, dtype=np.float64)
    return Ball(mid, arithmetic.u * abs(mid), arithmetic)


def defined(rad: Any) -> Any:
    """A radius in which inf * 0 counts as inf."""
    return np.where(np.isnan(rad), np.inf, rad)


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
    for b in biases:
        mag = mag + abs(b)
    rad = spread + terms * a.ua * mag + terms * a.eta
    if a.narrow:  # each of Wx, b, Wh, b may be stored, and stored again after each of the three additions
        parts = sum(abs(x.mid @ W.T) for x, W in products) + sum(abs(b) for b in biases)
        rad = rad + 4 * a.u * (parts + rad)
    if a.flushes:  # a subnormal factor read as zero loses at most eta times the other factor
        rad = rad + a.eta * sum(abs(W).sum(1) + x.mag.sum(-1, keepdims=True) for x, W in products)
        rad = rad + a.eta * len(biases)
    fits = mag + rad <= a.largest  # where some order may overflow, anything is allowed
    return Ball(mid, rad if fits.all() else np.where(fits, rad, np.inf), a)


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
    rad = defined(np.tanh(z.rad) * (1 - m * np.tanh(abs(z.mid) - z.rad)))
    return Ball(mid, rad + a.u * (a.kt * (m + rad) + a.ka) + a.eta, a)


@sigmoid.register
def _(z: Ball) -> Ball:
    a, half = z.arithmetic, abs(z.mid) / 2
    # the same reach as for tanh(z / 2); the error is absolute, since 0.5 + 0.5 tanh(z / 2) is usual
    rad = defined(np.tanh(z.rad / 2) * (1 - np.tanh(half) * np.tanh(half - z.rad / 2)) / 2)
    return Ball(sigmoid(z.mid), rad + a.ks * a.u, a)


@relu.register
def _(z: Ball) -> Ball:
    # nothing is rounded; below zero only the part of the ball that reaches above it remains
    rad = np.where(np.isinf(z.rad), np.inf, np.clip(z.mid + z.rad, 0, z.rad))
    return Ball(relu(z.mid), rad, z.arithmetic)


@hard_sigmoid.register
def _(z: Ball) -> Ball:
    a = z.arithmetic
    # 0.2 is rounded, then the product, then the sum; what is cut off at 0 or 1 is exact
    rad = 0.2 * z.rad + a.u * (3 * 0.2 * z.mag + 1) + a.eta
    return cut_off(0.2 * z.mid + 0.5, rad, 0.0, 1.0, hard_sigmoid(z.mid), a)


@softsign.register
def _(z: Ball) -> Ball:
    a, m = z.arithmetic, abs(z.mid)
    reach = softsign(m) - softsign(m - z.rad)  # steepest towards zero
    return Ball(softsign(z.mid), defined(np.where(np.isinf(z.rad), 2.0, reach)) + 3 * a.u * softsign(z.mag) + a.eta, a)


@clip.register
def _(z: Ball, bound: float) -> Ball:
    return cut_off(z.mid, z.rad, -bound, bound, clip(z.mid, bound), z.arithmetic)


def cut_off(mid: Any, rad: Any, least: float, most: float, cut: Any, a: Arithmetic) -> Ball:
    """The ball of a number that is cut off at two bounds; where anything may overflow, anything is allowed."""
    reach = np.maximum(np.clip(mid + rad, least, most) - cut, cut - np.clip(mid - rad, least, most))
    return Ball(cut, np.where(np.isinf(rad), np.inf, reach), a)


@mix.register
def _(z: Ball, n: Ball, h: Ball) -> Ball:
    a = z.arithmetic
    reach = (1 - z.mid) * n.rad + z.mid * h.rad + abs(h.mid - n.mid) * z.rad + z.rad * (h.rad + n.rad)
    # three roundings, in (1 - z) n + z h as in n + z (h - n)
    rad = reach + 3 * a.u * (n.mag + z.mag * h.mag) + 2 * a.eta
    return Ball(mix(z.mid, n.mid, h.mid), defined(rad), a)


@total.register
def _(first: Ball, *others: Ball) -> Ball:
    terms = (first, *others)
    mag = sum(ball.mag for ball in others) + first.mag
    rad = sum(ball.rad for ball in others) + first.rad + len(others) * first.arithmetic.u * mag
    # where some order may overflow, anything is allowed
    rad = np.where(mag + rad <= first.arithmetic.largest, rad, np.inf)
    return Ball(total(*(ball.mid for ball in terms)), rad, first.arithmetic)


@tanh_slope.register
def _(y: Ball) -> Ball:
    a = y.arithmetic
    return Ball(tanh_slope(y.mid), defined(2 * abs(y.mid) * y.rad + y.rad**2 + 2 * a.u), a)


@sigmoid_slope.register
def _(s: Ball) -> Ball:
    a = s.arithmetic
    rad = abs(1 - 2 * s.mid) * s.rad + s.rad**2 + 3 * a.u * s.mag
    return Ball(sigmoid_slope(s.mid), defined(rad + a.eta), a)


@relu_slope.register
def _(z: Ball) -> Ball:
    # within reach of the kink either side is right, and at the kink all that lies between
    return Ball(relu_slope(z.mid), np.where(abs(z.mid) > z.rad, 0.0, 1.0), z.arithmetic)


@outer.register
def _(d: Ball, x: Ball) -> Ball:
    a = d.arithmetic
    spread = d.rad.T @ x.mag + abs(d.mid).T @ x.rad
    mag = abs(d.mid).T @ abs(x.mid) + spread
    # one product for each row and, where sums of several steps are stored, one rounding for each of them
    rad = defined(spread + (len(d.mid) + 1) * (a.u * mag + a.eta))
    return Ball(outer(d.mid, x.mid), np.where(mag + rad <= a.largest, rad, np.inf), a)


@select.register
def _(new: Ball, alive: Any, old: Any) -> Ball:
    mid, rad = (old.mid, old.rad) if isinstance(old, Ball) else (old, 0.0)
    return Ball(select(new.mid, alive, mid), np.where(alive, new.rad, rad), new.arithmetic)


@join.register
def _(first: Ball, *others: Ball) -> Ball:
    mid = join(first.mid, *(ball.mid for ball in others))
    return Ball(mid, np.concatenate([first.rad, *(ball.rad for ball in others)], axis=-1), first.arithmetic)
