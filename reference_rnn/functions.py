"""The functions that cells, layers and gradients are written in, on arrays (float64 or complex).

``bounds.ball`` defines the same functions on balls, ``autodiff.tape`` the way back through each.
Shapes: x (N, I), h (N, H), W (H, I or H), b (H,).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import singledispatch
from typing import Any, Generic, TypeVar

import numpy as np

# What an arithmetic computes with: arrays, complex arrays, balls, tapes. What goes in comes out.
N = TypeVar("N", bound=Any)
F = TypeVar("F", bound=Callable[..., Any])
G = TypeVar("G", bound=Callable[..., Any])


class Dispatched(Generic[F]):
    """The type of a function of every arithmetic, which the type of its first argument chooses; ``register`` adds one.

    ``singledispatch`` has a type of its own, which forgets in some versions what goes in and comes out.
    """

    __call__: F

    def register(self, function: G) -> G:
        """Adds the function of another arithmetic."""
        raise NotImplementedError


generic: Callable[[F], Dispatched[F]] = singledispatch  # type: ignore[assignment]


@generic
def affine(x: N, W_x: Any, h: N, W_h: Any, b_x: Any, b_h: Any) -> N:
    """W_x x + W_h h + b_x + b_h for every row; one sum, in any order."""
    return x @ W_x.T + h @ W_h.T + b_x + b_h


@generic
def affine_peephole(x: N, W_x: Any, h: N, W_h: Any, b_x: Any, b_h: Any, w: Any, c: N) -> N:
    """W_x x + W_h h + b_x + b_h + w c for every row, w c unit by unit; one sum, in any order."""
    return affine(x, W_x, h, W_h, b_x, b_h) + w * c


@generic
def linear(x: N, W: Any, b: Any) -> N:
    """W x + b for every row."""
    return x @ W.T + b


@generic
def tanh(z: N) -> N:
    """The hyperbolic tangent."""
    return np.tanh(z)


@generic
def sigmoid(z: N) -> N:
    """1 / (1 + exp(-z)), written so that it neither overflows nor needs a branch."""
    return 0.5 + 0.5 * np.tanh(0.5 * z)


@generic
def relu(z: N) -> N:
    """max(z, 0); not a number stays not a number."""
    return np.maximum(z, 0)


@generic
def hard_sigmoid(z: N) -> N:
    """max(0, min(1, 0.2 z + 0.5))."""
    return np.clip(0.2 * z + 0.5, 0, 1)


@generic
def softsign(z: N) -> N:
    """z / (1 + |z|)."""
    return z / (1 + abs(z))


@generic
def clip(z: N, bound: float) -> N:
    """z, but neither below -bound nor above bound."""
    return np.clip(z, -bound, bound)


@generic
def exp(z: N) -> N:
    """The exponential function."""
    return np.exp(z)


@generic
def softplus(z: N) -> N:
    """log(1 + exp(z)), written so that it does not overflow."""
    return np.logaddexp(0, z)


@generic
def sqrt(z: N) -> N:
    """The square root."""
    return np.sqrt(z)


@generic
def sin(z: N) -> N:
    """The sine."""
    return np.sin(z)


@generic
def cos(z: N) -> N:
    """The cosine."""
    return np.cos(z)


@generic
def absolute(z: N) -> N:
    """The magnitude."""
    return np.abs(z)


def silu(z: N) -> N:
    """z / (1 + exp(-z))."""
    return z * sigmoid(z)


@generic
def maximum(a: N, b: N) -> N:
    """The larger of two; not a number if one of them is none."""
    return np.maximum(a, b)


@generic
def divide(a: N, b: N) -> N:
    """a / b."""
    return a / b


@generic
def mean(x: N) -> N:
    """The mean over the units of each row, for every one of them."""
    return np.broadcast_to(x.mean(-1, keepdims=True), x.shape)


def normalised(x: N, epsilon: float = 1e-5) -> N:
    """(x - mean) / sqrt(variance + epsilon) over the units of each row: the mean first, then that of the squares."""
    deviation = x - mean(x)
    return divide(deviation, sqrt(epsilon + mean(deviation * deviation)))


@generic
def mix(z: N, n: N, h: N) -> N:
    """(1 - z) n + z h."""
    return (1 - z) * n + z * h


@generic
def tanh_slope(y: N) -> N:
    """The derivative of tanh where it is y."""
    return 1 - y * y


@generic
def sigmoid_slope(s: N) -> N:
    """The derivative of sigmoid where it is s."""
    return s * (1 - s)


@generic
def relu_slope(z: N) -> N:
    """The derivative of max(z, 0); 0 at 0, where any number from 0 to 1 is right."""
    return np.where(z > 0, 1.0, 0.0)


@generic
def softsign_slope(y: N) -> N:
    """The derivative of softsign where it is y: 1 / (1 + |z|)**2."""
    return (1 - abs(y)) * (1 - abs(y))


@generic
def hard_sigmoid_slope(z: N) -> N:
    """The derivative of hard_sigmoid; 0 at its kinks, where any number from 0 to 0.2 is right."""
    y = 0.2 * z + 0.5
    return np.where((y > 0) & (y < 1), 0.2, 0.0)


@generic
def clip_slope(z: N, bound: float) -> N:
    """The derivative of clip; 0 at its kinks, where any number from 0 to 1 is right."""
    return np.where(abs(z) < bound, 1.0, 0.0)


@generic
def maximum_slope(a: N, b: N) -> N:
    """The derivative of maximum with respect to a; 0 where both are the same, where any number from 0 to 1 is right."""
    return np.where(a > b, 1.0, 0.0)


@generic
def vecdot(a: N, b: N) -> N:
    """The sum of a_k b_k over the last axis, which goes; numbers are never conjugated."""
    return (a * b).sum(-1)


@generic
def vecmat(x: N, A: N) -> N:
    """x^T A for each of them: the sum of x_k A_kv, for x (..., K) and A (..., K, V)."""
    return (x[..., :, None] * A).sum(-2)


@generic
def matvec(A: N, x: N) -> N:
    """A x for each of them: the sum of A_kv x_v, for A (..., K, V) and x (..., V)."""
    return (A * x[..., None, :]).sum(-1)


@generic
def outer(d: N, x: N) -> N:
    """d^T x: the sum over all rows of the products of each row of d with the same row of x."""
    return d.T @ x


@generic
def total(first: N, *others: N) -> N:
    """The sum of all, in any order."""
    return sum(others, first)


@generic
def select(new: N, alive: Any, old: Any) -> N:
    """New where alive, elsewhere old."""
    return np.where(alive, new, old)


@generic
def returned(state: N, own: Any, alive: Any) -> N:
    """The state as an implementation returned it, where alive: a number in place of another, whose gradient it has."""
    return np.where(alive, own, state)


@generic
def join(first: N, *others: N) -> N:
    """The two halves of a bidirectional layer, side by side."""
    return np.concatenate([first, *others], axis=-1)


@generic
def stack(first: N, *others: N) -> N:
    """All of one shape, along a new first axis."""
    return np.stack([first, *others])


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
