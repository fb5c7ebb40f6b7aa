"""Gated linear attention: step by step, and as masked attention within chunks."""

import numpy as np
from rows import chunks, each, target


def step(x, s, _):
    """The outputs and the states after one step."""
    S = s["S"] * np.exp(x["g"])[:, :, None] + np.einsum("mk,mv->mkv", x["k"], x["v"])
    return {"o": np.einsum("mk,mkv->mv", x["q"], S)}, {"S": S}


def attention(x, s, _):
    """Some steps at once: each reads those before it through their products."""
    q, k, v, G = x["q"], x["k"], x["v"], np.cumsum(x["g"], 0)
    apart = np.tril(np.ones((len(q), len(q)), q.dtype))[..., None, None]
    weights = apart * np.exp(np.minimum(G[:, None] - G, 0))  # (to, from, head, key)
    o = np.einsum("tmk,tsmk,smk,smv->tmv", q, weights, k, v) + np.einsum("tmk,mkv->tmv", q * np.exp(G), s["S"])
    S = np.exp(G[-1])[..., None] * s["S"] + np.einsum("smk,smv->mkv", weights[-1] * k, v)
    return {"o": o}, {"S": S}


modes = {"step": ("steps", each(step)), "chunk": ("chunks", chunks(attention))}
capabilities, forward = target("../gated_linear_attention.py:gated_linear_attention", {"S": "KV"}, modes)
