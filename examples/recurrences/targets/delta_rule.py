"""The delta rule: what a key stands for taken from its new value, and in chunks by a triangle of equations."""

import numpy as np
from rows import chunks, each, target


def step(x, s, _):
    """The outputs and the states after one step."""
    k, S = x["k"], s["S"]
    update = x["beta"][:, None] * (x["v"] - np.einsum("mk,mkv->mv", k, S))
    S = S + k[:, :, None] * update[:, None]
    return {"o": np.einsum("mk,mkv->mv", x["q"], S)}, {"S": S}


def triangle(x, s, _):
    """Some steps at once: what each adds to S for its key is one system of equations."""
    q, k, v = (np.moveaxis(x[name], 1, 0) for name in "qkv")
    beta = x["beta"].T[..., None]
    system = np.eye(len(x["q"]), dtype=k.dtype) + np.tril(beta * (k @ k.mT), -1)
    update = np.linalg.solve(system, beta * (v - k @ s["S"]))
    o = q @ s["S"] + np.tril(q @ k.mT) @ update
    return {"o": np.moveaxis(o, 0, 1)}, {"S": s["S"] + k.mT @ update}


modes = {"step": ("steps", each(step)), "chunk": ("chunks", chunks(triangle))}
capabilities, forward = target("../delta_rule.py:delta_rule", {"S": "KV"}, modes)
