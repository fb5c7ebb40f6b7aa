"""Reverse mode: every generic function remembers how a gradient goes back through it.

The forward text runs on numbers that write themselves down on a tape, each with its way back; the tape is then read
from its end to its beginning. So gradients follow from the equations of ``cells`` and the loops of ``layers``,
which know nothing of them, and what is differentiated may be arrays or balls.

What a gradient is multiplied with on its way is written here once for each function. A weight does not add up one
product a step: it keeps what it was multiplied by, and its gradient is one product over all steps and rows.

Source: Baydin, Pearlmutter, Radul and Siskind (2018), Automatic differentiation in machine learning: a survey,
JMLR 18(153), section 3.2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..bounds.ball import Ball, exact, settled
from ..functions import (
    Number,
    affine,
    affine_peephole,
    beside,
    clip,
    clip_slope,
    divide,
    exp,
    hard_sigmoid,
    hard_sigmoid_slope,
    join,
    linear,
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
    softplus,
    softsign,
    softsign_slope,
    sqrt,
    stack,
    tanh,
    tanh_slope,
    total,
)

Tape = list["Traced"]


class Traced(Number):
    """A number on a tape: an array or balls, with what comes back to it.

    value     what it is
    back      takes its gradient, and hands on to its operands what is theirs
    parts     what was handed to it, which its gradient is the sum of
    partial   what was handed to it of some rows only: (alive, gradient); nothing is added to the others
    products  what was handed to each product with a weight that it is in: (gate, gradient) by weight and bias
    read      the number that stands for it where a step reads it, if there is one
    gradient  the sum of all that was handed to it, once the tape has been read back so far; zeros if nothing was
    """

    __slots__ = ("back", "gradient", "partial", "parts", "products", "read", "tape", "value")

    def __init__(self, value: Any, tape: Tape, back: Callable[[Any], object] | None = None) -> None:
        self.value = value
        self.tape = tape
        self.back = back
        self.parts: list = []
        self.partial: list[tuple[Any, Any]] = []
        self.products: dict[tuple, list] | None = None
        self.read: Read | None = None
        self.gradient: Any = None
        tape.append(self)

    def summed(self) -> Any:
        """The sum of all that was handed back. What weights are to know is told them here."""
        parts = self.parts
        if self.products:
            parts += [through(self.value, W, b, gates) for (W, b), gates in self.products.items()]
        d = settled(total(*parts)) if len(parts) > 1 else parts[0] if parts else None
        for alive, more in self.partial:
            d = select(more, alive, 0.0) if d is None else select(total(d, more), alive, d)
        return d

    def multiplied(self, W: Any, b: Any, d: Any) -> None:
        """d is handed back to W x + b, of which this is the x."""
        bias = b.whole if isinstance(b, Weight) else None
        if self.products is None:
            self.products = {}
        self.products.setdefault((W.whole, bias), []).append((W.place, d))

    def hold(self, d: Any, alive: Any) -> None:
        """d is handed back where a row is not alive: there the step that reads this has nothing to say."""
        if self.read:
            self.read.held = (alive, d)
        else:
            self.parts.append(select(d, ~alive, 0.0))

    def lift(self, other: Any) -> Any:
        """A number that is written in an equation, a ball or a vector of parameters, on the same tape."""
        if isinstance(other, Traced):
            return other
        if isinstance(other, Weight):
            return Traced(self.beside(other.value), self.tape, lambda d: other.whole.add((other.place,), d))
        return Traced(self.beside(other), self.tape)

    def beside(self, other: Any) -> Any:
        """A number, or an array, with a row for each of this and of its kind."""
        if isinstance(other, Ball):
            return other
        shape = beside(other, self.shape)
        if isinstance(self.value, Ball):
            ball = self.value.lift(other)
            return Ball(np.broadcast_to(ball.mid, shape), np.broadcast_to(ball.rad, shape), ball.arithmetic)
        return np.broadcast_to(other, shape)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of its value."""
        return self.value.shape

    def __neg__(self) -> Traced:
        return Traced(-self.value, self.tape, lambda d: self.parts.append(-d))

    def times(self, other: Traced) -> Traced:
        """The product, whose gradient goes to each factor times the other one."""

        def back(d: Any) -> None:
            self.parts.append(d * other.value)
            other.parts.append(d * self.value)

        return Traced(self.value * other.value, self.tape, back)


class Read(Traced):
    """A number as a step reads it: what the step hands back counts where rows are alive, elsewhere what was held.

    So a row that has ended hands its gradient on as it is; nothing is multiplied by what the step made of padding,
    and nothing is added to it.
    """

    __slots__ = ("held",)

    def __init__(self, number: Traced, value: Any) -> None:
        super().__init__(value, number.tape, number.parts.append)
        self.held: tuple[Any, Any] | None = None
        number.read = self

    def summed(self) -> Any:
        """What a step handed back, or what was held."""
        d = super().summed()
        if self.held is None:
            return d
        alive, held = self.held
        return select(held, ~alive, 0.0) if d is None else select(d, alive, held)


def backward(tape: Tape) -> None:
    """Hands every gradient back to where its number came from, from the last number to the first; clears the tape."""
    while tape:
        number = tape.pop()
        d = number.summed()
        if number.back and d is not None:
            number.back(d)
        number.gradient = operand(np.zeros(number.shape), number.value) if d is None else d  # nothing reads it
        number.back = number.read = None  # they go round in circles


class Weight:
    """A parameter, or one gate of it, that collects what it was multiplied by.

    whole  the parameter that this is a gate of, or this;  place: which gate of it
    pairs  by the gates that stand side by side in d: every d (N, gates*H), and every x (N, ...) where there is one
    """

    def __init__(self, value: Any, whole: Weight | None = None, place: int = 0) -> None:
        self.value = value
        self.whole = whole or self
        self.place = place
        self.gates = [self]
        self.pairs: dict[tuple[int, ...], tuple[list, list]] = {}

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array."""
        return self.value.shape

    def reshape(self, count: int, *rest: int) -> list[Weight]:
        """The gates of a parameter, always the same ones."""
        if len(self.gates) != count:
            self.gates = [Weight(block, self, place) for place, block in enumerate(self.value.reshape(count, *rest))]
        return self.gates

    def rows(self, which: tuple[int, ...]) -> Any:
        """The rows of some gates."""
        if which == tuple(range(len(self.gates))):
            return self.value
        return np.concatenate([self.gates[place].value for place in which])

    def add(self, which: tuple[int, ...], d: Any, x: Any = None) -> None:
        """d is handed back to some gates' product with x; without x, to what was only added."""
        ds, xs = self.pairs.setdefault(which, ([], []))
        ds.append(d)
        if x is not None:
            xs.append(x)

    @property
    def gradient(self) -> Any:
        """The sum of d^T x, or of d, over all steps and rows, in the shape of the array."""
        if not self.pairs:
            return np.zeros_like(self.value)
        found: dict[int, list] = {place: [] for place in range(len(self.gates))}
        for which, (ds, xs) in self.pairs.items():
            d = rows(ds)
            summed = outer(rows(xs) if xs else operand(np.ones((d.shape[0], 1)), d), d)
            size = summed.shape[1] // len(which)
            for at, place in enumerate(which):
                found[place].append(summed[:, at * size : at * size + size])
        nothing = operand(np.zeros((summed.shape[0], size)), d)  # of a gate that is never used
        gradient = join(*(total(*block) if block else nothing for block in found.values()))
        return gradient.T if len(self.shape) > 1 else gradient[0]


def operand(array: Any, like: Any) -> Any:
    """The array: as it is beside arrays, exact beside balls."""
    return exact(array, like.arithmetic) if isinstance(like, Ball) else array


def through(x: Any, weight: Weight, bias: Weight | None, gates: list[tuple[int, Any]]) -> Any:
    """What goes back to x through its products with some gates of a weight, which are told of them; as one product."""
    gates.sort(key=lambda of: of[0])
    which = tuple(place for place, _ in gates)
    d = join(*(d for _, d in gates)) if len(gates) > 1 else gates[0][1]
    weight.add(which, d, x)
    if bias:
        bias.add(which, d)
    return linear(d, weight.rows(which).T, 0.0)


def rows(parts: list) -> Any:
    """(T*N, ...): arrays or balls of all steps, row under row."""
    return stack(*parts).reshape(-1, parts[0].shape[-1])


@affine.register
def _(x: Traced, W_x: Weight, h: Traced, W_h: Weight, b_x: Weight, b_h: Weight) -> Traced:
    def back(d: Any) -> None:
        x.multiplied(W_x, b_x, d)
        h.multiplied(W_h, b_h, d)

    value = affine(x.value, W_x.value, h.value, W_h.value, b_x.value, b_h.value)
    return Traced(value, x.tape, back)


@affine_peephole.register
def _(x: Traced, W_x: Weight, h: Traced, W_h: Weight, b_x: Weight, b_h: Weight, w: Weight, c: Traced) -> Traced:
    def back(d: Any) -> None:
        x.multiplied(W_x, b_x, d)
        h.multiplied(W_h, b_h, d)
        w.whole.add((w.place,), d * c.value)
        c.parts.append(d * peephole)

    value = affine_peephole(x.value, W_x.value, h.value, W_h.value, b_x.value, b_h.value, w.value, c.value)
    peephole = operand(np.broadcast_to(w.value, value.shape), value)
    return Traced(value, x.tape, back)


@linear.register
def _(x: Traced, W: Weight, b: Any) -> Traced:
    value = linear(x.value, W.value, b.value if isinstance(b, Weight) else b)
    return Traced(value, x.tape, lambda d: x.multiplied(W, b, d))


def of_result(function: Callable, slope: Callable) -> None:
    """Registers a function of one number, with its derivative where it is y."""

    @function.register  # type: ignore[attr-defined]
    def _(z: Traced) -> Traced:
        y = function(z.value)
        return Traced(y, z.tape, lambda d: z.parts.append(d * slope(y)))


def of_argument(function: Callable, slope: Callable) -> None:
    """Registers a function of one number whose derivative is not one of y, as those with kinks are, with that at z."""

    @function.register  # type: ignore[attr-defined]
    def _(z: Traced, *options: Any) -> Traced:
        y = function(z.value, *options)
        return Traced(y, z.tape, lambda d: z.parts.append(d * slope(z.value, *options)))


of_result(tanh, tanh_slope)
of_result(sigmoid, sigmoid_slope)
of_result(softsign, softsign_slope)
of_result(exp, lambda y: y)
of_argument(softplus, sigmoid)
of_argument(relu, relu_slope)
of_argument(hard_sigmoid, hard_sigmoid_slope)
of_argument(clip, clip_slope)


@sqrt.register
def _(z: Traced) -> Traced:
    y = sqrt(z.value)
    return Traced(y, z.tape, lambda d: z.parts.append(divide(d, y + y)))


@maximum.register
def _(a: Traced, b: Traced) -> Traced:
    def back(d: Any) -> None:
        share = maximum_slope(a.value, b.value)
        a.parts.append(d * share)
        b.parts.append(d * (1 - share))

    return Traced(maximum(a.value, b.value), a.tape, back)


@divide.register
def _(a: Traced, b: Traced) -> Traced:
    def back(d: Any) -> None:
        share = divide(d, b.value)
        a.parts.append(share)
        b.parts.append(-(share * y))

    y = divide(a.value, b.value)
    return Traced(y, a.tape, back)


@mean.register
def _(x: Traced) -> Traced:
    return Traced(mean(x.value), x.tape, lambda d: x.parts.append(mean(d)))  # each unit has its share in all means


@mix.register
def _(z: Traced, n: Traced, h: Traced) -> Traced:
    def back(d: Any) -> None:
        z.parts.append(d * (h.value - n.value))
        n.parts.append(d * (1 - z.value))
        h.parts.append(d * z.value)

    return Traced(mix(z.value, n.value, h.value), z.tape, back)


@total.register
def _(first: Traced, *others: Traced) -> Traced:
    numbers = (first, *others)

    def back(d: Any) -> None:
        for number in numbers:
            number.parts.append(d)

    return Traced(total(*(number.value for number in numbers)), first.tape, back)


@select.register
def _(new: Traced, alive: Any, old: Any) -> Traced:
    def back(d: Any) -> None:
        new.partial.append((alive, d))
        if isinstance(old, Traced):
            old.hold(d, alive)

    if alive.all():
        return new
    value = select(new.value, alive, old.value if isinstance(old, Traced) else old)
    return Traced(value, new.tape, back)


@returned.register
def _(state: Traced, own: Any, alive: Any) -> Traced:
    return Read(state, returned(state.value, own, alive))


@join.register
def _(first: Traced, *others: Traced) -> Traced:
    if not others:
        return first
    numbers = (first, *others)

    def back(d: Any) -> None:
        at = 0
        for number in numbers:
            size = number.value.shape[-1]
            number.parts.append(d[..., at : at + size])
            at += size

    return Traced(join(*(number.value for number in numbers)), first.tape, back)
