"""Computes in double precision and rounds once, at the very end."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
from plain import capabilities, run

capabilities = replace(capabilities, dtypes=("float16", "float32", "float64"))


def wide(array):
    return None if array is None else array.astype(np.float64)


def forward(case):
    inside = SimpleNamespace(**vars(case))
    inside.parameters = {name: wide(array) for name, array in case.parameters.items()}
    inside.x, inside.h_0 = wide(case.x), wide(case.h_0)
    with np.errstate(over="ignore"):
        return [array.astype(case.x.dtype) for array in run(inside)]
