"""Selects wherever others multiply: a gate that is closed lets nothing through, not even NaN."""

import numpy as np
from gated import capabilities, run  # noqa: F401


def mix(z, n, h):
    return np.where(z == 0, n, np.where(z == 1, h, n + z * (h - n)))


def forget(f, c):
    return np.where(f == 0, 0, f * c)


def drop(x, kept, p):
    return np.where(kept, x / (1 - p), 0) if p < 1 else np.zeros_like(x)


def forward(case):
    return run(case, mix=mix, forget=forget, drop=drop)
