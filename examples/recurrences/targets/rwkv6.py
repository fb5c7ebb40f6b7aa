"""RWKV-6: the present apart from the past, step by step, and as attention within chunks."""

import numpy as np
from rows import chunks, each, target


def step(x, s, p):
    """The outputs and the states after one step."""
    r, k, v = x["r"], x["k"], x["v"]
    o = np.einsum("hk,hkv->hv", r, s["S"]) + (r * p["u"] * k).sum(-1, keepdims=True) * v
    S = s["S"] * np.exp(-np.exp(x["w"]))[..., None] + np.einsum("hk,hv->hkv", k, v)
    return {"o": o}, {"S": S}


def attention(x, s, p):
    """Some steps at once: each reads those before it through their products."""
    r, k, v = x["r"], x["k"], x["v"]
    after = np.cumsum(-np.exp(x["w"]), 0)
    before = np.concatenate([np.zeros_like(after[:1]), after[:-1]])
    past = np.tri(len(r), k=-1, dtype=r.dtype)[..., None, None]
    weights = past * np.exp(np.minimum(before[:, None] - after, 0))  # (to, from, head, key)
    o = np.einsum("thk,tshk,shk,shv->thv", r, weights, k, v) + (r * p["u"] * k).sum(-1, keepdims=True) * v
    o = o + np.einsum("thk,hkv->thv", r * np.exp(before), s["S"])
    S = np.exp(after[-1])[..., None] * s["S"] + np.einsum("shk,shv->hkv", k * np.exp(after[-1] - after), v)
    return {"o": o}, {"S": S}


modes = {"step": ("steps", each(step)), "chunk": ("chunks", chunks(attention))}
capabilities, forward = target("../rwkv6.py:rwkv6", {"S": "HKV"}, modes, heads=False)
