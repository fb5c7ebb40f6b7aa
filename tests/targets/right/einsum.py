"""Products by einsum, which adds in an order of its own."""

import numpy as np
from plain import capabilities, run  # noqa: F401


def step(x, h, p):
    z = np.einsum("ni,ji->nj", x, p.W_ih) + np.einsum("nk,jk->nj", h, p.W_hh)
    return p.f(z + p.b_hh + p.b_ih)


def forward(case):
    return run(case, step=step)
