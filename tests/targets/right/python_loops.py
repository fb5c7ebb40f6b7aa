"""Plain Python numbers: one row at a time, and each step calls itself for the rest of the row."""

import math

import numpy as np

from conformance import Capabilities

capabilities = Capabilities(
    cells=("RNN_TANH", "RNN_RELU"), dtypes=("float32", "float64"), bidirectional=True, lengths=True,
    empty=("length",), nonfinite=True,
)  # fmt: skip
FUNCTIONS = {"RNN_TANH": math.tanh, "RNN_RELU": lambda z: 0.0 if z < 0 else z}


def walk(steps, h, p, f):
    """The states from here to the end of the row."""
    if not steps:
        return []
    h = [f(dot(w, steps[0]) + b + dot(v, h) + c) for w, v, b, c in p]
    return [h, *walk(steps[1:], h, p, f)]


def dot(w, v):
    return sum(a * b for a, b in zip(w, v))


def forward(case):
    T, N, _ = case.x.shape
    D, H = case.config.num_directions, case.config.hidden_size
    output, h_n = np.zeros((T, N, D, H), case.x.dtype), case.h_0.copy()
    for d, end in enumerate(("_l0", "_l0_reverse")[:D]):
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        p = list(zip(*(case.parameters[name + end].tolist() for name in names)))
        order = -1 if d else 1
        for row, length in enumerate([T] * N if case.lengths is None else case.lengths.tolist()):
            states = walk(case.x[:length, row].tolist()[::order], h_n[d, row].tolist(), p, FUNCTIONS[case.config.cell])
            if states:
                output[:length, row, d], h_n[d, row] = states[::order], states[-1]
    return output.reshape(T, N, D * H), h_n
