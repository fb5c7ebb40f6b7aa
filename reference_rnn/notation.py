"""A case as a short expression that rebuilds it: zeros, and what is not zero."""

from __future__ import annotations

from typing import Any

import numpy as np

from .case import Case, Config, parameter_shapes, state_shapes


def case(
    cell: str = "RNN_TANH",
    *,
    T: int = 1,
    N: int = 1,
    I: int = 1,  # noqa: E741
    H: int = 1,
    L: int = 1,
    D: int = 1,
    P: int = 0,
    bias: bool = True,
    batch_first: bool = False,
    unbatched: bool = False,
    dropout: float = 0.0,
    training: bool = False,
    dtype: str = "float32",
    lengths: Any = None,
    peepholes: bool = False,
    coupled_gates: bool = False,
    clip: float = 0.0,
    activations: tuple[str, ...] = (),
    **arrays: Any,
) -> Case:
    """A case from its sizes and its non-zero numbers.

    Each array is a number (all entries), a nested list, or a dict from index to number. States that
    are not named are None; parameters and x that are not named are zero. ``h_0=0`` gives zeros.

    Raises ShapeError if an array does not fit; ValueError if a name is unknown.
    """
    options = (peepholes, coupled_gates, clip, activations)
    config = Config(cell, I, H, L, D == 2, bias, batch_first, dropout, P, dtype, *options)
    shape = (T, I) if unbatched else (N, T, I) if batch_first else (T, N, I)
    x = np.zeros(shape, config.numpy_dtype)
    built = Case(config, {}, x, None, None, None if lengths is None else np.asarray(lengths, int), training)
    shapes = {**parameter_shapes(config), **state_shapes(built)}
    for name in arrays.keys() - shapes.keys():
        raise ValueError(f"{name} is not an array of this case; it has {', '.join(shapes)}")
    parameters = {
        name: filled(arrays.get(name, 0), shape.sizes, config.numpy_dtype)
        for name, shape in parameter_shapes(config).items()
    }
    states = {
        name: filled(arrays[name], shapes[name].sizes, config.numpy_dtype)
        for name in ("x", "h_0", "c_0")
        if name in arrays and arrays[name] is not None
    }
    return built.replace(parameters=parameters, **states).check()


def filled(value: Any, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An array of this shape from a number, a nested list or a dict of its non-zero entries."""
    if not isinstance(value, dict):
        array = np.asarray(value, dtype)
        return np.full(shape, array, dtype) if array.ndim == 0 else array
    array = np.zeros(shape, dtype)
    for index, number in value.items():
        array[index] = number
    return array


def expression(subject: Case) -> str:
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
        parts.append(f"lengths={np.asarray(subject.lengths).tolist()}")
    for name, array in subject.arrays():
        if name in ("h_0", "c_0") or (array.size and array.any()):
            parts.append(f"{name}={entries(array)}")
    return f"case({', '.join(parts)})"


def entries(array: np.ndarray) -> str:
    """The shortest form that ``filled`` reads: one number, or a dict of what is not zero."""
    first = array.flat[0] if array.size else array.dtype.type(0)
    if (array == first).all() or (array != array).all():
        return number(first)
    nonzero = (f"{index(at)}: {number(array[at])}" for at in zip(*np.nonzero(array)))
    return "{" + ", ".join(nonzero) + "}"


def index(at: tuple) -> str:
    """An index as it is written: a number for one axis, a tuple for more."""
    return str(int(at[0])) if len(at) == 1 else str(tuple(map(int, at)))


def number(value: np.floating) -> str:
    """The shortest text that reads back as this number in its dtype."""
    wide = float(value)
    return str(int(wide)) if wide.is_integer() and abs(wide) < 1e6 else str(value)
