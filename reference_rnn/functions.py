"""The functions that cells, recurrence and gradients are written in, on arrays (float64 or complex).

``ball`` defines the same functions on balls, ``tape`` the way back through each.
Shapes: x (N, I), h (N, H), W (H, I or H), b (H,).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import singledispatch
from typing import Any

import numpy as np


@singledispatch
def affine(x: Any, W_x: Any, h: Any, W_h: Any, b_x: Any, b_h: Any) -> Any:
    """W_x x + W_h h + b_x + b_h for every row; one sum, in any order."""
    return x @ W_x.T + h @ W_h.T + b_x + b_h


@singledispatch
def affine_peephole(x: Any, W_x: Any, h: Any, W_h: Any, b_x: Any, b_h: Any, w: Any, c: Any) -> Any:
    """W_x x + W_h h + b_x + b_h + w c for every row, w c unit by unit; one sum, in any order."""
    return affine(x, W_x, h, W_h, b_x, b_h) + w * c


@singledispatch
def linear(x: Any, W: Any, b: Any) -> Any:
    """W x + b for every row."""
    return x @ W.T + b


@singledispatch
def tanh(z: Any) -> Any:
    """The hyperbolic tangent."""
    return np.tanh(z)


@singledispatch
def sigmoid(z: Any) -> Any:
    """1 / (1 + exp(-z)), written so that it neither overflows nor needs a branch."""
    return 0.5 + 0.5 * np.tanh(0.5 * z)


@singledispatch
def relu(z: Any) -> Any:
    """max(z, 0); not a number stays not a number."""
    return np.maximum(z, 0)


@singledispatch
def hard_sigmoid(z: Any) -> Any:
    """max(0, min(1, 0.2 z + 0.5))."""
    return np.clip(0.2 * z + 0.5, 0, 1)


@singledispatch
def softsign(z: Any) -> Any:
    """z / (1 + |z|)."""
    return z / (1 + abs(z))


@singledispatch
def clip(z: Any, bound: float) -> Any:
    """z, but neither below -bound nor above bound."""
    return np.clip(z, -bound, bound)


@singledispatch
def exp(z: Any) -> Any:
    """The exponential function."""
    return np.exp(z)


@singledispatch
def softplus(z: Any) -> Any:
    """log(1 + exp(z)), written so that it does not overflow."""
    return np.logaddexp(0, z)


@singledispatch
def sqrt(z: Any) -> Any:
    """The square root."""
    return np.sqrt(z)


def silu(z: Any) -> Any:
    """z / (1 + exp(-z))."""
    return z * sigmoid(z)


@singledispatch
def maximum(a: Any, b: Any) -> Any:
    """The larger of two; not a number if one of them is none."""
    return np.maximum(a, b)


@singledispatch
def divide(a: Any, b: Any) -> Any:
    """a / b."""
    return a / b


@singledispatch
def mean(x: Any) -> Any:
    """The mean over the units of each row, for every one of them."""
    return np.broadcast_to(x.mean(-1, keepdims=True), x.shape)


def normalised(x: Any, epsilon: float = 1e-5) -> Any:
    """(x - mean) / sqrt(variance + epsilon) over the units of each row: the mean first, then that of the squares."""
    deviation = x - mean(x)
    return divide(deviation, sqrt(epsilon + mean(deviation * deviation)))


@singledispatch
def mix(z: Any, n: Any, h: Any) -> Any:
    """(1 - z) n + z h."""
    return (1 - z) * n + z * h


@singledispatch
def tanh_slope(y: Any) -> Any:
    """The derivative of tanh where it is y."""
    return 1 - y * y


@singledispatch
def sigmoid_slope(s: Any) -> Any:
    """The derivative of sigmoid where it is s."""
    return s * (1 - s)


@singledispatch
def relu_slope(z: Any) -> Any:
    """The derivative of max(z, 0); 0 at 0, where any number from 0 to 1 is right."""
    return np.where(z > 0, 1.0, 0.0)


@singledispatch
def softsign_slope(y: Any) -> Any:
    """The derivative of softsign where it is y: 1 / (1 + |z|)**2."""
    return (1 - abs(y)) * (1 - abs(y))


@singledispatch
def hard_sigmoid_slope(z: Any) -> Any:
    """The derivative of hard_sigmoid; 0 at its kinks, where any number from 0 to 0.2 is right."""
    y = 0.2 * z + 0.5
    return np.where((y > 0) & (y < 1), 0.2, 0.0)


@singledispatch
def clip_slope(z: Any, bound: float) -> Any:
    """The derivative of clip; 0 at its kinks, where any number from 0 to 1 is right."""
    return np.where(abs(z) < bound, 1.0, 0.0)


@singledispatch
def maximum_slope(a: Any, b: Any) -> Any:
    """The derivative of maximum with respect to a; 0 where both are the same, where any number from 0 to 1 is right."""
    return np.where(a > b, 1.0, 0.0)


@singledispatch
def outer(d: Any, x: Any) -> Any:
    """d^T x: the sum over all rows of the products of each row of d with the same row of x."""
    return d.T @ x


@singledispatch
def total(first: Any, *others: Any) -> Any:
    """The sum of all, in any order."""
    return sum(others, first)


@singledispatch
def select(new: Any, alive: Any, old: Any) -> Any:
    """New where alive, elsewhere old."""
    return np.where(alive, new, old)


@singledispatch
def returned(state: Any, own: Any, alive: Any) -> Any:
    """The state as an implementation returned it, where alive: a number in place of another, whose gradient it has."""
    return np.where(alive, own, state)


@singledispatch
def join(first: Any, *others: Any) -> Any:
    """The two halves of a bidirectional layer, side by side."""
    return np.concatenate([first, *others], axis=-1)


def lifting(combine: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """An operator of a Number: the other operand is lifted first, and what cannot be lifted is none of its business."""

    def operator(self: Any, other: Any) -> Any:
        other = self.lift(other)
        return other if other is NotImplemented else combine(self, other)

    return operator


def beside(value: Any, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of a number, or of a vector, repeated for each row of numbers of this shape."""
    return np.broadcast_shapes(np.shape(value), (*shape[:-1], 1)) if np.ndim(value) else shape


class Number:
    """What steps compute with where it is no array: added, subtracted, multiplied and divided like one.

    ``lift`` makes one of a plain number, an array or a parameter, and gives NotImplemented for anything else; how two
    are multiplied, and one is negated, each kind says itself.
    """

    __array_ufunc__ = None  # an array times this is this one's business
    __slots__ = ()

    def lift(self, other: Any) -> Any:
        """Another operand as a number of this kind."""
        raise NotImplementedError

    def times(self, other: Any) -> Any:
        """The product with a number of this kind."""
        raise NotImplementedError

    def __neg__(self) -> Any:
        raise NotImplementedError

    __add__ = lifting(lambda self, other: total(self, other))
    __radd__ = lifting(lambda self, other: total(other, self))
    __sub__ = lifting(lambda self, other: total(self, -other))
    __rsub__ = lifting(lambda self, other: total(other, -self))
    __mul__ = lifting(lambda self, other: self.times(other))
    __rmul__ = lifting(lambda self, other: other.times(self))
    __truediv__ = lifting(lambda self, other: divide(self, other))
    __rtruediv__ = lifting(lambda self, other: divide(other, self))
