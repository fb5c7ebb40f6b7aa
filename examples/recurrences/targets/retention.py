"""Retention: step by step, and as attention with a decaying mask."""

import numpy as np
from rows import chunks, each, target


def step(x, s, p):
    """The outputs and the states after one step."""
    S = np.einsum("h,hkv->hkv", p["gamma"], s["S"]) + np.einsum("hk,hv->hkv", x["k"], x["v"])
    return {"o": np.einsum("hk,hkv->hv", x["q"], S)}, {"S": S}


def attention(x, s, p):
    """Some steps at once: each reads those before it through their products."""
    t = np.arange(len(x["q"]), dtype=x["q"].dtype)[:, None]
    decay = np.tril(p["gamma"][:, None, None] ** np.maximum(t - t.T, 0))  # (head, to, from)
    before = p["gamma"] ** (t + 1)
    o = np.einsum("hts,thk,shk,shv->thv", decay, x["q"], x["k"], x["v"])
    o = o + np.einsum("th,thk,hkv->thv", before, x["q"], s["S"])
    S = np.einsum("hs,shk,shv->hkv", decay[:, -1], x["k"], x["v"]) + before[-1][:, None, None] * s["S"]
    return {"o": o}, {"S": S}


modes = {"step": ("steps", each(step)), "chunk": ("chunks", chunks(attention))}
capabilities, forward = target("../retention.py:retention", {"S": "HKV"}, modes, heads=False)
