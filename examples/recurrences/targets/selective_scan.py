"""The selective scan: step by step, and as a parallel scan with all that is read at once."""

import numpy as np
from rows import each, scan, target


def step(x, s, p):
    """The outputs and the states after one step."""
    h = s["h"] * np.exp(p["A"] * x["dt"][:, None]) + np.outer(x["x"], x["B"]) * x["dt"][:, None]
    return {"y": h @ x["C"] + x["x"] * p["skip"]}, {"h": h}


def in_pairs(x, s, p):
    """All steps at once, in pairs of pairs."""
    a = np.exp(np.einsum("td,ds->tds", x["dt"], p["A"]))
    h = scan(a, np.einsum("td,td,ts->tds", x["dt"], x["x"], x["B"]), s["h"])
    return {"y": np.einsum("tds,ts->td", h, x["C"]) + x["x"] * p["skip"]}, {"h": h[-1]}


modes = {"step": ("steps", each(step)), "scan": ("scan", in_pairs)}
capabilities, forward = target("../selective_scan.py:selective_scan", {"h": "DS"}, modes, heads=False)
