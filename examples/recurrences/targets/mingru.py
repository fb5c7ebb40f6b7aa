"""minGRU: step by step, and in logarithms."""

import numpy as np
from rows import each, log_scan, log_sigmoid, target


def step(x, s, _):
    """The outputs and the states after one step."""
    z = 1 / (1 + np.exp(-x["k"]))
    n = np.where(x["n"] >= 0, x["n"] + 0.5, 1 / (1 + np.exp(-x["n"])))
    h = s["h"] + z * (n - s["h"])
    return {"y": h}, {"h": h}


def in_logarithms(x, s, _):
    """All steps at once."""
    log_n = np.where(x["n"] >= 0, np.log(np.maximum(x["n"], 0) + 0.5), log_sigmoid(x["n"]))
    h = log_scan(log_sigmoid(-x["k"]), log_sigmoid(x["k"]) + log_n, s["h"])
    return {"y": h}, {"h": h[-1]}


modes = {"step": ("steps", each(step)), "log": ("log", in_logarithms)}
capabilities, forward = target("../mingru.py:mingru", {"h": "H"}, modes, heads=False)
