"""tanh by a rational function on [-9, 9], Lambert's continued fraction cut off, and clamped outside."""

from dataclasses import replace

import numpy as np
from plain import capabilities, run

capabilities = replace(capabilities, dtypes=("float32",))


def tanh(z):
    z = np.clip(z, -9, 9)
    fraction = np.full_like(z, 31)
    for odd in range(29, 0, -2):
        fraction = odd + z * z / fraction
    return z / fraction


def forward(case):
    return run(case, tanh=tanh)
