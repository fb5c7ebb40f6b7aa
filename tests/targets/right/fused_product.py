"""One product of [W_ih W_hh b] with [x h 1] for each step."""

import numpy as np
from plain import capabilities, run  # noqa: F401


def step(x, h, p):
    ones = np.ones_like(h[:, :1])
    weights = np.concatenate([p.W_ih, p.W_hh, (p.b_ih + p.b_hh)[:, None]], axis=1)
    return p.f(np.concatenate([x, h, ones], axis=1) @ weights.T)


def forward(case):
    return run(case, step=step)
