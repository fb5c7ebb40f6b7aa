"""Exact sums by math.fsum, which raises where infinities meet."""

from dataclasses import replace
from math import fsum

import numpy as np
from plain import capabilities, run

capabilities = replace(capabilities, max_layers=2, lengths=False, empty=("time", "batch"), nonfinite=False)


def step(x, h, p):
    factors = np.concatenate([x, h], axis=1).astype(np.float64)
    weights = np.concatenate([p.W_ih, p.W_hh], axis=1)
    z = [fsum([*row, b, c]) for v in factors for row, b, c in zip((weights * v).tolist(), p.b_ih, p.b_hh)]
    return p.f(np.array(z, h.dtype).reshape(h.shape))


def forward(case):
    return run(case, step=step)
