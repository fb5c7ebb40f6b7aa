"""The functions that cells, recurrence and gradients are written in, on arrays (float64 or complex).

``ball`` defines the same functions on balls. Shapes: x (N, I), h (N, H), W (H, I or H), b (H,).
"""

from __future__ import annotations

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
def join(first: Any, *others: Any) -> Any:
    """The two halves of a bidirectional layer, side by side."""
    return np.concatenate([first, *others], axis=-1)
