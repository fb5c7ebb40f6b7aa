"""minLSTM: its gates by division, step by step; and in logarithms."""

import numpy as np
from mingru import softplus
from rows import each, target


def sigmoid(z):
    return 0.5 + 0.5 * np.tanh(0.5 * z)


def step(x, s, p):
    f, i = sigmoid(x["f"]), sigmoid(x["i"])
    n = np.where(x["n"] >= 0, x["n"] + 0.5, sigmoid(x["n"]))
    h = (f * s["h"] + i * n) / (f + i)
    return {"y": h}, {"h": h}


@np.errstate(divide="ignore", invalid="ignore")  # log 0 is that of no state
def log_space(x, s, p):
    log_f, log_i = -softplus(-x["f"]), -softplus(-x["i"])
    log_n = np.where(x["n"] >= 0, np.log(np.maximum(x["n"], 0) + 0.5), -softplus(-x["n"]))
    total = np.logaddexp(log_f, log_i)
    log_a, log_b = np.cumsum(log_f - total, 0), log_n + log_i - total
    h = np.exp(log_a + np.logaddexp.accumulate(np.concatenate([np.log(s["h"])[None], log_b - log_a]))[1:])
    return {"y": h}, {"h": h[-1]}


modes = {"step": ("steps", each(step)), "log": ("log", log_space)}
capabilities, forward = target("../minlstm.py:minlstm", {"h": "H"}, modes, heads=False)
