"""RG-LRU with a squared by twice its logarithm: step by step, and as a parallel scan."""

import numpy as np
from rows import each, scan, target


def sigmoid(z):
    """1 / (1 + exp(-z))."""
    return 1 / (1 + np.exp(-z))


def coefficients(x, p):
    """a and b of the recurrence a h + b."""
    log_a = -8 * sigmoid(x["r"]) * np.log1p(np.exp(p["decay"]))
    return np.exp(log_a), np.sqrt(-np.expm1(2 * log_a)) * sigmoid(x["i"]) * x["x"]


def step(x, s, p):
    """The outputs and the states after one step."""
    a, b = coefficients(x, p)
    h = a * s["h"] + b
    return {"y": h}, {"h": h}


def in_pairs(x, s, p):
    """All steps at once, in pairs of pairs."""
    h = scan(*coefficients(x, p), s["h"])
    return {"y": h}, {"h": h[-1]}


modes = {"step": ("steps", each(step)), "scan": ("scan", in_pairs)}
capabilities, forward = target("../rg_lru.py:rg_lru", {"h": "H"}, modes, heads=False)
