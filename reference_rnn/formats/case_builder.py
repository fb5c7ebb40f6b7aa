"""A case written as a short expression: its sizes, and its numbers that are not zero."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..case import Case, Config, parameter_shapes, result_shapes, state_shapes
from ..case_text import filled


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
    lengths_dtype: str = "int64",
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
    built = Case(config, {}, x, None, None, None if lengths is None else np.array(lengths, lengths_dtype), training)
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


def cotangents(case: Case, *, d_output: Any = None, d_h_n: Any = None, d_c_n: Any = None) -> dict[str, Any]:
    """The cotangents of a case, each written like an array of ``case``; None for one that is not given."""
    given = {"d_output": d_output, "d_h_n": d_h_n, "d_c_n": d_c_n}
    shapes = {f"d_{name}": shape.sizes for name, shape in result_shapes(case).items()}
    dtype = case.config.numpy_dtype
    return {name: None if d is None else filled(d, shapes[name], dtype) for name, d in given.items()}
