"""minLSTM: its gates by division, step by step; and in logarithms."""

import numpy as np
from rows import each, log_scan, log_sigmoid, target


def sigmoid(z):
    """1 / (1 + exp(-z))."""
    return 0.5 + 0.5 * np.tanh(0.5 * z)


def step(x, s, _):
    """The outputs and the states after one step."""
    f, i = sigmoid(x["f"]), sigmoid(x["i"])
    n = np.where(x["n"] >= 0, x["n"] + 0.5, sigmoid(x["n"]))
    h = (f * s["h"] + i * n) / (f + i)
    return {"y": h}, {"h": h}


def in_logarithms(x, s, _):
    """All steps at once."""
    log_f, log_i = log_sigmoid(x["f"]), log_sigmoid(x["i"])
    both = np.logaddexp(log_f, log_i)
    log_n = np.where(x["n"] >= 0, np.log(np.maximum(x["n"], 0) + 0.5), log_sigmoid(x["n"]))
    h = log_scan(log_f - both, log_i - both + log_n, s["h"])
    return {"y": h}, {"h": h[-1]}


modes = {"step": ("steps", each(step)), "log": ("log", in_logarithms)}
capabilities, forward = target("../minlstm.py:minlstm", {"h": "H"}, modes, heads=False)
