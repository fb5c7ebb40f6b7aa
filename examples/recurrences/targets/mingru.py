"""minGRU: its gate once, step by step; and in logarithms, as exp(A_t + the logsumexp of log h_0 and all log b_s - A_s)."""

import numpy as np
from rows import each, target


def softplus(z):
    return np.logaddexp(z, 0).astype(z.dtype)


def step(x, s, p):
    z = 1 / (1 + np.exp(-x["k"]))
    n = np.where(x["n"] >= 0, x["n"] + 0.5, 1 / (1 + np.exp(-x["n"])))
    h = s["h"] + z * (n - s["h"])
    return {"y": h}, {"h": h}


@np.errstate(divide="ignore", invalid="ignore")  # log 0 is that of no state
def log_space(x, s, p):
    log_n = np.where(x["n"] >= 0, np.log(np.maximum(x["n"], 0) + 0.5), -softplus(-x["n"]))
    log_a, log_b = np.cumsum(-softplus(x["k"]), 0), log_n - softplus(-x["k"])
    h = np.exp(log_a + np.logaddexp.accumulate(np.concatenate([np.log(s["h"])[None], log_b - log_a]))[1:])
    return {"y": h}, {"h": h[-1]}


modes = {"step": ("steps", each(step)), "log": ("log", log_space)}
capabilities, forward = target("../mingru.py:mingru", {"h": "H"}, modes, heads=False)
