"""Multiplies all inputs before the first step, and adds the two biases to each other first."""

import numpy as np
from plain import capabilities, run  # noqa: F401


def scan(step, x, h, p, lengths, reverse):
    inputs = x @ p.W_ih.T + (p.b_ih + p.b_hh)
    output = np.zeros_like(inputs)
    for t in range(len(x))[:: -1 if reverse else 1]:
        alive = (t < lengths)[:, None]
        h = np.where(alive, p.f(inputs[t] + h @ p.W_hh.T), h)
        output[t] = np.where(alive, h, 0)
    return output, h


def forward(case):
    return run(case, scan=scan)
