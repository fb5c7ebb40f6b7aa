"""Writes every step into one array that each call makes anew."""

import numpy as np
from plain import capabilities, run  # noqa: F401


def scan(step, x, h, p, lengths, reverse):
    buffer = np.empty((*x.shape[:2], h.shape[1]), x.dtype)
    state = h.copy()
    for t in range(len(x))[:: -1 if reverse else 1]:
        now = buffer[t]
        np.matmul(x[t], p.W_ih.T, out=now)
        now += state @ p.W_hh.T
        now += p.b_ih + p.b_hh
        now[...] = p.f(now)
        ended = t >= lengths
        np.copyto(state, now, where=~ended[:, None])
        now[ended] = 0
    return buffer, state


def forward(case):
    return run(case, scan=scan)
