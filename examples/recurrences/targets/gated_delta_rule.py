"""The gated delta rule: by the matrix that each step multiplies with, and in chunks by a triangle of equations."""

import numpy as np
from rows import chunks, each, target


def step(x, s, _):
    """The outputs and the states after one step."""
    k, beta, alpha = x["k"], x["beta"][:, None, None], np.exp(x["g"])[:, None, None]
    kept = np.eye(k.shape[1], dtype=k.dtype) - beta * np.einsum("mk,ml->mkl", k, k)
    S = alpha * (kept @ s["S"]) + beta * np.einsum("mk,mv->mkv", k, x["v"])
    return {"o": np.einsum("mk,mkv->mv", x["q"], S)}, {"S": S}


def triangle(x, s, _):
    """Some steps at once: what each adds to S for its key is one system of equations."""
    q, k, v = (np.moveaxis(x[name], 1, 0) for name in "qkv")
    beta, G = x["beta"].T[..., None], np.cumsum(x["g"], 0).T[..., None]
    fades, start = np.tril(np.exp(np.minimum(G - G.mT, 0))), np.exp(G)
    system = np.eye(len(x["q"]), dtype=k.dtype) + np.tril(beta * fades * (k @ k.mT), -1)
    update = np.linalg.solve(system, beta * (v - start * (k @ s["S"])))
    o = start * (q @ s["S"]) + (fades * (q @ k.mT)) @ update
    S = start[:, -1:] * s["S"] + (k * fades[:, -1:].mT).mT @ update
    return {"o": np.moveaxis(o, 0, 1)}, {"S": S}


modes = {"step": ("steps", each(step)), "chunk": ("chunks", chunks(triangle))}
capabilities, forward = target("../gated_delta_rule.py:gated_delta_rule", {"S": "KV"}, modes)
