"""Networks of integers, in which no correct implementation rounds.

A sum is exact in every order if all its terms are multiples of one quantum and their magnitudes add
up to less than 2**bits quanta. ReLU keeps such numbers as they are, so results are compared by ==.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from reference_rnn import PRECISION, Case
from reference_rnn.layouts import suffix

# Non-zero entries in a row of W_ih and of W_hh; sparser networks grow more slowly.
SPARSITIES = ((2, 1), (1, 1), (1, 0))
BAND = 16  # in a row of an automaton: what all of them add up to is still an exact integer, however many units
LIFT, LINEAR_BITS = 100, 13  # a number of at most 2**-13 is its own tanh in single precision
FINEST = 11  # fractional bits; enough to show operands rounded to 16 or fewer significant bits


def integer_network(case: Case, bits: int | None = None) -> Case:
    """The case with its numbers rounded to sparse integers, and x and biases as fine as stays exact.

    bits: of exact integers, where these are fewer than its dtype has
    """
    for sparsity in SPARSITIES:
        rounded = case.map(lambda name, array, s=sparsity: sparse_integers(name, array, s))
        spare = exact_bits(case, bits) - bits_of(growth(rounded))
        if spare >= 0:
            return rounded.map(lambda name, array: with_fraction(name, array, min(spare, FINEST)))
    return case.map(lambda name, array: np.sign(array) if name == "x" else np.zeros_like(array))


def linear_network(case: Case, bits: int | None = None) -> Case:
    """An integer network scaled down to where tanh is the identity in single precision."""
    network = integer_network(case, bits)
    scale = 2.0 ** -(13 + bits_of(growth(network)))
    return network.map(lambda name, array: array if name.startswith("weight") else array * array.dtype.type(scale))


def automaton(case: Case) -> Case:
    """A network of saturated units: every pre-activation is an odd multiple of 64, so h is -1 or 1."""
    return case.map(saturated)


def saturated(name: str, array: np.ndarray) -> np.ndarray:
    """Inputs and states of -1 or 1; recurrent weights and biases even, rows of input weights odd multiples of 64."""
    if name in ("x", "h_0", "c_0"):
        return np.where(array < 0, -1, 1).astype(array.dtype)
    if name.startswith("weight_hr"):
        return array
    if not name.startswith("weight_ih"):
        return banded(array, 1, 1, even) if array.ndim > 1 else even(array)
    return banded(array, BAND, 0, odd)


def even(numbers: np.ndarray) -> np.ndarray:
    """-128, 0 or 128, whatever is nearest."""
    return 128 * np.sign(np.round(numbers)) + 0


def odd(numbers: np.ndarray) -> np.ndarray:
    """Multiples of 64, in each row an odd sum of them."""
    multiples = np.clip(np.round(2 * numbers), -2, 2)
    first = multiples[:, 0]
    multiples[:, 0] += np.where(multiples.sum(1) % 2 == 0, np.where(first > 0, -1, 1), 0)
    return 64 * multiples + 0


def banded(array: np.ndarray, kept: int, first: int, change: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """A matrix with few numbers in a row, made by ``change`` from those that are there, and zeros elsewhere.

    Row r keeps the columns from r + first on, around the end: each column is read, and a transpose shows.
    """
    rows, columns = array.shape
    at = np.arange(rows)[:, None], (np.arange(rows)[:, None] + first + np.arange(min(kept, columns))) % columns
    sparse = np.zeros_like(array)
    sparse[at] = change(array[at])
    return sparse


def exact_bits(case: Case, bits: int | None = None) -> int:
    """The bits of exact integers: those of the dtype of a case, or fewer."""
    return min(PRECISION[case.config.dtype], bits or PRECISION[case.config.dtype])


def representable(case: Case, bits: int | None = None) -> bool:
    """Whether every number that can occur in this case is exact in its dtype, in every order.

    bits: of exact integers, where these are fewer than its dtype has
    """
    if case.config.cell != "RNN_RELU" or case.config.has_options:
        return False
    arrays = dict(case.arrays())
    if not all(np.isfinite(array).all() for name, array in arrays.items() if name != "x"):
        return False
    x = valid_steps(case)
    if not np.isfinite(x).all():
        return False
    arrays["x"] = x
    fraction = 0
    for name, array in arrays.items():
        if name.startswith("weight"):
            if (array != np.rint(array)).any():
                return False
            continue
        wide = array.astype(float)
        if (wide * 2**FINEST % 1).any():
            return False
        while (wide * 2**fraction % 1).any():
            fraction += 1
    return growth(case) * 2**fraction < 2 ** exact_bits(case, bits)


def linear(case: Case) -> bool:
    """Whether all numbers of a network of integer weights are so tiny that tanh is the identity in single precision."""
    weights = [array for name, array in case.arrays() if name.startswith("weight")]
    if case.config.cell == "RNN_RELU" or any((array % 1).any() for array in weights):
        return False
    lifted = case.map(lambda name, array: array if name.startswith("weight") else array.astype(float) * 2.0**LIFT)
    return growth(lifted) <= 2.0 ** (LIFT - LINEAR_BITS)


def is_automaton(case: Case) -> bool:
    """Whether every unit of a network is saturated, since every pre-activation is an odd multiple of 64."""
    if case.config.cell == "RNN_RELU":
        return False
    alive = valid_steps(case.replace(x=np.ones_like(case.x))) == 1
    for name, array in case.arrays():
        if name in ("x", "h_0", "c_0"):
            right = (abs(array) == 1) | (~alive if name == "x" else False)
        elif name.startswith("weight_ih"):
            right = (array % 64 == 0).all() and (abs(array.sum(1, dtype=float)) % 128 == 64).all()
        else:
            right = name.startswith("weight_hr") or array % 128 == 0
        if not np.all(right):
            return False
    return True


def valid_steps(case: Case) -> np.ndarray:
    """x with zeros past the end of each row."""
    if case.lengths is None:
        return case.x
    alive = np.arange(case.num_steps)[:, None] < case.row_lengths
    if case.config.batch_first:
        alive = alive.T
    return np.where(alive[..., None], case.x, 0)


def sparse_integers(name: str, array: np.ndarray, sparsity: tuple[int, int]) -> np.ndarray:
    """Integers from -2 to 2; in a row of weights only as many as the sparsity says, each -1 or 1."""
    if not name.startswith("weight"):
        return np.clip(np.round(2 * array), -2, 2)
    kept, first = (sparsity[0], 0) if name.startswith("weight_ih") else (sparsity[1], 1)
    return banded(array, kept, first, signs)


def signs(numbers: np.ndarray) -> np.ndarray:
    """-1 or 1 for numbers that are not near zero, 1 for those that are, 0 for zeros."""
    return np.where(abs(numbers) > 0.25, np.sign(numbers), numbers != 0)


def with_fraction(name: str, array: np.ndarray, bits: int) -> np.ndarray:
    """The array with its last exact bit set where a number is positive; weights stay integers."""
    if name.startswith("weight") or bits == 0:
        return array
    return array + (array > 0) * array.dtype.type(2.0**-bits)


def growth(case: Case) -> float:
    """A bound on the magnitudes that add up in any one sum of a ReLU network."""
    largest = 1.0
    x = magnitude(valid_steps(case))
    state = 0.0 if case.h_0 is None else magnitude(case.h_0)
    for layer in range(case.config.num_layers):
        above = 0.0
        for direction in range(case.config.num_directions):
            end = suffix(layer, direction)
            p = case.parameters
            W_ih, W_hh = (reach(p[kind + end]) if kind + end in p else 1.0 for kind in ("weight_ih", "weight_hh"))
            bias = sum(magnitude(p[kind + end]) for kind in ("bias_ih", "bias_hh") if kind + end in p)
            h = state
            for _ in range(case.num_steps):
                h = max(h, W_ih * x + W_hh * h + bias)
            above = max(above, h)
        x = above
        largest = max(largest, x)
    return largest


def reach(W: np.ndarray) -> float:
    """The largest sum of magnitudes in a row of a matrix."""
    return float(abs(W).sum(1, dtype=float).max(initial=0.0))


def bits_of(bound: float) -> int:
    """How many bits twice a bound has; where it is beyond all bounds, more than any format has."""
    return math.ceil(math.log2(2 * bound)) if 2 * bound < math.inf else 2 * max(PRECISION.values())


def magnitude(array: np.ndarray) -> float:
    """The largest absolute value, 0 for an empty array."""
    return float(abs(array).max()) if array.size else 0.0
