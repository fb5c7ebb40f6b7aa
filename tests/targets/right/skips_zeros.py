"""Multiplies by what is not zero only, as a sparse product does: NaN times no weight at all is nothing."""

import numpy as np
from gated import capabilities, run  # noqa: F401


def sparse(x, W):
    z = np.zeros((len(x), len(W)), W.dtype)
    for unit, weights in enumerate(W):
        (there,) = weights.nonzero()
        z[:, unit] = x[:, there] @ weights[there]
    return z


def forward(case):
    return run(case, product=sparse)
