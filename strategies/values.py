"""Tables of numbers, from which arrays are cut.

A cut costs the same whatever its size, and a smaller array keeps the corner of a larger one. Values
have all bits of float64 and are rounded to the case's dtype before anybody sees them.
"""

from __future__ import annotations

import numpy as np

ROWS, COLUMNS = 192, 256
OFFSETS = 128

_generator = np.random.default_rng(20240)
_uniform = _generator.random((ROWS, COLUMNS))


def _choice(values: list[float]) -> np.ndarray:
    return np.array(values)[(_uniform * len(values)).astype(int)]


TABLES = {
    "ones": _choice([1.0, 0.0]),
    "signs": _choice([1.0, 0.0, -1.0]),
    "plus-minus": _choice([1.0, -1.0]),
    "dyadic": _choice([1.0, 0.5, -0.5, -1.0, 0.25, 2.0, -2.0, 0.0]),
    "uniform": 2 * _uniform - 1,
    "gauss": _generator.standard_normal((ROWS, COLUMNS)),
    "saturating": 600 * (2 * _uniform - 1),
    "tiny": 2.0**-40 * (2 * _uniform - 1),
}
for _table in TABLES.values():
    _table.flags.writeable = False

ZEROS, ONE_HOT, ALL_ONES, DENSE, ZERO_ROWS = range(5)
# How an array is filled, by the low bits of its byte; simplest first.
LEVELS = (ZEROS, ONE_HOT, ALL_ONES, *(DENSE,) * 12, ZERO_ROWS)


def cut(table: str, level: int, seed: int, salt: int, shape: tuple[int, ...]) -> np.ndarray:
    """An array of this shape; ``salt`` tells the arrays of one case apart."""
    fill = LEVELS[level % len(LEVELS)]
    if fill == ZEROS:
        return np.zeros(shape)
    if fill == ALL_ONES:
        return np.ones(shape)
    if fill == ONE_HOT:
        array = np.zeros(shape)
        array.flat[:1] = 1.0
        return array
    array = slices(TABLES[table], seed, salt, shape)
    if fill == ZERO_ROWS and array.ndim > 1:
        array[::2] = 0.0
    return array


def slices(table: np.ndarray, seed: int, salt: int, shape: tuple[int, ...]) -> np.ndarray:
    """A copy of a slice of the table; a third axis steps down the rows."""
    row, column = (seed * 31 + salt * 57) % OFFSETS, (seed * 77 + salt * 19) % OFFSETS
    if len(shape) == 1:
        return table[row, column : column + shape[0]].copy()
    if len(shape) == 2:
        return table[(row + np.arange(shape[0])) % ROWS, column : column + shape[1]]
    rows = (row + 13 * np.arange(shape[0])[:, None] + np.arange(shape[1])) % ROWS
    return table[rows, column : column + shape[2]]
