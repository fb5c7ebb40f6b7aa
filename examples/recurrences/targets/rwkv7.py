"""RWKV-7: by the matrix that each step multiplies with; and as a scan of these matrices."""

import numpy as np
from rows import each, target


def step(x, s, _):
    """The outputs and the states after one step."""
    moved = np.exp(x["w"])[..., None] * np.eye(x["w"].shape[-1], dtype=x["w"].dtype)
    moved = moved - np.einsum("mk,ml->mkl", x["a"] * x["kappa"], x["kappa"])
    S = moved @ s["S"] + np.einsum("mk,mv->mkv", x["k"], x["v"])
    return {"o": np.einsum("mk,mkv->mv", x["r"], S)}, {"S": S}


def in_pairs(x, s, _):
    """All steps at once, in pairs of pairs."""
    moved = np.exp(x["w"])[..., None] * np.eye(x["w"].shape[-1], dtype=x["w"].dtype)
    moved -= np.einsum("tmk,tml->tmkl", x["a"] * x["kappa"], x["kappa"])
    S, distance = np.einsum("tmk,tmv->tmkv", x["k"], x["v"]), 1
    S[0] += moved[0] @ s["S"]
    while distance < len(S):
        S[distance:] += moved[distance:] @ S[:-distance]
        moved[distance:] = moved[distance:] @ moved[:-distance]
        distance *= 2
    return {"o": np.einsum("tmk,tmkv->tmv", x["r"], S)}, {"S": S[-1]}


modes = {"step": ("steps", each(step)), "scan": ("scan", in_pairs)}
capabilities, forward = target("../rwkv7.py:rwkv7", {"S": "KV"}, modes)
