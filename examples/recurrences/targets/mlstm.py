"""The mLSTM: C and n side by side as one matrix, step by step, and as masked attention within chunks."""

import numpy as np
from rows import chunks, each, target


def log_sigmoid(z):
    return np.minimum(z, 0) - np.log1p(np.exp(-abs(z)))


def matrix(s):
    return np.concatenate([s["C"], s["n"][..., None]], -1)


def values(x):
    return np.concatenate([x["v"], np.ones_like(x["v"][..., :1])], -1)


def named(read, W, m, last):
    h = read[..., :-1] / np.maximum(abs(read[..., -1:]), np.exp(-m)[..., None])
    return {"h": h}, {"C": W[..., :-1], "n": W[..., -1], "m": last}


def step(x, s, p):
    log_f = log_sigmoid(x["f"])
    m = np.maximum(log_f + s["m"], x["i"])
    f, i = np.exp(log_f + s["m"] - m)[:, None, None], np.exp(x["i"] - m)[:, None, None]
    W = f * matrix(s) + i * x["k"][:, :, None] * values(x)[:, None]
    return named(np.einsum("mk,mkv->mv", x["q"], W), W, m, m)


def attention(x, s, p):
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
