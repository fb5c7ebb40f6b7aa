"""Networks of integers, in which no correct implementation rounds.

A sum is exact in every order if all its terms are multiples of one quantum and their magnitudes add
up to less than 2**bits quanta. ReLU keeps such numbers as they are, so results are compared by ==.
"""

from __future__ import annotations

import math

import numpy as np

from reference_rnn import PRECISION, Case

# Non-zero entries in a row of W_ih and of W_hh; sparser networks grow more slowly.
SPARSITIES = ((2, 1), (1, 1), (1, 0))
FINEST = 11  # fractional bits; enough to show operands rounded to 16 or fewer significant bits


def integer_network(case: Case) -> Case:
    """The case with its numbers rounded to sparse integers, and x and biases as fine as stays exact."""
    for sparsity in SPARSITIES:
        rounded = case.map(lambda name, array, s=sparsity: sparse_integers(name, array, s))
        spare = PRECISION[case.config.dtype] - math.ceil(math.log2(2 * growth(rounded)))
        if spare >= 0:
            return rounded.map(lambda name, array: with_fraction(name, array, min(spare, FINEST)))
    return case.map(lambda name, array: np.sign(array) if name == "x" else np.zeros_like(array))


def linear_network(case: Case) -> Case:
    """An integer network scaled down to where tanh is the identity in single precision."""
    network = integer_network(case)
    scale = 2.0 ** -(13 + math.ceil(math.log2(2 * growth(network))))
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
        return 128 * np.sign(np.round(array))
    numbers = np.clip(np.round(2 * array), -2, 2)
    even = numbers.sum(1) % 2 == 0
    numbers[even, 0] += np.where(numbers[even, 0] > 0, -1, 1)
    return 64 * numbers


def representable(case: Case) -> bool:
    """Whether every number that can occur in this case is exact in its dtype, in every order."""
    if case.config.cell != "RNN_RELU" or case.config.has_options:
        return False
    arrays = dict(case.arrays())
    if not all(np.isfinite(array).all() for name, array in arrays.items() if name != "x"):
        return False
    x = valid_steps(case)
    if not np.isfinite(x).all():
        return False
    arrays["x"] = x
    bits = 0
    for name, array in arrays.items():
        wide = array.astype(float)
        if (wide * (1 if name.startswith("weight") else 2**FINEST) % 1).any():
            return False
        while not name.startswith("weight") and (wide * 2**bits % 1).any():
            bits += 1
    return growth(case) * 2**bits < 2 ** PRECISION[case.config.dtype]


def valid_steps(case: Case) -> np.ndarray:
    """x with zeros past the end of each row."""
    if case.lengths is None:
        return case.x
    alive = np.arange(case.num_steps)[:, None] < case.row_lengths
    if case.config.batch_first:
        alive = alive.T
    return np.where(alive[..., None], case.x, 0)


def sparse_integers(name: str, array: np.ndarray, sparsity: tuple[int, int]) -> np.ndarray:
    """Integers from -2 to 2; in a row of weights only as many as the sparsity says."""
    numbers = np.where(array == 0, 0, np.clip(np.round(2 * array), -2, 2)).astype(array.dtype)
    if not name.startswith("weight"):
        return numbers
    kept, first = (sparsity[0], 0) if name.startswith("weight_ih") else (sparsity[1], 1)
    rows, columns = np.arange(array.shape[0])[:, None], np.arange(array.shape[1])
    # row r keeps columns from r, in W_hh from r + 1: each column is read, and a transpose shows
    ahead = (columns - rows - first) % array.shape[1]
    return np.where(ahead < kept, np.sign(numbers) + (numbers == 0) * (array != 0), 0).astype(array.dtype)


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
    ends = [name.removeprefix("weight_ih") for name in case.parameters if name.startswith("weight_ih")]
    D = case.config.num_directions
    for layer in range(case.config.num_layers):
        above = 0.0
        for end in ends[layer * D : layer * D + D]:
            p = case.parameters
            rows = [abs(p[kind + end]).sum(1, dtype=float) for kind in ("weight_ih", "weight_hh")]
            bias = sum(magnitude(p[kind + end]) for kind in ("bias_ih", "bias_hh") if kind + end in p)
            h = state
            for _ in range(case.num_steps):
                h = max(h, rows[0].max() * x + rows[1].max() * h + bias)
            above = max(above, h)
        x = above
        largest = max(largest, x)
    return largest


def magnitude(array: np.ndarray) -> float:
    """The largest absolute value, 0 for an empty array."""
    return float(abs(array).max()) if array.size else 0.0
