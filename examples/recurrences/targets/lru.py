"""LRU in complex numbers: step by step, and as a parallel scan."""

import numpy as np
from rows import each, scan, target


def coefficients(x, p):
    """a and b of the recurrence a h + b."""
    a = np.exp(-np.exp(p["nu_log"]) + 1j * np.exp(p["theta_log"]))
    return a, np.exp(p["gamma_log"]) * (x["u_re"] + 1j * x["u_im"])


def named(y, last):
    """Outputs and last states by name."""
    return {"y_re": y.real, "y_im": y.imag}, {"x_re": last.real, "x_im": last.imag}


def step(x, s, p):
    """The outputs and the states after one step."""
    a, b = coefficients(x, p)
    y = a * (s["x_re"] + 1j * s["x_im"]) + b
    return named(y, y)


def in_pairs(x, s, p):
    """All steps at once, in pairs of pairs."""
    a, b = coefficients(x, p)
    y = scan(np.broadcast_to(a, b.shape), b, s["x_re"] + 1j * s["x_im"])
    return named(y, y[-1])


modes = {"step": ("steps", each(step)), "scan": ("scan", in_pairs)}
capabilities, forward = target("../lru.py:lru", {"x_re": "P", "x_im": "P"}, modes, heads=False)
