"""The mLSTM: C and n side by side as one matrix, step by step, and as masked attention within chunks."""

import numpy as np
from rows import chunks, each, log_sigmoid, target


def matrix(s):
    """C, and n as one more column."""
    return np.concatenate([s["C"], s["n"][..., None]], -1)


def values(x):
    """v, and 1 as one more value."""
    return np.concatenate([x["v"], np.ones_like(x["v"][..., :1])], -1)


def named(read, W, m, last):
    """Outputs and last states by name."""
    h = read[..., :-1] / np.maximum(abs(read[..., -1:]), np.exp(-m)[..., None])
    return {"h": h}, {"C": W[..., :-1], "n": W[..., -1], "m": last}


def step(x, s, _):
    """The outputs and the states after one step."""
    log_f = log_sigmoid(x["f"])
    m = np.maximum(log_f + s["m"], x["i"])
    f, i = np.exp(log_f + s["m"] - m)[:, None, None], np.exp(x["i"] - m)[:, None, None]
    W = f * matrix(s) + i * x["k"][:, :, None] * values(x)[:, None]
    return named(np.einsum("mk,mkv->mv", x["q"], W), W, m, m)


def attention(x, s, _):
    """Some steps at once: each reads those before it through their products."""
    F = np.cumsum(log_sigmoid(x["f"]), 0)
    below = np.tri(len(F), dtype=bool)[..., None]
    log_d = np.where(below, F[:, None] - F + x["i"], -np.inf)  # (to, from, head)
    m = np.maximum(F + s["m"], log_d.max(1))
    d, before = np.exp(log_d - m[:, None]), np.exp(F + s["m"] - m)
    read = np.einsum("tsm,tmk,smk,smv->tmv", d, x["q"], x["k"], values(x))
    read = read + before[..., None] * np.einsum("tmk,mkv->tmv", x["q"], matrix(s))
    W = np.einsum("sm,smk,smv->mkv", d[-1], x["k"], values(x)) + before[-1][:, None, None] * matrix(s)
    return named(read, W, m, m[-1])


modes = {"step": ("steps", each(step)), "chunk": ("chunks", chunks(attention))}
capabilities, forward = target("../mlstm.py:mlstm", {"C": "KV", "n": "K", "m": ""}, modes)
