"""tanh by way of expm1, a few units in the last place off."""

import numpy as np
from plain import capabilities, run  # noqa: F401


def tanh(z):
    e = np.expm1(-2 * abs(z))
    return np.copysign(e / (e + 2), z)


def forward(case):
    return run(case, tanh=tanh)
