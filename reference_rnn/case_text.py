"""A case as the short text that rebuilds it, and back: zeros, and what is not zero."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def expression(subject: Any) -> str:
    """The call of ``case`` that rebuilds a case, without its memory layout."""
    c = subject.config
    sizes = {"T": subject.num_steps, "N": subject.num_rows, "I": c.input_size, "H": c.hidden_size}
    others: dict[str, object] = {"L": c.num_layers, "D": c.num_directions, "P": c.proj_size, "bias": c.bias}
    others |= {"batch_first": c.batch_first, "unbatched": subject.unbatched, "dropout": c.dropout}
    others |= {"training": subject.training, "dtype": c.dtype, "peepholes": c.peepholes}
    others |= {"coupled_gates": c.coupled_gates, "clip": c.clip, "activations": c.activations}
    usual: dict[str, object] = {"L": 1, "D": 1, "P": 0, "bias": True, "batch_first": False, "unbatched": False}
    usual |= {"dropout": 0.0, "training": False, "dtype": "float32", "peepholes": False}
    usual |= {"coupled_gates": False, "clip": 0.0, "activations": ()}
    parts = [repr(c.cell), *(f"{name}={size}" for name, size in sizes.items())]
    parts += [f"{name}={value!r}" for name, value in others.items() if value != usual[name]]
    if subject.lengths is not None:
        lengths = np.asarray(subject.lengths)
        parts.append(f"lengths={lengths.tolist()}")
        parts += [f"lengths_dtype='{lengths.dtype}'"] if lengths.dtype != np.int64 else []
    for name, array in subject.arrays():
        if name in ("h_0", "c_0") or must_be_written(array).any():
            parts.append(f"{name}={entries(array)}")
    return f"case({', '.join(parts)})"


def cotangents_expression(given: Mapping[str, np.ndarray | None]) -> str:
    """The call of ``cotangents`` that rebuilds some; it names those that are given."""
    parts = [f"{name}={entries(d)}" for name, d in given.items() if d is not None]
    return f"cotangents(case, {', '.join(parts)})" if parts else "cotangents(case)"


def recurrence_expression(subject: Any) -> str:
    """The call of ``case`` of a recurrence that rebuilds a case, without its memory layout."""
    c = subject.config
    steps = {} if subject.offsets is not None else {"T": subject.num_steps, "N": subject.num_rows}
    heads = {"M": c.heads} if c.cell.heads else {}
    parts = [f"sizes={steps | heads | dict(c.sizes)!r}"]
    arrays = {
        "inputs": {name: array for name, array in subject.inputs.items() if must_be_written(array).any()},
        "states": {name: array for name, array in subject.states.items() if array is not None},
        "parameters": {name: array for name, array in subject.parameters.items() if must_be_written(array).any()},
    }
    for kind, named in arrays.items():
        if named:
            parts.append(f"{kind}={{{', '.join(f'{name!r}: {entries(array)}' for name, array in named.items())}}}")
    counts = {"lengths": subject.lengths, "offsets": subject.offsets}
    parts += [f"{name}={np.asarray(count).tolist()}" for name, count in counts.items() if count is not None]
    others = {"mode": (subject.mode, None), "dtype": (c.dtype, "float32")}
    parts += [f"{name}={value!r}" for name, (value, usual) in others.items() if value != usual]
    return f"{c.cell.lower()}.case({', '.join(parts)})"


def entries(array: np.ndarray) -> str:
    """The shortest form that ``filled`` reads: one number, or a dict of what is not zero."""
    first = array.flat[0] if array.size else array.dtype.type(0)
    if ((array == first) & (np.signbit(array) == np.signbit(first))).all() or (array != array).all():
        return number(first)
    nonzero = (f"{index(at)}: {number(array[at])}" for at in zip(*np.nonzero(must_be_written(array))))
    return "{" + ", ".join(nonzero) + "}"


def must_be_written(array: np.ndarray) -> np.ndarray:
    """Which numbers must be said: those that are not 0, and -0."""
    return (array != 0) | np.signbit(array)


def index(at: tuple) -> str:
    """An index as it is written: a number for one axis, a tuple for more."""
    return str(int(at[0])) if len(at) == 1 else str(tuple(map(int, at)))


def number(value: np.floating) -> str:
    """The shortest text that reads back as this number in its dtype."""
    wide = float(value)
    whole = wide.is_integer() and abs(wide) < 1e6 and (wide or not np.signbit(value))
    return str(int(wide)) if whole else str(value)


def filled(value: Any, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An array of this shape from a number, a nested list or a dict of its non-zero entries."""
    if not isinstance(value, dict):
        array = np.asarray(value, dtype)
        return np.full(shape, array, dtype) if array.ndim == 0 else array
    array = np.zeros(shape, dtype)
    for index, number in value.items():
        array[index] = number
    return array
