"""How far NaN and infinities reach: what a result may be where some number of a case is not finite.

NaN times zero is NaN, but a product may as well leave out its zeros: a BLAS does, and so does whoever selects where
others multiply with a mask of zeros and ones. So NaN is certain only of what it comes to through factors that are not
zero. Where a factor is zero, or rounding may make it zero, either answer is right, and so is what follows from either.
The same text that runs on arrays and on balls runs here on balls whose number may be none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .bounds.arithmetic import Arithmetic
from .bounds.ball import Ball
from .case import Case, Result
from .functions import (
    affine,
    affine_peephole,
    beside,
    clip,
    divide,
    exp,
    hard_sigmoid,
    join,
    linear,
    maximum,
    mean,
    mix,
    relu,
    select,
    sigmoid,
    softplus,
    softsign,
    sqrt,
    tanh,
    total,
)
from .layers import layer_parameters, lifted, like_case, run, step_of, time_major, without_padding

FAR = 2.0**10  # as good as infinity, to a function that has a limit there


class Reach(Ball):
    """A number that may be none: every correct implementation has one of the ball here, or NaN where it may.

    mid    NaN or infinite, with a radius of zero, where nothing else is right but for ``maybe``
    rad    infinite where anything is right
    maybe  where NaN is right as well, and no infinity that ``mid`` is not
    """

    __slots__ = ("maybe",)

    def __init__(self, mid: Any, rad: Any, maybe: Any, like: Ball) -> None:
        """like: the ball of the same number, which knows of how many terms and factors it is made."""
        super().__init__(mid, rad, like.arithmetic, like.terms, like.last, like.parts)
        self.maybe = maybe

    @property
    def odd(self) -> Any:
        """Where it need not be a finite number."""
        return ~np.isfinite(self.mid) | np.isinf(self.rad) | self.maybe

    @property
    def nan(self) -> Any:
        """Where it is NaN for certain."""
        return np.isnan(self.mid)

    @property
    def nonzero(self) -> Any:
        """Where no rounding makes it zero; NaN is not zero."""
        return ~(abs(self.mid) <= self.rad)

    @property
    def finite(self) -> Ball:
        """The ball where it is a finite number, and zero elsewhere."""
        mid = np.where(np.isfinite(self.mid), self.mid, 0.0)
        return Ball(mid, self.rad, self.arithmetic, self.terms, self.last, self.parts)

    @np.errstate(all="ignore")
    def misses(self, value: np.ndarray) -> Any:
        """Elementwise: is this a finite number for certain, and the value none that it may be?

        Nothing is, where a recurrence may be computed in another order than step by step: balls here do not know it.
        """
        return ~self.odd & ~self.contains(value) & (self.arithmetic.order == "steps")

    def allows(self, value: np.ndarray) -> Any:
        """Elementwise: is NaN right where this is NaN, an infinity where it is one, and a number elsewhere?"""
        same = (np.isnan(value) == self.nan) & (np.isposinf(value) == np.isposinf(self.mid))
        same &= np.isneginf(value) == np.isneginf(self.mid)
        return same | (np.isnan(value) & self.maybe) | np.isinf(self.rad)

    def lift(self, other: Any) -> Any:
        """A number that is written in an equation, or an array of parameters."""
        if isinstance(other, Reach):
            return other
        ball = super().lift(other)
        if ball is NotImplemented:
            return ball
        shape = beside(ball.mid, self.shape)
        mid, rad = np.broadcast_to(ball.mid, shape), np.broadcast_to(ball.rad, shape)
        return number_given(Ball(mid, rad, self.arithmetic))

    def __neg__(self) -> Reach:
        return Reach(-self.mid, self.rad, self.maybe, self)

    def times(self, other: Any) -> Reach:
        """What a product may be; NaN or infinity times zero may be anything that some order gives."""
        nan = (self.nan & other.nonzero) | (other.nan & self.nonzero)
        infinite = (np.isinf(self.mid) & other.nonzero) | (np.isinf(other.mid) & self.nonzero)
        signed = np.where(infinite, self.mid * other.mid, 0.0)
        # infinity times what may or may not be zero
        open_ = (np.isinf(self.mid) & ~other.nonzero & (other.rad > 0)) | (
            np.isinf(other.mid) & ~self.nonzero & (self.rad > 0)
        )
        maybe = self.maybe | other.maybe | (self.odd & ~other.nonzero) | (other.odd & ~self.nonzero)
        return settled(self.finite * other.finite, nan, signed == np.inf, signed == -np.inf, maybe, open_)


def number_given(ball: Ball) -> Reach:
    """A number that is given, finite or not."""
    return Reach(ball.mid, ball.rad, np.zeros(ball.shape, bool), ball)


def settled(ball: Ball, nan: Any, plus: Any, minus: Any, maybe: Any, open_: Any = False) -> Reach:
    """The ball, but NaN or an infinity where that comes for certain; NaN too where it may; anything where it is open.

    NaN goes before all else; so do infinities of both signs that meet.
    """
    nan = nan | (plus & minus)
    open_ = open_ | np.isinf(ball.rad)
    mid = np.where(open_, ball.mid, np.where(plus, np.inf, np.where(minus, -np.inf, ball.mid)))
    rad = np.where(open_, np.inf, np.where(plus | minus, 0.0, ball.rad))
    return Reach(np.where(nan, np.nan, mid), np.where(nan, 0.0, rad), maybe & ~nan, ball)


def or_nan(x: Reach, maybe: Any) -> Reach:
    """The same, or NaN where it may be."""
    return Reach(x.mid, x.rad, (x.maybe | maybe) & ~x.nan, x)


def in_ball(x: Reach, ball: Ball) -> Reach:
    """The same, but the ball where it is a finite number."""
    finite = np.isfinite(x.mid) & np.isfinite(x.rad)
    return Reach(np.where(finite, ball.mid, x.mid), np.where(finite, ball.rad, x.rad), x.maybe, ball)


@np.errstate(all="ignore")
def reached(case: Case, arithmetic: Arithmetic) -> Result:
    """What the result of a case may be: of Reach, whose ``allows`` tells.

    Nobody reads what stands in the padding. Nothing is dropped. Raises ShapeError like ``forward``.
    """
    plain = without_padding(time_major(case.check()))
    x, initial = lifted(plain, arithmetic)
    x, initial = [number_given(x_t) for x_t in x], [tuple(map(number_given, state)) for state in initial]
    output, final = run(step_of(plain.config), layer_parameters(plain), x, initial, plain.row_lengths)
    nothing = np.zeros((0, plain.num_rows, plain.config.num_directions * plain.config.state_size))

    def stacked(part: str) -> Result:
        states = [np.stack([getattr(state, part) for state in each]) for each in zip(*final)]
        steps = [getattr(step, part) for step in output]
        return like_case(case, Result(np.stack(steps) if steps else nothing, *states))

    mid, rad, maybe = stacked("mid"), stacked("rad"), stacked("maybe")

    def whole(name: str, array: np.ndarray) -> Reach:
        ball = Ball(array, getattr(rad, name), arithmetic)
        return Reach(ball.mid, ball.rad, getattr(maybe, name) > 0, ball)

    return mid.map(whole)


def summed(ball: Ball, products: list[tuple[Reach, Any]]) -> Reach:
    """Where a sum of products x W may be NaN or infinite; ``ball``: that of its finite part."""
    smallest = ball.arithmetic.eta if ball.arithmetic.flushes else 0.0  # weights up to here may be read as zero
    nan, plus, minus, maybe, open_ = (np.zeros(ball.shape, bool) for _ in range(5))
    for x, W in products:
        zero = (abs(W) <= smallest).T
        up, down = (W > 0).T & ~zero, (W < 0).T & ~zero
        rises, falls = np.isposinf(x.mid), np.isneginf(x.mid)
        nan |= x.nan @ ~zero
        plus |= (rises @ up) | (falls @ down)
        minus |= (rises @ down) | (falls @ up)
        maybe |= (x.odd @ zero) | (x.maybe @ ~zero)
        open_ |= (rises | falls) @ (zero & (W != 0).T)
    return settled(ball, nan, plus, minus, maybe, open_)


@affine.register
def _(x: Reach, W_x: Any, h: Reach, W_h: Any, b_x: Any, b_h: Any) -> Reach:
    return summed(affine(x.finite, W_x, h.finite, W_h, b_x, b_h), [(x, W_x), (h, W_h)])


@affine_peephole.register
def _(x: Reach, W_x: Any, h: Reach, W_h: Any, b_x: Any, b_h: Any, w: Any, c: Reach) -> Reach:
    weights = Ball(np.broadcast_to(w, c.shape), np.zeros(c.shape), c.arithmetic)
    ball = affine_peephole(x.finite, W_x, h.finite, W_h, b_x, b_h, w, c.finite)
    return in_ball(total(affine(x, W_x, h, W_h, b_x, b_h), number_given(weights) * c), ball)


@linear.register
def _(x: Reach, W: Any, b: Any) -> Reach:
    return summed(linear(x.finite, W, b), [(x, W)])


@total.register
def _(first: Reach, *others: Reach) -> Reach:
    terms = (first, *others)
    nan, plus, minus, maybe = (
        np.any([where(term) for term in terms], axis=0)
        for where in (lambda t: t.nan, lambda t: np.isposinf(t.mid), lambda t: np.isneginf(t.mid), lambda t: t.maybe)
    )
    return settled(total(*(term.finite for term in terms)), nan, plus, minus, maybe)


@mean.register
def _(x: Reach) -> Reach:
    nan, plus, minus, maybe = (
        np.broadcast_to(where.any(-1, keepdims=True), x.shape)
        for where in (x.nan, np.isposinf(x.mid), np.isneginf(x.mid), x.maybe)
    )
    return settled(mean(x.finite), nan, plus, minus, maybe)


@mix.register
def _(z: Reach, n: Reach, h: Reach) -> Reach:
    # as n + z (h - n) or h + (1 - z) (n - h), infinities meet that do not here
    kept = (1 - z) * n
    mixed = in_ball(total(kept, z * h), mix(z.finite, n.finite, h.finite))
    return or_nan(mixed, np.isinf(n.mid) | np.isinf(h.mid))


def limit(f: Callable, z: Reach, *options: Any) -> Reach:
    """A function of one number, or its limit; NaN of NaN."""
    near = Ball(np.nan_to_num(z.mid, nan=0.0, posinf=FAR, neginf=-FAR), z.rad, z.arithmetic)
    ball, value = f(near, *options), f(z.mid, *options)
    mid = np.where(np.isfinite(z.mid), ball.mid, value)
    rad = np.where(np.isinf(z.rad), np.inf, np.where(np.isfinite(mid), ball.rad, 0.0))
    return Reach(mid, rad, z.maybe, ball)


@tanh.register
def _(z: Reach) -> Reach:
    return limit(tanh, z)


@sigmoid.register
def _(z: Reach) -> Reach:
    return limit(sigmoid, z)


@hard_sigmoid.register
def _(z: Reach) -> Reach:
    return limit(hard_sigmoid, z)


@exp.register
def _(z: Reach) -> Reach:
    return limit(exp, z)


@softplus.register
def _(z: Reach) -> Reach:
    return limit(softplus, z)


@sqrt.register
def _(z: Reach) -> Reach:
    return limit(sqrt, z)


@maximum.register
def _(a: Reach, b: Reach) -> Reach:
    nan, maybe = a.nan | b.nan, a.maybe | b.maybe
    plus = np.isposinf(a.mid) | np.isposinf(b.mid)
    minus = np.isneginf(a.mid) & np.isneginf(b.mid)
    # of a number and of what is less than all, the number
    lower = [
        Ball(np.where(np.isneginf(x.mid), y.finite.mid, x.finite.mid), x.rad, x.arithmetic) for x, y in ((a, b), (b, a))
    ]
    return settled(maximum(*lower), nan, plus, minus, maybe)


@divide.register
def _(a: Reach, b: Reach) -> Reach:
    endless = np.isinf(a.mid) & np.isinf(b.mid)
    nan, infinite = a.nan | b.nan | endless, np.isinf(a.mid) & b.nonzero & ~np.isinf(b.mid)
    signed = np.where(infinite, np.sign(a.mid) * np.sign(b.mid), 0.0)
    ball = divide(a.finite, Ball(np.where(np.isfinite(b.mid), b.mid, 1.0), b.rad, b.arithmetic))
    vanishing = np.isinf(b.mid) & np.isfinite(a.mid)
    ball = Ball(np.where(vanishing, 0.0, ball.mid), np.where(vanishing, 0.0, ball.rad), ball.arithmetic)
    return settled(ball, nan, signed > 0, signed < 0, a.maybe | b.maybe, ~b.nonzero & ~nan)


@clip.register
def _(z: Reach, bound: float) -> Reach:
    return limit(clip, z, bound)


@relu.register
def _(z: Reach) -> Reach:
    return or_nan(limit(relu, z), np.isneginf(z.mid))  # zero, or z times a mask that is zero


@softsign.register
def _(z: Reach) -> Reach:
    infinite = np.isinf(z.mid)  # of which it is the sign, or one infinity divided by another
    soft = limit(softsign, z)
    return or_nan(Reach(np.where(infinite, np.sign(z.mid), soft.mid), soft.rad, z.maybe, soft), infinite)


@select.register
def _(new: Reach, alive: Any, old: Any) -> Reach:
    if not isinstance(old, Reach):
        old = number_given(Ball(np.full(new.shape, old), np.zeros(new.shape), new.arithmetic))
    mid, rad = np.where(alive, new.mid, old.mid), np.where(alive, new.rad, old.rad)
    chosen = Reach(mid, rad, np.where(alive, new.maybe, old.maybe), Ball(mid, rad, new.arithmetic, new.terms))
    return or_nan(chosen, np.where(alive, old.odd, new.odd))  # as a sum of both, each times a mask of zeros and ones


@join.register
def _(first: Reach, *others: Reach) -> Reach:
    parts = (first, *others)
    mid, rad, maybe = (
        np.concatenate(arrays, axis=-1) for arrays in zip(*((part.mid, part.rad, part.maybe) for part in parts))
    )
    return Reach(mid, rad, maybe, join(*(part.finite for part in parts)))
