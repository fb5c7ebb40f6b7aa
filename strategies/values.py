"""Numbers for arrays: cut from tables where they fit, drawn anew where they do not.

A cut costs the same whatever its size, and a smaller array keeps the corner of a larger one; what
does not fit costs in proportion to its size. Numbers have all bits of float64 and are rounded to
the case's dtype before anybody sees them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from reference_rnn import rounded
from reference_rnn.case import storage

# A table is one long line of numbers, read as planes of rows: no number stands in two places of one array.
SIZE, STARTS = 2**16, 32749
ROWS, COLUMNS = 33, 67
PLANE = ROWS * COLUMNS
CHUNK = 2**20  # numbers that are drawn, scaled and rounded at once

Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


def among(*values: float) -> Draw:
    """Draws from a few values, all of them alike often."""
    return lambda generator, shape: np.array(values)[(generator.random(shape) * len(values)).astype(np.uint8)]


def uniform(reach: float) -> Draw:
    """Draws evenly from -reach to reach."""
    return lambda generator, shape: reach * (2 * generator.random(shape) - 1)


DRAWS: dict[str, Draw] = {
    "ones": among(1.0, 0.0),
    "signs": among(1.0, 0.0, -1.0),
    "plus-minus": among(1.0, -1.0),
    "dyadic": among(1.0, 0.5, -0.5, -1.0, 0.25, 2.0, -2.0, 0.0),
    "uniform": uniform(1.0),
    "gauss": np.random.Generator.standard_normal,
    "saturating": uniform(600.0),
    "tiny": uniform(2.0**-40),
}
TABLES = {name: draw(np.random.default_rng(20240), (SIZE,)) for name, draw in DRAWS.items()}
for _table in TABLES.values():
    _table.flags.writeable = False

ZEROS, ONE_HOT, ALL_ONES, DENSE, ZERO_ROWS = range(5)
# How an array is filled, by the low bits of its byte; simplest first.
LEVELS = (ZEROS, ONE_HOT, ALL_ONES, *(DENSE,) * 12, ZERO_ROWS)


def cut(
    table: str,
    level: int,
    seed: int,
    salt: int,
    shape: tuple[int, ...],
    *,
    gates: int = 1,
    scale: float = 1.0,
    dtype: str = "float64",
) -> np.ndarray:
    """An array of this shape, times a number, rounded to a dtype.

    salt   tells the arrays of one case apart
    gates  how many blocks lie on the first axis; each has numbers of its own
    """
    fill = LEVELS[level % len(LEVELS)]
    if fill in (DENSE, ZERO_ROWS):
        array = numbers(table, seed, salt, planes(shape, gates), scale, dtype)
        if fill == ZERO_ROWS and len(shape) > 1:
            array.reshape(gates, shape[0] // gates, *shape[1:])[:, 1::2] = 0.0
        return array.reshape(shape)
    array = np.zeros(shape, storage(dtype))
    if fill == ONE_HOT:
        array.flat[:1] = scale
    elif fill == ALL_ONES:
        array[...] = scale
    return rounded(array, dtype) if dtype == "bfloat16" else array


def planes(shape: tuple[int, ...], gates: int) -> tuple[int, ...]:
    """A shape as planes of rows: each gate is a plane, or each index of a first axis of three."""
    if len(shape) == 3:
        return shape
    rows = shape[0] // gates
    return (gates, rows, shape[1]) if len(shape) == 2 else (gates, 1, rows)


def numbers(table: str, seed: int, salt: int, shape: tuple[int, ...], scale: float, dtype: str) -> np.ndarray:
    """Planes of rows from a table, or drawn anew where they do not fit; no two of them are alike."""
    if shape[1] > ROWS or shape[2] > COLUMNS or shape[0] * PLANE > SIZE - STARTS:
        return fresh(table, seed, salt, shape, scale, dtype)
    start = (seed * 9377 + salt * 6271) % STARTS
    view = np.ndarray(shape, float, TABLES[table], 8 * start, (8 * PLANE, 8 * COLUMNS, 8))
    return rounded(view * scale, dtype)


def fresh(table: str, seed: int, salt: int, shape: tuple[int, ...], scale: float, dtype: str) -> np.ndarray:
    """Planes of rows that nothing else has, rounded as they are drawn: there is never a wide copy of them all."""
    generator = np.random.default_rng((*table.encode(), seed, salt))
    array = np.empty(shape, storage(dtype))
    flat = array.reshape(-1)
    for start in range(0, flat.size, CHUNK):
        part = flat[start : start + CHUNK]
        part[...] = rounded(DRAWS[table](generator, part.shape) * scale, dtype)
    return array
